// The upper half of the page: how much comes and goes, where events went, what duplicates are, and how alike.

import { bar, el, Histogram, order, say, setText } from "./dom.js";
import { Samples, Tile } from "./series.js";
import { bytes, count, duration, known, likeness, rate, several, share } from "./text.js";

const samples = new Samples();

const TILES = [
  { id: "in", label: "In", unit: "events/s", note: "read from the input", format: rate },
  { id: "out", label: "Out", unit: "events/s", note: "seen first, or dissimilar", format: rate },
  { id: "duplicates", label: "Duplicates", unit: "events/s", note: "seen before, held back", format: rate },
  { id: "share", label: "Duplicate share", unit: "", note: "duplicates among events in", format: (value) => share(value, 1) },
  { id: "lag", label: "Lag", unit: "events", note: "not read yet, all partitions", format: count },
].map((tile) => new Tile(tile));

const OUTCOMES = [
  ["unique", "unique", "seen first: forwarded"],
  ["duplicate", "duplicate", "seen before: held back"],
  ["dissimilar", "dissimilar", "key seen before, content too different: forwarded"],
  ["late", "late", "too late to be decided"],
  ["keyless", "keyless", "without a key"],
  ["dead_letter", "dead letter", "could not be processed"],
];

const KINDS = [
  ["same_event", "same event", "uuid and content agree: sent or delivered twice"],
  ["same_uuid", "same uuid", "the uuid agrees, the content does not"],
  ["only_uuid_different", "only uuid different", "content agrees, the uuid does not: sent again"],
  ["content_differs", "content differs", "uuid and content differ: is the key too coarse?"],
  ["unscored", "unscored", "not compared"],
];

// The unit follows the bounds; `whole` says that only whole numbers occur.
const HISTOGRAMS = [
  { id: "similarity", title: "Similarity", unit: "similarity", format: (value) => String(value), likeness: true },
  { id: "property_similarity", title: "Property similarity", unit: "similarity", format: (value) => String(value), likeness: true },
  { id: "uuid_similarity", title: "Uuid similarity", unit: "similarity", format: (value) => String(value), likeness: true },
  { id: "duplicates_per_key", title: "Duplicates per key", unit: "duplicates", format: count, whole: true },
  { id: "distinct_uuids_per_key", title: "Distinct uuids per key", unit: "uuids", format: count, whole: true },
  { id: "gap_seconds", title: "Time between original and duplicate", unit: "time", format: duration },
];

/** A list of named counts with bars, changed in place. */
class Counts {
  constructor(section, kinds) {
    this.rows = kinds.map(([id, label, note]) => {
      const row = { id, meter: el("span", { class: "meter" }), size: el("span", { class: "number" }), part: el("span", { class: "number" }) };
      row.node = el("li", { id: `count-${id}` }, el("span", { class: "label" }, label), row.meter, row.size, row.part,
        el("span", { class: "remark" }, note));
      return row;
    });
    document.getElementById(section).append(el("ul", { class: "counts" }, ...this.rows.map((row) => row.node)));
  }

  show(counts) {
    const whole = this.rows.reduce((sum, row) => sum + (known(counts[row.id]) ? counts[row.id] : 0), 0);
    for (const row of this.rows) {
      row.meter.replaceChildren(bar([[`is-${row.id}`, counts[row.id]]], whole));
      setText(row.size, count(counts[row.id]));
      setText(row.part, share(counts[row.id], whole));
    }
    return whole;
  }
}

let outcomes, kinds, histograms;

export function build() {
  document.getElementById("throughput").append(...TILES.map((tile) => tile.node));
  outcomes = new Counts("outcomes", OUTCOMES);
  kinds = new Counts("kinds", KINDS);
  histograms = HISTOGRAMS.map((kind) => ({ ...kind, drawing: new Histogram(kind.title, kind.unit) }));
  const grid = el("div", { class: "histograms" });
  order(grid, histograms.map((kind) => kind.drawing.node));
  document.getElementById("alike").append(grid);
}

/** The process is another one: its counters began anew. */
export function forget() {
  samples.clear();
}

export function showTotals(insights, status) {
  const totals = insights?.totals ?? {};
  const lags = (status.partitions ?? []).map((partition) => partition.lag).filter(known);
  const lag = lags.length ? lags.reduce((sum, lag) => sum + lag, 0) : undefined;
  samples.add({ ...totals, at: insights?.at_ms ?? Date.now(), lag });
  const per = (of) => samples.over((from, to, seconds) => (of(to) - of(from)) / seconds);
  const part = samples.over((from, to) => {
    const read = to.consumed - from.consumed;
    return read > 0 ? (to.duplicate - from.duplicate) / read : undefined;
  });
  const series = [
    per((sample) => sample.consumed),
    per((sample) => sample.unique + sample.dissimilar),
    per((sample) => sample.duplicate),
    part,
    samples.each((sample) => sample.lag),
  ];
  TILES.forEach((tile, at) => tile.show(series[at], samples.span, samples.end));
  if (!insights) return;
  outcomes.show(totals);
  say("outcomes", `${several(totals.consumed, "event")} read, ${bytes(totals.bytes)}, since the host began`);
}

export function showDuplicates(insights) {
  const found = kinds.show(insights.outcomes ?? {});
  say("kinds", found > 0 ? `${several(found, "duplicate")} since the host began` : "no duplicates yet");
  for (const kind of histograms) showHistogram(kind, insights[kind.id]);
  say("alike", "of all duplicates that were looked at since the host began; the height of a column is its share");
}

function showHistogram(kind, observed) {
  const [bounds, counts] = [observed?.bounds ?? [], observed?.counts ?? []];
  if (!bounds.length) return kind.drawing.show([], "not kept by this host");
  const buckets = counts.slice(0, bounds.length + 1).map((size, at) => ({ size, ...named(kind, bounds, at) }));
  // Nothing is more alike than 1.
  if (kind.likeness && bounds.at(-1) >= 1 && buckets.length > bounds.length && !counts[bounds.length]) buckets.pop();
  kind.drawing.show(buckets, summary(kind, observed, bounds, counts));
}

function named(kind, bounds, at) {
  const [low, high] = [bounds[at - 1], bounds[at]].map((bound) => (known(bound) ? kind.format(bound) : ""));
  if (high === "") return { name: `more than ${low}`, tick: `>${low}` };
  if (low === "" && kind.whole) return { name: high, tick: high };
  if (low === "") return { name: `up to ${high}`, tick: kind.likeness ? high : `≤${high}` };
  if (!kind.whole) return { name: `more than ${low}, up to ${high}`, tick: high };
  const one = bounds[at - 1] + 1 === bounds[at];
  return one ? { name: high, tick: high } : { name: `${count(bounds[at - 1] + 1)} to ${high}`, tick: high };
}

function summary(kind, { sum }, bounds, counts) {
  const whole = counts.reduce((sum, size) => sum + size, 0);
  if (whole === 0) return "no observations yet";
  let [at, seen] = [0, counts[0]];
  while (seen < whole / 2) seen += counts[(at += 1)];
  const half = at < bounds.length ? `half up to ${kind.format(bounds[at])}` : `half more than ${kind.format(bounds.at(-1))}`;
  const mean = known(sum) ? sum / whole : undefined;
  const shown = kind.likeness ? likeness(mean) : kind.whole ? (known(mean) ? mean.toFixed(1) : "–") : kind.format(mean);
  return `${count(whole)} observed, mean ${shown}, ${half}`;
}
