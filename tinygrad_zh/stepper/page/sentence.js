// Each step as one plain sentence: what a screen reader hears and everyone reads above the numbers.
function namesOf(trace, tensors) {
  const names = tensors.map((tensor) => trace.tensorName(tensor));
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(t("stepper.page.comma"))}${t("stepper.page.and")}${names.at(-1)}`;
}

function sentence(trace, k) {
  const step = trace.steps[k];
  const op = typeof step.op === "number" ? trace.ops[step.op] : null;
  const values = {
    op: op ? op.name : step.name ?? "",
    tensor: typeof step.tensor === "number" ? trace.tensorName(step.tensor) : "",
    shape: typeof step.tensor === "number" ? shapeText(trace.tensors[step.tensor].shape) : "",
    output: op ? namesOf(trace, op.outputs) : "",
    inputs: op ? namesOf(trace, op.inputs) : "",
    raw: typeof step.raw === "number" ? shapeText(trace.arrays[step.raw].shape) : "",
    name: typeof step.tensor === "number" ? trace.tensorName(step.tensor) : step.name ?? "",
    message: step.hint ? step.hint[language] || step.hint.en : step.message ?? "",
    count: typeof step.tensor === "number" ? trace.contributions(step.tensor, k) : 0,
    ...change(trace, step),
  };
  return t(sentenceKey(step), values);
}

// What a gradient is before and after it is fitted to its tensor: shapes, or dtypes.
function change(trace, step) {
  if (step.phase !== "sum_to" && step.phase !== "cast") return {};
  const [from, to] = [trace.arrays[step.raw], trace.arrays[step.contribution]];
  return step.phase === "cast" ? { before: from.dtype, after: to.dtype } : { before: shapeText(from.shape), after: shapeText(to.shape) };
}

function sentenceKey(step) {
  switch (step.phase) {
    case "seed": return step.given ? "stepper.why.given" : "stepper.why.seed";
    case "skip": return step.why === "constant" ? "stepper.why.constant" : "stepper.why.discrete";
    case "forward": return "stepper.page.say_forward";
    case "update": return "stepper.page.say_update";
    case "error": return "stepper.page.say_error";
    case "backward":
      if (step.after === undefined) return "stepper.page.say_unfinished";
      return step.before === null ? "stepper.page.say_first" : "stepper.page.say_more";
    default: return `stepper.why.${step.phase}`;
  }
}

// What a screen reader hears first: the place, and what the sentence does not name.
function placeWords(trace, k, said) {
  const { op, tensor } = trace.steps[k];
  const names = [typeof op === "number" ? trace.ops[op].name : "", typeof tensor === "number" ? trace.tensorName(tensor) : ""];
  const unsaid = names.filter((name) => name && !said.includes(name)).join(t("stepper.page.comma"));
  const words = t("stepper.page.announce", { step: k, last: trace.steps.length - 1, phase: t(`stepper.phase.${trace.group(k)}`) });
  return unsaid ? `${words} ${unsaid}${t("stepper.page.colon")}` : `${words} `;
}

function headline(trace, k) {
  const step = trace.steps[k];
  const op = typeof step.op === "number" ? trace.ops[step.op] : null;
  const tensor = typeof step.tensor === "number" ? trace.tensorName(step.tensor) : "";
  const gradient = ["∂L/∂", h("b", null, tensor)];
  switch (step.phase) {
    case "forward": return [h("b", null, op.name), " → ", namesOf(trace, op.outputs)];
    case "seed": return ["∂L/∂L = 1"];
    case "backward": return [h("b", null, op.name), " ⇒ ", gradient];
    case "sum_to": return ["Σ ⇒ ", gradient];
    case "cast": return [trace.tensors[step.tensor].dtype, " ⇒ ", gradient];
    case "skip": return [h("b", null, op.name), " ⇏ ", tensor];
    case "gradient": return [h("b", null, tensor), ".grad"];
    case "hook": return [h("b", null, step.name)];
    case "update": return [h("b", null, op ? op.name : ""), " ⇒ ", tensor];
    case "assign": return [h("b", null, tensor), " ← …"];
    default: return [h("b", null, step.name || step.type)];
  }
}
