// What is asked, as the keys of a query, and the server's answers.

export const PAGE = 24;
// As deep as pages go: the window of a fused query, beyond which they may repeat hits.
export const DEEPEST = 1000;

export const state = {
  words: "", text: "", picture: null, like: null, unlike: [], balance: 50, minimum: 0,
  target: "", // the bundle's own where it is empty
  filters: new Map(), // by facet: values
  index: null,
};

// A picture, a sentence or a document that hits should be like.
export const hasMedia = () => Boolean(state.text.trim() || state.picture || state.like);
export const hasAny = () => hasMedia() || Boolean(state.words.trim() || state.unlike.length || state.filters.size);
// What the slider weighs against each other; null where there is one thing alone.
export function sides() {
  const other = state.picture ? "picture" : state.like ? "document" : null;
  if (state.words.trim() && hasMedia()) return ["keyword", "media", other ?? "sentence"];
  if (state.text.trim() && other) return ["text", state.picture ? "image" : "like", other];
  return null;
}

function filter(facet, values) {
  const typed = (value) => (typeof value === "string" ? `"${value.replace(/[\\"]/g, "\\$&")}"` : String(value));
  const clauses = [...values].map((value) => `${facet.filter}:${typed(value)}`);
  return clauses.length > 1 ? `(${clauses.join(" OR ")})` : clauses[0];
}

export function query(offset) {
  const { index } = state;
  const ask = { k: PAGE, offset, facet: index.facets.map((facet) => facet.field) };
  const words = state.words.trim();
  if (words) {
    ask.words = state.words;
    ask.prefix = true;
    ask.snippet = index.fields.filter(([, type]) => type === "text").map(([name]) => name).slice(0, 8);
  }
  if (state.text.trim()) ask.text = state.text.trim();
  if (state.picture) ask.image = { base64: state.picture.base64 };
  if (state.like) ask.like = state.like.id;
  if (state.unlike.length) ask.not_like = state.unlike.map((example) => example.id);
  ask.filter = index.facets.filter((facet) => state.filters.has(facet.field)).map((facet) => filter(facet, state.filters.get(facet.field)));
  if (!words && !hasMedia() && !ask.filter.length) ask.filter = ["*"];
  if (state.target && hasMedia()) ask.target = state.target;
  if (state.minimum > 0 && hasMedia()) ask.min_probability = state.minimum / 100;
  const two = sides();
  if (two && state.balance !== 50) {
    const share = state.balance / 50;
    // A part has a weight above 0, a leg may have none.
    const least = two[0] === "keyword" ? 0 : 0.02;
    ask.weight = { [two[0]]: Math.max(least, 2 - share), [two[1]]: Math.max(least, share) };
  }
  return ask;
}

// What the server says went wrong.
export class Trouble extends Error {}

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The server does not answer. Is it still running?");
  }
  const value = await answer.json().catch(() => null);
  if (answer.ok && value) return value;
  const said = value?.error;
  throw new Trouble(said ? [said.message, said.expected && `expected ${said.expected}`, said.got && `got ${said.got}`, said.hint].filter(Boolean).join("; ") : `The server says ${answer.status}.`);
}

export const post = (path, value, signal) => call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), signal });
export const get = (path) => call(path, {});

const tail = (index, mark) => (index === undefined || index === null ? "" : `${mark}index=${index}`);
// In a path these are steps, which no browser sends.
const steps = (id) => id === "." || id === "..";
export const mediaUrl = (id, ordinal, index) => (steps(id) ? `/media?id=${id}&ordinal=${ordinal}${tail(index, "&")}` : `/media/${encodeURIComponent(id)}/${ordinal}${tail(index, "?")}`);
export const documentUrl = (id, index) => (steps(id) ? `/api/document?id=${id}${tail(index, "&")}` : `/api/document/${encodeURIComponent(id)}${tail(index, "?")}`);

// Tells the server what was done with a hit, where it keeps that. What fails here is no trouble of the user's.
export function mark(number, id, kind) {
  if (number !== undefined) post("/api/mark", { query: number, id, kind }).catch(() => {});
}

// The bytes of a file in base64.
export async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(parts.join(""));
}

// The part of the state that an address can hold.
export function toHash() {
  const out = new URLSearchParams();
  for (const key of ["words", "text"]) if (state[key].trim()) out.set(key, state[key]);
  if (state.like) out.set("like", state.like.id);
  for (const example of state.unlike) out.append("unlike", example.id);
  for (const [field, values] of state.filters) for (const value of values) out.append("filter", JSON.stringify([field, value]));
  if (state.minimum) out.set("minimum", state.minimum);
  if (state.target) out.set("target", state.target);
  if (state.balance !== 50) out.set("balance", state.balance);
  return out.toString();
}

// What the bundle can be asked, the bundle's own first.
export function targets() {
  const { targets: all, target } = state.index;
  return all.length > 1 ? [target, ...all.filter((other) => other !== target), "both"] : [target];
}

// Values that an address may hold of a kind.
const MOST = 64;

export function fromHash(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  state.words = given.get("words") ?? "";
  state.text = given.get("text") ?? "";
  const example = (id) => ({ id, label: id });
  state.like = given.has("like") ? example(given.get("like")) : null;
  state.unlike = given.getAll("unlike").slice(0, MOST).map(example);
  const number = (key, otherwise, most) => Math.min(most, Math.max(0, Number.parseInt(given.get(key) ?? otherwise, 10) || 0));
  state.minimum = number("minimum", 0, 99);
  state.balance = number("balance", 50, 100);
  state.target = targets().slice(1).includes(given.get("target")) ? given.get("target") : "";
  state.filters = new Map();
  for (const text of given.getAll("filter").slice(0, MOST)) {
    try {
      const [field, value] = JSON.parse(text);
      if (!["string", "number", "boolean"].includes(typeof value)) continue;
      if (!state.index.facets.some((facet) => facet.field === field)) continue;
      if (!state.filters.has(field)) state.filters.set(field, new Set());
      state.filters.get(field).add(value);
    } catch {
      // An address may hold anything.
    }
  }
}
