// The one table of keys, as the terminal has it.
let keyTable = [];
const NAMED = { ArrowRight: "right", ArrowLeft: "left", " ": "space", Home: "home", End: "end", Enter: "enter", Escape: "escape" };

const ACTIONS = {
  next: () => goto(state.step + 1),
  previous: () => goto(state.step - 1),
  next_op: () => goto(nextOp(state.trace, state.step)),
  previous_op: () => goto(previousOp(state.trace, state.step)),
  next_phase: () => goto(nextPhase(state.trace, state.step)),
  previous_phase: () => goto(previousPhase(state.trace, state.step)),
  first: () => goto(0),
  last: () => goto(state.trace.steps.length - 1),
  percent: (key) => goto(percent(state.trace, Number(key))),
  left: () => movePick(0, -1),
  right: () => movePick(0, 1),
  up: () => movePick(-1, 0),
  down: () => movePick(1, 0),
  zoom: () => zoom(),
  producer: () => goto(producer(state.trace, state.step), "producer"),
  consumer: () => goto(consumer(state.trace, state.step), "consumer"),
  find: () => $("query").focus(),
  find_next: () => findNext(),
  accumulation: () => goto(nextAccumulation(state.trace, state.step), "accumulation"),
  nonfinite: () => goto(nextNonfinite(state.trace, state.step), "nonfinite"),
  worst: () => goto(worst(state.trace), "worst"),
  expand: () => toggleModule(state.trace.ops[state.trace.focus(state.step)]?.module),
  expand_all: () => expandAll(),
  overlay: () => nextOverlay(),
  check: () => flip("check"),
  source: () => flip("source"),
  language: () => { switchLanguage(); (state.trace ? redraw : nameViews)(); },
  link: () => copyLink(),
  glossary: () => openGlossary(null),
  help: () => openHelp(),
  quit: () => toast(t("stepper.page.nothing_open")),
};

const act = (action, key) => ACTIONS[action](key);

function actionOf(event) {
  const named = NAMED[event.key];
  const key = named ? (event.shiftKey ? `shift+${named}` : named) : event.key;
  const entry = keyTable.find(({ keys }) => keys.includes(key));
  return entry ? [entry.action, key] : null;
}

// What a key does beside any view; the others would lead through steps that nobody sees.
const EVERYWHERE = ["language", "glossary", "help"];

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if ($("dialog").open) {
      if (event.key === "q" && !event.target.matches("input")) $("dialog").close();
      return;
    }
    if (event.target === $("query")) {
      if (event.key !== "Escape") return;
      event.preventDefault(); // it would empty the field
      $("query").blur();
      return;
    }
    const pressed = (event.key === " " || event.key === "Enter") && event.target.closest?.("button, select, a, summary");
    const found = actionOf(event);
    if (document.body.dataset.view !== "stepper" && !EVERYWHERE.includes(found?.[0])) return;
    if (pressed || !found || event.target.matches?.("select")) return;
    event.preventDefault();
    act(...found);
  });
}
