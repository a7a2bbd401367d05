// The help: every key, every colour, every symbol.
const KEYCAPS = { right: "→", left: "←", space: "␣", home: "Home", end: "End", enter: "Enter", escape: "Esc", "shift+right": "⇧→", "shift+left": "⇧←" };
const keycap = (key) => h("kbd", null, KEYCAPS[key] ?? key);

function openHelp() {
  const keys = h("table", { class: "keys" }, h("caption", null, t("stepper.page.help_keys")), h("tbody", null, keyTable.map(({ action, keys }) => h("tr", null,
    h("th", { scope: "row" }, keys.length > 4 ? [keycap(keys[0]), "–", keycap(keys.at(-1))] : keys.map((key) => [keycap(key), " "])),
    h("td", null, t(`stepper.key.${action}`))))));
  const colours = ["forward", "seed", "backward", "update", "error"].map((group) => [
    h("dt", null, h("span", { class: `chip ${group}` }, t(`stepper.phase.${group}`))), h("dd", null, t(`stepper.page.colour_${group}`))]);
  const symbols = [
    [h("span", { class: "swatch positive" }, "0.5"), "positive"], [h("span", { class: "swatch negative" }, "−0.5"), "negative"],
    [h("span", { class: "swatch picked" }, "0.5"), "picked"], [h("span", { class: "swatch lit" }, "0.5"), "lit"],
    ["–", "dash"], ["∂", "partial"], ["⇒", "arrow"], ["⊕", "plus"], ["⇏", "stopped"], ["ε", "epsilon"], ["▸ ▾", "triangle"], ["× 12", "times"], ["⋯", "dots"], ["✓ ✗", "tick"],
  ].map(([symbol, what]) => [h("dt", null, symbol), h("dd", null, t(`stepper.page.symbol_${what}`))]);
  openDialog(t("stepper.page.help"), [h("div", { class: "help" }, keys, h("section", null, h("h3", null, t("stepper.page.help_colours")),
    h("dl", { class: "legend" }, colours, symbols), h("p", { class: "quiet" }, t("stepper.page.help_mouse"))))]);
}

function openDialog(title, content) {
  $("dialog-title").textContent = title;
  $("dialog-body").replaceChildren(...content);
  if (!$("dialog").open) $("dialog").showModal();
  $("dialog-body").scrollTop = 0;
  $("dialog-body").focus();
}
