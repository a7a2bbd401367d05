// The Chinese–English glossary: every entry in both languages, the reader's own first.
function openGlossary(term = null) {
  const terms = Object.keys(texts).map((key) => /^glossary\.(\w+)\.name$/.exec(key)?.[1]).filter(Boolean);
  terms.sort((a, b) => t(`glossary.${a}.name`).localeCompare(t(`glossary.${b}.name`), language));
  const other = language === "zh" ? "en" : "zh";
  const list = h("dl", { class: "glossary" }, terms.flatMap((each) => [
    h("dt", { id: `term-${each}`, class: each === term ? "asked" : null }, t(`glossary.${each}.name`), " ",
      h("span", { class: "quiet", lang: other === "zh" ? "zh-CN" : "en" }, texts[`glossary.${each}.name`][other])),
    h("dd", null, t(`glossary.${each}.means`)),
  ]));
  openDialog(t("stepper.page.glossary"), [list]);
  if (term) $(`term-${term}`)?.scrollIntoView({ block: "center" });
}
