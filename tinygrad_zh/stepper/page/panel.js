// The right-hand side: one view for each kind of step, built of the same sections.
const VIEWS = {
  forward(trace, step, picked) {
    const op = trace.ops[step.op];
    const inputs = op.inputs.map((tensor, slot) => grid(trace.array(trace.tensors[tensor].value), {
      label: `${letterOf(op, slot)} = ${trace.tensorName(tensor)}`, of: `input${slot}`,
      picked: step.element?.inputs?.find((input) => input.slot === slot)?.index ?? null }));
    const outputs = op.outputs.map((tensor, k) => grid(trace.array(trace.tensors[tensor].value), {
      label: trace.tensorName(tensor), of: k ? `output${k}` : "target", picked: k ? null : picked, pickable: !k }));
    const saved = op.saved.length ? op.saved.join(", ") : t("stepper.page.nothing");
    return [
      section("rule", t("stepper.page.formula"), null, formulaLine(trace, op), bindings(trace, op)),
      section("values", t("stepper.page.values"), "tensor", equation("values-grids", ...inputs, "→", ...outputs),
        h("p", { class: "quiet" }, t("stepper.page.saved", { names: saved }))),
      step.element ? section("element", t("stepper.page.element_inputs"), null, inputsSection(trace, step, picked)) : null,
      h("div", { class: "codes" }, userCode(trace, op.where), ruleCode(trace, op.code.forward)),
    ];
  },

  seed(trace, step, picked) {
    return [
      section("rule", t("stepper.page.formula"), null, h("div", { class: "formula", "data-testid": "derivative" }, formula("∂L/∂L = 1")),
        h("p", null, t(step.given ? "stepper.page.seed_given" : "stepper.page.seed_why"))),
      section("values", t("stepper.page.gradient"), "gradient", grid(trace.array(step.gradient), {
        label: `∂L/∂${trace.tensorName(step.tensor)}`, of: "target", picked, pickable: true, testid: "after" })),
    ];
  },

  backward(trace, step, picked) {
    const op = trace.ops[step.op];
    const tensor = trace.tensorName(step.tensor);
    const upstream = step.upstream.map((array, k) => grid(trace.array(array), {
      label: [linked("upstream", t("stepper.page.upstream")), ` ∂L/∂${trace.tensorName(op.outputs[k])}`], of: `upstream${k}`, testid: "upstream" }));
    const target = trace.array(step.raw);
    const column = step.jacobian && step.jacobian.columns === sizeOf(target.shape) ? flatten(target.shape, picked) : null;
    return [
      banner(trace, step),
      section("rule", t("stepper.page.derivative"), "chain_rule", formulaLine(trace, op, op.input_names[step.slot]), bindings(trace, op)),
      section("values", t("stepper.page.flow"), "vjp", equation("flow", ...upstream, "⇒", grid(target, {
        label: [linked("contribution", t("stepper.page.contribution")), ` ∂L/∂${tensor}`], of: "target", picked, pickable: true, testid: "contribution" }))),
      section("element", t("stepper.page.element"), null, elementSection(trace, step, picked),
        state.check ? h("div", { "data-testid": "check" }, checkOf(step, picked)) : null),
      accumulation(trace, step, picked),
      section("jacobian-section", t("stepper.page.jacobian"), "jacobian",
        h("div", { "data-testid": "jacobian" }, jacobianSection(trace, step, column, (c) => pick(unflatten(target.shape, c))))),
      h("div", { class: "codes" }, userCode(trace, op.where), ruleCode(trace, op.code[op.input_names[step.slot]])),
    ];
  },

  sum_to(trace, step, picked) {
    return reduction(trace, step, picked, "stepper.page.sum_to_why", "broadcasting");
  },

  cast(trace, step, picked) {
    return reduction(trace, step, picked, "stepper.page.cast_why", "dtype");
  },

  skip(trace, step) {
    const op = trace.ops[step.op];
    return [
      section("rule", t("stepper.page.derivative"), null, formulaLine(trace, op, op.input_names[step.slot]), bindings(trace, op)),
      section("values", t("stepper.page.gradient"), "gradient", grid(null, { label: `∂L/∂${trace.tensorName(step.tensor)}`, testid: "after" })),
      h("div", { class: "codes" }, userCode(trace, op.where)),
    ];
  },

  gradient(trace, step, picked) {
    return [section("rule", t("stepper.page.passes"), "accumulation", h("p", null, t("stepper.page.passes_why"))), accumulation(trace, step, picked)];
  },

  hook(trace, step, picked) {
    return [section("values", t("stepper.page.hook"), "hook", equation("hook",
      grid(trace.array(step.before), { label: t("stepper.page.before"), of: "before", testid: "before" }), "⇒",
      grid(trace.array(step.after), { label: t("stepper.page.after"), of: "target", picked, pickable: true, testid: "after" })))];
  },

  update(trace, step, picked) {
    const op = typeof step.op === "number" ? trace.ops[step.op] : null;
    const name = typeof step.tensor === "number" ? trace.tensorName(step.tensor) : "";
    return [
      op ? section("rule", t("stepper.page.update_rule"), "optimizer", formulaLine(trace, op), attributes(op)) : null,
      section("values", t("stepper.page.update"), "parameter", equation("update",
        grid(trace.array(step.before), { label: `${name} ${t("stepper.page.before")}`, of: "before", picked, testid: "before" }),
        ...(step.gradient === null || step.gradient === undefined ? [] : [" ", grid(trace.array(step.gradient), { label: `∂L/∂${name}`, of: "gradient", picked })]),
        "⇒", grid(trace.array(step.after), { label: `${name} ${t("stepper.page.after")}`, of: "target", picked, pickable: true, testid: "after" }))),
      op ? h("div", { class: "codes" }, userCode(trace, op.where), ruleCode(trace, op.code.forward)) : null,
    ];
  },

  assign(trace, step, picked) {
    const name = trace.tensorName(step.tensor);
    return [section("values", t("stepper.page.update"), "parameter", equation("update",
      grid(trace.array(step.before), { label: `${name} ${t("stepper.page.before")}`, of: "before", picked, testid: "before" }), "⇒",
      grid(trace.array(step.after), { label: `${name} ${t("stepper.page.after")}`, of: "target", picked, pickable: true, testid: "after" })))];
  },

  error(trace, step) {
    const op = typeof step.op === "number" ? trace.ops[step.op] : null;
    return [
      h("section", { class: "error", "data-testid": "error", role: "group", "aria-label": t("stepper.phase.error") },
        h("p", null, h("b", { "aria-hidden": "true" }, "✗ "), h("code", null, step.type)), h("p", { lang: "en" }, step.message)),
      step.hint ? h("section", { class: "hint", "data-testid": "hint" }, h("h3", null, t("stepper.page.fix")), h("p", null, step.hint[language] || step.hint.en)) : null,
      op ? section("rule", t("stepper.page.formula"), null, formulaLine(trace, op), bindings(trace, op)) : null,
      h("div", { class: "codes" }, userCode(trace, step.where || op?.where)),
    ];
  },
};

function checkOf(step, picked) {
  const recorded = step.element && String(step.element.index) === String(picked);
  return recorded || step.check?.why ? checkSection(step.check) : null;
}

function attributes(op) {
  return h("p", { class: "shapes", "data-testid": "shapes" }, Object.entries(op.attributes).map(([name, value]) => chip(name, "= ", String(value))));
}

function banner(trace, step) {
  if (trace.tensors[step.tensor].uses.length < 2) return null;
  return h("p", { class: "banner", "data-testid": "banner" }, h("b", { "aria-hidden": "true" }, "⊕ "), t("stepper.page.reused"));
}

function accumulation(trace, step, picked) {
  if (step.after === undefined) return null;
  const label = (key) => t(`stepper.page.${key}`);
  return section("sum", t("stepper.page.accumulation"), "accumulation", equation("accumulation",
    grid(trace.array(step.before), { label: label("before"), of: "before", picked, testid: "before" }), "+",
    grid(trace.array(step.contribution), { label: label("this"), of: "this", picked }), "=",
    grid(trace.array(step.after), { label: label("after"), of: "after", picked, testid: "after" })));
}

function reduction(trace, step, picked, why, term) {
  const tensor = trace.tensorName(step.tensor);
  const op = trace.ops[step.op];
  return [
    banner(trace, step),
    section("rule", t(`stepper.page.${step.phase}`), term, h("p", null, t(why, {
      tensor, small: shapeText(trace.tensors[step.tensor].shape), large: shapeText(trace.arrays[step.raw].shape),
      from: trace.arrays[step.raw].dtype, to: trace.tensors[step.tensor].dtype }))),
    section("values", t("stepper.page.flow"), null, equation("flow",
      grid(trace.array(step.raw), { label: `∂L/∂${tensor}`, of: "raw", testid: "upstream" }), "⇒",
      grid(trace.array(step.contribution), { label: t("stepper.page.contribution"), of: "target", picked, pickable: true, testid: "contribution" }))),
    section("element", t("stepper.page.element"), null, elementSection(trace, step, picked)),
    accumulation(trace, step, picked),
    h("div", { class: "codes" }, userCode(trace, op.where)),
  ];
}

function drawPanel(trace, k, picked) {
  const step = trace.steps[k];
  const panel = $("panel");
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const lost = panel.contains(document.activeElement);
  $("headline").replaceChildren(...headline(trace, k).flat());
  const said = t("stepper.page.announce", { step: k + 1, steps: trace.steps.length, phase: t(`stepper.phase.${trace.group(k)}`) });
  $("sentence").replaceChildren(h("span", { class: "hidden" }, said, " "), sentence(trace, k));
  panel.replaceChildren(...VIEWS[step.phase](trace, step, picked).flat(Infinity).filter(Boolean));
  if (lost) (focused && panel.querySelector(`[data-focus="${focused}"]`) || $("side")).focus({ preventScroll: true });
}

// Light the cells that made one element: hovered, or picked.
function light(flat) {
  const trace = state.trace;
  const step = trace.steps[state.step];
  for (const lit of $("panel").querySelectorAll(".lit")) lit.classList.remove("lit");
  const target = trace.target(state.step);
  if (flat === null || !target) return;
  for (const [of, at] of sourcesOf(trace, step, unflatten(target.shape, flat))) {
    $("panel").querySelector(`table[data-of="${of}"] td[data-flat="${at}"]`)?.classList.add("lit");
  }
}

function sourcesOf(trace, step, index) {
  if (step.phase === "forward") {
    const inputs = step.element && String(step.element.index) === String(index) ? step.element.inputs : [];
    return inputs.map(({ slot, index: at }) => {
      const array = trace.array(trace.tensors[trace.ops[step.op].inputs[slot]].value);
      return [`input${slot}`, array ? flatten(array.shape, at) : -1];
    });
  }
  if (!["backward", "sum_to", "cast"].includes(step.phase)) return [];
  const element = termsOf(trace, step, index);
  return (element?.terms ?? []).map((term) => {
    const source = step.phase === "backward" ? trace.array(step.upstream[term.output]) : trace.array(step.raw);
    return [step.phase === "backward" ? `upstream${term.output}` : "raw", source ? flatten(source.shape, term.index) : -1];
  });
}

function listenToPanel() {
  const panel = $("panel");
  const flatOf = (event) => {
    const cell = event.target.closest?.("table[data-of=target] td[data-flat]");
    return cell ? Number(cell.dataset.flat) : null;
  };
  panel.addEventListener("pointerover", (event) => {
    const term = event.target.closest?.("[data-lights]");
    if (!term) return light(flatOf(event) ?? pickedFlat());
    for (const lit of panel.querySelectorAll(".lit")) lit.classList.remove("lit");
    const [of, at] = term.dataset.lights.split(":");
    panel.querySelector(`table[data-of="${of}"] td[data-flat="${at}"]`)?.classList.add("lit");
  });
  panel.addEventListener("pointerleave", () => light(pickedFlat()));
  panel.addEventListener("click", (event) => {
    const flat = flatOf(event);
    if (flat !== null) pick(unflatten(state.trace.target(state.step).shape, flat));
  });
}
