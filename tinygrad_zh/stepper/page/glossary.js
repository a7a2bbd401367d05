// The Chinese–English glossary: every entry in both languages, the reader's own first, with those of the step on top.
let glossaryTable = { subjects: {}, phases: {}, ops: {} };

const termName = (term) => t(`glossary.${term}.name`);
const termLink = (term) => h("button", { type: "button", class: "word", "data-focus": `term-${term}`, onclick: () => openGlossary(term) }, termName(term));

// The words that explain this kind of step, and this op.
function stepTerms(trace, step) {
  const op = typeof step.op === "number" ? trace.ops[step.op].name : "";
  return [...new Set([...(glossaryTable.phases[step.phase] ?? []), ...(glossaryTable.ops[op] ?? [])])];
}

function termsOfStep(trace, step) {
  const terms = stepTerms(trace, step);
  if (!terms.length) return null;
  return h("p", { class: "terms" }, h("span", { class: "quiet" }, t("stepper.page.terms")), terms.map((term) => [" ", termLink(term)]));
}

function openGlossary(asked) {
  const filter = h("input", { type: "search", "aria-label": t("stepper.page.filter"), placeholder: t("stepper.page.filter") });
  const groups = Object.entries(glossaryTable.subjects).map(([subject, terms]) => h("section", null,
    h("h3", null, t(`glossary.group.${subject}`)), h("dl", { class: "glossary" }, Object.entries(terms).map(glossaryEntry))));
  filter.addEventListener("input", () => narrow(groups, filter.value));
  const here = state.trace ? termsOfStep(state.trace, state.trace.steps[state.step]) : null;
  openDialog(t("stepper.page.glossary"), [filter, here, ...groups].filter(Boolean));
  const entry = asked && $(`term-${asked}`);
  if (!entry) return;
  entry.classList.add("asked");
  entry.scrollIntoView({ block: "center" });
  entry.focus({ preventScroll: true });
}

function glossaryEntry([term, { related, spellings }]) {
  const both = texts[`glossary.${term}.name`];
  const [other, code] = language === "zh" ? [both.en, "en"] : [both.zh, "zh-CN"];
  const found = [both.en, both.zh, ...spellings].join(" ").toLowerCase();
  return h("div", { id: `term-${term}`, tabindex: -1, "data-words": found },
    h("dt", null, termName(term), " ", h("span", { class: "quiet", lang: code }, other)),
    h("dd", null, t(`glossary.${term}.means`), h("small", null, t("stepper.page.related"), related.map((each) => [" ", termLink(each)]))));
}

function narrow(groups, words) {
  const wanted = words.trim().toLowerCase();
  for (const group of groups) {
    const entries = [...group.querySelectorAll("[data-words]")];
    for (const entry of entries) entry.hidden = !entry.dataset.words.includes(wanted);
    group.hidden = entries.every((entry) => entry.hidden);
  }
}
