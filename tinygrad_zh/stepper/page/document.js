// A recorded trace, with the indices that the views ask for. Nothing here is drawn.
const GROUP = {
  forward: "forward", seed: "seed", backward: "backward", sum_to: "backward", cast: "backward", skip: "backward",
  gradient: "backward", hook: "backward", update: "update", assign: "update", error: "error",
};

class Trace {
  constructor(data) {
    Object.assign(this, data);
    this.accumulated = this.tensors.map(() => []); // for each tensor its [step, array] after each contribution
    this.stepsOf = this.ops.map(() => []);
    this.steps.forEach((step, k) => {
      if (step.op !== undefined && step.op !== null) this.stepsOf[step.op].push(k);
      const after = step.phase === "seed" ? step.gradient : step.after;
      const gradient = GROUP[step.phase] === "backward" || step.phase === "seed";
      if (gradient && step.tensor !== undefined && after !== undefined) this.accumulated[step.tensor].push([k, after]);
    });
    this.inGraph = this.ops.map((_, op) => this.stepsOf[op].some((k) => this.steps[k].phase !== "update"));
    this.size = this.inGraph.filter(Boolean).length;
  }

  group(k) {
    return GROUP[this.steps[k].phase];
  }

  array(index) {
    return index === null || index === undefined ? null : this.arrays[index];
  }

  // From the module outwards.
  ancestors(module) {
    const found = [];
    for (let m = module; m !== null && m !== undefined; m = this.modules[m].parent) found.push(m);
    return found;
  }

  // The last entry of a list of [step, …] at or before step k.
  static latest(entries, k) {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle][0] <= k) low = middle + 1;
      else high = middle;
    }
    return entries[low - 1];
  }

  // ∂L/∂tensor as far as it has been added up at step k; null while nothing has arrived.
  gradient(tensor, k) {
    const entry = Trace.latest(this.accumulated[tensor], k);
    return entry ? this.array(entry[1]) : null;
  }

  // How many contributions the tensor has received up to and with step k.
  contributions(tensor, k) {
    return this.accumulated[tensor].filter(([step]) => step <= k).length;
  }

  // The ops that use a tensor; an optimizer's rule is not one of them, no gradient comes from there.
  usesOf(tensor) {
    return this.tensors[tensor].uses.filter(([op]) => this.inGraph[op]);
  }

  hasRun(op, k) {
    return this.stepsOf[op].length > 0 && this.stepsOf[op][0] <= k;
  }

  tensorName(tensor) {
    const { name, producer } = this.tensors[tensor];
    return name || (producer === null ? `t${tensor}` : `${this.ops[producer].name}${producer}`);
  }

  // The op around which the graph is drawn: the step's own, else that of the nearest step before it.
  focus(k) {
    for (let step = k; step >= 0; step--) {
      const { op, tensor } = this.steps[step];
      if (typeof op === "number" && this.inGraph[op]) return op;
      if (typeof tensor !== "number") continue;
      const { producer, previous } = this.tensors[tensor];
      if (producer !== null && this.inGraph[producer]) return producer;
      const use = this.usesOf(tensor)[0] ?? (previous === null ? undefined : this.usesOf(previous)[0]);
      if (use) return use[0];
    }
    return this.inGraph.indexOf(true);
  }

  // The array whose element is picked: what this step makes.
  target(k) {
    const step = this.steps[k];
    switch (step.phase) {
      case "forward": return this.array(this.tensors[this.ops[step.op].outputs[0]]?.value);
      case "seed": return this.array(step.gradient);
      case "backward": return this.array(step.raw);
      case "sum_to": case "cast": return this.array(step.contribution);
      default: return this.array(step.after ?? step.contribution);
    }
  }
}
