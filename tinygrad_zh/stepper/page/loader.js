// The text of an element of this page: as it stands there, or unpacked where it was long.
async function embedded(id) {
  const element = document.getElementById(id);
  if (!element.dataset.packed) return element.textContent;
  const bytes = Uint8Array.from(atob(element.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

embedded("program").then((text) => {
  const script = document.createElement("script");
  script.textContent = text;
  document.body.append(script);
});
