// Everything the page asks the daemon: the only file that knows URLs.

const BASE = '/api/v1';
export const RETRY_MILLIS = 2000;     // before what nobody answered is asked again

async function ask(path, { method = 'GET', body, type = 'application/json' } = {}) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = type;
  const response = await fetch(BASE + path,
    { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
    .catch(() => { throw new Error('The daemon does not answer.'); });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const error = new Error(problem.detail ?? problem.title ?? response.statusText);
    error.status = response.status;
    error.errors = problem.errors ?? [];
    throw error;
  }
  return response.status === 204 ? null : response.json();
}

function query(parameters) {
  const set = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== '');
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

const getRoot = () => ask('');
export const listJobs = (parameters = {}) => ask(`/jobs${query(parameters)}`);
export const getJob = (id) => ask(`/jobs/${id}`);
export const getHistograms = (id, parameters) =>
  ask(`/jobs/${id}/histograms${query(parameters)}`);
export const getMetrics = (id) => ask(`/jobs/${id}/metrics`);
export const getProfile = (id, parameters = {}) =>
  ask(`/jobs/${id}/profile${query(parameters)}`);
export const getVerdict = (id) => ask(`/jobs/${id}/verdict`);
export const getComparison = (ids, parameters = {}) =>
  ask(`/compare${query({ jobs: ids.join(','), ...parameters })}`);
export const submitJob = (spec) => ask('/jobs', { method: 'POST', body: spec });
export const tryJob = (spec) => ask('/jobs?dry_run=true', { method: 'POST', body: spec });
export const actOnJob = (id, action) => ask(`/jobs/${id}/${action}`, { method: 'POST' });
// patch: only what changes (RFC 7386), null for what a field is by default.
export const cloneJob = (id, patch) => ask(`/jobs/${id}/clone`, { method: 'POST', body: patch });
export const moveJob = (id, place) => ask(`/jobs/${id}/move`, { method: 'POST', body: place });
export const editJob = (id, changes) => ask(`/jobs/${id}`, { method: 'PATCH', body: changes });
export const removeJob = (id) => ask(`/jobs/${id}`, { method: 'DELETE' });

// The number of the newest event of all jobs.
export const getNewest = async () => (await listJobs({ limit: 1 })).last_event_id;

export const getGroup = (name) => ask(`/groups/${encodeURIComponent(name)}`);
export const cancelGroup = (name) =>
  ask(`/groups/${encodeURIComponent(name)}/cancel`, { method: 'POST' });
// A job of every combination: {spec, sweep: {field: [values]}}.
export const submitSweep = (sweep) => ask('/sweeps', { method: 'POST', body: sweep });
export const trySweep = (sweep) => ask('/sweeps?dry_run=true', { method: 'POST', body: sweep });

export const getQueue = () => ask('/queue');
export const drainQueue = (drain) => ask(`/queue/${drain ? 'drain' : 'undrain'}`, { method: 'POST' });

// What the daemon says of itself in OpenAPI's words:
//   spec       the schema of a job, or null where it does not say
//   can(name)  whether that can be done to a job: POST /jobs/{id}/name, or
//              DELETE for 'remove'
export async function describe() {
  const { links } = await getRoot();
  const api = links.openapi ? await ask(links.openapi.slice(BASE.length)) : null;
  return { spec: api?.components.schemas.JobSpec ?? null,
    can: (name) => name === 'remove' ? api?.paths[`${BASE}/jobs/{id}`]?.delete !== undefined
      : api?.paths[`${BASE}/jobs/{id}/${name}`]?.post !== undefined };
}

// An address of the API as evidence gives it, in words of the page:
// "/api/v1/jobs/7/profile?quantity=weight&epochs=3" ->
// {route: 'profile', quantity: 'weight', epoch: '3'}
export function readLink(href) {
  const { pathname, searchParams } = new URL(href, location.origin);
  return { route: pathname.split('/').at(-1), quantity: searchParams.get('quantity') ?? '',
    epoch: searchParams.get('epochs') ?? '' };
}

export const LAST_TYPES = ['finished', 'failed', 'cancelled'];
const EVENT_TYPES = ['queued', 'started', 'loading', 'live', 'epoch', 'warning', 'checkpoint',
  'paused', 'resumed', 'interrupted', ...LAST_TYPES];

// Follows Server-Sent Events: of one job after event `since`, or of all jobs
// (id null). Heals by itself: the browser reconnects with Last-Event-ID, and
// where it gives up, this opens the stream anew after the last event it had.
//   onEvent(event)    one parsed event
//   onState(state)    'open', 'lost', or 'ended' after a job's last event
// Returns a function that ends it.
export function follow(id, since, onEvent, onState) {
  const path = id === null ? '/events' : `/jobs/${id}/events`;
  let source = null, timer = null, last = since, over = false;

  const end = (state) => {
    over = true;
    source.close();
    if (state) onState(state);
  };
  const receive = (message) => {
    const event = JSON.parse(message.data);
    if (message.lastEventId) last = message.lastEventId;
    onEvent(event);
    if (id !== null && LAST_TYPES.includes(event.type)) end('ended');
  };
  const open = () => {
    source = new EventSource(BASE + path + query({ since: last }));
    for (const type of ['message', ...EVENT_TYPES]) source.addEventListener(type, receive);
    source.onopen = () => onState('open');
    source.onerror = failed;
  };
  // Closed for good: by a 204 because the job has ended, or by an error.
  const failed = async () => {
    if (over) return;
    if (source.readyState === EventSource.CLOSED) {
      const job = id === null ? null : await getJob(id).catch(() => null);
      if (over) return;
      if (job?.ended_at) return end('ended');
      timer = setTimeout(open, RETRY_MILLIS);
    }
    onState('lost');
  };
  open();
  return () => {
    clearTimeout(timer);
    end();
  };
}
