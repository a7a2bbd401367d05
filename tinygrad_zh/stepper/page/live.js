// The view of a training: curves, and tables of numbers beside them, of a film that is over or still being shot.
const FILM_LIMIT = 512;
const LINES_AT_FIRST = 6;
const LINE_COLOURS = 7;
const DASHES = ["", "7 3", "2 3", "10 3 2 3", "4 2 1 2 1 2", "14 5"];
const SPEAK_EVERY = 5000;
const CHARTS = [
  { id: "loss", families: ["loss", "average", "figure/validation_loss"], term: "loss" },
  { id: "gradient", families: ["gradient/"], log: true, of: "parameters", term: "vanishing_gradient" },
  { id: "update", families: ["update/"], log: true, of: "parameters", term: "learning_rate" },
  { id: "activation", families: ["mean/", "std/"], of: "activations", term: "saturation" },
  { id: "stuck", families: ["stuck/"], share: true, of: "activations", term: "dead_unit" },
  { id: "figures", families: ["figure/"], term: "overfitting" },
];

// "nan" and "inf" are words in JSON.
const filmNumber = (value) => (typeof value === "number" ? value : value === "inf" ? Infinity : value === "-inf" ? -Infinity : NaN);

// A curve of bounded length: of every `width` steps the least and the greatest stay. The rule of curve.py.
class Curve {
  constructor([steps, values]) {
    Object.assign(this, { width: 1, steps: [], values: [] });
    steps.forEach((step, i) => this.add(step, filmNumber(values[i])));
  }

  add(step, value) {
    const last = this.steps.length - 1;
    if (last >= 0 && step < this.steps[last]) return;
    if (last >= 0 && step === this.steps[last]) {
      this.values[last] = value;
      return;
    }
    if (last >= 2 && this.stretch(last) === this.stretch(last - 2)) this.keep((i) => i !== this.ranked([last - 2, last - 1, last])[1]);
    this.steps.push(step);
    this.values.push(value);
    if (this.steps.length > FILM_LIMIT) this.widen();
  }

  widen() {
    while (this.steps.length > FILM_LIMIT * 0.75) {
      this.width *= 2;
      const last = this.steps.length - 1;
      const kept = new Set([last]);
      for (let start = 0, end = 1; start < last; start = end++) {
        while (end < last && this.stretch(end) === this.stretch(start)) end++;
        const ranked = this.ranked(this.steps.slice(start, end).map((_, i) => start + i));
        kept.add(ranked[0]).add(ranked.at(-1));
      }
      this.keep((i) => kept.has(i));
    }
  }

  keep(wanted) {
    this.values = this.values.filter((_, i) => wanted(i));
    this.steps = this.steps.filter((_, i) => wanted(i));
  }

  stretch(i) {
    return Math.floor(this.steps[i] / this.width);
  }

  // By value, nan last.
  ranked(group) {
    const value = (i) => (Number.isNaN(this.values[i]) ? Infinity : this.values[i]);
    return [...group].sort((a, b) => value(a) - value(b) || a - b);
  }

  get latest() {
    return this.values.at(-1);
  }
}

const filmOf = (data) => ({ ...data, curves: Object.fromEntries(Object.entries(data.curves).map(([name, points]) => [name, new Curve(points)])) });

// What is new, into what is known.
function mergeNews(film, news) {
  const { curves, now, ...facts } = news;
  Object.assign(film, facts, { now });
  for (const [name, [steps, values]] of Object.entries(curves)) {
    film.curves[name] ??= new Curve([[], []]);
    steps.forEach((step, i) => film.curves[name].add(step, filmNumber(values[i])));
  }
  for (const [name, strip] of Object.entries(now)) film.first[name] ??= strip;
}

const latestOf = (film, curve) => film.curves[curve]?.latest;
const numberOrNan = (value, digits) => (Number.isNaN(value) ? "nan" : value === Infinity ? "inf" : value === -Infinity ? "−inf" : number(value, digits));

// ---- one chart

const CHART = { width: 480, height: 210, left: 52, right: 20, top: 10, bottom: 24 };

// Round numbers from low to high: 1, 2 or 5 times a power of ten apart.
function roundTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const apart = power * [1, 2, 5, 10].find((each) => each * power >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / apart - 1e-9); k * apart <= high + apart * 1e-9; k++) ticks.push(Number((k * apart).toPrecision(12)));
  return ticks;
}

// Where a value is drawn, and the ticks. On a logarithmic scale 0 lies on the lowest line.
function scaleOf(values, { log, share }, from, to) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let low = share ? 0 : Math.min(...usable);
  let high = share ? 1 : Math.max(...usable);
  if (!usable.length) [low, high] = log ? [1e-3, 1] : [0, 1];
  if (log) {
    [low, high] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    if (low === high) high += 1;
    const every = Math.ceil((high - low) / 5);
    const ticks = [];
    for (let power = low; power <= high; power += every) ticks.push(10 ** power);
    const place = (value) => from + ((Math.max(Math.log10(value), low) - low) / (high - low)) * (to - from);
    return { ticks, place: (value) => (value > 0 ? place(value) : from) };
  }
  if (low === high) [low, high] = [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
  const ticks = roundTicks(low, high, 4);
  [low, high] = [Math.min(low, ticks[0]), Math.max(high, ticks[ticks.length - 1])];
  return { ticks, place: (value) => from + ((value - low) / (high - low)) * (to - from) };
}

// lines: [{name, style, dash, steps, values}]. at: the step of the reading line, or null.
function chartSvg(lines, options, label, at) {
  const { width, height, left, right, top, bottom } = CHART;
  const steps = lines.flatMap((line) => [line.steps[0], line.steps[line.steps.length - 1]]).filter((step) => step !== undefined);
  const first = Math.min(...steps, 0);
  const last = Math.max(...steps, first + 1);
  const x = (step) => left + ((step - first) / (last - first)) * (width - left - right);
  const y = scaleOf(lines.flatMap((line) => line.values), options, height - bottom, top);
  const grid = y.ticks.map((tick) => [
    svg("line", { x1: left, x2: width - right, y1: y.place(tick), y2: y.place(tick), class: "grid" }),
    svg("text", { x: left - 6, y: y.place(tick) + 4, "text-anchor": "end" }, options.share ? `${Math.round(tick * 100)} %` : number(tick)),
  ]);
  const marks = roundTicks(first, last, 5).filter(Number.isInteger).map((tick) =>
    svg("text", { x: x(tick), y: height - 7, "text-anchor": "middle" }, String(tick)));
  const drawn = lines.map(({ steps: at_, values, style, dash }) => {
    let path = "";
    let pen = false;
    const odd = [];
    values.forEach((value, i) => {
      if (Number.isFinite(value)) path += `${pen ? "L" : "M"}${x(at_[i]).toFixed(1)} ${y.place(value).toFixed(1)}`;
      else odd.push(svg("text", { x: x(at_[i]), y: top + 9, "text-anchor": "middle", class: "odd" }, "×", svg("title", {}, String(value))));
      pen = Number.isFinite(value);
    });
    // A single point has no length; a round cap of a line of none makes it a dot.
    return [svg("path", { d: path + (path.includes("L") || !path ? "" : "h0"), class: style, "stroke-dasharray": dash }), odd];
  });
  const reading = at === null ? null : svg("line", { x1: x(at), x2: x(at), y1: top, y2: height - bottom, class: "reading" });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, grid, marks, drawn, reading);
}

// ---- strips

function histogramSvg(now, first) {
  const width = 120;
  const height = 30;
  if (!now) return "–";
  const low = Math.min(now.low, first ? first.low : now.low);
  const high = Math.max(now.high, first ? first.high : now.high);
  const x = (value) => (high > low ? ((value - low) / (high - low)) * width : width / 2);
  // Heights are densities, so that strips of different width can lie over each other.
  const bars = (histogram) => {
    const total = histogram.counts.reduce((sum, count) => sum + count, 0) || 1;
    const part = (histogram.high - histogram.low || 1) / histogram.counts.length;
    return histogram.counts.map((count, i) => [histogram.low + i * part, part, count / total / part]);
  };
  const tallest = (all) => Math.max(...all.map(([, , density]) => density)) || 1;
  const solid = bars(now);
  const most = tallest(solid);
  const rects = solid.map(([start, part, density]) => svg("rect", {
    x: x(start).toFixed(1), width: Math.max(x(start + part) - x(start) - 0.4, 0.8).toFixed(1),
    y: (height - (density / most) * height).toFixed(1), height: ((density / most) * height).toFixed(1),
  }));
  const then = first ? bars(first) : [];
  const outline = then.map(([start, part, density]) => `L${x(start).toFixed(1)} ${(height - (density / tallest(then)) * height).toFixed(1)}H${x(start + part).toFixed(1)}`).join("");
  const label = t("stepper.live.histogram", { low: number(now.low), high: number(now.high) }) + (now.nan ? ` · ${now.nan} nan/∞` : "");
  return h("div", { class: "strip" },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, rects,
      outline ? svg("path", { d: `M${x(first.low)} ${height}${outline}V${height}`, class: "began" }) : null),
    h("small", { "aria-hidden": "true" }, `${number(now.low)} … ${number(now.high)}${now.nan ? ` · ${now.nan} nan/∞` : ""}`));
}

// One cell a unit, the darker the more samples it passes no gradient for; × where it does for none.
function cellsSvg(cells, label) {
  const columns = Math.min(cells.length, 32);
  const rows = Math.ceil(cells.length / columns);
  return svg("svg", { viewBox: `0 0 ${columns * 8} ${rows * 8}`, class: "cells", style: `width:${columns * 8}px`, role: "img", "aria-label": label },
    cells.map((share, i) => {
      const [x, y] = [(i % columns) * 8, Math.floor(i / columns) * 8];
      return [
        svg("rect", { x: x + 0.5, y: y + 0.5, width: 7, height: 7, "fill-opacity": share }),
        share === 1 ? svg("path", { d: `M${x + 2} ${y + 2}l4 4m0 -4l-4 4`, class: "cross" }) : null,
      ];
    }));
}

// ---- the view

class Training {
  // film: what was seen, or null where it is still being shot: then it comes from the page's own address.
  constructor(root, film) {
    this.root = root;
    this.film = film && filmOf(film);
    this.documents = null; // of the last probe, once training is over
    this.paused = false;
    this.lost = false;
    this.chosen = null;
    this.reading = null;
    this.spoken = 0;
    this.waiting = false;
    this.build();
    if (film === null) this.connect();
  }

  connect() {
    const events = new EventSource("events");
    const told = (kind, use) => events.addEventListener(kind, (event) => {
      use(JSON.parse(event.data));
      this.lost = false;
      this.soon();
    });
    told("whole", (film) => {
      if (film.run !== this.film?.run) this.documents = null;
      this.film = filmOf(film);
    });
    told("news", (news) => { if (this.film) mergeNews(this.film, news); });
    told("documents", (documents) => { this.documents = documents; });
    told("bye", () => events.close());
    // The browser tries again by itself; when training is over, there is nothing to come back to.
    events.addEventListener("error", () => {
      this.lost = true;
      if (this.film && this.film.state !== "running") events.close();
      this.soon();
    });
    this.events = events;
  }

  // Drawn at most once a frame, and not while the reader holds the picture still.
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  build() {
    this.parts = {
      title: h("h2", {}),
      state: h("span", { class: "chip", "data-testid": "live-state" }),
      facts: h("span", { class: "facts", "data-testid": "live-facts" }),
      pause: h("button", { type: "button", "data-testid": "live-pause", onclick: () => this.pause() }),
      step: h("button", { type: "button", class: "main", "data-testid": "live-step", onclick: () => this.open() }),
      said: h("p", { class: "hidden", "aria-live": "polite", "data-testid": "live-said" }),
      why: h("p", { class: "why", role: "alert", hidden: true, "data-testid": "live-why" }),
      charts: h("div", { class: "charts" }),
      tables: h("div", {}),
    };
    const { title, state, facts, pause, step, said, why, charts, tables } = this.parts;
    this.root.replaceChildren(h("div", { class: "live-head" }, title, state, facts, pause, step), said, why, charts, tables);
    this.draw();
  }

  pause() {
    this.paused = !this.paused;
    this.draw(true);
  }

  // Step through the latest probe; without a connection, through the last one that came.
  async open() {
    const reachable = this.events && this.events.readyState === EventSource.OPEN;
    const documents = (reachable ? await fetch("step").then((answer) => answer.json()).catch(() => null) : null) ?? this.documents;
    if (documents && documents.length) {
      state.traces = documents.map((each) => new Trace(each));
      choose(state.traces[0]);
      redraw();
    }
    showView(null);
  }

  names(kind) {
    return this.film[kind].map((each) => each.name);
  }

  // At first the weight matrices, evenly spaced; all activations there is room for.
  choose() {
    const matrices = this.film.parameters.filter((each) => each.shape.length > 1);
    const spaced = (all) => all.filter((_, i) => Math.floor((i * LINES_AT_FIRST) / all.length) !== Math.floor(((i - 1) * LINES_AT_FIRST) / all.length));
    const names = (all) => (all.length <= LINES_AT_FIRST ? all : spaced(all)).map((each) => each.name);
    this.chosen = {
      parameters: new Set(names(matrices.length ? matrices : this.film.parameters)),
      activations: new Set(names(this.film.activations)),
    };
  }

  draw(always = false) {
    const { film, parts } = this;
    parts.pause.textContent = t(this.paused ? "stepper.live.continue" : "stepper.live.pause");
    parts.pause.setAttribute("aria-pressed", this.paused);
    const state = film === null ? "waiting" : this.lost && film.state === "running" ? "lost" : film.state;
    parts.state.textContent = t(`stepper.live.state.${state}`);
    parts.state.dataset.state = state;
    parts.pause.hidden = state !== "running";
    if (film === null || (this.paused && !always)) return;
    if (this.run !== film.run) {
      this.run = film.run;
      this.chosen = null;
    }
    if (this.chosen === null || (!this.chosen.activations.size && film.activations.length)) this.choose();
    const loss = latestOf(film, "loss");
    parts.title.textContent = film.title;
    parts.facts.textContent = t("stepper.live.facts", { step: film.step, epoch: film.epoch || "–", seconds: Math.round(film.seconds), loss: numberOrNan(loss) });
    parts.step.textContent = t("stepper.live.step", { step: film.probed ?? "–" });
    parts.step.hidden = film.probed === undefined;
    parts.why.textContent = film.why || "";
    parts.why.hidden = !film.why;
    this.drawCharts();
    this.drawTables();
    this.say(loss);
  }

  lines(chart) {
    const { film } = this;
    const chosen = chart.of ? this.names(chart.of).flatMap((name, i) => (this.chosen[chart.of].has(name) ? [[name, i]] : [])) : null;
    const line = (curve, name, i, dash) => {
      const { steps, values } = film.curves[curve] ?? new Curve([[], []]);
      return { name, steps, values, style: `line line${i % LINE_COLOURS}`, dash };
    };
    if (chosen && chart.families.length === 1) {
      return chosen.map(([name, i]) => line(chart.families[0] + name, name, i, DASHES[i % DASHES.length]));
    }
    if (chosen) { // mean and std of the same unit: one colour, the mean unbroken
      return chosen.flatMap(([name, i]) => chart.families.map((family, k) =>
        line(family + name, `${t(`stepper.live.${family.slice(0, -1)}`)} ${name}`, i, ["", "5 3"][k])));
    }
    const ofLoss = [...CHARTS[0].families, "figure/loss"];
    const shown = chart.id === "loss" ? chart.families : Object.keys(film.curves).filter((curve) => curve.startsWith("figure/") && !ofLoss.includes(curve));
    return shown.filter((curve) => film.curves[curve]).map((curve, i) => {
      const name = curve.replace("figure/", "");
      const drawn = line(curve, hasText(`stepper.live.figure.${name}`) ? t(`stepper.live.figure.${name}`) : name, i, DASHES[i % DASHES.length]);
      // The steps' own loss jumps: it stands behind its running average, in the same colour.
      if (curve === "loss") drawn.style += " faint";
      return curve === "average" ? { ...drawn, style: "line line0", dash: "" } : drawn;
    });
  }

  drawCharts() {
    const shown = CHARTS.map((chart) => [chart, this.lines(chart)]).filter(([, lines]) => lines.some((line) => line.steps.length));
    const ids = shown.map(([chart]) => chart.id).join(" ") + language;
    if (this.figures !== ids) {
      this.figures = ids;
      this.places = {};
      this.parts.charts.replaceChildren(...shown.map(([chart]) => this.figure(chart)));
    }
    for (const [chart, lines] of shown) {
      const place = this.places[chart.id];
      const title = t(`stepper.live.chart.${chart.id}`);
      const latest = lines.map((line) => `${line.name} ${numberOrNan(line.values.at(-1))}`).join(", ");
      place.drawing.replaceChildren(chartSvg(lines, chart, `${title}: ${latest}`, this.reading));
      place.legend.replaceChildren(...lines.map((line) => {
        const value = this.reading === null ? line.values.at(-1) : line.values[this.nearest(line.steps, this.reading)];
        return h("li", {}, this.swatch(line), `${line.name} `, h("b", {}, chart.share && value !== undefined ? `${number(value * 100)} %` : numberOrNan(value)));
      }));
    }
  }

  figure(chart) {
    const drawing = h("div", { class: "drawing", tabindex: "0", role: "group", "aria-label": t("stepper.live.read"),
      onpointermove: (event) => this.read(event), onpointerleave: () => this.readAt(null), onblur: () => this.readAt(null),
      onkeydown: (event) => this.readByKey(event) });
    const legend = h("ul", { class: "legend" });
    this.places[chart.id] = { drawing, legend };
    return h("figure", { "data-testid": `live-chart-${chart.id}` },
      h("figcaption", {}, h("h3", {}, t(`stepper.live.chart.${chart.id}`)),
        h("details", {}, h("summary", {}, t("stepper.live.explain")), h("p", {}, t(`stepper.live.explain.${chart.id}`)), this.term(chart.term))),
      drawing, legend);
  }

  // A link to the glossary's entry, where the page has one.
  term(term) {
    if (typeof openGlossary !== "function" || !hasText(`glossary.${term}.name`)) return null;
    return h("button", { type: "button", class: "link", onclick: () => openGlossary(term) }, t(`glossary.${term}.name`));
  }

  swatch(line) {
    return svg("svg", { viewBox: "0 0 26 10", class: "key", "aria-hidden": "true" },
      svg("path", { d: "M1 5H25", class: line.style, "stroke-dasharray": line.dash }));
  }

  // ---- reading a curve at a step: with the pointer, or with the arrow keys on a chart

  nearest(steps, step) {
    let best = 0;
    steps.forEach((each, i) => { if (Math.abs(each - step) <= Math.abs(steps[best] - step)) best = i; });
    return best;
  }

  read(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width) * CHART.width - CHART.left;
    this.readAt(Math.round((share / (CHART.width - CHART.left - CHART.right)) * this.film.step));
  }

  readByKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    this.readAt((this.reading ?? this.film.step) + by * Math.max(1, Math.round(this.film.step / 50)));
  }

  readAt(step) {
    this.reading = step === null ? null : Math.min(Math.max(step, 0), this.film.step);
    if (this.film) this.drawCharts();
  }

  // ---- tables: what the curves say, in numbers, and which of them are drawn

  drawTables() {
    const { film } = this;
    const key = [language, ...this.names("parameters"), "|", ...this.names("activations")].join(" ");
    if (this.tabled !== key) {
      this.tabled = key;
      this.rows = {};
      this.parts.tables.replaceChildren(
        this.table("parameters", ["weight", "gradient", "update", "weights", "gradients"]),
        film.activations.length ? this.table("activations", ["mean", "std", "stuck", "units", "outputs"]) : "");
    }
    for (const { name } of film.parameters) {
      const cells = this.rows[`parameters/${name}`];
      for (const curve of ["weight", "gradient", "update"]) cells[curve].textContent = numberOrNan(latestOf(film, `${curve}/${name}`));
      cells.weights.replaceChildren(histogramSvg(film.now[`weights/${name}`], film.first[`weights/${name}`]));
      cells.gradients.replaceChildren(histogramSvg(film.now[`gradients/${name}`]));
    }
    for (const each of film.activations) {
      const { name, units } = each;
      const cells = this.rows[`activations/${name}`];
      for (const curve of ["mean", "std"]) cells[curve].textContent = numberOrNan(latestOf(film, `${curve}/${name}`));
      const share = latestOf(film, `stuck/${name}`);
      const stuck = t("stepper.live.stuck", { count: Math.round(share * units), units, what: this.wordFor(each) });
      cells.stuck.textContent = stuck;
      cells.units.replaceChildren(cellsSvg(film.now[`stuck/${name}`] || [], stuck));
      cells.outputs.replaceChildren(histogramSvg(film.now[`outputs/${name}`], film.first[`outputs/${name}`]));
    }
  }

  wordFor(activation) {
    return t(`stepper.live.${activation.op === "ReLU" ? "dead" : "saturated"}`);
  }

  table(kind, columns) {
    const head = h("tr", {}, h("th", { scope: "col" }, t(`stepper.live.${kind}`)), columns.map((column) => h("th", { scope: "col" }, t(`stepper.live.column.${column}`))));
    const rows = this.film[kind].map((each, i) => {
      const cells = Object.fromEntries(columns.map((column) => [column, h("td", { class: column })]));
      this.rows[`${kind}/${each.name}`] = cells;
      const tick = h("input", { type: "checkbox", checked: this.chosen[kind].has(each.name), onchange: () => {
        this.chosen[kind][tick.checked ? "add" : "delete"](each.name);
        this.drawCharts();
      } });
      const detail = each.shape ? shapeText(each.shape) : t("stepper.live.samples", { units: each.units, samples: each.samples });
      return h("tr", {}, h("th", { scope: "row" }, h("label", {}, tick,
        this.swatch({ style: `line line${i % LINE_COLOURS}`, dash: kind === "parameters" ? DASHES[i % DASHES.length] : "" }),
        h("code", {}, each.name)), h("small", {}, detail)), columns.map((column) => cells[column]));
    });
    return h("div", { class: "scroll" }, h("table", { "data-testid": `live-${kind}` }, h("caption", {}, t(`stepper.live.caption.${kind}`)), h("thead", {}, head), h("tbody", {}, rows)));
  }

  // A sentence for a screen reader, now and then.
  say(loss) {
    const now = performance.now();
    if (now - this.spoken < SPEAK_EVERY && this.film.state === this.saidState) return;
    this.spoken = now;
    this.saidState = this.film.state;
    const stuck = this.film.activations.map((each) =>
      `${each.name}: ${t("stepper.live.stuck", { count: Math.round(latestOf(this.film, `stuck/${each.name}`) * each.units), units: each.units, what: this.wordFor(each) })}`);
    this.parts.said.textContent = [`${t(`stepper.live.state.${this.film.state}`)}.`, t("stepper.live.said", { step: this.film.step, loss: numberOrNan(loss) }), ...stuck].join(" ");
  }
}

let training = null;
addView({
  name: "training",
  title: "stepper.live.title",
  mount: (container, data) => { training = new Training(container, data.film); },
  draw: () => training?.draw(true),
  show: () => training.draw(true),
});
