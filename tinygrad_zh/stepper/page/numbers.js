// Numbers and shapes as a learner reads them: three digits, a true minus sign, Python's shapes.
function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value.replace("-", "−");
  const size = Math.abs(value);
  let shown;
  if (size === 0) shown = "0";
  else if (size < 1e-3 || size >= 1e5) shown = value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  else shown = String(Number(value.toPrecision(Math.max(digits, Math.floor(Math.log10(size)) + 1))));
  return shown.replaceAll("-", "−");
}

const shapeText = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
const indexText = (index) => `[${index.join(", ")}]`;
const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);

function flatten(shape, index) {
  return index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
}

function unflatten(shape, flat) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

// One element of a recorded array; undefined where only a window was recorded and the element is outside it.
function valueAt(array, index) {
  if (!array.window) return array.values[flatten(array.shape, index)];
  const inside = index.slice(-array.window.length).map((i, k) => i - array.origin[index.length - array.window.length + k]);
  const lead = index.length - array.window.length;
  if (index.slice(0, lead).some((i, axis) => i !== array.origin[axis])) return undefined;
  if (inside.some((i, k) => i < 0 || i >= array.window[k])) return undefined;
  return array.values[flatten(array.window, inside)];
}

// ‖array‖, also of one that is recorded as a window with its statistics: n (mean² + std²) = Σ x².
function norm(array) {
  if (array.window) {
    if (array.nan || array.inf) return array.nan ? "nan" : "inf";
    return Math.sqrt(sizeOf(array.shape) * (array.mean ** 2 + array.std ** 2));
  }
  const odd = array.values.find((value) => typeof value === "string");
  return odd ? odd.replace("-", "") : Math.hypot(...array.values);
}
