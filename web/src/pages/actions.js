// What can be done to a job, as buttons: in the list of jobs and above the
// views of a job. Nothing that cannot be undone happens without a second look.
import { address } from '../address.js';
import { actOnJob, editJob, moveJob, removeJob } from '../api.js';
import { confirm, h, labelled } from '../dom.js';
import { ENDED } from '../states.js';


// In which states; route: what the daemon must have for it, where it is not
// the name; label: of a button whose name does not say enough; act(job): a
// promise.
const ACTIONS = [
  { name: 'pause', states: ['queued', 'running'] },
  { name: 'resume', states: ['paused'] },
  { name: 'to the front', states: ['queued'], route: 'move',
    label: (job) => `move job ${job.id} to the front`,
    act: (job) => moveJob(job.id, { first: true }) },
  { name: 'to the end', states: ['queued'], route: 'move',
    label: (job) => `move job ${job.id} to the end`,
    act: (job) => moveJob(job.id, { before: null }) },
  { name: 'cancel', states: ['queued', 'starting', 'running', 'paused'],
    ask: 'What it has not trained yet is lost.' },
  { name: 'remove', states: ENDED, act: (job) => removeJob(job.id),
    ask: 'Its records are deleted and cannot be brought back.' },
];

// Which of a waiting job's turn it is: the higher goes first.
function priorityBox(job, run) {
  const box = h('input', { type: 'number', class: 'priority', value: job.spec.priority ?? 0,
    min: -1000, max: 1000, step: 1, 'aria-label': `priority of job ${job.id}`,
    title: 'priority: the higher goes first',
    onchange: () => run(() => editJob(job.id, { priority: box.valueAsNumber })) });
  return labelled('priority', box);
}

// can(route): whether the daemon has it. done(job, action name): after it was
// done; failed(error): when it was not.
export function actionButtons(job, can, done, failed) {
  let busy = false;
  // What is pressed twice is done once.
  const run = async (name, act) => {
    if (busy) return;
    busy = true;
    try {
      await act();
      done(job, name);
    } catch (error) {
      failed(error);
    }
    busy = false;
  };
  const able = ACTIONS.filter((a) => a.states.includes(job.state) && can(a.route ?? a.name));
  const press = async ({ name, ask, act }) => {
    const question = `${name[0].toUpperCase()}${name.slice(1)} job ${job.id}, “${job.name}”?`;
    if (ask && !await confirm(`${question} ${ask}`, `Yes, ${name} it`)) return;
    await run(name, () => act ? act(job) : actOnJob(job.id, name));
  };
  return h('span', { class: 'row actions' },
    job.state === 'queued' ? priorityBox(job, (act) => run('priority', act)) : null,
    able.map((action) => h('button', { type: 'button', onclick: () => press(action),
      'aria-label': action.label?.(job) ?? `${action.name} job ${job.id}` }, action.name)),
    can('clone') ? h('a', { class: 'button', 'aria-label': `clone job ${job.id}`,
      title: 'once more, with changes', href: address('/submit', { from: job.id }) }, 'clone') : null);
}
