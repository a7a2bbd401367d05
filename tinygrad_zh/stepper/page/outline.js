// What of the graph is drawn at a step: modules closed but those round the step, equal neighbours folded, and in a
// long flat graph only the neighbourhood of the current op.
const SMALL = 40; // ops up to which everything is open
const MOST = 60; // nodes
const NEAR = 28; // ops and modules that are kept of a graph with more than MOST

function outline(trace, k, view) {
  const focus = trace.focus(k);
  const current = new Set(focus < 0 ? [] : trace.ancestors(trace.ops[focus].module));
  const open = (m) => isOpen(trace, m, current, view);
  let items = folded(trace, closed(trace, open), current, view);
  const indexOf = (items) => {
    const map = new Array(trace.ops.length).fill(-1);
    items.forEach((item, i) => item.ops.forEach((op) => { map[op] = i; }));
    return map;
  };
  let itemOf = indexOf(items);
  if (items.length > MOST) {
    items = neighbourhood(trace, items, itemOf, itemOf[focus]);
    itemOf = indexOf(items);
  }
  const edges = connect(trace, items, itemOf);
  addLeaves(trace, items, edges, focus, k);
  return { items, edges, itemOf };
}

// What the reader chose for this module, what was chosen for all, or what the size of the graph and the step suggest.
const isOpen = (trace, module, current, view) => view.open.get(module) ?? (allOpen(trace, view) || (view.everything === null && current.has(module)));
const allOpen = (trace, view) => view.everything ?? trace.size <= SMALL;

// Each op by itself, or within the outermost module that is closed.
function closed(trace, open) {
  const items = new Map();
  trace.ops.forEach((op, o) => {
    if (!trace.inGraph[o]) return;
    const shut = trace.ancestors(op.module).reverse().find((m) => !open(m));
    const id = shut === undefined ? `o${o}` : `m${shut}`;
    if (!items.has(id)) items.set(id, shut === undefined ? { id, kind: "op", op: o, ops: [] } : { id, kind: "module", module: shut, ops: [] });
    items.get(id).ops.push(o);
  });
  return [...items.values()];
}

// Consecutive closed modules of one parent and equal structure become "first × 12".
function folded(trace, items, current, view) {
  const alike = (a, b) => {
    const [m, n] = [trace.modules[a.module], trace.modules[b.module]];
    return m.parent === n.parent && m.block === n.block && !view.unfolded.has(m.parent) &&
      !current.has(a.module) && !current.has(b.module);
  };
  const done = [];
  for (const item of items) {
    const last = done.at(-1);
    if (item.kind === "module" && last?.kind === "module" && alike(last, item)) {
      last.id = last.count ? last.id : `f${last.module}`;
      last.count = (last.count ?? 1) + 1;
      last.ops.push(...item.ops);
    } else done.push(item);
  }
  return done;
}

// The items nearest to the current one along the edges; the others are counted in two stubs.
function neighbourhood(trace, items, itemOf, centre) {
  const near = items.map(() => []);
  for (const [from, to] of pairs(trace, itemOf)) {
    near[from].push(to);
    near[to].push(from);
  }
  const kept = new Set([centre]);
  for (const item of kept) { // a set is walked in the order of its growth: breadth first
    for (const next of near[item]) if (kept.size < NEAR) kept.add(next);
  }
  const stub = (id, some) => {
    const ops = some.flatMap((item) => item.ops);
    return ops.length ? [{ id, kind: "stub", ops }] : [];
  };
  return [...stub("before", items.filter((_, i) => i < centre && !kept.has(i))), ...items.filter((_, i) => kept.has(i)),
    ...stub("after", items.filter((_, i) => i > centre && !kept.has(i)))];
}

function pairs(trace, itemOf) {
  const found = new Map();
  trace.ops.forEach((op, o) => {
    if (itemOf[o] < 0) return;
    op.inputs.forEach((tensor) => {
      const maker = trace.tensors[tensor].producer;
      if (maker === null || itemOf[maker] < 0 || itemOf[maker] === itemOf[o]) return;
      found.set(`${itemOf[maker]}>${itemOf[o]}`, [itemOf[maker], itemOf[o]]);
    });
  });
  return [...found.values()];
}

// Into an op every input has an edge of its own; between closed things one edge says that something flows.
function connect(trace, items, itemOf) {
  const edges = [];
  for (const [from, to] of pairs(trace, itemOf)) {
    if (items[to].id === "before" || items[from].id === "after" || from > to) continue;
    if (items[to].kind !== "op") edges.push({ from: items[from].id, to: items[to].id, slot: 0, slots: 1 });
    else {
      const { inputs } = trace.ops[items[to].op];
      inputs.forEach((tensor, slot) => {
        const maker = trace.tensors[tensor].producer;
        if (maker !== null && itemOf[maker] === from) edges.push({ from: items[from].id, to: items[to].id, slot, slots: inputs.length });
      });
    }
  }
  return edges;
}

// Parameters, inputs and constants beside the ops that use them, those of the current op first, while there is room.
function addLeaves(trace, items, edges, focus, k) {
  const drawn = items.filter((item) => item.kind === "op").map((item) => item.op);
  const order = drawn.includes(focus) ? [focus, ...drawn.filter((op) => op !== focus)] : drawn;
  const leaves = new Map();
  for (const o of order) {
    trace.ops[o].inputs.forEach((tensor, slot, inputs) => {
      if (trace.tensors[tensor].producer !== null) return;
      if (!leaves.has(tensor) && items.length + leaves.size >= MOST) return;
      if (!leaves.has(tensor)) leaves.set(tensor, { id: `t${tensor}`, kind: "leaf", tensor, ops: [] });
      edges.push({ from: `t${tensor}`, to: `o${o}`, slot, slots: inputs.length });
    });
  }
  items.push(...leaves.values());
}
