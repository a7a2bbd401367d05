// Every text in both languages. The switch changes the words and nothing else: step, pick and zoom stay.
const SAVED = "tinygrad-zh.language";
let texts = {};
let language = "en";

function t(key, values = {}) {
  const both = texts[key] || {};
  return (both[language] || both.en || key).replace(/\{(\w+)[^{}]*\}/g, (_, name) => values[name] ?? "");
}

const hasText = (key) => key in texts;

function savedLanguage() {
  try {
    return localStorage.getItem(SAVED);
  } catch {
    return null; // a sandboxed frame has no storage
  }
}

// An explicit choice of the file, the link, the reader's last choice, the browser's language, English.
function chooseLanguage(ofFile, ofLink) {
  const browser = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  setLanguage([ofFile, ofLink, savedLanguage(), browser].find((each) => each === "zh" || each === "en"));
}

function setLanguage(choice) {
  language = choice;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
    element.title = element.matches("button, input") ? t(element.dataset.tLabel) : "";
  }
  for (const element of document.querySelectorAll("[data-t-placeholder]")) {
    element.placeholder = t(element.dataset.tPlaceholder);
  }
  $("language").textContent = language === "zh" ? "English" : "中文";
  $("language").lang = language === "zh" ? "en" : "zh-CN";
}

function switchLanguage() {
  setLanguage(language === "zh" ? "en" : "zh");
  try {
    localStorage.setItem(SAVED, language);
  } catch {
    // a sandboxed frame has no storage: the choice lasts as long as the page
  }
}
