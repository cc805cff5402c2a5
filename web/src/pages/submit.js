// A new job, the pair with and without skips, or a sweep. The form is what the
// daemon says a job is: fields, words and limits from its OpenAPI document,
// values of a preset (or of the job that is cloned) from a dry run, and the last
// word on what was typed from another. Only what was changed is sent.
import { address, writeAddress } from '../address.js';
import { cloneJob, describe, getJob, submitJob, submitSweep, tryJob, trySweep } from '../api.js';
import { h, labelled, replace, scroller, select, setText, table } from '../dom.js';
import { readSweep, sweepName } from '../sweep.js';

const FIRST = ['name', 'model.arch', 'model.skip', 'model.norm', 'model.width', 'data.image_size',
  'train.epochs', 'train.batch', 'train.lr', 'train.seed'];
const WAIT_MILLIS = 300;

export async function submitPage(root, onState, { path, state }) {
  const page = { path, base: null, from: null, fields: new Map(), timer: null, turn: 0, chosen: 0,
    sending: false,
    form: h('form', { class: 'submit', onsubmit: (e) => { e.preventDefault(); send(page, false); },
      oninput: () => plan(page) }),
    plan: h('div', { class: 'panel plan', role: 'status', 'aria-label': 'What it would be' }),
    error: h('p', { class: 'error', role: 'alert', hidden: true }) };
  page.schema = (await describe()).spec;
  page.title = h('h1');
  const presets = page.schema?.properties.preset?.enum ?? ['tiny'];
  page.presetBox = select(presets.map((p) => [p, p]), '',
    (value) => choose(page, { preset: value }).catch((error) => showErrors(page, error)));
  page.presetRow = h('div', { class: 'row controls' }, labelled('Preset', page.presetBox));
  replace(root, h('div', { class: 'row' }, page.title, h('a', { href: address('/') }, 'All jobs')),
    page.presetRow, page.form, page.error, page.plan);
  await choose(page, state);
  return {
    title: page.title.textContent,
    navigate: (next) => choose(page, next).catch((error) => showErrors(page, error)),
    close: () => clearTimeout(page.timer),
  };
}

// {model: {skip: false}} -> [['model.skip', false]]
function flat(value, path = '') {
  return Object.entries(value).flatMap(([name, v]) => v && typeof v === 'object' && !Array.isArray(v)
    ? flat(v, `${path}${name}.`) : [[`${path}${name}`, v]]);
}

// state: {preset}, or {from}: the id of the job that is cloned. The form stays
// that of the choice before until all of the new one is here; of two choices,
// the later one counts, whichever is answered first.
async function choose(page, { preset = 'tiny', from }) {
  const mine = ++page.chosen;
  clearTimeout(page.timer);
  let job = null, base = { preset }, answer;
  try {
    if (from) job = await getJob(from);
    base = job?.spec ?? base;
    answer = await tryJob(base);
  } catch (error) {
    if (mine === page.chosen) throw error;
  }
  if (mine !== page.chosen) return;
  clearTimeout(page.timer);
  page.turn++;
  Object.assign(page, { base, from: job?.id ?? null });
  page.presetBox.value = preset;
  page.presetRow.hidden = job !== null;
  page.title.textContent = job ? `Clone of ${job.name} (${job.id})` : 'New job';
  writeAddress(page.path, job ? { from: job.id } : { preset });
  drawForm(page, answer);
}

function drawForm(page, answer) {
  const fields = flat(answer.spec);
  page.fields = new Map(fields.map(([path, value]) =>
    [path, makeField(path, value, schemaOf(page.schema, path))]));
  // These the daemon fills in from others, so that they are empty here.
  for (const path of page.from ? [] : ['name', 'model.classes']) page.fields.get(path)?.clear();
  const part = (paths) => h('div', { class: 'grid' },
    paths.filter((p) => page.fields.has(p)).map((p) => page.fields.get(p).element));
  page.submit = h('button', { type: 'submit', class: 'main' });
  page.pair = h('button', { type: 'button', onclick: () => send(page, true) },
    'Submit the pair: without and with skips');
  page.sweep = h('input', { id: 'sweep', placeholder: 'model.skip=true,false train.seed=0..4' });
  page.sweep.setAttribute('aria-describedby', 'sweep-hint');
  replace(page.form, part(FIRST),
    h('details', {}, h('summary', {}, 'All fields'),
      part([...page.fields.keys()].filter((p) => !FIRST.includes(p)))),
    h('details', {}, h('summary', {}, 'A sweep: a job for every combination of values'),
      h('p', {}, labelled('Values', page.sweep), h('span', { class: 'hint', id: 'sweep-hint' },
        'fields with the values they take, as in model.skip=true,false train.seed=0..4; the field ' +
        '“group” is the sweep’s name; jobs that differ only in the seed are drawn as bands'))),
    h('div', { class: 'row' }, page.submit, page.pair));
  showPlan(page, answer);
}

// {spec, sweep} of what was typed, or null where it is one job; throws what is
// wrong with it.
function sweepOf(page, changes) {
  const sweep = readSweep(page.sweep.value, [...page.fields.keys()]);
  if (!sweep) return null;
  const spec = merge(page.base, { group: page.base.group ?? sweepName(), ...changes });
  delete spec.name;         // the daemon's names tell the jobs apart
  return { spec, sweep };
}

// Of one field, {} where the daemon says nothing of it.
function schemaOf(schema, path) {
  return path.split('.').reduce((at, name) => at?.properties?.[name], schema) ?? {};
}

// What the schema lets a field be, in words: "0.0625 to 4", "at most 64 characters".
function limitsOf(schema) {
  const one = schema.minimum === undefined ? schema.anyOf?.find((s) => s.minimum !== undefined) : schema;
  if (one) return `${one.minimum} to ${one.maximum}`;
  return schema.maxLength ? `at most ${schema.maxLength} characters` : '';
}

// All that can be taken of some, but for none and all.
const partsOf = (all) => all.reduce((sets, one) => [...sets, ...sets.map((set) => [...set, one])], [[]])
  .filter((set) => set.length > 0 && set.length < all.length);

// [[value, text]] where a field is one of a few, else undefined: words, yes or
// no, or yes for some parts.
function choicesOf(schema) {
  const kinds = schema.anyOf ?? [schema];
  if (!kinds.some((s) => s.type === 'boolean')) return schema.enum?.map((c) => [c, c]);
  const parts = kinds.find((s) => s.items?.enum)?.items.enum ?? [];
  return [['true', 'true'], ['false', 'false'], ...partsOf(parts).map((set) =>
    [JSON.stringify(set), set.join(' ')])];
}

// value: the preset's or the job's. read(): undefined when it is still that.
function makeField(path, value, schema) {
  const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  const choices = choicesOf(schema);
  const id = `field-${path.replaceAll('.', '-')}`, errorId = `${id}-error`, hintId = `${id}-hint`;
  const box = choices ? select(choices, text, () => {})
    : h('input', { value: text, inputMode: typeof value === 'number' ? 'decimal' : 'text' });
  const error = h('span', { class: 'error', id: errorId });
  const hint = [schema.description, limitsOf(schema)].filter(Boolean).join('; ');
  let initial = text;

  box.id = id;
  box.setAttribute('aria-describedby', `${errorId} ${hintId}`);
  return {
    element: h('div', {}, h('label', { htmlFor: id }, path), box, error,
      h('span', { class: 'hint', id: hintId }, hint)),
    clear() { box.value = initial = ''; },
    fail(message) {
      error.textContent = message;
      box.setAttribute('aria-invalid', String(message !== ''));
    },
    read() {
      const now = box.value.trim();
      return now === initial ? undefined : now === '' ? null : parse(now, value);
    },
  };
}

// As JSON where it is JSON, else as the text it is: the daemon judges.
function parse(text, was) {
  if (typeof was === 'string' && was !== 'all') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// What was changed, as a merge patch.
function changesOf(page) {
  const changes = {};
  for (const [path, field] of page.fields) {
    const value = field.read();
    if (value !== undefined) put(changes, path, value);
  }
  return changes;
}

// RFC 7386.
function merge(to, patch) {
  const merged = { ...to };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = value && typeof value === 'object' && !Array.isArray(value)
      ? merge(merged[name] ?? {}, value) : value;
  }
  return merged;
}

function put(spec, path, value) {
  const names = path.split('.'), last = names.pop();
  let at = spec;
  for (const name of names) at = at[name] ??= {};
  at[last] = value;
}

// What it would be, while people type.
function plan(page) {
  clearTimeout(page.timer);
  page.timer = setTimeout(async () => {
    const mine = ++page.turn;
    try {
      const changes = changesOf(page), sweep = sweepOf(page, changes);
      const answer = await (sweep ? trySweep(sweep) : tryJob(merge(page.base, changes)));
      if (mine === page.turn) (sweep ? showSweep : showPlan)(page, answer);
    } catch (error) {
      if (mine === page.turn) showErrors(page, error);
    }
  }, WAIT_MILLIS);
}

const count = (n) => n.toLocaleString('en');

// jobs: of a sweep, else 0.
function nameButtons(page, jobs) {
  clearErrors(page);
  setText(page.submit, jobs ? `Submit ${jobs} job${jobs > 1 ? 's' : ''}` : 'Submit');
  page.pair.hidden = jobs > 0;
}

function showSweep(page, { group, specs }) {
  nameButtons(page, specs.length);
  replace(page.plan, h('h2', {}, 'What it would be'),
    h('p', { class: 'facts' }, `${specs.length} jobs in the group ${group}`),
    h('details', {}, h('summary', {}, 'Jobs'), h('ul', {}, specs.map((spec) => h('li', {}, spec.name)))));
}

function showPlan(page, { parameters, memory_bytes: memory, layers, steps_per_epoch: steps }) {
  nameButtons(page, 0);
  replace(page.plan, h('h2', {}, 'What it would be'),
    h('p', { class: 'facts' }, `${count(parameters.used)} parameters used (${count(parameters.held)} ` +
      `held), about ${count(Math.ceil(memory / 2 ** 20))} MiB of memory, ${layers.length} layers, ` +
      `${count(steps)} steps an epoch`),
    h('details', {}, h('summary', {}, 'Layers'), scroller('Layers', table({
      heads: ['Layer', 'Output (n, c, h, w)', 'Depth', 'Main path'],
      rows: layers.map((l) => [l.name, l.shape.join(' × '), String(l.depth), l.main ? 'yes' : 'no']) }))));
}

function clearErrors(page) {
  page.error.hidden = true;
  for (const field of page.fields.values()) field.fail('');
}

function showErrors(page, error) {
  clearErrors(page);
  page.error.textContent = error.message;
  page.error.hidden = false;
  for (const { pointer, message } of error.errors ?? []) {
    const path = pointer.replace(/^\/spec\//, '/').slice(1), [first, second] = path.split('/');
    const field = page.fields.get(path.replaceAll('/', '.'))
      ?? page.fields.get(`${first}.${second}`) ?? page.fields.get(first);
    field?.fail(message);
  }
  replace(page.plan);
}

// A pair is named with the ends that tell its jobs apart, unless the daemon
// names it.
async function send(page, pair) {
  if (page.sending) return;
  page.sending = true;
  clearTimeout(page.timer);
  page.turn++;              // a plan that is still on its way comes too late
  try {
    location.hash = await submit(page, pair);
  } catch (error) {
    showErrors(page, error);
  }
  page.sending = false;
}

// Returns the address of what it has submitted.
async function submit(page, pair) {
  const changes = changesOf(page), sweep = pair ? null : sweepOf(page, changes);
  if (sweep) return address('/', { group: (await submitSweep(sweep)).group });
  const patches = pair ? [false, true].map((skip) => merge(changes, { model: { skip } })) : [changes];
  if (pair && changes.name)
    patches.forEach((p, i) => { p.name = `${changes.name} ${i ? 'skip' : 'no-skip'}`; });
  for (const one of patches) await tryJob(merge(page.base, one));
  const ids = [];
  for (const one of patches)
    ids.push((await (page.from ? cloneJob(page.from, one) : submitJob(merge(page.base, one)))).id);
  return address(`/jobs/${ids.join(',')}`);
}
