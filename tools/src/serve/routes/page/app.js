// What the user does, and what follows.

import { by, count, el } from "./dom.js";
import { DEEPEST, PAGE, Trouble, base64, fromHash, get, hasAny, hasMedia, mark, post, query, sides, state, targets, toHash } from "./ask.js";
import { card, example, examples, facets, title } from "./results.js";
import * as drawer from "./explain.js";

// The answer that is on the page: its hits, and where the next ones begin.
const now = { hits: [], pages: [], offset: 0, done: true, abort: null };
const TYPING = 220;
const LARGEST = 15 * 2 ** 20;

function trouble(error) {
  if (error?.name === "AbortError") return;
  const box = by("trouble");
  box.textContent = error instanceof Trouble ? error.message : `The page failed: ${error?.message ?? error}`;
  box.hidden = false;
}

// Asks anew, from the first page.
async function search() {
  history.replaceState(null, "", `#${toHash()}`);
  controls();
  Object.assign(now, { hits: [], pages: [], offset: 0, done: false });
  await page(true);
}

async function page(first) {
  now.abort?.abort();
  const abort = (now.abort = new AbortController());
  const offset = now.offset;
  by("results").setAttribute("aria-busy", "true");
  try {
    const found = await post("/api/query", query(offset), abort.signal);
    if (abort.signal.aborted) return;
    by("trouble").hidden = true;
    show(found, first);
  } catch (error) {
    if (abort.signal.aborted) return;
    now.done = true;
    if (first) {
      by("hits").replaceChildren();
      by("said").textContent = "";
    }
    by("more").hidden = true;
    trouble(error);
  } finally {
    if (now.abort === abort) by("results").removeAttribute("aria-busy");
  }
}

function show(found, first) {
  const fresh = found.hits.filter((hit) => !now.hits.some((other) => other.id === hit.id && other.index === hit.index));
  if (first) by("hits").replaceChildren();
  by("hits").append(...fresh.map((hit, at) => card(hit, act, first ? at : 1)));
  for (const hit of fresh) Object.assign(hit, { query: found.query, page: now.offset });
  now.hits.push(...fresh);
  now.offset += PAGE;
  now.done = found.hits.length < PAGE || now.offset + PAGE > DEEPEST;
  by("more").hidden = now.done;
  if (first) facets(found.facets, choose);
  by("said").replaceChildren(...said(found));
  if (!now.done) requestAnimationFrame(near);
}

function said(found) {
  const ms = found.took_ms < 10 ? found.took_ms.toFixed(1) : Math.round(found.took_ms);
  const of = found.matched > now.hits.length ? ` of ${count(found.matched)}` : "";
  const notes = [...(found.warnings ?? []), found.partial ? "the time ended before everything was looked at" : null, found.complete ? null : "the index is incomplete"].filter(Boolean);
  const below = [...(found.did_you_mean ?? []).filter(({ instead }) => instead.length).map(otherWord), ...notes.map((note) => el("small", {}, note))];
  if (!now.hits.length) return [el("b", {}, "Nothing found."), ` ${ms} ms`, ...below];
  const order = hasMedia() ? "best first" : state.words.trim() ? "by words" : "in order of id";
  return [el("b", {}, `${count(now.hits.length)}${of}`), ` ${order}, ${ms} ms`, ...below];
}

function otherWord({ word, instead }) {
  const take = () => {
    state.words = state.words.replace(word, () => instead[0]);
    search();
    by("words").focus();
  };
  return el("button", { type: "button", class: "instead", dir: "auto", click: take }, `Did you mean ${instead[0]}?`);
}

// More, when the end comes near.
function near() {
  const end = by("more").getBoundingClientRect();
  if (!now.done && !by("results").hasAttribute("aria-busy") && end.height && end.top < innerHeight + 600) page(false);
}

async function act(kind, hit) {
  if (kind === "like" || kind === "unlike") {
    mark(hit.query, hit.id, kind);
    if (kind === "like") {
      state.like = example(hit);
      state.unlike = state.unlike.filter((other) => other.id !== hit.id);
    } else if (!state.unlike.some((other) => other.id === hit.id)) {
      state.unlike.push(example(hit));
      if (state.like?.id === hit.id) state.like = null;
    }
    scrollTo({ top: 0 });
    await search();
    focusCard(0);
    return;
  }
  if (kind === "open") mark(hit.query, hit.id, "click");
  try {
    // The page that the hit is on, so that it has the place that is shown.
    const told = await post("/api/query", { ...query(hit.page), explain: true, facet: [] });
    const same = told.hits.find((other) => other.id === hit.id && other.index === hit.index);
    const reasons = same ? drawer.why(same) : [el("p", {}, "The index has changed since; search again.")];
    const about = hit.id === null ? [] : await drawer.record(hit);
    drawer.open(title(hit), ...(kind === "why" ? [...reasons, ...about] : [...about, ...reasons]));
  } catch (error) {
    trouble(error);
  }
}

function choose(field, value) {
  const values = state.filters.get(field) ?? new Set();
  if (!values.delete(value)) values.add(value);
  if (values.size) state.filters.set(field, values);
  else state.filters.delete(field);
  search();
}

function remove(kind, gone) {
  if (kind === "like") state.like = null;
  else state.unlike = state.unlike.filter((other) => other !== gone);
  search();
}

// What stands in the form, as the state has it.
function controls() {
  const two = sides();
  by("balance").disabled = !two;
  by("balance-box").classList.toggle("off", !two);
  by("balance-other").textContent = two?.[2] ?? "picture";
  by("balance-box").querySelector("label").firstChild.textContent = two && two[0] === "text" ? "Sentence " : "Words ";
  by("balance").value = state.balance;
  by("balance-shown").textContent = state.balance === 50 ? "even" : `${100 - state.balance} : ${state.balance}`;
  by("minimum").disabled = !hasMedia();
  by("minimum-box").classList.toggle("off", !hasMedia());
  by("minimum").value = state.minimum;
  by("target").disabled = !hasMedia();
  by("target-box").classList.toggle("off", !hasMedia());
  by("target").value = state.target;
  by("minimum-shown").textContent = state.minimum ? `at least ${state.minimum} %` : "any";
  for (const key of ["words", "text"]) if (by(key).value !== state[key]) by(key).value = state[key];
  by("clear").hidden = !hasAny();
  by("preview").hidden = by("no-picture").hidden = !state.picture;
  by("drop").classList.toggle("full", Boolean(state.picture));
  if (state.picture) by("preview").src = state.picture.url;
  by("preview").alt = state.picture ? `Asked with ${state.picture.name}` : "";
  examples(remove);
}

async function take(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) return trouble(new Trouble(`${file.name || "What was given"} is no picture.`));
  if (file.size > LARGEST) return trouble(new Trouble(`${file.name || "The picture"} is too large: 15 MiB at most.`));
  drop();
  state.picture = { base64: await base64(file), url: URL.createObjectURL(file), name: file.name || "a pasted picture" };
  by("trouble").hidden = true;
  await search();
}

function drop() {
  if (state.picture) URL.revokeObjectURL(state.picture.url);
  state.picture = null;
  by("file").value = by("camera").value = "";
}

// Cards by the arrow keys, as they lie on the page; one of them is in the order of the tabulator.
const cards = () => [...by("hits").querySelectorAll(".open")];

function focusCard(at) {
  const all = cards();
  const card = all[Math.max(0, Math.min(all.length - 1, at))];
  if (!card) return;
  all.forEach((other) => (other.tabIndex = other === card ? 0 : -1));
  card.closest("li").querySelectorAll("[data-act]").forEach((button) => (button.tabIndex = 0));
  card.focus();
}

function onCards(event) {
  const card = event.target.closest("li.card");
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = cards();
  const at = all.indexOf(card.querySelector(".open"));
  const columns = all.filter((other) => Math.abs(other.getBoundingClientRect().top - all[0].getBoundingClientRect().top) < 4).length || 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -all.length, End: all.length }[event.key];
  if (step !== undefined) {
    event.preventDefault();
    focusCard(at + step);
  } else if (["m", "n", "e"].includes(event.key)) {
    event.preventDefault();
    act({ m: "like", n: "unlike", e: "why" }[event.key], now.hits[at]);
  }
}

function onKey(event) {
  const typing = event.target.closest("input, textarea, dialog");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    by("words").focus();
    by("words").select();
  } else if (event.key === "?" && !typing) keys();
  else if (event.key === "ArrowDown" && event.target.matches("#words, #text")) {
    event.preventDefault();
    focusCard(0);
  }
}

function keys() {
  const rows = [["/", "to the words"], ["↓", "from a field to the results"], ["← → ↑ ↓", "between results"], ["Enter", "opens a result"], ["m", "more like this"], ["n", "not like this"], ["e", "why this hit"], ["Esc", "closes the drawer, or empties a field"], ["?", "these keys"]];
  drawer.open("Keys", el("dl", { class: "keys" }, rows.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])));
}

function theme(next) {
  const order = ["auto", "light", "dark"];
  const stored = localStorage.getItem("theme");
  const was = order.includes(stored) ? stored : "auto";
  const is = next ? order[(order.indexOf(was) + 1) % 3] : was;
  localStorage.setItem("theme", is);
  document.documentElement.dataset.theme = is;
  by("theme").textContent = { auto: "Auto", light: "Light", dark: "Dark" }[is];
  by("theme").setAttribute("aria-label", `Colours: ${is}`);
}

function listen() {
  let timer;
  const typed = (key) => () => {
    state[key] = by(key).value;
    controls();
    clearTimeout(timer);
    timer = setTimeout(search, TYPING);
  };
  for (const key of ["words", "text"]) by(key).addEventListener("input", typed(key));
  for (const key of ["balance", "minimum"]) {
    by(key).addEventListener("input", () => {
      state[key] = Number(by(key).value);
      controls();
      clearTimeout(timer);
      timer = setTimeout(search, TYPING);
    });
  }
  by("target").addEventListener("change", () => {
    state.target = by("target").value;
    controls();
    search();
  });
  by("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
  by("ask").addEventListener("reset", (event) => {
    event.preventDefault();
    drop();
    Object.assign(state, { words: "", text: "", like: null, unlike: [], balance: 50, minimum: 0, target: "", filters: new Map() });
    search();
    by("words").focus();
  });
  for (const input of ["file", "camera"]) by(input).addEventListener("change", () => take(by(input).files[0]).catch(trouble));
  by("no-picture").addEventListener("click", () => {
    drop();
    search();
    by("file").focus();
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      take(file).catch(trouble);
    }
  });
  const dragged = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!dragged(event)) return;
    event.preventDefault();
    by("catch").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) by("catch").hidden = true;
  });
  addEventListener("drop", (event) => {
    by("catch").hidden = true;
    if (!dragged(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]).catch(trouble);
  });
  addEventListener("scroll", near, { passive: true });
  addEventListener("resize", near);
  addEventListener("keydown", onKey);
  by("hits").addEventListener("keydown", onCards);
  by("hits").addEventListener("focusin", (event) => {
    const card = event.target.closest("li.card");
    by("hits").querySelectorAll("[data-act]").forEach((button) => (button.tabIndex = card?.contains(button) ? 0 : -1));
  });
  by("more").addEventListener("click", async () => {
    const at = now.hits.length;
    await page(false);
    focusCard(at);
  });
  by("close").addEventListener("click", () => by("drawer").close());
  by("drawer").addEventListener("click", (event) => event.target === by("drawer") && by("drawer").close());
  by("show-keys").addEventListener("click", keys);
  by("theme").addEventListener("click", () => theme(true));
  by("show-status").addEventListener("click", () => get("/api/status").then((told) => drawer.open("Status", ...drawer.status(told))).catch(trouble));
  addEventListener("hashchange", () => {
    fromHash(location.hash);
    search();
  });
}

async function start() {
  theme(false);
  const told = await get("/api/status");
  state.index = told.index;
  const name = told.index.names.join(" + ");
  by("name").textContent = name;
  document.title = `${name} – uncsm-index`;
  if (matchMedia("(max-width: 760px)").matches) by("facet-box").open = false;
  const looks = { class: "things of its kind", pair: "this very one", both: "either" };
  const option = (target, at) => el("option", { value: at === 0 ? "" : target }, looks[target] ?? target);
  by("target").replaceChildren(...targets().map(option));
  by("target-box").hidden = targets().length < 2;
  fromHash(location.hash);
  listen();
  await search();
}

start().catch(trouble);
