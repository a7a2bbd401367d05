// The bar below: every phase in its colour, at the length of its steps.
function drawTrack(trace) {
  const stops = [];
  const total = trace.steps.length;
  for (let k = 0, start = 0; k <= total; k++) {
    if (k < total && trace.group(k) === trace.group(start)) continue;
    stops.push(h("i", { class: trace.group(start), style: `flex:${k - start} 0 ${trace.group(start) === "seed" ? 3 : 0}px` }));
    start = k;
  }
  $("track").replaceChildren(...stops);
  $("range").max = total - 1;
}

function drawScrubber(trace, k) {
  const phase = t(`stepper.phase.${trace.group(k)}`);
  $("range").value = k;
  $("range").setAttribute("aria-valuetext", t("stepper.page.announce", { step: k, last: trace.steps.length - 1, phase }));
  $("count").textContent = t("stepper.page.count", { step: k, last: trace.steps.length - 1 });
  $("phase").textContent = phase;
  $("previous").setAttribute("aria-disabled", k === 0);
  $("next").setAttribute("aria-disabled", k === trace.steps.length - 1);
}
