// Unicode formula text → MathML. ∂L/∂x and a spaced a / b become fractions, marks above and below the line become
// superscripts and subscripts, √ takes what follows it; words stay words.
const SUPER = { "⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9",
  "⁻": "−", "⁺": "+", "ˣ": "x", "ʸ": "y", "ᵖ": "p", "ᵇ": "b", "ᵗ": "t", "ⁿ": "n", "ᵀ": "T", "ⁱ": "i", "ʲ": "j",
  "ᵏ": "k", "⁽": "(", "⁾": ")", "ᵃ": "a", "ᶜ": "c", "ᵈ": "d", "ᵐ": "m", "ᵘ": "u", "ʷ": "w", "ᶻ": "z" };
const SUB = { "₀": "0", "₁": "1", "₂": "2", "₃": "3", "₄": "4", "₅": "5", "₆": "6", "₇": "7", "₈": "8", "₉": "9",
  "ᵢ": "i", "ⱼ": "j", "ₖ": "k", "ₙ": "n", "ₘ": "m", "ₜ": "t", "ₓ": "x", "₊": "+", "₋": "−" };
const FUNCTIONS = new Set(["max", "min", "ln", "exp", "tanh", "sin", "cos", "sign", "softmax", "mean"]);
const PARTIAL = /^∂([A-Z])\/∂(\p{L}\u0302?[₀-₉ᵢⱼₖ²]*)/u;
const TOKEN = /^(?:[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+|\d+(?:\.\d+)?|[A-Za-z]+(?:['-][a-z]+)+|[A-Za-z]{2,}|\p{L}\u0302?|.)/u;
const WORD = /^(?:[A-Za-z]+(?:['-][a-z]+)+|[A-Za-z]{2,})/;
const OPERATOR = /^[=+−·,;<>≤≥≠≈←→¬∧∨\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/u;

class Formula {
  constructor(text) {
    this.rest = text.replaceAll("ŷ", "y\u0302");
  }

  // Up to the closing bracket or the end; products are gathered so that / finds its numerator.
  sequence(closing) {
    const done = [];
    let product = [];
    const flush = () => { done.push(...product); product = []; };
    while (this.rest && !closing.includes(this.rest[0])) {
      if (this.take(/^ \/ /)) {
        const below = this.factor();
        product = [math("mfrac", null, full(bare(product)), full(bare([below])))];
      } else if (this.take(/^\s+/)) {
        if (product.length && this.rest && !this.breaksProduct()) product.push(math("mspace", { width: "0.2em" }));
      } else if (this.breaksProduct()) {
        flush();
        done.push(this.operator(done.length === 0 || ["mo", "mtext"].includes(done.at(-1).localName)));
      } else product.push(this.factor());
    }
    flush();
    return done;
  }

  take(pattern) {
    const found = pattern.exec(this.rest);
    if (found) this.rest = this.rest.slice(found[0].length);
    return found;
  }

  breaksProduct() {
    return OPERATOR.test(this.rest) || (WORD.test(this.rest) && !this.atFunction());
  }

  atFunction() {
    const word = /^[A-Za-z]+/.exec(this.rest);
    return word !== null && FUNCTIONS.has(word[0]);
  }

  // A sign, or the words up to the next symbol. A minus at the beginning belongs to what follows it.
  operator(first) {
    const [word] = this.take(TOKEN);
    if (word.length === 1 && !/[a-z\u4e00-\u9fff]/i.test(word)) return math("mo", word === "−" && first ? { form: "prefix" } : null, word);
    const words = [word];
    for (let next = this.nextWord(); next && !FUNCTIONS.has(next); next = this.nextWord()) words.push(this.take(/^\s+(\S+?)(?=[\s,;:)]|$)/)[1]);
    return math("mtext", null, `\u00a0${words.join(" ")}${/^[,;:)]|^$/.test(this.rest) ? "" : "\u00a0"}`);
  }

  nextWord() {
    const spaces = /^\s+/.exec(this.rest);
    return spaces ? WORD.exec(this.rest.slice(spaces[0].length))?.[0] : undefined;
  }

  // One thing with its marks: a name, a number, a bracket, a root, a sum, a function.
  factor() {
    const partial = this.take(PARTIAL);
    if (partial) {
      const below = new Formula(partial[2]).factor();
      return this.marked(math("mfrac", null, math("mrow", null, sign("∂"), name(partial[1])), math("mrow", null, sign("∂"), below)));
    }
    if (this.take(/^√/)) return this.marked(math("msqrt", null, ...bare([this.factor()])));
    const open = this.take(/^[(\[]/);
    if (open) {
      const inner = this.sequence(")]");
      const close = this.take(/^[)\]]/);
      const tall = inner.some((each) => each.localName === "mfrac" || each.querySelector("mfrac, msqrt, munder"));
      const group = math("mrow", { class: "bracket" }, sign(open[0], tall), ...inner, sign(close ? close[0] : "", tall));
      return this.marked(group);
    }
    const big = this.take(/^[ΣΠ]/);
    if (big) {
      const mark = this.subscript();
      const symbol = math("mo", { largeop: "true", movablelimits: "false" }, big[0] === "Σ" ? "∑" : "∏");
      const whole = mark ? math("munder", null, symbol, mark) : symbol;
      this.take(/^\s+/);
      return this.rest && !this.breaksProduct() && !/^[)\],]/.test(this.rest) ? math("mrow", null, whole, this.factor()) : whole;
    }
    const [word] = this.take(TOKEN);
    if (word.endsWith("\u0302")) return this.marked(math("mover", { accent: "true" }, name(word[0]), sign("^")));
    if (/^[\d½]/.test(word)) return this.marked(math("mn", null, word));
    if (FUNCTIONS.has(word) && this.rest.startsWith("(")) return math("mrow", null, math("mi", null, word), this.factor());
    if (/^\p{L}/u.test(word)) return this.marked(math("mi", word.length > 1 ? { mathvariant: "normal" } : null, word));
    return word === "|" || word === "‖" ? math("mo", { stretchy: "false" }, word) : this.marked(math("mo", null, word));
  }

  subscript() {
    const braced = this.take(/^_\{([^}]*)\}/) || this.take(/^_([A-Za-z])/);
    if (braced) return row(new Formula(braced[1]).sequence(""));
    const marks = this.take(/^[₀-₉ᵢⱼₖₙₘₜₓ₊₋]+/u);
    return marks ? row(symbols(marks[0], SUB)) : null;
  }

  superscript() {
    const plain = this.take(/^\^([−+]?\|?\w+\|?)/);
    if (plain) return row(new Formula(plain[1]).sequence(""));
    const marks = this.take(/^[⁰¹²³⁴-⁹⁻⁺ˣʸᵖᵇᵗⁿᵀⁱʲᵏ⁽⁾ᵃᶜᵈᵐᵘʷᶻ]+/u);
    return marks ? row(symbols(marks[0], SUPER)) : null;
  }

  marked(base) {
    const below = this.subscript();
    const above = this.superscript();
    if (below && above) return math("msubsup", null, base, below, above);
    if (below) return math("msub", null, base, below);
    return above ? math("msup", null, base, above) : base;
  }
}

const sign = (text, tall = false) => math("mo", { stretchy: String(tall) }, text);
const name = (text) => math("mi", null, text);
const full = (children) => math("mrow", { displaystyle: "true" }, ...children); // a fraction in a fraction stays readable
const row = (children) => (children.length === 1 ? children[0] : math("mrow", null, ...children));

// eˣⁱ is e to the power of xᵢ: in a superscript, a small index after a letter is an index of that letter.
function symbols(marks, table) {
  const done = [];
  for (const mark of marks) {
    const text = table[mark] || mark;
    const last = done.at(-1);
    if ((mark === "ⁱ" || mark === "ʲ") && last?.localName === "mi") done.push(math("msub", null, done.pop(), name(text)));
    else if (/\d/.test(text)) done.push(math("mn", null, text));
    else done.push(/[a-z]/.test(text) ? name(text) : text === "T" ? math("mi", { mathvariant: "normal" }, text) : sign(text));
  }
  return done;
}

// What stands alone over, under or in something needs no brackets of its own.
function bare(parts) {
  const kept = [...parts];
  while (kept.at(-1)?.localName === "mspace") kept.pop();
  if (kept.length === 1 && kept[0].getAttribute("class") === "bracket") return [...kept[0].childNodes].slice(1, -1);
  return kept;
}

// A formula may break into lines after a comma or semicolon that no bracket encloses.
function clauses(text) {
  let depth = 0;
  let start = 0;
  const done = [];
  [...text].forEach((letter, i, letters) => {
    depth += "([{（".includes(letter) ? 1 : ")]}）".includes(letter) ? -1 : 0;
    if (depth === 0 && ",;，；".includes(letter) && i + 1 < letters.length) {
      done.push(letters.slice(start, i + 1).join(""));
      start = i + 1;
    }
  });
  return [...done, [...text].slice(start).join("")].map((clause) => clause.trim());
}

function clause(text) {
  const parsed = new Formula(text);
  const parts = [];
  while (parsed.rest) parts.push(...parsed.sequence(""));
  return math("math", { "aria-label": text, displaystyle: "true" }, math("mrow", null, ...parts));
}

const formula = (text) => clauses(text).map(clause);
