// The place in the page's address: #step=123&lang=zh&pick=3,3, and &trace=1 where the file has several.
function readHash() {
  const words = new URLSearchParams(location.hash.slice(1));
  const whole = (name) => (/^\d+$/.test(words.get(name) ?? "") ? Number(words.get(name)) : null);
  const pick = words.get("pick");
  return {
    step: whole("step"), trace: whole("trace"), lang: words.get("lang"),
    pick: pick !== null && /^\d*(,\d+)*$/.test(pick) ? pick.split(",").filter(Boolean).map(Number) : null,
  };
}

function hashOf() {
  const words = [`step=${state.step}`, `lang=${language}`];
  if (state.pick) words.push(`pick=${state.pick.join(",")}`);
  if (state.traces.length > 1) words.push(`trace=${state.traces.indexOf(state.trace)}`);
  return `#${words.join("&")}`;
}

function writeHash() {
  try {
    history.replaceState(null, "", hashOf());
  } catch {
    // a frame made of text has no address that could be changed
  }
}

async function copyLink() {
  const framed = location.protocol === "about:"; // in a notebook: no address of its own, and no clipboard
  const link = framed ? hashOf() : location.href.split("#")[0] + hashOf();
  try {
    if (framed) throw new Error("no clipboard");
    await navigator.clipboard.writeText(link);
    toast(t("stepper.page.copied", { link }));
  } catch {
    const field = h("input", { class: "link", readonly: true, value: link, "aria-label": t("stepper.key.link") });
    openDialog(t("stepper.key.link"), [field]);
    field.select();
    field.focus();
  }
}

function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").textContent = ""; }, 4000);
}
