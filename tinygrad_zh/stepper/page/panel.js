// The right-hand side: one view for each kind of step, built of the same sections.
const VIEWS = {
  forward(trace, step, picked) {
    const op = trace.ops[step.op];
    const inputs = op.inputs.map((tensor, slot) => grid(trace.array(trace.tensors[tensor].value), {
      label: `${letters(trace, op).inputs[slot]} = ${trace.tensorName(tensor)}`, of: `input${slot}`,
      picked: step.element?.inputs?.find((input) => input.slot === slot)?.index ?? null }));
    const outputs = op.outputs.map((tensor, k) => grid(trace.array(trace.tensors[tensor].value), {
      label: trace.tensorName(tensor), of: k ? `output${k}` : "target", picked: k ? null : picked, pickable: !k }));
    const saved = op.saved.length ? op.saved.join(", ") : t("stepper.page.nothing");
    return [
      h("div", { class: "beside" }, rule(trace, op, t("stepper.panel.formula"), "op"), ruleCode(trace, op.code.forward)),
      section("values", t("stepper.page.values"), "tensor", equation("values-grids", ...inputs, "→", ...outputs),
        h("p", { class: "quiet" }, linked("saved_value", t("stepper.page.saved")), t("stepper.page.colon"), saved)),
      step.element ? section("element", t("stepper.page.element_inputs"), null, inputsSection(trace, step, picked)) : null,
      userCode(trace, op.where),
    ];
  },

  seed(trace, step, picked) {
    return [
      step.given ? null : section("rule", t("stepper.panel.formula"), "seed_gradient",
        h("div", { class: "formula", "data-testid": "derivative" }, formula("∂L/∂L = 1"))),
      section("values", t("stepper.page.gradient"), "gradient", grid(trace.array(step.gradient), {
        label: `∂L/∂${trace.tensorName(step.tensor)}`, of: "target", picked, pickable: true, testid: "after" })),
    ];
  },

  backward(trace, step, picked) {
    const op = trace.ops[step.op];
    const tensor = trace.tensorName(step.tensor);
    const upstream = step.upstream.map((array, k) => grid(trace.array(array), {
      label: [linked("upstream_gradient", t("stepper.panel.upstream")), ` ∂L/∂${trace.tensorName(op.outputs[k])}`], of: `upstream${k}`, testid: "upstream" }));
    const target = trace.array(step.raw);
    const column = step.jacobian && step.jacobian.columns === sizeOf(target.shape) ? flatten(target.shape, picked) : null;
    return [
      banner(trace, step),
      h("div", { class: "beside" }, h("div", { class: "stack" }, rule(trace, op, t("stepper.page.derivative"), "chain_rule", op.input_names[step.slot]),
        ruleCode(trace, op.code[op.input_names[step.slot]])),
        section("jacobian-section", t("stepper.page.jacobian"), "local_jacobian",
          h("div", { "data-testid": "jacobian" }, jacobianSection(trace, step, column, (c) => pick(unflatten(target.shape, c)))))),
      section("values", t("stepper.page.flow"), "vjp", equation("flow", ...upstream, "⇒", grid(target, {
        label: [linked("contribution", t("stepper.panel.contribution")), ` ∂L/∂${tensor}`], of: "target", picked, pickable: true, testid: "contribution" }))),
      adds(step) ? accumulation(trace, step, picked) : null,
      section("element", t("stepper.page.element"), null, elementSection(trace, step, picked),
        state.check ? h("div", { "data-testid": "check" }, checkOf(step, picked)) : null),
      adds(step) ? null : accumulation(trace, step, picked),
      userCode(trace, op.where),
    ];
  },

  sum_to(trace, step, picked) {
    return fitted(trace, step, picked, "undo_broadcast");
  },

  cast(trace, step, picked) {
    return fitted(trace, step, picked, "dtype");
  },

  skip(trace, step) {
    const op = trace.ops[step.op];
    return [
      rule(trace, op, t("stepper.page.derivative"), "chain_rule", op.input_names[step.slot]),
      section("values", t("stepper.page.gradient"), "gradient", grid(null, { label: `∂L/∂${trace.tensorName(step.tensor)}`, testid: "after", reason: t("stepper.page.never") })),
      userCode(trace, op.where),
    ];
  },

  gradient(trace, step, picked) {
    return [accumulation(trace, step, picked)];
  },

  hook(trace, step, picked) {
    return [section("values", t("stepper.page.hook"), "hook", equation("hook",
      grid(trace.array(step.before), { label: t("stepper.panel.before"), of: "before", testid: "before" }), "⇒",
      grid(trace.array(step.after), { label: t("stepper.panel.after"), of: "target", picked, pickable: true, testid: "after" })))];
  },

  update(trace, step, picked) {
    const op = typeof step.op === "number" ? trace.ops[step.op] : null;
    const name = typeof step.tensor === "number" ? trace.tensorName(step.tensor) : "";
    return [
      op ? h("div", { class: "beside" }, rule(trace, op, t("stepper.page.update_rule"), "optimizer"), ruleCode(trace, op.code.forward)) : null,
      section("values", t("stepper.page.update"), "parameter", equation("update",
        grid(trace.array(step.before), { label: `${name} ${t("stepper.panel.before")}`, of: "before", picked, testid: "before" }),
        ...(step.gradient === null || step.gradient === undefined ? [] : [" ", grid(trace.array(step.gradient), { label: `∂L/∂${name}`, of: "gradient", picked })]),
        "⇒", grid(trace.array(step.after), { label: `${name} ${t("stepper.panel.after")}`, of: "target", picked, pickable: true, testid: "after" }))),
      op && step.element ? section("element", t("stepper.page.element_inputs"), null, inputsSection(trace, step, picked)) : null,
      op ? userCode(trace, op.where) : null,
    ];
  },

  assign(trace, step, picked) {
    const name = trace.tensorName(step.tensor);
    return [section("values", t("stepper.page.update"), "parameter", equation("update",
      grid(trace.array(step.before), { label: `${name} ${t("stepper.panel.before")}`, of: "before", picked, testid: "before" }), "⇒",
      grid(trace.array(step.after), { label: `${name} ${t("stepper.panel.after")}`, of: "target", picked, pickable: true, testid: "after" })))];
  },

  error(trace, step) {
    const op = typeof step.op === "number" ? trace.ops[step.op] : null;
    return [
      h("section", { class: "error", "data-testid": "error", role: "group", "aria-label": t("stepper.phase.error") },
        h("p", null, h("b", { "aria-hidden": "true" }, "✗ "), h("code", null, step.type)), h("p", { lang: "en" }, step.message)),
      step.hint ? h("section", { class: "hint", "data-testid": "hint" }, h("h3", null, t("stepper.panel.fix")), h("p", null, step.hint[language] || step.hint.en)) : null,
      op ? rule(trace, op, t(trace.formulas[op.name] ? "stepper.panel.formula" : "stepper.panel.shapes"), "shape") : null,
      userCode(trace, step.where || op?.where),
    ];
  },
};

function checkOf(step, picked) {
  const recorded = step.element && String(step.element.index) === String(picked);
  return recorded || step.check?.why ? checkSection(step.check) : null;
}

const rule = (trace, op, title, term, partial) =>
  section("rule", title, term, formulaLine(trace, op, partial), bindings(trace, op));

// Where gradients meet, their sum is the point of the step; where the first one arrives, how it came about is.
const adds = (step) => typeof step.before === "number";

function banner(trace, step) {
  if (trace.usesOf(step.tensor).length < 2) return null;
  return h("p", { class: "banner", "data-testid": "banner" }, h("b", { "aria-hidden": "true" }, "⊕ "), t("stepper.sum.banner"));
}

function accumulation(trace, step, picked) {
  if (step.after === undefined) return null;
  return section("sum", t("stepper.page.accumulation"), "accumulation", equation("accumulation",
    grid(trace.array(step.before), { label: t("stepper.panel.before"), of: "before", picked, testid: "before" }), "+",
    adds(step) ? grid(trace.array(step.contribution), { label: t("stepper.page.this"), of: "this", picked })
      : h("span", null, t("stepper.page.this")), "=",
    grid(trace.array(step.after), { label: t("stepper.panel.after"), of: "after", picked, testid: "after" })));
}

// A gradient that is summed over copies, or cast, so that it has the shape and the dtype of its tensor.
function fitted(trace, step, picked, term) {
  const tensor = trace.tensorName(step.tensor);
  const op = trace.ops[step.op];
  return [
    banner(trace, step),
    section("values", t(`stepper.page.${step.phase}`), term, equation("flow",
      grid(trace.array(step.raw), { label: `∂L/∂${tensor}`, of: "raw", testid: "upstream" }), "⇒",
      grid(trace.array(step.contribution), { label: t("stepper.panel.contribution"), of: "target", picked, pickable: true, testid: "contribution" }))),
    section("element", t(`stepper.page.element_${step.phase}`), null, elementSection(trace, step, picked)),
    accumulation(trace, step, picked),
    ruleCode(trace, step.code),
    userCode(trace, op.where),
  ];
}

function drawPanel(trace, k, picked) {
  const step = trace.steps[k];
  const panel = $("panel");
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const lost = panel.contains(document.activeElement);
  $("headline").replaceChildren(...headline(trace, k).flat());
  announce(trace, k);
  panel.replaceChildren(...[...VIEWS[step.phase](trace, step, picked), termsOfStep(trace, step)].filter(Boolean));
  if (lost) (focused && panel.querySelector(`[data-focus="${focused}"]`) || $("side")).focus({ preventScroll: true });
}

// The sentence is said once a step, not again when only the picked element has moved.
function announce(trace, k) {
  const said = sentence(trace, k);
  const words = [placeWords(trace, k, said), said];
  if ($("sentence").textContent !== words.join("")) $("sentence").replaceChildren(h("span", { class: "hidden" }, words[0]), words[1]);
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
