// What people turn in a view. Every control reads and changes the page's state,
// which is also its address; update(state, tracks) shows it.
import { h, labelled, replace, select, setText } from '../dom.js';
import { quantitiesOf } from '../track.js';
import { layersOfAll, pickLayers } from '../views/layers.js';
import { choiceOf } from '../views/quantities.js';
import { haveSeeds } from '../views/sets.js';

const FRAME_MILLIS = 700, LONGEST_MILLIS = 30000, SHORTEST_MILLIS = 33;

// change({name: value}) changes the state.
export function makeControls(change) {
  const epoch = epochControl(change);
  const chooser = (text, name, choices) => {
    const box = select(choices, '', (value) => change({ [name]: value }));
    const element = labelled(text, box);
    return { element, update: (state) => { box.value = state[name] ?? ''; } };
  };
  const all = {
    over: chooser('Ridges over', 'over', [['', 'epochs'], ['layers', 'layers']]),
    epoch,
    layers: layersControl(change),
    layer: layerControl(change),
    density: chooser('Density', 'density', [['', 'per decade'], ['linear', 'linear (notebook)']]),
    source: chooser('Steps', 'source', [['', 'all'], ['samples', 'kept samples']]),
    together: chooser('Jobs', 'together', [['', 'side by side'], ['1', 'overlaid']]),
    seeds: chooser('Seeds', 'seeds', [['', 'each run'], ['bands', 'as bands']]),
    quantity: quantityControl(change),
  };
  return {
    element: h('div', { class: 'row controls' }, Object.values(all).map((c) => c.element)),
    update(used, state, tracks) {
      for (const [name, control] of Object.entries(all)) {
        const hidden = !used.includes(name) || (name === 'together' && tracks.length < 2)
          || (name === 'seeds' && !haveSeeds(tracks));
        control.element.hidden = hidden;
        if (!hidden) control.update(state, tracks);
        else if (name === 'epoch') control.stop();
      }
    },
    close: () => epoch.stop(),
  };
}

// The slider follows the newest epoch until it is moved; play is the
// notebook's animation.
function epochControl(change) {
  let timer = null, newest = 1, now = 1;
  const range = h('input', { type: 'range', id: 'epoch', min: 1, max: 1, step: 1,
    oninput: () => { stop(); change({ epoch: range.value }); } });
  const label = h('output', { id: 'epoch-label', htmlFor: 'epoch' });
  const play = h('button', { type: 'button', id: 'play', onclick: toggle }, '▶ Play');
  const follow = h('button', { type: 'button', id: 'newest',
    onclick: () => { stop(); change({ epoch: '' }); } }, 'Newest');

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = '▶ Play';
  }
  function toggle() {
    if (timer) return stop();
    play.textContent = '❚❚ Pause';
    now = 1;
    change({ epoch: '1' });
    const millis = Math.max(SHORTEST_MILLIS, Math.min(FRAME_MILLIS, LONGEST_MILLIS / newest));
    timer = setInterval(() => {
      if (now >= newest) return stop();
      change({ epoch: String(++now) });
    }, millis);
  }
  return {
    element: h('div', { class: 'row epoch' }, h('label', { htmlFor: 'epoch' }, 'Epoch'), range,
      label, play, follow),
    stop,
    update(state, tracks) {
      newest = Math.max(1, ...tracks.flatMap((t) => [...t.summaries.keys()]));
      const planned = Math.max(newest, ...tracks.map((t) => t.job.spec.train.epochs));
      const chosen = Math.min(Number(state.epoch) || newest, newest);
      range.max = newest;
      range.value = chosen;
      range.disabled = newest === 1;
      follow.hidden = !state.epoch;
      setText(label, `${chosen} of ${planned}${state.epoch ? '' : ' (newest)'}`);
    },
  };
}

// Redraws an element's choices only when they change, so that a list that is
// open stays open while events come.
function keeper(draw) {
  let drawn = null;
  return (key) => {
    if (key === drawn) return;
    drawn = key;
    draw();
  };
}

function layersControl(change) {
  const summary = h('summary'), list = h('div', { class: 'checks' });
  const boxes = new Map();
  const choose = () => {
    const names = [...boxes].filter(([, box]) => box.checked).map(([name]) => name);
    change({ layers: names.length === boxes.size ? 'all' : names.join(',') || 'notebook' });
  };
  const preset = (text, layers) =>
    h('button', { type: 'button', onclick: () => change({ layers }) }, text);
  let names = [];
  const draw = keeper(() => {
    boxes.clear();
    replace(list, names.map((name) => {
      const box = h('input', { type: 'checkbox', onchange: choose });
      boxes.set(name, box);
      return h('label', {}, box, ' ', name);
    }));
  });
  return {
    element: h('details', { class: 'picker' }, summary, h('div', { class: 'row' },
      preset('The notebook’s', 'notebook'), preset('Main path', 'main'), preset('All', 'all')), list),
    update(state, tracks) {
      const layers = layersOfAll(tracks);
      names = layers.map((l) => l.name);
      draw(names.join());
      const choice = state.layers || (state.view === 'ridge' ? 'main' : '');
      const picked = new Set(pickLayers(layers, choice));
      for (const [name, box] of boxes) box.checked = picked.has(name);
      setText(summary, `Layers: ${picked.size} of ${names.length}`);
    },
  };
}

function layerControl(change) {
  const box = h('select', { onchange: () => change({ layer: box.value }) });
  let names = [];
  const draw = keeper(() => replace(box, names.map((n) => h('option', { value: n }, n))));
  return {
    element: labelled('Layer', box),
    update(state, tracks) {
      names = layersOfAll(tracks).map((l) => l.name);
      draw(names.join());
      box.value = state.layer ?? names[0] ?? '';
    },
  };
}

function quantityControl(change) {
  const box = h('select', { onchange: () => change({ quantity: box.value }) });
  const element = labelled('Quantity', box);
  let all = [];
  const draw = keeper(() => replace(box, all.map((q) =>
    h('option', { value: q }, choiceOf(q)))));
  return {
    element,
    update(state, tracks) {
      all = [...new Set(tracks.flatMap((t) => quantitiesOf(t.job)))];
      element.hidden = all.length < 2;
      draw(all.join());
      box.value = state.quantity ?? tracks[0].quantity;
    },
  };
}
