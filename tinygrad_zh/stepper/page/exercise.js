// Two exercises. On any trace, "predict the number": the picked element is hidden until it has been computed. In a trace
// with a planted mistake, "which gradient is wrong?": its numeric checks are there once the wrong step has been found.
const prediction = { on: false, known: new Set(), right: 0, tried: 0, place: "", said: null };
const suspects = new Map(); // trace -> { named: [steps], found: whether the wrong one is among them }

function drawExercises(trace, k, picked) {
  hidePredicted(trace, k, picked);
  $("panel").prepend(...[wrongGradient(trace, k), predictor(trace, k, picked)].filter(Boolean));
}

// ---- which gradient is wrong?

// The answer is encoded so that it is not read by accident; there is no secret in it.
function answerOf(trace) {
  const bytes = Uint8Array.from(atob(trace.meta.exercise.answer), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function suspectsOf(trace) {
  if (!suspects.has(trace)) suspects.set(trace, { named: [], found: false });
  return suspects.get(trace);
}

function wrongGradient(trace, k) {
  if (trace.meta.exercise?.kind !== "wrong-gradient") return null;
  const { named, found } = suspectsOf(trace);
  const asked = trace.steps[k].phase === "backward" && !named.includes(k) && !found;
  return h("section", { class: "exercise", "data-testid": "wrong-gradient", "aria-label": t("stepper.exercise.title") },
    h("h3", null, t("stepper.exercise.title")),
    h("p", null, t("stepper.exercise.question")),
    asked ? h("button", { type: "button", "data-testid": "accuse", onclick: () => accuse(trace, k) }, t("stepper.exercise.accuse")) : null,
    h("div", { role: "status", "data-testid": "verdict" }, named.includes(k) ? verdict(trace, k) : null,
      named.length ? h("p", { class: "quiet" }, t(found ? "stepper.exercise.found_after" : "stepper.exercise.named", { count: named.length })) : null));
}

function accuse(trace, k) {
  const suspected = suspectsOf(trace);
  const answer = answerOf(trace);
  suspected.named.push(k);
  suspected.found = k === answer.step;
  if (suspected.found) trace.steps.forEach((step, j) => { if (answer.checks[j]) step.check = answer.checks[j]; });
  redraw();
  $("side").focus({ preventScroll: true });
}

function verdict(trace, k) {
  const answer = answerOf(trace);
  const step = trace.steps[k];
  const right = k === answer.step;
  const name = `${trace.ops[step.op].name} ⇒ ∂L/∂${trace.tensorName(step.tensor)}`;
  return [
    h("p", { class: right ? "check good" : "check bad" }, t(right ? "stepper.exercise.found" : "stepper.exercise.innocent", { name })),
    checkSection(answer.checks[k]),
    right ? answer.words[language].split("\n").map((line) => h("p", null, line)) : null,
  ];
}

// ---- predict the number

const placeOf = (trace, k, picked) => `${state.traces.indexOf(trace)}:${k}:${picked}`;

// What is to be predicted here, null where there is no number.
function predicted(trace, k, picked) {
  const target = trace.target(k);
  const value = target && sizeOf(target.shape) ? valueAt(target, picked) : null;
  return typeof value === "number" ? value : null;
}

// A value where values are computed; a gradient, or one contribution to it, where gradients are.
function nameOfTarget(trace, k) {
  const step = trace.steps[k];
  if (step.phase === "forward") return trace.tensorName(trace.ops[step.op].outputs[0]);
  const name = typeof step.tensor === "number" ? trace.tensorName(step.tensor) : "";
  if (trace.group(k) === "update") return name;
  return step.contribution !== undefined || step.phase === "backward" ? `${t("stepper.panel.contribution")} ∂L/∂${name}` : `∂L/∂${name}`;
}

function togglePrediction() {
  Object.assign(prediction, { on: !prediction.on, said: null });
  $("predict").setAttribute("aria-pressed", prediction.on);
  redraw();
  $("guess")?.focus();
}

function predictor(trace, k, picked) {
  if (!prediction.on) return null;
  const value = predicted(trace, k, picked);
  if (value === null) return h("section", { class: "exercise", "data-testid": "predictor" }, h("p", { class: "quiet" }, t("stepper.exercise.no_number")));
  const place = placeOf(trace, k, picked);
  const open = prediction.known.has(place);
  const guess = h("input", { id: "guess", type: "text", inputmode: "decimal", size: 10, autocomplete: "off", "data-focus": "guess", "data-testid": "guess",
    "aria-label": t("stepper.exercise.guess", { name: nameOfTarget(trace, k), index: indexText(picked) }) });
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); judge(place, value, guess.value); }, onkeydown: keepKeys },
    h("code", null, nameOfTarget(trace, k), indexText(picked)), " = ", guess, " ",
    h("button", { type: "submit" }, t("stepper.exercise.compare")), " ",
    h("button", { type: "button", "data-testid": "reveal", onclick: () => reveal(place, value) }, t("stepper.exercise.reveal")));
  const score = prediction.tried ? t("stepper.exercise.score", { right: prediction.right, tried: prediction.tried }) : "";
  return h("section", { class: "exercise", "data-testid": "predictor", "aria-label": t("stepper.exercise.predict") },
    h("h3", null, t("stepper.exercise.predict")), open ? null : form,
    h("p", { role: "status", "data-testid": "score" }, prediction.said && prediction.place === place ? `${prediction.said()} ` : null, h("span", { class: "quiet" }, score)));
}

// What is typed is a number, not a key of the stepper; Escape gives the keys back.
function keepKeys(event) {
  event.stopPropagation();
  if (event.key === "Escape") $("side").focus({ preventScroll: true });
}

// Right to three digits: off by no more than one in the third.
function near(value, guess) {
  return Math.abs(guess - value) <= (value ? 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2) : 1e-3) * (1 + 1e-9);
}

// A number as people type it: with a true minus sign, a comma, full-width digits, spaces.
function read(words) {
  const plain = words.normalize("NFKC").replaceAll("−", "-").replaceAll("–", "-").replace(",", ".").trim();
  return plain ? Number(plain) : NaN;
}

function judge(place, value, words) {
  const guess = read(words);
  const right = near(value, guess);
  const shown = { guess: words.trim(), value: number(value, 5) };
  if (Number.isNaN(guess)) return say(place, () => t("stepper.exercise.unreadable", shown));
  prediction.tried += 1;
  if (right) {
    prediction.right += 1;
    prediction.known.add(place);
  }
  return say(place, () => t(right ? "stepper.exercise.right" : "stepper.exercise.not_yet", shown));
}

function reveal(place, value) {
  prediction.known.add(place);
  say(place, () => t("stepper.exercise.revealed", { value: number(value, 5) }));
}

function say(place, said) {
  Object.assign(prediction, { place, said });
  redraw();
  ($("guess") ?? $("side")).focus({ preventScroll: true });
}

// The picked number stands in the contribution, in what is added, in the sum, and at the end of its own line.
function hidePredicted(trace, k, picked) {
  if (!prediction.on || predicted(trace, k, picked) === null || prediction.known.has(placeOf(trace, k, picked))) return;
  const cells = ["target", "this", "after"].map((of) => `table[data-of=${of}] td.picked`);
  for (const place of $("panel").querySelectorAll([...cells, ".written .value"].join())) {
    place.textContent = "?";
    place.classList.add("asked");
  }
  for (const check of $("panel").querySelectorAll("[data-testid=check]")) check.remove();
}
