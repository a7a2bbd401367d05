// The graph at the left: what has run, which gradients have arrived, and where the step is. Nodes live on from step to
// step; only a changed outline is laid out again.
const NODE = 46; // height
const MARGIN = 16;
const LONGEST = 28; // letters of a name; the end tells names apart
const SMALLEST = 0.72; // scale at which the letters can still be read
const OVERLAYS = ["gradient", "value", "error", "time", "shape"];

class Graph {
  constructor(container) {
    this.container = container;
    this.edges = svg("g", { class: "edges" });
    this.boxes = svg("g", { class: "boxes" });
    this.nodes = svg("g", { class: "nodes" });
    this.svg = svg("svg", { role: "group" }, svg("defs", null, ["forward", "backward"].map(arrow)), this.boxes, this.edges, this.nodes);
    this.overlayButton = h("button", { type: "button", onclick: () => act("overlay"), "aria-keyshortcuts": "o" });
    this.expandButton = h("button", { type: "button", onclick: () => act("expand_all"), "aria-keyshortcuts": "Shift+E" });
    this.scroller = h("div", { class: "scroller" }, this.svg);
    container.replaceChildren(h("div", { class: "tools" }, this.overlayButton, this.expandButton), this.scroller);
    this.room = { width: 0, height: 0 }; // asked for when it changes, not at every step
    new ResizeObserver(() => this.measure()).observe(this.scroller);
    this.drawn = new Map();
    this.shape = null;
    this.nodes.addEventListener("click", (event) => this.press(event.target.closest(".node")));
    this.boxes.addEventListener("click", (event) => this.press(event.target.closest("[data-id]")));
    this.nodes.addEventListener("keydown", (event) => this.type(event));
  }

  draw(trace, k, view) {
    const { items, edges, itemOf } = outline(trace, k, view);
    this.trace = trace;
    this.overlayButton.textContent = t("stepper.page.overlay", { what: t(`stepper.page.overlay_${view.overlay}`) });
    this.expandButton.textContent = t(allOpen(trace, view) ? "stepper.page.close_all" : "stepper.page.open_all");
    this.expandButton.hidden = trace.modules.length === 0;
    for (const item of items) Object.assign(item, label(trace, item, k, view.overlay));
    const shape = items.map((item) => `${item.id}:${item.count ?? ""}:${item.width}`).join(" ");
    const focused = this.nodes.contains(document.activeElement); // on a node that may now go
    if (shape !== this.shape) this.arrange(trace, items, edges);
    this.shape = shape;
    const current = currentItem(trace, k, items, itemOf);
    for (const item of items) this.paint(trace, item, k, item.id === current);
    this.paintEdges(trace, k, current);
    this.current = current;
    if (this.room.width) this.show(current);
    if (focused) this.drawn.get(current)?.focus({ preventScroll: true });
  }

  arrange(trace, items, edges) {
    this.plan = layout(items, edges);
    const kept = new Set(items.map((item) => item.id));
    for (const [id, node] of this.drawn) if (!kept.has(id)) { node.remove(); this.drawn.delete(id); }
    for (const item of items) {
      if (!this.drawn.has(item.id)) this.drawn.set(item.id, this.nodes.appendChild(blank(item.id)));
    }
    for (const item of items) { // the order of the tab key is the order of the program
      const node = this.drawn.get(item.id);
      const { x, y } = this.plan.nodes.get(item.id);
      node.style.transform = `translate(${x - item.width / 2}px, ${y}px)`;
      node.querySelector("rect").setAttribute("width", item.width);
      node.querySelector("rect").setAttribute("rx", item.kind === "leaf" ? NODE / 2 : 9);
    }
    const frames = boxes(trace, items, this.plan);
    this.left = Math.min(0, ...frames.map((frame) => frame.left)) - MARGIN;
    this.top = Math.min(0, ...frames.map((frame) => frame.top)) - MARGIN;
    this.width = Math.max(this.plan.width, ...frames.map((frame) => frame.right)) + MARGIN - this.left;
    this.height = Math.max(this.plan.height - PITCH + NODE, ...frames.map((frame) => frame.bottom)) + MARGIN - this.top;
    this.svg.setAttribute("viewBox", `${this.left} ${this.top} ${this.width} ${this.height}`);
    this.fit();
    this.lines = this.plan.routes.map(({ edge, path }) => ({ edge, line: svg("path", { class: "edge", d: curve(path, edge) }) }));
    this.edges.replaceChildren(...this.lines.map(({ line }) => line));
    this.boxes.replaceChildren(...frames.map((frame) => frame.element));
  }

  measure() {
    this.room = { width: this.scroller.clientWidth, height: this.scroller.clientHeight };
    this.fit();
    if (this.current) this.show(this.current);
  }

  // A little smaller where that shows the whole graph, or its whole width; else it scrolls.
  fit() {
    if (!this.plan) return;
    const wide = this.room.width / this.width;
    const whole = Math.min(wide, this.room.height / this.height);
    this.scale = Math.max(SMALLEST, Math.min(1, whole >= SMALLEST ? whole : wide));
    Object.assign(this.svg.style, { width: `${this.width * this.scale}px`, height: `${this.height * this.scale}px` });
  }

  paint(trace, item, k, isCurrent) {
    const node = this.drawn.get(item.id);
    node.ops = item.ops;
    const classes = ["node", item.kind, item.run ? "run" : "waiting", item.arrived ? "arrived" : "", isCurrent ? `current ${trace.group(k)}` : ""];
    node.setAttribute("class", classes.filter(Boolean).join(" "));
    node.setAttribute("aria-label", item.said);
    node.setAttribute("tabindex", isCurrent ? 0 : -1);
    if (isCurrent) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
    const [first, second] = node.querySelectorAll("text");
    first.textContent = item.first;
    second.textContent = item.second;
    node.querySelector("title").textContent = item.said;
  }

  paintEdges(trace, k, current) {
    const step = trace.steps[k];
    for (const { edge, line } of this.lines) {
      const here = edge.to === current && edge.to === `o${step.op}`;
      const going = here && (step.phase === "forward" || edge.slot === step.slot);
      line.setAttribute("class", going ? `edge current ${step.phase === "skip" ? "skip" : trace.group(k)}` : "edge");
      if (going) this.edges.append(line); // over the others
    }
  }

  // Bring the current node into the middle, without moving the page around it.
  show(current) {
    const node = current && this.plan.nodes.get(current);
    if (!node) return;
    const { scroller } = this;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    scroller.scrollTo({
      top: (node.y + NODE / 2 - this.top) * this.scale - this.room.height / 2,
      left: (node.x - this.left) * this.scale - this.room.width / 2,
      behavior: calm || !this.shown ? "instant" : "smooth",
    });
    this.shown = true;
  }

  press(element) {
    if (!element) return;
    const id = element.dataset.id;
    if (id[0] === "o") goto(stepOf(this.trace, Number(id.slice(1)), state.step));
    else if (id[0] === "t") goto(stepOfTensor(this.trace, state.step, Number(id.slice(1))));
    else if (id[0] === "m") toggleModule(Number(id.slice(1)));
    else if (id[0] === "f") unfold(this.trace.modules[Number(id.slice(1))].parent);
    else goto(stepOf(this.trace, id === "before" ? element.ops.at(-1) : element.ops[0], state.step));
  }

  type(event) {
    const node = event.target.closest(".node");
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) {
      const all = [...this.drawn.values()];
      all[all.indexOf(node) + move]?.focus();
    } else if (event.key === "Enter" || event.key === " ") this.press(node);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

const arrow = (group) => svg("marker", { id: `arrow-${group}`, class: group, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 3.4, markerHeight: 3.4,
  orient: "auto-start-reverse" }, svg("path", { d: "M0 0L8 4L0 8z" }));

const blank = (id) => svg("g", { class: "node", role: "button", "data-id": id }, svg("title"), svg("rect", { height: NODE }),
  svg("text", { x: 14, y: 19 }), svg("text", { x: 14, y: 36, class: "second" }));

// Edges leave the bottom of a node and enter the top of the next one at the place of their input.
function curve(path, edge) {
  const parts = [];
  path.forEach((node, i) => {
    const last = i === path.length - 1;
    const x = last ? node.x + (edge.slot - (edge.slots - 1) / 2) * Math.min(24, node.width / (edge.slots + 1)) : node.x;
    if (i === 0) return parts.push(`M${x} ${node.y + NODE}`);
    const from = path[i - 1];
    const [top, bottom] = [from.y + NODE, node.y - (last ? 3 : 0)];
    const middle = (top + bottom) / 2;
    parts.push(`C${from.x} ${middle} ${x} ${middle} ${x} ${bottom}`);
    if (node.point) parts.push(`V${node.y + NODE}`);
    return null;
  });
  return parts.join("");
}

// What stands on a node, and what a screen reader says of it.
function label(trace, item, k, overlay) {
  const last = item.ops.at(-1);
  const run = item.kind === "leaf" || trace.hasRun(item.ops[0], k);
  const tensor = item.kind === "leaf" ? item.tensor : trace.ops[last].outputs[0];
  const gradient = tensor === undefined ? null : trace.gradient(tensor, k);
  let first;
  if (item.kind === "leaf") first = trace.tensorName(tensor);
  else if (item.kind === "op") {
    const { name } = trace.tensors[tensor] ?? {};
    const op = trace.ops[item.op].name;
    first = !name ? op : namedByOp(name, op) ? name : `${op} → ${name}`;
  } else if (item.kind === "module") {
    const module = trace.modules[item.module];
    first = `${module.path || module.kind}${item.count ? ` × ${item.count}` : ""} ▸`;
  } else first = `⋯ ${t("stepper.page.ops", { count: item.ops.length })}`;
  const whole = first;
  if (first.length > LONGEST) first = `…${first.slice(1 - LONGEST)}`;
  const numbers = tensor === undefined || item.kind === "stub" ? "" : overlayText(trace, item, tensor, gradient, k, overlay);
  const shape = tensor === undefined || item.kind === "stub" ? "" : shapeText(trace.tensors[tensor].shape);
  const second = item.kind === "module" && overlay === "shape" ? t("stepper.page.ops", { count: item.ops.length }) : [shape, numbers].filter(Boolean).join("  ");
  const kind = item.kind === "module" ? trace.modules[item.module].kind : t(`stepper.page.node_${item.kind}`);
  const said = [`${item.kind === "op" ? trace.ops[item.op].name : ""} ${whole.replace("▸", "")} ${kind}`.trim(), shape, run ? "" : t("stepper.page.not_run"),
    gradient ? t("stepper.page.has_gradient", { norm: number(norm(gradient)) }) : t("stepper.page.no_gradient_yet")];
  // The width of what may stand there at any step, so that nothing moves when a gradient arrives.
  const letters = Math.max(textWidth(first), textWidth(shape) + (item.kind === "stub" ? 0 : 12 * 6.7));
  return { first, second, run, arrived: gradient !== null, said: said.filter(Boolean).join(t("stepper.page.comma")), width: Math.max(96, Math.round(letters + 34)) };
}

// A tensor without a name of its own is called after its op: matmul₂.
const namedByOp = (name, op) => name.replace(/[₀-₉]+$/, "").replaceAll("_", "") === op.toLowerCase();

const textWidth = (text) => [...text].reduce((sum, letter) => sum + (letter.codePointAt(0) > 0x2e7f ? 13 : 7.4), 0);

function overlayText(trace, item, tensor, gradient, k, overlay) {
  if (overlay === "gradient") return gradient ? `∂ ${number(norm(gradient))}` : "∂ –";
  const steps = item.ops.flatMap((op) => trace.stepsOf[op].map((step) => trace.steps[step]));
  if (overlay === "error") {
    const errors = steps.map((step) => step.check?.error).filter((error) => typeof error === "number");
    return errors.length ? `ε ${number(Math.max(...errors), 2)}` : "ε –";
  }
  if (overlay === "time") {
    const seconds = item.ops.reduce((sum, op) => sum + (trace.ops[op].seconds ?? 0), 0);
    return seconds ? `${number(seconds * 1e6, 3)} µs` : "";
  }
  if (overlay === "value") {
    const value = trace.array(trace.tensors[tensor].value);
    return value && (item.kind === "leaf" || trace.hasRun(item.ops.at(-1), k)) ? `‖·‖ ${number(norm(value))}` : "";
  }
  return "";
}

function currentItem(trace, k, items, itemOf) {
  const { op, tensor, phase } = trace.steps[k];
  if (typeof op === "number" && phase !== "update" && itemOf[op] >= 0) return items[itemOf[op]].id;
  if (typeof tensor !== "number") return null;
  const leaf = [tensor, trace.tensors[tensor].previous].map((each) => `t${each}`).find((id) => items.some((item) => item.id === id));
  if (leaf) return leaf;
  const near = trace.focus(k);
  return near >= 0 && itemOf[near] >= 0 ? items[itemOf[near]].id : null;
}

// From a leaf: to the next step that adds to its gradient, else to its first use.
function stepOfTensor(trace, k, tensor) {
  const arrivals = trace.accumulated[tensor].map(([step]) => step);
  const uses = trace.usesOf(tensor).map(([op]) => trace.stepsOf[op][0]).filter((step) => step !== undefined);
  const known = trace.group(k) === "forward" ? [...uses, ...arrivals] : [...arrivals, ...uses];
  return known.find((step) => trace.group(step) === trace.group(k) && step > k) ?? known[0] ?? k;
}

// A frame round the ops of an open module, where nothing foreign stands inside.
function boxes(trace, items, plan) {
  const open = new Map();
  for (const item of items.filter((each) => each.kind !== "leaf" && each.kind !== "stub")) {
    const own = item.kind === "module" ? trace.modules[item.module].parent : trace.ops[item.op].module;
    for (const m of trace.ancestors(own)) open.set(m, [...(open.get(m) ?? []), item]);
  }
  const depth = (m) => trace.ancestors(m).length;
  return [...open].sort(([a], [b]) => depth(a) - depth(b)).map(([m, members]) => {
    const inner = Math.max(0, ...[...open.keys()].filter((each) => trace.ancestors(each).includes(m)).map((each) => depth(each) - depth(m)));
    const pad = 9 + 5 * inner;
    const at = members.map((item) => ({ ...plan.nodes.get(item.id), width: item.width }));
    const left = Math.min(...at.map((node) => node.x - node.width / 2)) - pad;
    const right = Math.max(...at.map((node) => node.x + node.width / 2)) + pad;
    const top = Math.min(...at.map((node) => node.y)) - 20 - 15 * inner;
    const bottom = Math.max(...at.map((node) => node.y)) + NODE + pad;
    const foreign = items.some((item) => {
      const node = plan.nodes.get(item.id);
      return !members.includes(item) && node.x + item.width / 2 > left && node.x - item.width / 2 < right && node.y < bottom && node.y + NODE > top && item.kind !== "leaf";
    });
    const { path, kind } = trace.modules[m];
    const element = svg("g", { class: foreign ? "box crowded" : "box", "data-id": `m${m}` },
      svg("rect", { x: left, y: top, width: right - left, height: bottom - top, rx: 12 }),
      svg("text", { x: left + 10, y: top + 13 }, `▾ ${path} ${kind}`));
    return { element, left, top, right, bottom };
  });
}
