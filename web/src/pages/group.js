// A group of jobs above the list of them: what its jobs differ in, all of them
// compared, or ended together.
import { address } from '../address.js';
import { cancelGroup } from '../api.js';
import { confirm, h, redraw, scroller, table } from '../dom.js';
import { ENDED, STATES } from '../states.js';

const compareLink = (ids, text) => h('a', { class: 'button', href: address(`/jobs/${ids.join(',')}`,
  { view: 'profile', seeds: 'bands' }) }, text);

const countOf = (states, names) => names.reduce((sum, name) => sum + (states[name] ?? 0), 0);

const wordsOf = (states) => STATES.filter((name) => states[name])
  .map((name) => `${states[name]} ${name}`).join(', ');

function setRow({ label, jobs, seeds }) {
  const links = jobs.flatMap((id, i) =>
    [i ? ', ' : '', h('a', { href: address(`/jobs/${id}`) }, String(id))]);
  return [label || 'all', h('span', {}, links), seeds.join(', ')];
}

// done(): after jobs were ended; failed(error).
function cancelButton({ group, states }, done, failed) {
  const going = countOf(states, STATES.filter((name) => !ENDED.includes(name)));
  const press = async () => {
    const what = going === 1 ? 'the job' : `the ${going} jobs`;
    if (!await confirm(`Cancel ${what} of group ${group} that ${going === 1 ? 'has' : 'have'} not ` +
      'ended? What is not trained yet is lost.', going === 1 ? 'Yes, cancel it' : 'Yes, cancel them')) return;
    await cancelGroup(group).then(done, failed);
  };
  return going === 0 ? null
    : h('button', { type: 'button', onclick: press }, `Cancel ${going === 1 ? 'the one' : `the ${going}`} ` +
      'that did not end');
}

// group: as the groups route answers, null where it has none of that name.
export function drawGroup(element, group, done, failed) {
  element.hidden = !group;
  if (!group) return;
  redraw(element, group, () => {
    const ids = group.sets.flatMap((set) => set.jobs).sort((a, b) => a - b);
    return [h('div', { class: 'row' }, h('h2', {}, `Group ${group.group}`),
      h('span', { class: 'quiet' }, wordsOf(group.states)),
      ids.length > 1 ? compareLink(ids, `Compare all ${ids.length}`) : null,
      cancelButton(group, done, failed)),
    scroller(`Jobs of group ${group.group}`, table({ heads: ['What differs', 'Jobs', 'Seeds'],
      rows: group.sets.map(setRow) }))];
  });
}
