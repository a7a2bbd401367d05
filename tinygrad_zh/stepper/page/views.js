// Other views of the same page, each a tab beside the stepper. An extra script registers one before the page starts:
//   addView({ name, title: key of its name, mount(container, data), draw() on a change of language, show() })
const views = [];
const addView = (view) => views.push(view);

function mountViews(data, hasTraces) {
  for (const view of views) {
    view.container = h("main", { id: view.name, class: "view", hidden: true, "data-testid": view.name });
    $("controls").before(view.container);
    view.mount(view.container, data);
  }
  if (!views.length) return;
  const all = hasTraces ? [null, ...views] : views;
  $("views").hidden = all.length < 2;
  $("views").replaceChildren(...all.map((view) => h("button", { type: "button", onclick: () => showView(view) })));
  nameViews();
  showView(all.at(-1));
}

function nameViews() {
  const all = $("views").childElementCount > views.length ? [null, ...views] : views;
  [...$("views").children].forEach((button, k) => { button.textContent = t(all[k] ? all[k].title : "stepper.page.step_view"); });
  for (const view of views) view.draw?.();
}

function showView(chosen) {
  document.body.dataset.view = chosen ? chosen.name : "stepper";
  $("stepper").hidden = chosen !== null;
  $("controls").hidden = chosen !== null;
  for (const view of views) view.container.hidden = view !== chosen;
  const all = $("views").childElementCount > views.length ? [null, ...views] : views;
  [...$("views").children].forEach((button, k) => button.setAttribute("aria-pressed", all[k] === chosen));
  chosen?.show?.();
}
