// The entrance of the gallery: a card for each exhibit, which opens its trace. A link to a step passes by it.
addView({
  name: "gallery", title: "gallery.title",
  mount(container, data) {
    Object.assign(texts, data.texts);
    Object.assign(this, { container, cards: data.cards, passedBy: readHash().trace !== null });
  },
  draw() {
    this.cards.forEach(({ title }, k) => { $("chooser").options[k].text = title[language]; });
    const open = (k) => { choose(state.traces[k]); showView(null); redraw(); $("next").focus(); };
    this.container.replaceChildren(
      h("h2", null, t("gallery.title")), h("p", null, t("gallery.introduction")),
      h("ol", { class: "cards" }, this.cards.map(({ title, look }, k) => h("li", null,
        h("h3", null, title[language]), h("p", null, look[language]),
        h("button", { type: "button", "aria-label": `${t("gallery.open")}: ${title[language]}`, onclick: () => open(k) }, t("gallery.open"))))),
    );
  },
  show() {
    if (this.passedBy) showView(null);
    this.passedBy = false;
  },
});
