// Where each key leads: functions of a trace and a step, which return a step (the same one where there is no other).
const search = (trace, k, direction, wanted) => {
  for (let step = k + direction; step >= 0 && step < trace.steps.length; step += direction) {
    if (wanted(trace.steps[step], step)) return step;
  }
  return k;
};
const around = (trace, k, wanted) => {
  const found = search(trace, k, 1, wanted);
  return found !== k ? found : search(trace, -1, 1, wanted) === -1 ? k : search(trace, -1, 1, wanted);
};

const nextOp = (trace, k, direction) => {
  const same = (step, at) => step.op === trace.steps[k].op && trace.group(at) === trace.group(k);
  const found = search(trace, k, direction, (step, at) => !same(step, at));
  return found === k ? (direction > 0 ? trace.steps.length - 1 : 0) : found;
};

const nextPhase = (trace, k, direction) => {
  if (direction > 0) return search(trace, k, 1, (_, at) => trace.group(at) !== trace.group(k));
  const last = search(trace, k, -1, (_, at) => trace.group(at) !== trace.group(k));
  if (last === k) return 0;
  const before = search(trace, last, -1, (_, at) => trace.group(at) !== trace.group(last));
  return before === last ? 0 : before + 1;
};

const nextAccumulation = (trace, k) =>
  around(trace, k, (step) => GROUP[step.phase] === "backward" && step.before !== undefined && step.before !== null);

const arraysOf = (trace, step) => [
  step.gradient, step.raw, step.contribution, step.after, ...(step.phase === "forward"
    ? trace.ops[step.op].outputs.map((tensor) => trace.tensors[tensor].value) : []),
].filter((each) => typeof each === "number").map((each) => trace.arrays[each]);

const nextNonfinite = (trace, k) =>
  around(trace, k, (step) => arraysOf(trace, step).some((array) => !isFinite_(array)));

const worst = (trace, k) => {
  const errors = trace.steps.map((step) => (typeof step.check?.error === "number" ? step.check.error : -1));
  const largest = errors.reduce((best, error) => Math.max(best, error), -1);
  return largest < 0 ? k : errors.indexOf(largest);
};

const producer = (trace, k) => {
  const { tensor, op } = trace.steps[k];
  const wanted = tensor ?? (op === undefined || op === null ? null : trace.ops[op].inputs[0]);
  const maker = wanted === null || wanted === undefined ? null : trace.tensors[wanted].producer;
  return maker === null ? k : sameKind(trace, k, maker);
};

const consumer = (trace, k) => {
  const { op, tensor } = trace.steps[k];
  const made = op !== undefined && op !== null ? trace.ops[op].outputs[0] : tensor;
  const use = made === undefined || made === null ? undefined : trace.usesOf(made)[0];
  return use === undefined ? k : sameKind(trace, k, use[0]);
};

// The step of an op in the phase that step k is in: its forward step, or else its first backward one.
const sameKind = (trace, k, op) => {
  const steps = trace.stepsOf[op];
  return steps.find((step) => trace.group(step) === trace.group(k)) ??
    (trace.group(k) === "forward" ? steps[0] : steps.find((step) => trace.group(step) === "backward") ?? steps[0]) ?? k;
};

// Name, op, module or shape of what the step is about; "nan" finds what is not finite.
const matches = (trace, k, query) => {
  const step = trace.steps[k];
  if (query === "nan" || query === "inf") return arraysOf(trace, step).some((array) => !isFinite_(array));
  const op = step.op === undefined || step.op === null ? null : trace.ops[step.op];
  const tensors = [step.tensor, ...(step.phase === "forward" ? op.outputs : [])].filter((each) => typeof each === "number");
  const said = [
    op && op.name, op && `#${step.op}`, step.name, op && op.module !== null ? trace.modules[op.module].path : "",
    ...tensors.flatMap((each) => [trace.tensorName(each), shapeText(trace.tensors[each].shape)]),
  ];
  const wanted = query.replace(/\s+/g, "").toLowerCase();
  return said.some((each) => each && each.replace(/\s+/g, "").toLowerCase().includes(wanted));
};

const find = (trace, k, query) => around(trace, k, (_, at) => matches(trace, at, query));
