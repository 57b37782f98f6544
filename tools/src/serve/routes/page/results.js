// Hits as cards, and chips of facets.

import { by, count, el, passage, percent, shown } from "./dom.js";
import { mediaUrl, state } from "./ask.js";

const TITLES = ["title", "name", "caption", "headline"];

const pictureField = () => {
  const files = state.index.fields.filter(([, type]) => type === "stored").map(([name]) => name);
  return files.includes("image") ? "image" : files.length === 1 ? files[0] : null;
};

// The pictures of a hit, best item first.
function picture(hit) {
  const value = hit.fields[pictureField()];
  if (value === undefined || value === null) return null;
  const best = hit.items.find((item) => item.media === "image");
  return mediaUrl(hit.id, best ? best.index : 0, hit.index);
}

export function title(hit) {
  const field = TITLES.find((name) => typeof hit.fields[name] === "string" && hit.fields[name].trim());
  return field ? hit.fields[field] : hit.id ?? "without an id";
}

// The passage that matches, else the beginning of the longest text.
function words(hit) {
  const marked = Object.entries(hit.snippets ?? {});
  if (marked.length) {
    const best = marked.find(([name]) => name === "text") ?? marked[0];
    return el("p", { class: "passage", dir: "auto" }, passage(best[1]));
  }
  const text = hit.fields.text ?? state.index.fields.filter(([name, type]) => type === "text" && !TITLES.includes(name)).map(([name]) => hit.fields[name]).find((value) => value);
  return text === undefined ? null : el("p", { class: "passage", dir: "auto" }, shown(text));
}

function image(hit, url) {
  if (!url) return null;
  const img = el("img", { src: url, alt: `Picture of ${title(hit)}`, loading: "lazy", decoding: "async", error: () => img.replaceWith(el("span", { class: "none" }, "no picture")) });
  return el("span", { class: "mat" }, img);
}

export function card(hit, act, at) {
  const url = hit.id === null ? null : picture(hit);
  const name = title(hit);
  const action = (kind, label, text) => el("button", { type: "button", class: kind, tabindex: "-1", "data-act": kind, "aria-label": `${label}: ${name}`, title: label, click: () => act(kind, hit) }, text);
  const probability = hit.probability === null ? null : el("span", { class: "probability", title: "Probability of a match" }, meter(hit.probability), percent(hit.probability));
  const open = el("button", { type: "button", class: "open", tabindex: at === 0 ? "0" : "-1", "aria-label": `${hit.rank}. ${name}${hit.probability === null ? "" : `, ${percent(hit.probability)}`}`, click: () => act("open", hit) }, image(hit, url), el("span", { class: "text" }, el("b", { class: "title", dir: "auto" }, name), words(hit)));
  const foot = el("div", { class: "foot" }, probability ?? el("span", { class: "rank" }, `${hit.rank}`), hit.id === null ? null : el("span", { class: "acts", role: "group", "aria-label": `Go on from ${name}` }, action("like", "More like this", "More"), action("unlike", "Not like this", "Not"), action("why", "Why this hit", "Why")));
  return el("li", { class: url ? "card" : "card bare", "data-id": hit.id ?? "" }, open, foot);
}

function meter(p) {
  const fill = el("i");
  fill.style.setProperty("--share", p);
  return el("span", { class: "meter", "aria-hidden": "true" }, fill);
}

// Chips: those that are chosen first, then the most frequent ones.
export function facets(counted, choose) {
  const box = by("facets");
  const focused = document.activeElement?.dataset?.chip;
  const groups = state.index.facets.map((facet) => {
    const chosen = state.filters.get(facet.field) ?? new Set();
    const now = new Map((counted?.[facet.field] ?? facet.values).map(({ value, count: n }) => [value, n]));
    const values = [...new Set([...chosen, ...now.keys(), ...facet.values.map(({ value }) => value)])];
    values.sort((a, b) => chosen.has(b) - chosen.has(a) || (now.get(b) ?? 0) - (now.get(a) ?? 0));
    // Where values are chosen, the others are shut out by them: how many there would be is not known.
    const known = (value) => !chosen.size || chosen.has(value);
    const chip = (value) => el("button", { type: "button", class: "chip", "data-chip": JSON.stringify([facet.field, value]), "aria-pressed": String(chosen.has(value)), disabled: known(value) && !chosen.has(value) && !now.get(value), click: () => choose(facet.field, value) }, el("span", { dir: "auto" }, shown(value)), known(value) ? el("small", {}, count(now.get(value) ?? 0)) : null);
    return el("fieldset", {}, el("legend", {}, facet.field), el("div", { class: "chips" }, values.slice(0, 24).map(chip)));
  });
  box.replaceChildren(...groups);
  [...box.querySelectorAll(".chip")].find((chip) => chip.dataset.chip === focused)?.focus();
  const chosen = [...state.filters.values()].reduce((n, values) => n + values.size, 0);
  by("facet-count").textContent = chosen ? `(${chosen})` : "";
  document.body.classList.toggle("no-facets", !groups.length);
}

// The documents that are asked with, each to be taken away again.
export function examples(remove) {
  const item = (example, kind) => el("li", { class: kind }, example.url ? el("img", { src: example.url, alt: "" }) : null, el("span", { dir: "auto" }, `${kind === "like" ? "Like" : "Not like"} ${example.label}`), el("button", { type: "button", class: "remove", "aria-label": `Do not ask with ${example.label}`, click: () => remove(kind, example) }, "×"));
  by("examples").replaceChildren(...(state.like ? [item(state.like, "like")] : []), ...state.unlike.map((example) => item(example, "unlike")));
}

export const example = (hit) => ({ id: hit.id, label: title(hit), url: picture(hit) });
