// An array as a table of at most 8 × 10 cells round the picked one: leading axes become rows, blue is positive, orange
// negative, and the sign is written too.
const [ROWS, COLUMNS] = [8, 10];

// Which rows and columns are shown; rows count through all leading axes.
function windowOf(array, picked) {
  const columns = array.shape.at(-1) ?? 1;
  const rows = sizeOf(array.shape.slice(0, -1));
  if (array.window) {
    const column = array.origin.at(-1) ?? 0;
    const row = flatten(array.shape.slice(0, -1), array.origin.slice(0, -1));
    return { row, column, rows: array.window.at(-2) ?? 1, columns: array.window.at(-1) };
  }
  const flat = picked ? flatten(array.shape, picked) : 0;
  const start = (at, size, shown) => Math.max(0, Math.min(at - shown / 2, size - shown));
  return {
    row: start(Math.floor(flat / columns), rows, ROWS), column: start(flat % columns, columns, COLUMNS),
    rows: Math.min(ROWS, rows), columns: Math.min(COLUMNS, columns),
  };
}

// tensor: what it is called; of: which array of the step it is ("upstream0", "input1", "target", …), for the light.
function grid(array, { label, of, picked = null, pickable = false, testid = null, digits = 3, reason = t("stepper.page.not_yet") }) {
  if (!array) {
    return h("figure", { class: "grid none", "data-testid": testid },
      h("figcaption", null, label), h("span", { class: "dash" }, "–"),
      h("small", null, reason));
  }
  const { shape } = array;
  const view = windowOf(array, picked);
  const largest = array.values.reduce((most, v) => (typeof v === "number" ? Math.max(most, Math.abs(v)) : most), 1e-300);
  const flatPick = picked ? flatten(shape, picked) : -1;
  const columns = shape.at(-1) ?? 1;
  const body = [];
  for (let r = view.row; r < view.row + view.rows; r++) {
    const cells = [];
    for (let c = view.column; c < view.column + view.columns; c++) {
      const flat = r * columns + c;
      cells.push(cell(valueAt(array, unflatten(shape, flat)), flat, largest, flat === flatPick, pickable, digits));
    }
    const lead = shape.length > 1 ? unflatten(shape.slice(0, -1), r).join(",") : "";
    body.push(h("tr", null, h("th", { scope: "row" }, lead), cells));
  }
  const heads = Array.from({ length: view.columns }, (_, k) => h("th", { scope: "col" }, shape.length ? view.column + k : ""));
  return h("figure", { class: "grid", "data-testid": testid },
    h("figcaption", { id: `name-${of}` }, label, " ", h("span", { class: "shape" }, shapeText(shape))),
    h("table", { "data-of": of, class: pickable ? "pickable" : null, "aria-labelledby": `name-${of}` },
      h("thead", shape.length ? null : { hidden: true }, h("tr", null, h("td"), heads)), h("tbody", null, body)),
    array.values.length < sizeOf(shape) || view.rows * view.columns < sizeOf(shape) ? summary(array, view) : null);
}

function cell(value, flat, largest, isPicked, pickable, digits) {
  const odd = typeof value === "string";
  const weight = odd ? 0 : Math.round((55 * Math.abs(value)) / largest);
  return h("td", {
    class: [odd ? "odd" : value < 0 ? "negative" : "positive", isPicked && "picked"].filter(Boolean).join(" "),
    "data-flat": flat, title: String(value), style: `--weight:${weight}%`,
    ...(pickable && isPicked ? { tabindex: 0, "aria-current": "true", "data-focus": "cell" } : {}),
  }, number(value, digits));
}

function summary(array, view) {
  const part = t("stepper.page.part", { rows: view.rows, columns: view.columns, size: sizeOf(array.shape) });
  if (!array.window) return h("small", null, part);
  const { min, max, mean, std, nan, inf, histogram } = array;
  const most = histogram ? Math.max(...histogram.counts, 1) : 1;
  return h("small", { class: "summary" }, part,
    h("span", null, `min ${number(min)} · max ${number(max)} · mean ${number(mean)} · std ${number(std)}`),
    nan || inf ? h("strong", { class: "bad" }, `nan ${nan} · inf ${inf}`) : null,
    histogram ? svg("svg", { class: "histogram", viewBox: "0 0 64 16", "aria-hidden": "true" },
      histogram.counts.map((count, k) => svg("rect", { x: k * 4, width: 3.4, height: (16 * count) / most, y: 16 - (16 * count) / most }))) : null);
}

// Numbers written in a row between signs: upstream ⇒ contribution, before + this = after.
const equation = (testid, ...parts) => h("div", { class: "equation", "data-testid": testid },
  parts.map((part, i) => (typeof part === "string" ? null
    : h("div", { class: "operand" }, typeof parts[i - 1] === "string" ? h("span", { class: "operator" }, parts[i - 1]) : null, part))));
