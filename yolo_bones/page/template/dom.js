// Elements, numbers and announcements. Text only ever goes in as text: names and findings come from strangers' files.

const SVG_SPACE = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style")
      for (const [property, setting] of Object.entries(value)) node.style.setProperty(property, setting);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// make("button", {class: "x", on: {click}}, "text", otherElement)
const make = (tag, attributes = {}, ...children) => furnish(document.createElement(tag), attributes, children);
const makeSvg = (tag, attributes = {}, ...children) =>
  furnish(document.createElementNS(SVG_SPACE, tag), attributes, children);

// For those who hear the page: words that a sign or a colour says to the eye.
const unseen = (text) => make("span", { class: "unseen" }, text);

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const percent = (share) => `${Math.round(share * 1000) / 10}%`;
const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
const whole = (number) => (isNumber(number) ? Math.round(number).toLocaleString("en") : "–");
// A real minus sign: columns of signed numbers line up.
const fixed = (number, digits) => (isNumber(number) ? number.toFixed(digits).replace("-", "−") : "–");
const signed = (number, digits) => (isNumber(number) && number > 0 ? "+" : "") + fixed(number, digits);

// Any number of a finding or a measurement, as short as it stays honest.
function brief(value) {
  if (!isNumber(value)) return String(value);
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3))).replace("-", "−");
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

const mean = (numbers) => (numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : null);

function announce(text) {
  byId("announcer").textContent = text;
}

// Who wants to know of a change says so once; who makes one tells the topic.
const listeners = new Map();
function when(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, []);
  listeners.get(topic).push(listener);
}
function tell(topic, detail) {
  for (const listener of listeners.get(topic) ?? []) listener(detail);
}

// The last few things made, by key; the oldest leaves first.
class Recent {
  constructor(most, release = () => {}) {
    this.most = most;
    this.release = release;
    this.kept = new Map();
  }
  fetch(key, build) {
    const found = this.kept.has(key) ? this.kept.get(key) : build();
    this.kept.delete(key);
    this.kept.set(key, found);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= this.most) break;
      this.release(this.kept.get(oldest));
      this.kept.delete(oldest);
    }
    return found;
  }
  forget(key) {
    this.kept.delete(key);
  }
}
