// A job as the page follows it: what the daemon had when the page was opened,
// then every event as it comes. Views only read from here.
//
// Medians and percentiles of all layers are there for every epoch; histograms
// only of the layers that a view asked for with needHistograms().
import { follow, getHistograms, getJob, getMetrics, getNewest, getProfile, getVerdict,
  LAST_TYPES, RETRY_MILLIS } from './api.js';
import { hasEnded } from './states.js';
import { keysOf } from './views/quantities.js';

const CHUNK = 1000;         // histograms in one answer: about 2 MB
// Browsers hold six connections to a daemon; a stream takes one for itself.
const OWN_STREAMS = 3;

// onChange() is called after every change; onState as in api.follow().
// Returns the tracks, and close(), which ends their streams.
export async function openTracks(ids, quantity, onChange, onState) {
  const since = ids.length > OWN_STREAMS ? await getNewest() : 0;
  const tracks = await Promise.all(ids.map((id) => openTrack(id, quantity, onChange)));
  tracks.forEach((track) => { track.open = true; });
  const going = tracks.filter((track) => !hasEnded(track.job));
  const ends = going.length > OWN_STREAMS ? [followTogether(going, since, onState)]
    : going.map((track) => followOne(track, onState));
  return { tracks, close() {
    tracks.forEach((track) => { track.open = false; });
    ends.forEach((end) => end());
  } };
}

async function openTrack(id, quantity, onChange) {
  const track = { id, job: await getJob(id), quantity: null, wanted: null, layers: [], theory: null,
    summaries: new Map(), heights: null, medians: null, early: [], training: [], verdict: null, loading: null,
    sets: new Map(), open: null, busy: 0, work: Promise.resolve(), onChange };

  track.wanted = pickQuantity(track.job, quantity);
  await reload(track);
  return track;
}

function followOne(track, onState) {
  // Within the first epoch only the event `started` says which layers there are.
  const since = track.layers.length ? track.job.last_event_id : 0;
  let lost = false;
  return follow(track.id, since, (event) => receive(track, event), (state) => {
    if (state === 'ended' || (state === 'open' && lost)) enqueue(track, () => reload(track));
    lost = state === 'lost';
    onState(track.id, state);
  });
}

// By the stream of all jobs, which began before the tracks were read.
function followTogether(tracks, since, onState) {
  const seen = new Map(tracks.map((track) => [track.id, track.job.last_event_id]));
  let lost = false;
  return follow(null, since, (event) => {
    const track = tracks.find((one) => one.id === event.job);
    if (!track || event.seq <= seen.get(track.id)) return;
    receive(track, event);
    if (LAST_TYPES.includes(event.type)) enqueue(track, () => reload(track));
  }, (state) => {
    if (state === 'open' && lost) tracks.forEach((track) => enqueue(track, () => reload(track)));
    lost = state === 'lost';
    onState('jobs', state);
  });
}

// Live events are about now: those that come while others wait are old.
function receive(track, event) {
  if (event.type !== 'live' || !track.busy) enqueue(track, () => take(track, event));
}

export const quantitiesOf = (job) => keysOf(job.spec.record?.quantities ?? []);

function pickQuantity(job, wanted) {
  const all = quantitiesOf(job);
  return all.includes(wanted) ? wanted : all[0] ?? 'grad_out';
}

// Does one thing after the other, in the order of events.
function enqueue(track, act) {
  track.busy++;
  track.work = track.work.then(act).catch(() => {}).finally(() => {
    track.busy--;
    track.onChange();
  });
  return track.work;
}

// What the daemon answers, null where it says that there is no such thing. While
// the track is open it is asked until it answers.
async function answerOf(track, ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error.status !== undefined) return null;
      if (!track.open) throw error;
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MILLIS); });
    }
  }
}

// The job itself, where no event tells of it: its name and priority.
export const refresh = (track) => enqueue(track, async () => { track.job = await getJob(track.id); });

// Shows another quantity as soon as its records are here; until then all stays
// of the old one.
export function setQuantity(track, name) {
  const wanted = pickQuantity(track.job, name);
  if (wanted === track.wanted) return;
  track.wanted = wanted;
  enqueue(track, () => reload(track));
}

// Everything anew: at the beginning, when an attempt starts over, and after a
// lost connection.
async function reload(track) {
  const job = await answerOf(track, () => getJob(track.id)) ?? track.job, quantity = track.wanted;
  const begun = !['queued', 'starting'].includes(job.state) || job.attempt > 1;
  const [profile, metrics, verdict] = await Promise.all([
    begun ? answerOf(track, () => getProfile(track.id, { quantity })) : null,
    begun ? answerOf(track, () => getMetrics(track.id)) : null,
    begun && job.links.verdict ? answerOf(track, () => getVerdict(track.id)) : null,
  ]);
  const asked = [...track.sets].map(([key, set]) => [key, [...set.asked]]);

  Object.assign(track, { job, quantity, verdict, loading: null, heights: null, medians: null,
    theory: profile?.theory ?? null,
    early: profile?.early_steps ?? [], training: metrics?.epochs ?? [] });
  track.summaries.clear();
  track.sets.clear();
  for (const epoch of profile?.epochs ?? []) setSummary(track, epoch);
  for (const [key, layers] of asked) await fetchLayers(track, key, layers);
}

const widened = (range, low, high) => !(low > 0) ? range
  : [Math.min(range?.[0] ?? low, low), Math.max(range?.[1] ?? high, high)];

// heights, medians: the least and the greatest of all epochs, of the main path
// and of all layers, for axes and colours that stand still.
function setSummary(track, { epoch, complete, layers, slope }) {
  for (const l of layers) {
    if (l.main) track.heights = widened(track.heights, l.p05, l.p95);
    track.medians = widened(track.medians, l.median, l.median);
  }
  if (layers.length) track.layers = layers.map(({ layer, depth, main }) => ({ name: layer, depth, main }));
  track.summaries.set(epoch, { epoch, complete, slope,
    layers: new Map(layers.map((l) => [l.layer, l])) });
}

// Epochs in order, the running one last.
export const epochsOf = (track) => [...track.summaries.values()].sort((a, b) => a.epoch - b.epoch);

async function take(track, event) {
  track.loading = event.type === 'loading' ? event : null;
  if (event.type === 'loading') return;
  if (event.type === 'live') return takeLive(track, event);
  if (event.type === 'started') {
    track.layers = event.layers.map(({ name, depth, main }) => ({ name, depth, main }));
    return reload(track);
  }
  if (event.type === 'epoch') await takeEpoch(track, event);
  track.job = await answerOf(track, () => getJob(track.id)) ?? track.job;
}

function takeLive(track, event) {
  if (track.summaries.get(event.epoch)?.complete) return null;
  if (track.layers.length === 0) return reload(track);
  track.job.state = 'running';
  track.job.progress = { epoch: event.epoch, epochs: event.epochs, step: event.step,
    steps_per_epoch: event.steps_per_epoch, images_per_second: event.images_per_second,
    eta_seconds: event.eta_seconds };
  track.job.loss = event.loss;
  track.job.accuracy = event.accuracy;
  takeRecords(track, event, false);
  return null;
}

async function takeEpoch(track, event) {
  const { quantities, early, ...facts } = event;
  track.training = [...track.training.filter((e) => e.epoch !== event.epoch), facts]
    .sort((a, b) => a.epoch - b.epoch);
  takeRecords(track, { ...event, quantities }, event.complete);
  const [profile, verdict] = await Promise.all([
    answerOf(track, () => getProfile(track.id, { quantity: track.quantity, epochs: event.epoch })),
    track.job.links.verdict ? answerOf(track, () => getVerdict(track.id)) : null,
    ...[...track.sets].filter(([key]) => key.endsWith('/samples')).map(([key, set]) =>
      fetchChunk(track, key, [...set.asked], `${event.epoch}`)),
  ]);
  track.verdict = verdict ?? track.verdict;
  if (!profile) return;
  for (const epoch of profile.epochs) setSummary(track, epoch);
  if (early?.length) track.early = profile.early_steps;
}

// The records of an event in the shape of the routes.
function takeRecords(track, event, complete) {
  const records = event.quantities[track.quantity] ?? {};
  const layers = track.layers.filter((l) => records[l.name])
    .map((l) => ({ ...records[l.name], hist: null, samples: null, layer: l.name,
      depth: l.depth, main: l.main }));
  if (layers.length === 0) return;
  setSummary(track, { epoch: event.epoch, complete, layers, slope: null });
  for (const [key, set] of track.sets) {
    const [bins, source] = key.split('/');
    if (source !== 'all') continue;
    for (const name of set.asked) {
      const record = records[name];
      if (record) put(set, event.epoch, name, { ...record, ...record.hist[bins],
        zeros: bins === 'notebook' ? 0 : record.zeros });
    }
  }
}

// Histograms: sets of them by grid and source, "decade8/all". A histogram is
// {first, counts, underflow, overflow, zeros, nonfinite}; counts begin at bin
// `first`.

export function histogramOf(track, bins, source, epoch, layer) {
  return track.sets.get(`${bins}/${source}`)?.epochs.get(epoch)?.get(layer);
}

export const edgesOf = (track, bins, source) => track.sets.get(`${bins}/${source}`)?.edges ?? [];

// The bins in use in every epoch of these layers, for axes that stand still:
// [first, end), or null without data.
export function binsInUse(track, bins, source, layers) {
  const used = track.sets.get(`${bins}/${source}`)?.used ?? new Map();
  const known = layers.map((name) => used.get(name)).filter(Boolean);
  return known.length === 0 ? null
    : [Math.min(...known.map((u) => u[0])), Math.max(...known.map((u) => u[1]))];
}

// Fetches what is missing, that of an epoch first; onChange() tells when it is
// there.
export function needHistograms(track, { bins, source, layers, epoch }) {
  const key = `${bins}/${source}`, set = track.sets.get(key);
  const recorded = new Set(track.layers.map((l) => l.name));
  const missing = layers.filter((name) => recorded.has(name) && !set?.asked.has(name));
  if (missing.length === 0 || track.summaries.size === 0) return;
  setOf(track, key);
  missing.forEach((name) => track.sets.get(key).asked.add(name));
  enqueue(track, () => fetchLayers(track, key, missing, epoch));
}

function setOf(track, key) {
  if (!track.sets.has(key))
    track.sets.set(key, { edges: [], asked: new Set(), used: new Map(), epochs: new Map() });
  return track.sets.get(key);
}

// What is looked at, then the newest epochs first.
async function fetchLayers(track, key, wanted, epoch) {
  // Another quantity, shown since it was asked for, may not have all of them.
  const recorded = new Set(track.layers.map((l) => l.name));
  const layers = wanted.filter((name) => recorded.has(name));
  if (layers.length === 0) return;
  const newest = Math.max(...track.summaries.keys(), 1);
  const step = Math.max(1, Math.floor(CHUNK / Math.max(layers.length, 1)));
  layers.forEach((name) => setOf(track, key).asked.add(name));
  if (epoch <= newest - step) {
    await fetchChunk(track, key, layers, `${epoch}`);
    track.onChange();
  }
  for (let last = newest; last > 0; last -= step) {
    await fetchChunk(track, key, layers, `${Math.max(1, last - step + 1)}-${last}`);
    track.onChange();
  }
}

async function fetchChunk(track, key, layers, epochs) {
  const [bins, source] = key.split('/');
  const answer = await answerOf(track, () => getHistograms(track.id, { quantity: track.quantity, bins,
    source, epochs, layers: layers.join(',') }));
  if (!answer) return;
  const set = setOf(track, key);
  set.edges = answer.bins.edges;
  for (const epoch of answer.epochs)
    for (const [name, record] of Object.entries(epoch.layers))
      put(set, epoch.epoch, name, { ...record, ...trim(record.counts) });
}

function put(set, epoch, name, { first, counts, underflow, overflow, zeros, nonfinite }) {
  if (!set.epochs.has(epoch)) set.epochs.set(epoch, new Map());
  set.epochs.get(epoch).set(name, { first, counts: Uint32Array.from(counts), underflow,
    overflow, zeros, nonfinite });
  if (counts.length === 0) return;
  const [from, end] = set.used.get(name) ?? [first, first];
  set.used.set(name, [Math.min(from, first), Math.max(end, first + counts.length)]);
}

function trim(counts) {
  const first = counts.findIndex((c) => c > 0);
  return first < 0 ? { first: 0, counts: [] }
    : { first, counts: counts.slice(first, counts.findLastIndex((c) => c > 0) + 1) };
}
