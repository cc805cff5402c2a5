// The page: shows what the address after # names, and says when the daemon is
// out of reach.
import { forgetWrite, readAddress } from './address.js';
import { RETRY_MILLIS } from './api.js';
import { h, replace } from './dom.js';
import { jobPage } from './pages/job.js';
import { jobsPage } from './pages/jobs.js';
import { submitPage } from './pages/submit.js';

const root = document.getElementById('page');
const connection = document.getElementById('connection');
const LOST = 'Connection lost; trying again …';
let open = null;    // {path, title, navigate(state), close()}
let watched = null;
let turn = 0;

// A page calls onState(source, state) for each of its streams; what one says
// that another has taken the place of is not heard.
function watchStates() {
  const lost = new Set();
  watched = lost;
  connection.textContent = '';
  return (source, state) => {
    if (state === 'lost') lost.add(source);
    else lost.delete(source);
    if (watched === lost) connection.textContent = lost.size ? LOST : '';
  };
}

// What a path shows: a function of (host, onState, {path, state}), whose element
// takes the place of the one before once it has what it shows.
function pageOf(path) {
  const jobs = path.match(/^\/jobs\/([0-9]+(?:,[0-9]+)*)$/);
  if (jobs) {
    const ids = [...new Set(jobs[1].split(',').map(Number))];
    return (...rest) => jobPage(ids, ...rest);
  }
  return path === '/submit' ? submitPage : jobsPage;
}

function showError(error) {
  if (error.status === 401) {
    replace(root, h('p', { class: 'error', role: 'alert' }, 'This browser is not logged in.'),
      h('p', {}, 'On the machine where the daemon runs, type ', h('code', {}, 'gradwatch open'),
        ' and open the address that it prints. It works once; the browser then stays logged in.'));
    return;
  }
  replace(root, h('p', { class: 'error', role: 'alert' }, error.status === 404
    ? 'There is no such job.' : error.message),
  h('p', {}, h('a', { href: '#/' }, 'All jobs')));
}

async function show() {
  const where = readAddress(), mine = ++turn;
  forgetWrite();
  if (open?.path === where.path) return open.navigate(where.state);
  open?.close();
  open = null;
  root.ariaBusy = 'true';
  const host = h('div');
  try {
    const page = await pageOf(where.path)(host, watchStates(), where);
    if (mine !== turn) return page.close();
    open = { path: where.path, ...page };
    place(host, page.title);
  } catch (error) {
    if (mine !== turn) return;
    showError(error);
    // Nobody answered: it may be back soon.
    if (!error.status) setTimeout(() => { if (mine === turn) show(); }, RETRY_MILLIS);
  }
  root.ariaBusy = 'false';
}

function place(host, title) {
  replace(root, host);
  document.title = [title, 'gradwatch'].filter(Boolean).join(' · ');
  scrollTo(0, 0);
}

addEventListener('hashchange', show);
show();
