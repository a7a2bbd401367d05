// The local Jacobian ∂output/∂input: in words where it is simple, with numbers where it is small, else as a heat map
// whose cells tell row, column and value.
function entries(jacobian) {
  const dense = new Float64Array(jacobian.rows * jacobian.columns);
  const put = (r, c, v) => { dense[r * jacobian.columns + c] = typeof v === "number" ? v : NaN; };
  if (jacobian.kind === "sparse") jacobian.values.forEach((v, k) => put(jacobian.row[k], jacobian.column[k], v));
  else for (let k = 0; k < jacobian.rows; k++) put(k, k, jacobian.kind === "identity" ? 1 : jacobian.values[k]);
  return dense;
}

// Which output a row belongs to: the rows of all outputs stand one under the other.
function locate(trace, op, row) {
  let rest = row;
  for (const [k, tensor] of op.outputs.entries()) {
    const size = sizeOf(trace.tensors[tensor].shape);
    if (rest < size) return { output: k, tensor, flat: rest, index: unflatten(trace.tensors[tensor].shape, rest) };
    rest -= size;
  }
  return null;
}

function jacobianSection(trace, step, pickedColumn, onPick) {
  const { jacobian } = step;
  const op = trace.ops[step.op];
  const sizes = (tensors) => tensors.reduce((sum, tensor) => sum + sizeOf(trace.tensors[tensor].shape), 0);
  if (!jacobian) return h("p", { class: "quiet" }, t("stepper.jacobian.large", { rows: sizes(op.outputs), columns: sizes([step.tensor]) }));
  const { rows, columns, kind } = jacobian;
  const words = t(`stepper.jacobian.${kind}`, { rows, columns, count: jacobian.values?.length, all: rows * columns });
  const dense = entries(jacobian);
  const out = h("output", { class: "readout" });
  const tell = (r, c) => {
    const at = locate(trace, op, r);
    const input = indexText(unflatten(trace.tensors[step.tensor].shape, c));
    out.textContent = `∂${trace.tensorName(at.tensor)}${indexText(at.index)} / ∂${trace.tensorName(step.tensor)}${input} = ${number(dense[r * columns + c])}`;
  };
  if (pickedColumn !== null) tell(strongest(dense, rows, columns, pickedColumn), pickedColumn);
  return h("div", { class: "jacobian" }, h("p", null, words), heatMap(dense, rows, columns, pickedColumn, tell, onPick),
    out, h("p", { class: "quiet" }, t("stepper.page.jacobian_product")));
}

// The row of a column's largest entry: what is told before anything is pointed at.
function strongest(dense, rows, columns, column) {
  const size = (row) => Math.abs(dense[row * columns + column]);
  return Array.from({ length: rows }, (_, row) => row).reduce((best, row) => (size(row) > size(best) ? row : best), 0);
}

function heatMap(dense, rows, columns, pickedColumn, tell, onPick) {
  const canvas = h("canvas", { width: columns, height: rows });
  const cursor = h("i", { class: "cursor" });
  const column = h("i", { class: "column" });
  const size = Math.max(4, Math.min(24, Math.floor(280 / columns), Math.floor(150 / rows)));
  const box = h("div", {
    class: "heat", tabindex: 0, role: "img", "data-focus": "heat", "aria-label": t("stepper.page.heat", { rows, columns }),
    style: `width:${columns * size}px;height:${rows * size}px`,
  }, canvas, column, cursor);
  paint(canvas, dense);
  const place = (mark, r, c, tall) => Object.assign(mark.style, {
    left: `${c * size}px`, top: `${r * size}px`, width: `${size}px`, height: `${(tall ? rows : 1) * size}px`, display: "block",
  });
  if (pickedColumn !== null && pickedColumn < columns) place(column, 0, pickedColumn, true);
  let at = [0, Math.max(0, pickedColumn ?? 0)];
  const show = (r, c) => {
    at = [Math.max(0, Math.min(rows - 1, r)), Math.max(0, Math.min(columns - 1, c))];
    place(cursor, ...at, false);
    tell(...at);
  };
  const cellOf = (event) => {
    const { left, top } = box.getBoundingClientRect();
    return [Math.floor((event.clientY - top) / size), Math.floor((event.clientX - left) / size)];
  };
  box.addEventListener("pointermove", (event) => show(...cellOf(event)));
  box.addEventListener("focus", () => show(...at));
  box.addEventListener("click", (event) => onPick(cellOf(event)[1]));
  box.addEventListener("keydown", (event) => {
    const move = { h: [0, -1], l: [0, 1], k: [-1, 0], j: [1, 0] }[event.key];
    if (!move) return;
    event.stopPropagation();
    event.preventDefault();
    show(at[0] + move[0], at[1] + move[1]);
  });
  return box;
}

// One pixel a cell, enlarged by the style sheet; the colours are those of the grids.
function paint(canvas, dense) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim().match(/\w\w/g).map((pair) => parseInt(pair, 16));
  const [positive, negative, none] = ["--positive", "--negative", "--paper"].map(colour);
  const largest = dense.reduce((most, v) => Math.max(most, Math.abs(v) || 0), 1e-300);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  dense.forEach((value, k) => {
    const weight = Number.isNaN(value) ? 1 : Math.abs(value) / largest;
    const ink = value < 0 ? negative : positive;
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * k + channel] = Math.round(none[channel] + (ink[channel] - none[channel]) * weight);
    }
    image.data[4 * k + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}
