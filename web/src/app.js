// The page: shows what the address after # names, and says when the daemon is
// out of reach.
import { h, replace } from './dom.js';
import { jobPage } from './pages/job.js';
import { jobsPage } from './pages/jobs.js';

const root = document.getElementById('page');
const connection = document.getElementById('connection');
let close = () => {};
let shown = 0;

const STATES = { open: '', ended: '', lost: 'Connection lost; trying again …' };

function onState(state) {
  connection.textContent = STATES[state];
}

async function show() {
  const turn = ++shown;
  const match = location.hash.match(/^#\/jobs\/([0-9]+(?:,[0-9]+)*)$/);
  close();
  close = () => {};
  try {
    const opened = match ? await jobPage(root, onState, match[1].split(',').map(Number))
      : await jobsPage(root, onState);
    if (turn === shown) close = opened;
    else opened();
  } catch (error) {
    if (turn !== shown) return;
    replace(root, h('p', { class: 'error', role: 'alert' }, error.status === 404
      ? 'There is no such job.' : `The daemon did not answer: ${error.message}`),
    h('p', {}, h('a', { href: '#/' }, 'All jobs')));
  }
}

addEventListener('hashchange', show);
show();
