// The drawer: a document, and every number that made it a hit, as bars.

import { bar, by, count, el, percent, short, shown } from "./dom.js";
import { documentUrl, get } from "./ask.js";

export function open(title, ...content) {
  by("drawer-title").textContent = title;
  by("drawer-body").replaceChildren(...content);
  if (!by("drawer").open) by("drawer").showModal();
  by("drawer-body").scrollTop = 0;
}

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

export async function record(hit) {
  const found = await get(documentUrl(hit.id, hit.index));
  const pictures = found.media.map(({ url }, at) => el("img", { src: url, alt: `Picture ${at + 1} of ${hit.id}`, loading: "lazy" }));
  const fields = Object.entries(found.fields).flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, shown(value))]);
  const items = Object.entries(found.items).map(([media, n]) => `${n} ${media}`).join(", ");
  return [pictures.length ? el("div", { class: "pictures" }, pictures) : null, el("dl", {}, el("dt", {}, "id"), el("dd", {}, found.id), fields, el("dt", {}, "items"), el("dd", {}, items || "none"))].filter(Boolean);
}

export function why(hit) {
  const told = hit.explanation;
  const out = [];
  if (hit.probability !== null) out.push(section("Probability of a match", bar("match", hit.probability, hit.probability, "", percent(hit.probability))));
  const legs = Object.entries(told.legs ?? {});
  if (legs.length) {
    const most = Math.max(...legs.map(([, leg]) => Math.abs(leg.contribution ?? 0)), 1e-9);
    const note = (leg) => [leg.rank ? `rank ${leg.rank}` : "not ranked", leg.score === null ? null : `score ${short(leg.score)}`, leg.weight !== null && leg.weight !== 1 ? `weight ${short(leg.weight)}` : null].filter(Boolean).join(", ");
    out.push(section("Legs", el("p", { class: "formula" }, told.formula), ...legs.map(([name, leg]) => bar(name, leg.contribution ?? 0, (leg.contribution ?? 0) / most, note(leg)))));
  } else {
    out.push(section("Legs", el("p", { class: "formula" }, told.formula)));
  }
  for (const part of told.media?.parts ?? []) out.push(heads(part));
  if (told.keyword) out.push(section("Words", tree(told.keyword)));
  return out;
}

// What the metric network adds up for one pair of items.
function heads(part) {
  const title = `${part.wanted === false ? "Not like: " : ""}${part.name} ${part.part + 1} with ${part.media} ${part.index + 1}`;
  const rows = (part.heads ?? []).flatMap((head, at) => {
    const terms = [["bilinear", head.bilinear], ["hidden", head.hidden], ["bias", head.bias], ["hub", head.hub], ["sum", head.raw]].filter(([, value]) => value !== undefined);
    const fit = head.calibration;
    const most = Math.max(...terms.map(([, value]) => Math.abs(value)), Math.abs(fit?.logit ?? 0), 1e-9);
    const bars = terms.map(([name, value]) => bar(name, value, value / most));
    if (fit) bars.push(bar("calibrated", fit.logit, fit.logit / most, `a probability of ${percent(fit.probability)} at a rate of ${percent(fit.rate)}`));
    return [part.heads.length > 1 ? el("h4", {}, `Head ${at + 1}`) : null, el("div", { class: "diverging" }, bars)];
  });
  if (!rows.length) rows.push(el("div", { class: "diverging" }, bar("value", part.value, 1)));
  return section(title, ...rows.filter(Boolean));
}

function tree(node, depth = 0) {
  const line = [el("span", { class: "value" }, short(node.value)), ` ${node.description}`];
  const inner = node.details ?? [];
  if (!inner.length) return el("p", { class: "leaf" }, line);
  return el("details", { open: depth < 1 }, el("summary", {}, line), ...inner.map((part) => tree(part, depth + 1)));
}

export function status(told) {
  const mib = (bytes) => (bytes === null ? "not known" : `${count(Math.round(bytes / 2 ** 20))} MiB`);
  const ms = (x) => (x === null ? "–" : `${x < 10 ? x.toFixed(1) : Math.round(x)} ms`);
  const rows = [
    ["Indexes", told.index.names.join(", ")], ["Documents", count(told.index.documents)], ["Media types", told.index.media.join(", ")],
    ["Queries", `${count(told.queries.answered)} answered, ${count(told.queries.failed)} failed`],
    ["Latency", `half below ${ms(told.latency_ms.p50)}, 99 of 100 below ${ms(told.latency_ms.p99)}`],
    ["Pictures", `${count(told.pictures.sent)}, ${mib(told.pictures.bytes)}`], ["Memory", mib(told.memory_bytes)],
    ["Running", `${count(Math.round(told.uptime_s / 60))} minutes`], ["Clicks", told.records ? "recorded" : "not recorded"],
    ...(told.complete ? [] : [["Index", "incomplete: its build has not come to an end"]]), ...(told.stale ? [["Last look", told.stale]] : []),
  ];
  const asked = (about) => Object.entries(about ?? {}).map(([key, value]) => `${key}: ${value}`).join(" · ") || "everything";
  const log = told.log.map((entry) => el("li", {}, el("span", { class: "value" }, `${entry.took_ms.toFixed(1)} ms`), el("span", { dir: "auto" }, ` ${asked(entry.asked)}`), el("small", {}, entry.error ? ` ${entry.error}` : ` ${entry.hits} hits`)));
  return [el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])), section("Last queries", el("ol", { class: "log" }, log))];
}
