// Layered drawing after Sugiyama, Tagawa and Toda 1981: longest-path layers, long edges through a point in each layer,
// barycentre ordering, then places by isotonic regression, the exact least squares under the order. No recursion.
const GAP = 22;
const PITCH = 84;
const SWEEPS = 8;
const LIGHT = 0.05; // a leaf makes room for the ops, which stand straight under one another

function layout(items, edges) {
  const rank = ranks(items, edges);
  const nodes = new Map(items.map((item) => [item.id, { id: item.id, width: item.width, weight: item.kind === "leaf" ? LIGHT : 1, rank: rank.get(item.id), up: [], down: [], ports: [] }]));
  const routes = edges.map((edge) => route(edge, nodes));
  const layers = [];
  for (const node of nodes.values()) (layers[node.rank] ??= []).push(node);
  for (let r = 0; r < layers.length; r++) layers[r] ??= [];
  arrange(layers);
  const left = Math.min(0, ...layers.flat().map((node) => node.x - node.width / 2));
  for (const node of nodes.values()) Object.assign(node, { x: node.x - left, y: node.rank * PITCH });
  const width = Math.max(0, ...layers.flat().map((node) => node.x + node.width / 2));
  return { nodes, routes, width, height: layers.length * PITCH };
}

// An op is one layer under the last of its inputs; a leaf one layer over the first op that uses it.
function ranks(items, edges) {
  const rank = new Map(items.map((item) => [item.id, item.kind === "leaf" ? 0 : 1]));
  const into = Map.groupBy ? Map.groupBy(edges, (edge) => edge.to) : grouped(edges);
  for (const { id } of items) {
    for (const { from } of into.get(id) ?? []) rank.set(id, Math.max(rank.get(id), rank.get(from) + 1));
  }
  const first = new Map();
  for (const { from, to } of edges) first.set(from, Math.min(first.get(from) ?? Infinity, rank.get(to)));
  for (const { id, kind } of items) if (kind === "leaf") rank.set(id, (first.get(id) ?? 1) - 1);
  const top = Math.min(...rank.values());
  for (const [id, r] of rank) rank.set(id, r - top);
  return rank;
}

function grouped(edges) {
  const groups = new Map();
  for (const edge of edges) groups.set(edge.to, [...(groups.get(edge.to) ?? []), edge]);
  return groups;
}

// The nodes that an edge passes, with a point made in every layer between its ends.
function route(edge, nodes) {
  const path = [nodes.get(edge.from)];
  const end = nodes.get(edge.to);
  for (let r = path[0].rank + 1; r < end.rank; r++) {
    const id = `${edge.from}>${r}`; // edges from one node share their way
    if (!nodes.has(id)) nodes.set(id, { id, width: 4, weight: 1, rank: r, up: [], down: [], ports: [], point: true });
    path.push(nodes.get(id));
  }
  path.push(end);
  for (let i = 1; i < path.length; i++) {
    path[i - 1].down.push(path[i]);
    path[i - 1].ports.push(i === path.length - 1 ? (edge.slot + 1) / (edge.slots + 1) - 0.5 : 0); // where it enters
    path[i].up.push(path[i - 1]);
  }
  return { edge, path };
}

function arrange(layers) {
  const number = (layer) => layer.forEach((node, i) => { node.order = i; });
  layers.forEach(number);
  const mean = (values, otherwise) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : otherwise);
  const above = (node) => node.up.map((each) => each.order);
  const below = (node) => node.down.map((each, i) => each.order + node.ports[i]);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : [...layers].reverse()) {
      const [first, second] = down ? [above, below] : [below, above];
      layer.forEach((node) => { node.wish = mean(first(node), mean(second(node), node.order)); });
      layer.sort((a, b) => a.wish - b.wish || a.order - b.order);
      number(layer);
    }
  }
  for (const layer of layers) place(layer, layer.map((node) => node.order * 120));
  const weighted = (nodes, otherwise) => nodes.reduce((sum, node) => sum + node.weight * node.x, 0) / nodes.reduce((sum, node) => sum + node.weight, 0) || otherwise;
  for (let sweep = 0; sweep < 2 * SWEEPS; sweep++) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      place(layer, layer.map((node) => weighted([...node.up, ...node.down], node.x)));
    }
  }
}

// Least Σ weight (x − wish)² with room between neighbours: pool adjacent violators.
function place(layer, wishes) {
  const offsets = [];
  layer.forEach((node, i) => offsets.push(i ? offsets[i - 1] + (layer[i - 1].width + node.width) / 2 + GAP : 0));
  const pools = [];
  wishes.forEach((wish, i) => {
    const { weight } = layer[i];
    pools.push({ sum: weight * (wish - offsets[i]), weight, count: 1 });
    while (pools.length > 1 && pools.at(-2).sum / pools.at(-2).weight > pools.at(-1).sum / pools.at(-1).weight) {
      const last = pools.pop();
      for (const key of ["sum", "weight", "count"]) pools.at(-1)[key] += last[key];
    }
  });
  let i = 0;
  for (const { sum, weight, count } of pools) for (let n = 0; n < count; n++, i++) layer[i].x = sum / weight + offsets[i];
}
