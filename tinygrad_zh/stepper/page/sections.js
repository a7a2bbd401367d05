// The building blocks of the panel.
function section(testid, title, term, ...children) {
  return h("section", { class: testid, "data-testid": testid, "aria-label": title }, h("h3", null, linked(term, title)), children);
}

// A technical word that opens the glossary at its entry.
function linked(term, label) {
  if (!term || !hasText(`glossary.${term}.name`)) return label;
  return h("button", { type: "button", class: "word", "data-focus": `word-${term}`, onclick: () => openGlossary(term) }, label);
}

const chip = (name, ...rest) => h("span", { class: "pair" }, h("b", null, name), " ", rest);

// Which letter of the formula is which tensor of the program, with its shape and dtype.
function bindings(trace, op) {
  const pair = (letter, tensor) => chip(letter, "= ", h("code", null, trace.tensorName(tensor)), " ",
    h("span", { class: "shape" }, shapeText(trace.tensors[tensor].shape)));
  const named = letters(trace, op);
  const inputs = op.inputs.map((tensor, slot) => pair(named.inputs[slot], tensor));
  const outputs = op.outputs.map((tensor, k) => pair(named.outputs[k], tensor));
  const attributes = Object.entries(op.attributes).map(([name, value]) => chip(name, "= ", String(value)));
  const dtype = op.outputs.length ? h("span", { class: "quiet" }, trace.tensors[op.outputs[0]].dtype) : null;
  const arrow = outputs.length ? h("span", { class: "operator" }, "→") : null;
  return h("p", { class: "shapes", "data-testid": "shapes" }, inputs, arrow, outputs, dtype, attributes);
}

// The letters that the formula writes: of an input what ∂L/∂… names, of an output what stands before the equals sign.
// Where these are not different letters, they are the names of the op's parameters.
const LETTER = "(\\p{L}\\u0302?)";
function letters(trace, op) {
  const { partials = {}, forward = "" } = trace.formulas[op.name] ?? {};
  const found = op.input_names.map((name) => new RegExp(`^∂./∂${LETTER}`, "u").exec(partials[name] ?? "")?.[1] ?? name);
  const made = new RegExp(`^${LETTER}[ᵢⱼ]? =`, "u").exec(forward)?.[1];
  const clear = new Set([...found, made]).size === found.length + 1;
  return { inputs: clear ? found : op.input_names, outputs: clear && op.outputs.length === 1 && made ? [made] : op.output_names };
}

// "where x > 0, else 0" is said in the reader's language.
const worded = (known, key) => (language === "zh" && known[`${key}_zh`]) || known[key];

function formulaLine(trace, op, partial) {
  const known = trace.formulas[op.name];
  if (!known) return null;
  const chinese = language === "zh" && known.zh ? h("span", { class: "quiet" }, known.zh) : null;
  const forward = h("div", { class: partial ? "formula small" : "formula" },
    h("span", { "data-testid": "formula" }, formula(worded(known, "forward"))), chinese);
  if (!partial) return forward;
  const derivative = worded(known, "partials")[partial];
  return [derivative ? h("div", { class: "formula", "data-testid": "derivative" }, formula(derivative)) : null, forward];
}
