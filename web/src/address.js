// The state of the page lives in the address after #, so that a view can be
// kept as a bookmark and sent to others: #/jobs/1,2?view=heat&epoch=3

const WRITE_MILLIS = 250;   // browsers stop pages that write more often
let timer = null;

export function readAddress() {
  const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
  return { path: path || '/', state: Object.fromEntries(new URLSearchParams(query)) };
}

export function address(path, state = {}) {
  const set = Object.entries(state).filter(([, v]) => v !== undefined && v !== null && v !== '');
  const query = new URLSearchParams(set).toString().replaceAll('%2C', ',');
  return `#${path}${query ? `?${query}` : ''}`;
}

// Without a new entry in the browser's history, and not at every move of a
// slider.
export function writeAddress(path, state) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (readAddress().path === path) history.replaceState(null, '', address(path, state));
  }, WRITE_MILLIS);
}

export function forgetWrite() {
  clearTimeout(timer);
}
