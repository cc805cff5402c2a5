// Everything the page asks the daemon: the only file that knows URLs.

const BASE = '/api/v1';

async function get(path) {
  const response = await fetch(BASE + path, { headers: { Accept: 'application/json' } });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const error = new Error(problem.detail ?? problem.title ?? response.statusText);
    error.status = response.status;
    throw error;
  }
  return response.json();
}

function query(parameters) {
  const set = Object.entries(parameters).filter(([, v]) => v !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

export const listJobs = (parameters = {}) => get(`/jobs${query(parameters)}`);
export const getJob = (id) => get(`/jobs/${id}`);
export const getHistograms = (id, parameters) =>
  get(`/jobs/${id}/histograms${query(parameters)}`);
export const getMetrics = (id) => get(`/jobs/${id}/metrics`);
export const getProfile = (id, parameters = {}) =>
  get(`/jobs/${id}/profile${query(parameters)}`);

const LAST_TYPES = ['finished', 'failed', 'cancelled'];
const EVENT_TYPES = ['queued', 'started', 'loading', 'live', 'epoch', 'warning',
  'paused', 'resumed', 'interrupted', ...LAST_TYPES];

// Follows Server-Sent Events: of one job after event `since`, or of all jobs
// (id null). The browser reconnects by itself with Last-Event-ID.
//   onEvent(event)    one parsed event
//   onState(state)    'open', 'lost', or 'ended' after a job's last event
// Returns a function that ends it.
export function follow(id, since, onEvent, onState) {
  const path = id === null ? '/events' : `/jobs/${id}/events`;
  const source = new EventSource(BASE + path + query({ since }));
  const receive = (message) => {
    const event = JSON.parse(message.data);
    onEvent(event);
    if (id !== null && LAST_TYPES.includes(event.type)) {
      source.close();
      onState('ended');
    }
  };

  source.onmessage = receive;
  for (const type of EVENT_TYPES) source.addEventListener(type, receive);
  source.onopen = () => onState('open');
  source.onerror = () => onState(source.readyState === EventSource.CLOSED ? 'ended' : 'lost');
  return () => source.close();
}
