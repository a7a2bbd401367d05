// The page's state and the one way in which it changes: an action sets it, and everything is drawn from it.
const state = {
  traces: [], trace: null, step: 0, pick: null, check: true, source: true,
  view: { open: new Map(), unfolded: new Set(), everything: null, overlay: OVERLAYS[0] },
};
let graph = null;

// Which element is picked: the reader's choice, the one that was written out, or the first that was recorded.
function pickedIndex() {
  const target = state.trace.target(state.step);
  if (!target) return [];
  const fits = (index) => index && index.length === target.shape.length && index.every((i, axis) => i < target.shape[axis]);
  const wanted = [state.pick, state.trace.steps[state.step].element?.index].find((index) => fits(index) && valueAt(target, index) !== undefined);
  return wanted ?? (target.window ? [...target.origin] : target.shape.map(() => 0));
}

function pickedFlat() {
  const target = state.trace.target(state.step);
  return target && sizeOf(target.shape) ? flatten(target.shape, pickedIndex()) : null;
}

function redraw() {
  const { trace, step } = state;
  document.body.dataset.phase = trace.group(step);
  document.body.classList.toggle("no-source", !state.source);
  document.body.classList.toggle("no-check", !state.check);
  $("hints").replaceChildren(...hints());
  drawScrubber(trace, step);
  drawPanel(trace, step, pickedIndex());
  drawExercises(trace, step, pickedIndex());
  light(pickedFlat());
  graph.draw(trace, step, state.view);
  writeHash();
  nameViews();
  document.body.dataset.step = step;
}

const hints = () => [["next_op", "n"], ["next_phase", "]"], ["language", "L"], ["help", "?"]].map(([action, key]) =>
  h("span", null, keycap(key), " ", action === "help" ? t("stepper.page.help") : t(`stepper.key.${action}`)));

// A key that leads nowhere says why.
function goto(step, otherwise = "here") {
  const there = Math.max(0, Math.min(state.trace.steps.length - 1, step ?? state.step));
  if (there === state.step) {
    toast(t(`stepper.none.${step === null ? otherwise : "here"}`));
    return;
  }
  Object.assign(state, { step: there, pick: null });
  redraw();
}

function pick(index) {
  state.pick = index;
  redraw();
  $("said").textContent = `${indexText(index)} = ${number(valueAt(state.trace.target(state.step), index))}`;
}

function movePick(down, right) {
  const target = state.trace.target(state.step);
  if (!target || !target.shape.length || !sizeOf(target.shape)) return toast(t("stepper.none.here"));
  const columns = target.shape.at(-1);
  const flat = pickedFlat() + down * columns + right;
  const sameRow = Math.floor(flat / columns) === Math.floor(pickedFlat() / columns);
  const inside = flat >= 0 && flat < sizeOf(target.shape) && (!right || sameRow);
  const index = inside ? unflatten(target.shape, flat) : null;
  return inside && valueAt(target, index) !== undefined ? pick(index) : toast(t("stepper.none.here"));
}

const RUNGS = ["element", "tensor", "graph"];
function zoom() {
  document.body.dataset.zoom = RUNGS[(RUNGS.indexOf(document.body.dataset.zoom) + 1) % RUNGS.length];
  redraw();
}

function flip(what) {
  state[what] = !state[what];
  redraw();
}

function nextOverlay() {
  state.view.overlay = OVERLAYS[(OVERLAYS.indexOf(state.view.overlay) + 1) % OVERLAYS.length];
  redraw();
}

function toggleModule(module) {
  if (module === null || module === undefined) return toast(t("stepper.page.no_module"));
  const { view, trace } = state;
  const current = new Set(trace.ancestors(trace.ops[trace.focus(state.step)]?.module));
  view.open.set(module, !isOpen(trace, module, current, view));
  return redraw();
}

function unfold(parent) {
  state.view.unfolded.add(parent);
  redraw();
}

function expandAll() {
  const { view } = state;
  if (!state.trace.modules.length) return toast(t("stepper.page.no_module"));
  view.everything = !allOpen(state.trace, view);
  view.open.clear();
  view.unfolded.clear();
  return redraw();
}

// Where the place itself is a hit, a new search stays there, and asking again goes on.
function findNext(again = true) {
  const query = $("query").value.trim();
  if (!query) return $("query").focus();
  const found = find(state.trace, again ? state.step : state.step - 1, query);
  if (found !== state.step) goto(found, "find");
  return null;
}

function choose(trace, step = 0) {
  Object.assign(state, { trace, step: Math.max(0, Math.min(trace.steps.length - 1, step)), pick: null });
  Object.assign(state.view, { open: new Map(), unfolded: new Set(), everything: null });
  $("title").textContent = trace.meta.title;
  $("chooser").value = String(state.traces.indexOf(trace));
  drawTrack(trace);
}

function listen() {
  let fresh = true;
  $("next").addEventListener("click", () => act("next"));
  $("previous").addEventListener("click", () => act("previous"));
  $("range").addEventListener("input", (event) => goto(Number(event.target.value)));
  $("language").addEventListener("click", () => act("language"));
  $("help-open").addEventListener("click", () => act("help"));
  $("glossary-open").addEventListener("click", () => act("glossary"));
  $("predict").addEventListener("click", togglePrediction);
  $("find").addEventListener("submit", (event) => { event.preventDefault(); findNext(!fresh); fresh = false; });
  $("query").addEventListener("input", () => { fresh = true; });
  $("chooser").addEventListener("change", (event) => { choose(state.traces[Number(event.target.value)]); redraw(); });
  $("dialog").addEventListener("click", (event) => { if (event.target === $("dialog")) $("dialog").close(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("hashchange", () => follow(readHash()));
  listenToPanel();
  listenToKeys();
}

function follow(place) {
  const trace = state.traces[place.trace ?? state.traces.indexOf(state.trace)] ?? state.traces[0];
  if (trace !== state.trace || place.step !== null) choose(trace, place.step ?? 0);
  if (place.pick) state.pick = place.pick;
  if (place.lang === "zh" || place.lang === "en") setLanguage(place.lang);
  redraw();
}

async function start() {
  const words = JSON.parse(await embedded("texts"));
  const data = JSON.parse(await embedded("data"));
  texts = words.texts;
  keyTable = words.keys;
  glossaryTable = words.glossary;
  state.traces = data.documents.map((each) => new Trace(each));
  const place = readHash();
  chooseLanguage(data.language, place.lang);
  $("chooser").replaceChildren(...state.traces.map((trace, k) => h("option", { value: k }, trace.meta.title)));
  $("chooser-label").hidden = state.traces.length < 2;
  $("title").hidden = state.traces.length > 1;
  graph = new Graph($("graph"));
  document.body.dataset.view = "stepper";
  listen();
  mountViews(data.extra, state.traces.length > 0);
  if (state.traces.length) {
    choose(state.traces[place.trace] ?? state.traces[0], place.step ?? firstStep(place));
    if (place.pick) state.pick = place.pick;
    redraw();
  }
  document.body.dataset.ready = "true";
}

// A trace that ended in an error opens at the error.
const firstStep = (place) => {
  const { steps } = state.traces[place.trace] ?? state.traces[0];
  return steps.at(-1)?.phase === "error" ? steps.length - 1 : 0;
};

start();
