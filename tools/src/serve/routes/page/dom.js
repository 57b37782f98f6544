// Elements, texts and numbers. Nothing here, or anywhere on the page, reads text as markup.

// An element with attributes, listeners (functions) and children: strings become text.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const by = (id) => document.getElementById(id);

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'", "&#x27;": "'", "&#x2F;": "/" };
const plain = (text) => text.replace(/&(?:lt|gt|amp|quot|#39|#x27|#x2F);/g, (entity) => ENTITIES[entity]);

// A passage of the server: escaped text, with words between <b> and </b>. These alone become elements.
export function passage(html) {
  return html.split(/<b>([\s\S]*?)<\/b>/).map((part, at) => (at % 2 ? el("mark", {}, plain(part)) : plain(part)));
}

// Nothing is certain, and nothing is out of the question.
export const percent = (p) => (p >= 0.9995 ? ">\u00a099.9\u00a0%" : p < 0.0005 ? "<\u00a00.1\u00a0%" : p >= 0.9945 || p < 0.0995 ? `${(p * 100).toFixed(1)}\u00a0%` : `${Math.round(p * 100)}\u00a0%`);
export const count = (n) => n.toLocaleString("en");
export const short = (x) => (x === null || x === undefined ? "–" : Math.abs(x) >= 100 ? x.toFixed(0) : x.toFixed(Math.abs(x) < 0.1 ? 4 : 2));

// A value of a field, as text.
export function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

// A bar from zero to `share` of the width, to the left where it is negative.
export function bar(label, value, share, note = "", text = short(value)) {
  const fill = el("i", { class: value < 0 ? "minus" : "plus" });
  fill.style.setProperty("--share", Math.min(1, Math.abs(share) || 0));
  return el("div", { class: "row" }, el("span", { class: "what" }, label), el("span", { class: "track", "aria-hidden": "true" }, fill), el("span", { class: "value" }, text), note && el("small", {}, note));
}
