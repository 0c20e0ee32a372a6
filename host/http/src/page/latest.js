// The latest duplicates beside their originals. The list stands still while somebody reads in it.

import { el, literal, longText, order, say, setText } from "./dom.js";
import { clock, count, difference, instant, known, likeness, NONE, plain, several } from "./text.js";

const SHOWN_MAX = 50;
/** Rows of one duplicate. */
const ROWS_MAX = 500;
const KEY_CHARS = 80;
const WORDS = {
  same_event: "same event",
  same_uuid: "same uuid",
  only_uuid_different: "only uuid different",
  content_differs: "content differs",
  unscored: "unscored",
};

const items = new Map();
let list, newer, waiting = null, redacted = false;

export function build() {
  newer = el("button", { type: "button", id: "newer", disabled: true }, "No newer ones");
  newer.addEventListener("click", () => replace(waiting));
  list = el("ol", { id: "duplicates", class: "duplicates" });
  document.getElementById("latest").append(newer, list);
}

const name = (row) => `${row.topic}[${row.partition}]@${row.offset}`;

export function showLatest(answer) {
  redacted = answer.redacted === true;
  const rows = (answer.duplicates ?? []).slice(0, SHOWN_MAX);
  say("latest", rows.length ? "newest first; open one to see both events side by side" : "no duplicates yet");
  const held = list.querySelector("details[open]") || list.contains(document.activeElement);
  if (!held) return replace(rows);
  waiting = rows;
  offer(rows.filter((row) => !items.has(name(row))).length);
}

function offer(fresh) {
  newer.disabled = fresh === 0;
  setText(newer, fresh ? `Show ${count(fresh)} newer` : "No newer ones");
}

function replace(rows) {
  const kept = new Set((rows ?? []).map(name));
  for (const [id, node] of items) {
    if (kept.has(id)) continue;
    node.remove();
    items.delete(id);
  }
  for (const row of rows ?? []) if (!items.has(name(row))) items.set(name(row), item(row));
  order(list, [...kept].map((id) => items.get(id)));
  waiting = null;
  offer(0);
}

function item(row) {
  const details = el("details", {}, summary(row));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(comparison(row));
  });
  return el("li", {}, details);
}

function summary(row) {
  const likenesses = known(row.similarity)
    ? `similarity ${likeness(row.similarity)}, of properties ${likeness(row.property_similarity)}` : "not compared";
  const key = String(row.key ?? "");
  return el("summary", {},
    el("time", { datetime: instant(row.at_ms), title: instant(row.at_ms) }, clock(row.at_ms)),
    el("span", { class: `outcome is-${Object.hasOwn(WORDS, row.outcome) ? row.outcome : "unscored"}` }, WORDS[row.outcome] ?? plain(row.outcome)),
    el("span", { class: "place" }, literal(`${row.topic}[${row.partition}]`), ` ${count(row.offset)} repeats ${count(row.original_offset)}`),
    el("span", { class: "likeness" }, likenesses),
    el("span", { class: "key-text" }, literal(key.slice(0, KEY_CHARS)), key.length > KEY_CHARS ? "…" : ""));
}

function comparison(row) {
  const rows = (row.rows ?? []).slice(0, ROWS_MAX);
  const [changed, rest] = [rows.filter((one) => one.verdict === "changed"), rows.filter((one) => one.verdict !== "changed")];
  const node = el("div", { class: "comparison" }, facts(row));
  if (rows.length === 0) return append(node, el("p", { class: "remark" }, "The events were not compared property by property."));
  if (changed.length) node.append(beside("Properties that differ", changed));
  if (rest.length) node.append(agreeing(rest));
  const left = (row.rows?.length ?? 0) - rows.length;
  if (left > 0) node.append(el("p", { class: "remark" }, `${several(left, "more property", "more properties")} in `, el("a", { href: "api/latest" }, "api/latest"), "."));
  return node;
}

function append(node, ...children) {
  node.append(...children);
  return node;
}

function facts(row) {
  const fact = (label, value) => el("div", {}, el("dt", {}, label), el("dd", {}, value));
  return el("dl", { class: "facts" },
    fact("Key", longText(String(row.key ?? ""))),
    fact("Duplicates of this key", count(row.count)),
    fact("Distinct uuids", count(row.distinct_uuids)),
    fact("Scored by", row.scorer ? literal(String(row.scorer)) : NONE));
}

function agreeing(rows) {
  const details = el("details", { class: "same" }, el("summary", {}, `${several(rows.length, "property", "properties")} the same or not looked at`));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(beside("Properties that agree", rows));
  });
  return details;
}

/** A table of both events. On a narrow screen a row becomes three cells one below the other, so roles are spelled out. */
function beside(label, rows) {
  const head = ["Property", "Original", "Duplicate"].map((text) => el("th", { scope: "col", role: "columnheader" }, text));
  return el("table", { class: "beside", role: "table", "aria-label": label },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)),
    el("tbody", { role: "rowgroup" }, ...rows.map(besideRow)));
}

const VERDICTS = { changed: "≠ changed", added: "+ added", removed: "− removed", same: "= same", ignored: "ignored" };

function besideRow(row) {
  const verdict = row.verdict === "changed" ? (row.change ?? "changed") : row.verdict;
  const [one, other] = [row.original, row.duplicate];
  const both = verdict === "changed" && typeof one === "string" && typeof other === "string";
  const differs = both ? difference(one, other) : null;
  const cell = (text, absent) => el("td", { role: "cell" }, value(text, absent, differs));
  return el("tr", { role: "row", class: `row-${Object.hasOwn(VERDICTS, verdict) ? verdict : "ignored"}` },
    el("th", { scope: "row", role: "rowheader" }, longText(row.path || "(the whole event)"), " ",
      el("span", { class: "verdict" }, VERDICTS[verdict] ?? plain(verdict))),
    cell(one, verdict === "added"), cell(other, verdict === "removed"));
}

function value(text, absent, differs) {
  if (absent) return el("span", { class: "nothing" }, "not there");
  if (typeof text !== "string") return el("span", { class: "nothing" }, redacted ? "redacted" : "not kept");
  if (text === "") return el("span", { class: "nothing" }, "empty");
  return longText(text, { difference: differs });
}
