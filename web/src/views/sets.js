// Sets of jobs that differ in nothing but the seed: their spread is what chance
// alone does.

const FREE = ['name', 'priority', 'after', 'group'];

const keyOf = ({ job }) => JSON.stringify({ ...job.spec, train: { ...job.spec.train, seed: null } },
  (name, value) => FREE.includes(name) ? undefined : value);

// [[track, ...]], in the order of their first ones.
function setsOf(tracks) {
  const sets = new Map();
  for (const track of tracks) {
    const key = keyOf(track);
    if (!sets.has(key)) sets.set(key, []);
    sets.get(key).push(track);
  }
  return [...sets.values()];
}

export const haveSeeds = (tracks) => setsOf(tracks).some((set) => set.length > 1);

// What a view draws as one: each job, or each set where bands are asked for.
export const drawnSets = ({ tracks, state }) =>
  state.seeds === 'bands' ? setsOf(tracks) : tracks.map((track) => [track]);

export const setName = (set, nameOf) => set.length === 1 ? nameOf(set[0])
  : `${nameOf(set[0])} and ${set.length - 1} other seed${set.length > 2 ? 's' : ''}`;

export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// The layers of some epochs as one: the geometric mean of the medians, between
// the lowest and the highest of them. Of a job by itself, what its steps are.
export function spread(epochs, { seeds }) {
  const layers = [...epochs[0]?.layers.values() ?? []];
  return seeds !== 'bands' ? layers : layers.map((layer) => {
    const medians = epochs.map((e) => e.layers.get(layer.layer)?.median).filter((m) => m > 0);
    return { ...layer, median: medians.length ? 10 ** mean(medians.map(Math.log10)) : null,
      p05: Math.min(...medians), p95: Math.max(...medians) };
  });
}

export function meanSlope(slopes) {
  const known = slopes.map((s) => s?.decades_per_layer).filter((d) => d !== null && d !== undefined);
  if (known.length < 2) return slopes.find(Boolean) ?? null;
  const factors = known.map((d) => 10 ** d);
  return { decades_per_layer: mean(known), factor_per_layer: 10 ** mean(known), seeds: known.length,
    low: Math.min(...factors), high: Math.max(...factors) };
}
