// Which layers a view shows.

const NOTEBOOK = ['conv1', 'layer1.0.conv1', 'layer2.0.conv2', 'layer3.5.conv3',
  'layer4.2.conv1', 'fc'];
const ROWS = 6;

// The notebook's layers, or, in a network that lacks some of them, as many
// spread evenly from the first layer to the last.
function notebookLayers(names) {
  const known = NOTEBOOK.filter((name) => names.includes(name));
  if (known.length === NOTEBOOK.length || names.length <= ROWS) return known.length ? known : names;
  return [...new Set(Array.from({ length: ROWS }, (_, i) =>
    names[Math.round((i * (names.length - 1)) / (ROWS - 1))]))];
}

// choice: "" or "notebook", "all", "main" (the path without side branches), or
// names with commas.
export function pickLayers(layers, choice) {
  const names = layers.map((l) => l.name);
  if (!choice || choice === 'notebook') return notebookLayers(names);
  if (choice === 'all') return names;
  if (choice === 'main') return layers.filter((l) => l.main).map((l) => l.name);
  const wanted = choice.split(',');
  return names.filter((name) => wanted.includes(name));
}

// Of all jobs on the page, in network order: that of the longest list, which
// has the side branches that others lack.
export function layersOfAll(tracks) {
  const lists = tracks.map((track) => track.layers).sort((a, b) => b.length - a.length);
  const all = new Map();
  for (const layer of lists.flat()) if (!all.has(layer.name)) all.set(layer.name, layer);
  return [...all.values()];
}
