// Lines of source: the user's, and the rule's.
function sourceSection(trace, [file, first, last], around, testid, title) {
  const known = trace.sources[file] || {};
  const lines = Object.keys(known).map(Number).filter((n) => n >= first - around && n <= last + around).sort((a, b) => a - b);
  return h("section", { class: "source", "data-testid": testid },
    h("h3", null, title, " ", h("code", null, `${file}:${first}`)),
    h("pre", { tabindex: 0, "data-focus": testid, "aria-label": title }, lines.map((n) => h("span", {
      class: n >= first && n <= last ? "line here" : "line",
    }, h("i", { "aria-hidden": "true" }, String(n)), `${known[n]}\n`))));
}

const userCode = (trace, where) => (where
  ? sourceSection(trace, [where[0], where[1], where[1]], 2, "code-user", t("stepper.panel.code")) : null);

const ruleCode = (trace, code) => (code ? sourceSection(trace, code, 0, "code-rule", t("stepper.panel.rule")) : null);
