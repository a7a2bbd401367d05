// One element written out with its numbers: Σ local derivative · upstream, and the numeric check beside it.
const MOST_TERMS = 8;

// The terms of one element of the contribution: as recorded, or, for another element, from the Jacobian.
function termsOf(trace, step, index) {
  if (step.element && String(step.element.index) === String(index)) return step.element;
  const target = trace.array(step.raw);
  if (step.phase === "sum_to") return copiesOf(trace, step, index);
  const { jacobian } = step;
  if (!jacobian || !target || jacobian.columns !== sizeOf(target.shape)) return null;
  const dense = entries(jacobian);
  const column = flatten(target.shape, index);
  const terms = [];
  for (let row = 0; row < jacobian.rows; row++) {
    const coefficient = dense[row * jacobian.columns + column];
    if (coefficient === 0) continue;
    const at = locate(trace, trace.ops[step.op], row);
    const upstream = trace.array(step.upstream[at.output]);
    terms.push({ coefficient, value: upstream ? valueAt(upstream, at.index) : 0, output: at.output, index: at.index });
  }
  return written(terms, valueAt(target, index), index);
}

// Undoing a broadcast: the element is the sum over its copies.
function copiesOf(trace, step, index) {
  const raw = trace.array(step.raw);
  const small = trace.array(step.contribution);
  if (raw.window) return null;
  const lead = raw.shape.length - small.shape.length;
  const terms = raw.values.map((value, flat) => ({ coefficient: 1, value, output: 0, index: unflatten(raw.shape, flat) }))
    .filter((term) => small.shape.every((n, axis) => n === 1 || term.index[lead + axis] === index[axis]));
  return written(terms, valueAt(small, index), index);
}

function written(terms, value, index) {
  const rest = terms.slice(MOST_TERMS);
  const sum = rest.reduce((total, term) => total + term.coefficient * term.value, 0);
  return { index, value, terms: terms.slice(0, MOST_TERMS), rest: rest.length ? { count: rest.length, sum } : null };
}

function elementSection(trace, step, index) {
  const element = termsOf(trace, step, index);
  if (!element) return h("p", { class: "quiet" }, t("stepper.page.element_unknown", { index: indexText(index) }));
  const copies = step.phase === "sum_to" || step.phase === "cast";
  const parts = element.terms.flatMap((term, k) => [k ? h("span", { class: "operator" }, "+") : null, termBox(trace, step, term, copies)]);
  if (element.rest) {
    parts.push(h("span", { class: "operator" }, "+"), h("span", { class: "term rest" },
      h("span", { class: "rest-sum" }, number(element.rest.sum, 4)), h("small", null, t("stepper.page.more_terms", { count: element.rest.count }))));
  }
  if (!element.terms.length) parts.push(h("span", { class: "term" }, h("span", null, "0"), h("small", null, t("stepper.page.no_terms"))));
  return h("div", { class: "written" },
    h("span", { class: "term total" }, h("span", null, indexText(element.index)), h("small", null, "∂L/∂", trace.tensorName(step.tensor))),
    h("span", { class: "operator" }, "="), parts, h("span", { class: "operator" }, "="),
    h("strong", { class: "value" }, number(element.value, 4)));
}

function termBox(trace, step, term, copies) {
  const of = copies ? "raw" : `upstream${term.output}`;
  const source = copies ? trace.array(step.raw) : trace.array(step.upstream?.[term.output]);
  const flat = source ? flatten(source.shape, term.index) : "";
  const output = trace.tensorName(copies ? step.tensor : trace.ops[step.op].outputs[term.output]);
  const product = copies
    ? [h("span", { class: "upstream" }, bracketed(term.value, false))]
    : [h("span", { class: "coefficient" }, bracketed(term.coefficient, false)), " · ", h("span", { class: "upstream" }, bracketed(term.value, true))];
  return h("span", { class: "term", "data-lights": `${of}:${flat}` }, h("span", null, product),
    h("small", null, copies ? indexText(term.index) : `∂L/∂${output}${indexText(term.index)}`));
}

const bracketed = (value, always) => {
  const shown = number(value, 4);
  return always && shown.startsWith("−") ? `(${shown})` : shown;
};

// The numeric derivative of the same element, or why there is none.
function checkSection(check) {
  if (!check) return null;
  if (check.why) return h("p", { class: "quiet" }, t(`stepper.check.${check.why.replaceAll(" ", "_")}`));
  const good = typeof check.error === "number" && check.error < 1e-4;
  return h("p", { class: good ? "check good" : "check bad" }, h("b", { "aria-hidden": "true" }, good ? "✓ " : "✗ "),
    linked("gradient_check", t("stepper.panel.check")), t("stepper.page.colon"),
    t("stepper.page.check", { numeric: number(check.numeric, 5), step: number(check.step, 1), error: number(check.error, 2),
      verdict: t(good ? "stepper.check.agrees" : "stepper.check.differs") }));
}

// A forward or update element: the input elements that it is made of.
function inputsSection(trace, step, index) {
  const { element } = step;
  if (!element || String(element.index) !== String(index)) {
    return element ? h("p", { class: "quiet" }, t("stepper.page.element_unknown", { index: indexText(index) })) : null;
  }
  const op = trace.ops[step.op];
  const parts = element.inputs.map(({ slot, index: at, value }) => {
    const tensor = op.inputs[slot];
    const array = trace.array(trace.tensors[tensor]?.value);
    return h("span", { class: "term", "data-lights": `input${slot}:${array ? flatten(array.shape, at) : ""}` },
      h("span", null, number(value, 4)), h("small", null, `${trace.tensorName(tensor)}${indexText(at)}`));
  });
  const more = element.more ? h("span", { class: "term rest" }, h("span", null, "…"), h("small", null, t("stepper.page.more_inputs", { count: element.more }))) : null;
  const made = op.outputs.length ? trace.tensorName(op.outputs[0]) : trace.tensorName(step.tensor ?? op.inputs[0]);
  return h("div", { class: "written" }, parts, more, h("span", { class: "operator" }, "→"),
    h("span", { class: "term total" }, h("strong", { class: "value" }, number(element.value, 4)), h("small", null, made, indexText(element.index))));
}
