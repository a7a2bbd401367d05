// Lines of source: the user's, and the rule's.
const AROUND = 2;

function sourceSection(trace, [file, first, last], highlight, testid, title, term) {
  const known = trace.sources[file] || {};
  const lines = Object.keys(known).map(Number).filter((n) => n >= first - AROUND && n <= last + AROUND).sort((a, b) => a - b);
  return h("section", { class: "source", "data-testid": testid },
    h("h3", null, linked(term, title), " ", h("code", null, `${file}:${highlight ?? first}`)),
    h("pre", { tabindex: 0, "data-focus": testid }, lines.map((n) => h("span", {
      class: (highlight ? n === highlight : n >= first && n <= last) ? "line here" : "line",
    }, h("i", { "aria-hidden": "true" }, String(n)), `${known[n]}\n`))));
}

const userCode = (trace, where) => (where
  ? sourceSection(trace, [where[0], where[1], where[1]], where[1], "code-user", t("stepper.page.your_code"), null) : null);

const ruleCode = (trace, code) => (code ? sourceSection(trace, code, null, "code-rule", t("stepper.page.rule_code"), null) : null);
