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
    before: typeof step.raw === "number" ? trace.arrays[step.raw].dtype : "",
    dtype: typeof step.tensor === "number" ? trace.tensors[step.tensor].dtype : "",
    name: step.name ?? "", message: step.message ?? "", type: step.type ?? "",
    count: typeof step.tensor === "number" ? trace.contributions(step.tensor, k) : 0,
  };
  return t(`stepper.page.say_${sentenceKind(step)}`, values);
}

function sentenceKind(step) {
  switch (step.phase) {
    case "seed": return step.given ? "seed_given" : "seed";
    case "backward": return step.after === undefined ? "backward_unfinished" : step.before === null ? "backward_first" : "backward_more";
    case "skip": return step.why === "constant" ? "skip_constant" : "skip_none";
    default: return step.phase;
  }
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
