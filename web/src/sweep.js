// A sweep as people write it, "model.skip=true,false train.seed=0..4", as the
// command line reads it too.

const MOST = 1000;          // values of a range; the daemon has its own limit

// By path ("train.seed"), or by what is behind its last dot ("seed").
function pathOf(name, paths) {
  const found = paths.includes(name) ? [name]
    : paths.filter((path) => path.split('.').at(-1) === name);
  if (found.length !== 1) throw new Error(`“${name}” is no field of a job: name it as in train.seed.`);
  return found[0];
}

// "0..4" -> [0, 1, 2, 3, 4], "0.1" -> [0.1], "adam" -> ["adam"]
function valuesOf(text) {
  const [, from, to] = text.match(/^(-?\d+)\.\.(-?\d+)$/)?.map(Number) ?? [];
  if (from <= to && to - from < MOST)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  try {
    return [JSON.parse(text)];
  } catch {
    return [text];
  }
}

// {path: [values]}, null of an empty text; throws what is wrong.
export function readSweep(text, paths) {
  const words = text.split(/\s+/).filter(Boolean), sweep = {};
  for (const word of words) {
    const [, name, values] = word.match(/^([^=]+)=(.+)$/) ?? [];
    if (!name) throw new Error(`“${word}” lacks its values: it is field=value,… as in train.seed=0..4.`);
    const path = pathOf(name, paths);
    if (sweep[path]) throw new Error(`${path} is given twice.`);
    sweep[path] = values.split(',').flatMap(valuesOf);
  }
  return words.length ? sweep : null;
}

// Of sweeps without a name of their own: "sweep-20250131-235959".
export const sweepName = () =>
  `sweep-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}`;
