// Where each key leads: navigation.py once more. Functions of a trace and a step, which return a step. At an end they
// stay where they are; a search goes round, and returns null where there is nothing to find.
const starts = (trace, key) => trace.steps.map((_, k) => k).filter((k) => k === 0 || key(k) !== key(k - 1));
const forwards = (all, k) => all.find((start) => start > k) ?? k;
const backwards = (all, k) => all.findLast((start) => start < k) ?? k;

const opStarts = (trace) => starts(trace, (k) => `${trace.group(k)} ${trace.steps[k].op ?? ""}`);
const phaseStarts = (trace) => starts(trace, (k) => trace.group(k));

const nextOp = (trace, k) => forwards(opStarts(trace), k);
const previousOp = (trace, k) => backwards(opStarts(trace), k);
const nextPhase = (trace, k) => forwards(phaseStarts(trace), k);
const previousPhase = (trace, k) => backwards(phaseStarts(trace), k);
const percent = (trace, tenths) => Math.floor((tenths * trace.steps.length) / 10);

const around = (trace, k, wanted) => {
  const count = trace.steps.length;
  for (let n = k + 1; n <= k + count; n++) if (wanted(trace.steps[n % count], n % count)) return n % count;
  return null;
};

const nextAccumulation = (trace, k) => around(trace, k, (step) =>
  GROUP[step.phase] === "backward" && step.phase !== "hook" && typeof step.before === "number");

// The arrays that a step makes: the values of a forward step, the gradients or new values of another.
const resultsOf = (trace, step) => {
  const made = step.phase === "forward" ? trace.ops[step.op].outputs.map((tensor) => trace.tensors[tensor].value)
    : step.phase === "seed" ? [step.gradient] : [step.raw, step.contribution, step.after];
  return made.filter((array) => typeof array === "number").map((array) => trace.arrays[array]);
};

const nonfiniteWords = (array) => ["nan", "inf"].filter((word) =>
  array[word] || array.values.includes(word) || array.values.includes(`-${word}`));

const nextNonfinite = (trace, k) => around(trace, k, (step) => resultsOf(trace, step).some((array) => nonfiniteWords(array).length));

const worst = (trace) => {
  const errors = trace.steps.map((step) => (typeof step.check?.error === "number" ? step.check.error : step.check?.error ? Infinity : -1));
  const largest = errors.reduce((most, error) => Math.max(most, error), -1);
  return largest < 0 ? null : errors.indexOf(largest);
};

// The step of an op: of the same phase where there is one.
const stepOf = (trace, op, k) => {
  if (op === null || op === undefined) return null;
  const mine = trace.stepsOf[op];
  return mine.find((step) => trace.group(step) === trace.group(k)) ?? mine[0] ?? null;
};

const producer = (trace, k) => {
  const { op, slot, tensor } = trace.steps[k];
  const inputs = typeof op === "number" && typeof slot !== "number" ? trace.ops[op].inputs : typeof tensor === "number" ? [tensor] : [];
  return stepOf(trace, inputs.map((each) => trace.tensors[each].producer).find((each) => each !== null), k);
};

const consumer = (trace, k) => {
  const { op, tensor } = trace.steps[k];
  const made = typeof op === "number" ? trace.ops[op].outputs : typeof tensor === "number" ? [tensor] : [];
  return stepOf(trace, made.flatMap((each) => trace.tensors[each].uses)[0]?.[0], k);
};

// Op, tensor, module, shape or phase, in either language; "nan" and "inf" find the steps that make one.
const namesOfStep = (trace, step) => {
  const op = typeof step.op === "number" ? trace.ops[step.op] : null;
  const tensors = !op ? [step.tensor] : typeof step.slot === "number" ? [op.inputs[step.slot]] : [...op.inputs, ...op.outputs];
  return [
    step.phase, ...Object.values(texts[`stepper.phase.${GROUP[step.phase]}`]), op?.name, trace.formulas[op?.name]?.zh,
    ...trace.ancestors(op?.module).flatMap((m) => [trace.modules[m].path, trace.modules[m].kind]),
    ...tensors.filter((each) => typeof each === "number").flatMap((each) => [trace.tensors[each].name, shapeText(trace.tensors[each].shape)]),
    ...resultsOf(trace, step).flatMap(nonfiniteWords),
  ];
};

const squeezed = (words) => words.replace(/\s+/g, "").toLowerCase();

const find = (trace, k, query) => around(trace, k, (step) =>
  namesOfStep(trace, step).some((words) => words && squeezed(words).includes(squeezed(query))));
