// A job as the page follows it: what the daemon had when the page was opened,
// then every event as it comes. Views only read from here.
import { follow, getHistograms, getJob, getMetrics, getProfile } from './api.js';

const NOTEBOOK = ['conv1', 'layer1.0.conv1', 'layer2.0.conv2', 'layer3.5.conv3',
  'layer4.2.conv1', 'fc'];
const ROWS = 6;
const QUANTITY = 'grad_out', BINS = 'decade8';
const ENDED = ['done', 'failed', 'cancelled', 'diverged'];

export const hasEnded = (job) => ENDED.includes(job.state);

// The notebook's layers, or, in a network that lacks some of them, as many
// spread evenly from the first layer to the last.
export function rowsOf(names) {
  const known = NOTEBOOK.filter((name) => names.includes(name));
  if (known.length === NOTEBOOK.length || names.length <= ROWS) return known.length ? known : names;
  return [...new Set(Array.from({ length: ROWS }, (_, i) =>
    names[Math.round((i * (names.length - 1)) / (ROWS - 1))]))];
}

// onChange() is called after every change; onState as in api.follow().
export async function openTrack(id, onChange, onState) {
  const track = { id, job: await getJob(id), edges: [], layers: [], rows: [],
    epochs: new Map(), training: [], loading: null, close: () => {} };
  let closed = false, end = () => {};

  track.close = () => {
    closed = true;
    end();
  };
  await refresh(track);
  if (!closed)
    end = follow(id, track.job.last_event_id, async (event) => {
      await take(track, event);
      onChange();
    }, async (state) => {
      if (state === 'ended') track.job = await getJob(id).catch(() => track.job);
      onState(state);
      onChange();
    });
  return track;
}

// Epochs in order, the running one last.
export const epochsOf = (track) => [...track.epochs.values()].sort((a, b) => a.epoch - b.epoch);

async function refresh(track) {
  if (track.job.state === 'queued' || track.job.state === 'starting') return;
  const [histograms, metrics, profile] = await Promise.all([
    getHistograms(track.id, { quantity: QUANTITY, bins: BINS }).catch(() => null),
    getMetrics(track.id).catch(() => null),
    getProfile(track.id, { quantity: QUANTITY }).catch(() => null),
  ]);
  if (histograms) track.edges = histograms.bins.edges;
  if (metrics) track.training = metrics.epochs;
  for (const epoch of histograms?.epochs ?? []) track.epochs.set(epoch.epoch, epoch);
  for (const { epoch, layers } of profile?.epochs ?? []) setMedians(track, epoch, layers);
}

function setMedians(track, epoch, layers) {
  const known = track.epochs.get(epoch);
  if (!known) return;
  known.profile = layers;
  for (const { layer, median, p05, p95 } of layers) {
    const shown = known.layers[layer];
    if (!shown) continue;
    const all = [...shown.counts, shown.underflow, shown.overflow, shown.zeros, shown.nonfinite];
    Object.assign(shown, { median, p05, p95, count: all.reduce((a, b) => a + b, 0) });
  }
  setLayers(track, layers.map((l) => ({ name: l.layer, depth: l.depth, main: l.main })));
}

function setLayers(track, layers) {
  track.layers = layers;
  track.rows = rowsOf(layers.map((l) => l.name));
}

async function take(track, event) {
  track.loading = event.type === 'loading' ? event : null;
  if (event.type === 'live') takeLive(track, event);
  else if (event.type !== 'loading') {
    if (event.type === 'epoch') takeEpoch(track, event);
    track.job = await getJob(track.id).catch(() => track.job);
    if (event.type === 'started') await takeStarted(track, event);
  }
}

// A new attempt starts over.
async function takeStarted(track, event) {
  track.epochs.clear();
  track.training = [];
  setLayers(track, event.layers);
  track.edges = (await getHistograms(track.id, { bins: BINS, epochs: '1' })).bins.edges;
}

function takeLive(track, event) {
  if (track.epochs.get(event.epoch)?.complete) return;
  track.job.state = 'running';
  track.job.progress = { epoch: event.epoch, epochs: event.epochs, step: event.step,
    steps_per_epoch: event.steps_per_epoch, images_per_second: event.images_per_second,
    eta_seconds: event.eta_seconds };
  track.job.loss = event.loss;
  track.job.accuracy = event.accuracy;
  setEpoch(track, event, false);
}

function takeEpoch(track, event) {
  setEpoch(track, event, event.complete);
  track.training = [...track.training.filter((e) => e.epoch !== event.epoch), event]
    .sort((a, b) => a.epoch - b.epoch);
}

// The records of an event in the shape of the histograms and profile routes.
function setEpoch(track, event, complete) {
  const records = event.quantities[QUANTITY] ?? {};
  const layers = {};
  for (const [name, record] of Object.entries(records))
    layers[name] = { ...record, counts: dense(record.hist[BINS], track.edges.length - 1) };
  track.epochs.set(event.epoch, { epoch: event.epoch, complete, layers,
    profile: track.layers.filter((l) => records[l.name])
      .map((l) => ({ ...records[l.name], layer: l.name, depth: l.depth, main: l.main })) });
  if (!track.rows.some((name) => records[name])) track.rows = rowsOf(Object.keys(records));
}

function dense({ first, counts }, bins) {
  const all = new Array(Math.max(bins, 0)).fill(0);
  counts.forEach((count, i) => { all[first + i] = count; });
  return all;
}
