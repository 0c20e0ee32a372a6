// Elements, tables and drawings, made of nodes and text. Text of events is never read as HTML, and sizes are set
// through the style object: the content policy forbids anything else.

import { boundary, count, known, pieces, share } from "./text.js";

/** Characters of a value that are shown before one asks for more. */
const VALUE_CHARS = 160;
/** Characters of a value that are shown at all: a mebibyte of text would hold the browser up. */
const VALUE_CHARS_MAX = 65536;
/** Characters shown before a difference when the start is left out. */
const LEAD_CHARS = 40;

/** An element with attributes and children; a child that is no node is text. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Sets text only where it changed, so that a selection survives. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Text as it is, apart from its surroundings in direction, with what cannot be seen spelled out. */
export function literal(text) {
  const node = el("bdi", { class: "literal" });
  // One by one: a call with an argument for each of many pieces would overflow the stack.
  for (const piece of pieces(text)) node.append(piece.named ? el("span", { class: "named" }, piece.text) : piece.text);
  return node;
}

/** Text of any length: its beginning, or what is around its `difference`, and a button that shows the rest. */
export function longText(text, { chars = VALUE_CHARS, difference = null } = {}) {
  const whole = el("span", { class: "long" });
  const cut = text.length > chars;
  const show = (all) => {
    const from = all || !difference || difference.head <= chars / 2 ? 0 : boundary(text, difference.head - LEAD_CHARS);
    const to = boundary(text, Math.min(text.length, from + (all ? VALUE_CHARS_MAX : chars)));
    const parts = [from > 0 ? "…" : "", ...marked(text, from, to, difference), to < text.length ? "…" : ""];
    whole.replaceChildren(el("span", all ? { class: "whole", tabindex: "0" } : {}, ...parts));
    if (cut) whole.append(" ", toggle(text, all, show));
  };
  show(false);
  return whole;
}

function toggle(text, all, show) {
  const most = text.length > VALUE_CHARS_MAX ? `first ${count(VALUE_CHARS_MAX)} of ` : all ? "" : "all ";
  const button = el("button", { type: "button", class: "more", "aria-expanded": String(all) });
  setText(button, all ? "Show less" : `Show ${most}${count(text.length)} characters`);
  button.addEventListener("click", () => {
    const parent = button.parentNode;
    show(!all);
    parent.querySelector("button").focus();
  });
  return button;
}

function marked(text, from, to, difference) {
  if (!difference) return [literal(text.slice(from, to))];
  const start = Math.min(Math.max(difference.head, from), to);
  const end = Math.max(start, Math.min(text.length - difference.tail, to));
  const parts = [];
  if (start > from) parts.push(literal(text.slice(from, start)));
  if (end > start) parts.push(el("mark", {}, literal(text.slice(start, end))));
  if (to > end) parts.push(literal(text.slice(end, to)));
  return parts;
}

/** A table that is changed in place, row by row, so that focus and selection stay where they are.
 * A column has a `label`, a `value` of a row that is shown as text, and perhaps `render`, which makes a node instead. */
export class Table {
  constructor({ label, columns, key, className = "" }) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    const head = columns.map((column) => el("th", { scope: "col", role: "columnheader", class: column.className }, column.label));
    this.body = el("tbody", { role: "rowgroup" });
    const table = el("table", { role: "table", "aria-label": label, class: className },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)), this.body);
    this.node = el("div", { class: "scroll" }, table);
    this.label = label;
  }

  show(rows) {
    const kept = new Map();
    for (const row of rows) {
      const key = this.key(row);
      if (kept.has(key)) continue;
      const shown = this.rows.get(key) ?? this.make();
      this.change(shown, row);
      kept.set(key, shown);
    }
    for (const [key, shown] of this.rows) if (!kept.has(key)) shown.node.remove();
    this.rows = kept;
    order(this.body, [...kept.values()].map((shown) => shown.node));
    this.reach();
  }

  make() {
    const cells = this.columns.map((column, at) =>
      at === 0 ? el("th", { scope: "row", role: "rowheader", class: column.className })
        : el("td", { role: "cell", class: column.className }));
    return { node: el("tr", { role: "row" }, ...cells), cells, values: [] };
  }

  change(shown, row) {
    this.columns.forEach((column, at) => {
      const value = column.value(row);
      if (Object.is(shown.values[at], value)) return;
      shown.values[at] = value;
      if (column.render) shown.cells[at].replaceChildren(column.render(row, value));
      else setText(shown.cells[at], String(value));
    });
  }

  /** What can be scrolled must be reachable from the keyboard. */
  reach() {
    if (this.node.scrollWidth <= this.node.clientWidth) {
      for (const name of ["tabindex", "role", "aria-label"]) this.node.removeAttribute(name);
    } else {
      fill(this.node, { tabindex: "0", role: "region", "aria-label": `${this.label}, scrollable` }, []);
    }
  }
}

/** Puts children in this order, touching only those that moved. */
export function order(parent, nodes) {
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
}

/** A bar of parts, each of a class and a size; empty where the whole is nothing. */
export function bar(parts, whole) {
  const node = el("span", { class: "meter", "aria-hidden": "true" });
  for (const [className, size] of parts) {
    if (!known(size) || size <= 0 || whole <= 0) continue;
    const part = el("span", { class: `fill ${className}` });
    part.style.width = `${(size / whole) * 100}%`;
    node.append(part);
  }
  return node;
}

/** Columns over an axis. `names` are the columns in words, `ticks` what stands below them. */
export class Histogram {
  constructor(title, unit) {
    this.title = title;
    this.unit = unit;
    this.summary = el("p", { class: "summary" }, "no observations yet");
    this.columns = el("div", { class: "columns", role: "img" });
    this.numbers = new Table({
      label: title,
      columns: [
        { label: unit, value: (row) => row.name },
        { label: "observations", className: "number", value: (row) => count(row.size) },
        { label: "share", className: "number", value: (row) => share(row.size, row.whole) },
      ],
      key: (row) => row.name,
    });
    this.node = el("figure", { class: "histogram" }, el("h3", {}, title), this.summary, this.columns,
      el("details", {}, el("summary", {}, "Numbers"), this.numbers.node));
  }

  show(buckets, summary) {
    const whole = buckets.reduce((sum, bucket) => sum + bucket.size, 0);
    const most = Math.max(1, ...buckets.map((bucket) => bucket.size));
    if (this.columns.children.length !== buckets.length) this.build(buckets);
    buckets.forEach((bucket, at) => {
      const column = this.columns.children[at];
      column.firstChild.style.height = bucket.size > 0 ? `max(2px, ${(bucket.size / most) * 100}%)` : "0";
      setAttribute(column, "title", `${bucket.name}: ${count(bucket.size)} (${share(bucket.size, whole)})`);
    });
    setText(this.summary, summary);
    setAttribute(this.columns, "aria-label", `${this.title}: ${summary}`);
    this.numbers.show(buckets.map((bucket) => ({ ...bucket, whole })));
  }

  build(buckets) {
    const every = Math.ceil(buckets.length / 6);
    const column = (bucket, at) =>
      el("span", { class: "column" }, el("span", { class: "fill" }),
        el("span", { class: "tick" }, (buckets.length - 1 - at) % every === 0 ? bucket.tick : ""));
    this.columns.replaceChildren(...buckets.map(column));
  }
}

/** A section's line of words under its title. */
export function say(section, text) {
  setText(document.querySelector(`#${section} > .summary`), text);
}
