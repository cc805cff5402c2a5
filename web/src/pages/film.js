// The view as an animation, a frame an epoch, to take along.
import { h } from '../dom.js';
import { saveGif, saveWebm } from '../save.js';

// film(): {name, width, frames} of what is shown; ready(): a promise that all
// that was asked for is there.
export function makeFilm(film, ready) {
  const status = h('output', { class: 'quiet', 'aria-live': 'off' });
  const button = (text, save) => h('button', { type: 'button', onclick: async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    await ready();
    const { name, width, frames } = film();
    await save(name, frames, width, (share) => {
      status.textContent = `${Math.round(100 * share)} %`;
    }).catch((error) => { status.textContent = error.message; });
    pressed.disabled = false;
    if (status.textContent === '100 %') status.textContent = 'saved';
  } }, text);
  return h('div', { class: 'row saves film' }, h('span', { class: 'quiet' }, 'All epochs as an animation'),
    button('GIF', saveGif), button('WebM', saveWebm), status);
}
