// Partitions, properties, heaviest keys and plugins: tables that are changed in place.

import { bar, el, literal, longText, say, Table } from "./dom.js";
import { bytes, clock, count, duration, instant, known, NONE, plain, several, share } from "./text.js";

/** Partitions and plugins shown. */
const ROWS_MAX = 1000;
/** Rows shown of lists that go from much to little. */
const TOP_ROWS_MAX = 20;
const KEY_CHARS = 96;
const DIGEST_CHARS = 12;
const SWAP_CHARS = 300;

const number = "number";
const differing = (row) => (row.changed ?? 0) + (row.added ?? 0) + (row.removed ?? 0);

const PARTITIONS = [
  { label: "Partition", value: (row) => `${row.topic}[${row.partition}]`, render: (_, name) => literal(name) },
  { label: "Phase", value: (row) => row.phase, render: (row) => el("span", { class: `phase is-${row.phase}` }, row.phase) },
  { label: "Lag", className: number, value: (row) => count(row.lag) },
  { label: "Position", className: number, value: (row) => count(row.position) },
  { label: "Committed", className: number, value: (row) => count(row.committed) },
  { label: "On disk up to", className: number, value: (row) => count(row.applied) },
  { label: "Checkpoint up to", className: number, value: checkpointOffset },
  { label: "Keys", className: number, value: (row) => count(row.keys) },
  { label: "State", className: number, value: (row) => bytes(row.state_bytes) },
  { label: "Originals", className: number, value: (row) => bytes(row.originals_bytes) },
  { label: "Window in force", className: number, value: windowInForce },
  { label: "Why", className: "words", value: why, render: (_, reason) => literal(reason) },
];

const PROPERTIES = [
  { label: "Property", className: "words", value: (row) => row.path, render: (row) => (row.rest ? row.path : longText(row.path, { chars: KEY_CHARS })) },
  { label: "Differs", className: "wide", value: parts, render: (row) => bar(
    [["is-changed", row.changed], ["is-added", row.added], ["is-removed", row.removed]], differing(row) + (row.same ?? 0)) },
  { label: "Share", className: number, value: (row) => share(differing(row), differing(row) + (row.same ?? 0)) },
  { label: "Changed", className: number, value: (row) => count(row.changed) },
  { label: "Added", className: number, value: (row) => count(row.added) },
  { label: "Removed", className: number, value: (row) => count(row.removed) },
  { label: "Same", className: number, value: (row) => count(row.same) },
];

const KEYS = [
  { label: "Key", className: "words", value: (row) => row.key ?? "", render: (_, key) => longText(key, { chars: KEY_CHARS }) },
  { label: "Duplicates", className: number, value: (row) => count(row.duplicates) },
  { label: "Uuids", className: number, value: (row) => (known(row.distinct_uuids) && row.distinct_uuids_exact === false ? "≈" : "") + count(row.distinct_uuids) },
  { label: "Last seen", className: number, value: (row) => row.last_seen_ms, render: (row) =>
    el("time", { datetime: instant(row.last_seen_ms), title: instant(row.last_seen_ms) }, clock(row.last_seen_ms)) },
  { label: "Original", className: number, value: (row) => count(row.original_offset) },
  { label: "Last", className: number, value: (row) => count(row.last_offset) },
  { label: "Partition", value: (row) => `${row.topic}[${row.partition}]`, render: (_, name) => literal(name) },
];

const PLUGINS = [
  { label: "Name", value: (row) => row.name, render: (_, name) => longText(name, { chars: KEY_CHARS }) },
  { label: "Role", value: (row) => (row.roles ?? []).join(", ") || NONE, render: (_, roles) => literal(roles) },
  { label: "Version", value: (row) => row.version, render: (_, version) => literal(version) },
  { label: "Calls", className: number, value: (row) => count(row.calls) },
  { label: "Per call", className: number, value: (row) => each(row.seconds, row.calls) },
  { label: "Per event", className: number, value: (row) => each(row.seconds, row.events) },
  { label: "Failures", className: number, value: (row) => count(row.failures), render: (row, failures) =>
    el("span", { class: row.failures > 0 ? "bad" : "" }, failures) },
  { label: "Since", className: number, value: (row) => row.since, render: (row) =>
    el("time", { datetime: instant(row.since), title: instant(row.since) }, clock(row.since)) },
  { label: "SHA-256", value: (row) => row.digest ?? "", render: (_, digest) => longText(digest, { chars: DIGEST_CHARS }) },
];

/** Absent: not known. Null: for ever. */
function windowInForce(row) {
  if (row.window_seconds === null && known(row.window_offsets)) {
    return `${count(row.window_offsets)} offsets`;
  }
  return row.window_seconds === null ? "unlimited" : duration(row.window_seconds);
}

/** Up to where a host with an empty disk would have the state from a checkpoint. */
function checkpointOffset(row) {
  const offsets = (row.checkpoints ?? []).map((checkpoint) => checkpoint.offset).filter(known);
  return offsets.length > 0 ? count(Math.max(...offsets)) : NONE;
}

/** Why a partition is where it is, what is wrong with the times of its events, and which checkpoints fail. */
function why(row) {
  // What cannot be seen in these words is spelled out, as they are not all ours: the narrow spaces of numbers are.
  const plain = (figure) => figure.replaceAll("\u202f", " ");
  const times = Object.entries(row.event_times_unusable ?? {}).map(
    ([reason, events]) => `${plain(count(events))} ${reason.replaceAll("_", " ")}`);
  return [
    row.reason,
    times.length > 0 ? `unusable event times: ${times.join(", ")}` : "",
    row.decided_without_memory > 0 ? `${plain(count(row.decided_without_memory))} decided without memory` : "",
    row.clock_went_back > 0 ? `the clock went back ${plain(several(row.clock_went_back, "time"))}` : "",
    ...(row.checkpoints ?? []).filter((checkpoint) => checkpoint.failing).map((checkpoint) =>
      `checkpoints fail (${checkpoint.place}, ${plain(duration(checkpoint.age_seconds))} old): ${checkpoint.failing}`),
  ].filter((part) => part).join("; ");
}

function parts(row) {
  return [row.changed, row.added, row.removed, row.same].join("/");
}

function each(seconds, times) {
  return known(seconds) && times > 0 ? duration(seconds / times) : NONE;
}

const place = (row) => `${row.topic}[${row.partition}]`;
const tables = {};

export function build() {
  const make = (id, label, columns, key) => {
    tables[id] = new Table({ label, columns, key });
    document.getElementById(id).append(tables[id].node);
  };
  make("partitions", "Partitions", PARTITIONS, place);
  make("properties", "Properties that change most", PROPERTIES, (row) => (row.rest ? "" : `p${row.path}`));
  make("keys", "Heaviest keys", KEYS, (row) => `${place(row)}@${row.original_offset} ${row.key}`);
  make("plugins", "Plugins", PLUGINS, (row) => `${row.digest} ${row.name}`);
  const legend = ["changed", "added", "removed"].map((kind) => el("span", { class: "key" }, el("span", { class: `fill is-${kind}` }), kind));
  document.getElementById("properties").insertBefore(el("p", { class: "legend" }, ...legend), tables.properties.node);
  addEventListener("resize", () => Object.values(tables).forEach((table) => table.reach()));
}

export function showStatus(status) {
  const partitions = (status.partitions ?? []).slice(0, ROWS_MAX);
  const live = partitions.filter((row) => row.phase === "live").length;
  tables.partitions.show(partitions);
  say("partitions", partitions.length ? `${count(live)} of ${several(partitions.length, "partition")} live` : "this host owns no partition");
  tables.plugins.show((status.plugins ?? []).slice(0, ROWS_MAX));
  const loaded = "each in a sandbox; costs are means since it was loaded";
  say("plugins", status.plugins?.length ? `${loaded}${lastSwap(status)}` : "no plugin is loaded yet");
}

/** What became of the last attempt to swap plugins, and why. */
function lastSwap({ last_swap: swap }) {
  if (!swap) return "";
  const detail = plain(swap.detail);
  const cut = detail.length > SWAP_CHARS ? `${detail.slice(0, SWAP_CHARS)}…` : detail;
  return `; ${plain(swap.result)} at ${clock(swap.at)}, asked for by ${plain(swap.by)}: ${cut}`;
}

export function showProperties(insights) {
  const all = (insights.properties ?? []).slice().sort((one, other) => differing(other) - differing(one));
  const rows = all.slice(0, TOP_ROWS_MAX);
  const rest = insights.other_properties;
  if (rest && differing(rest) + (rest.same ?? 0) > 0) rows.push({ ...rest, path: "properties without a row of their own", rest: true });
  tables.properties.show(rows);
  say("properties", rows.length ? `between originals and their duplicates${top(all)}` : "no duplicates were compared yet");
}

export function showKeys({ keys = [] }) {
  tables.keys.show(keys.slice(0, TOP_ROWS_MAX));
  say("keys", keys.length ? `the keys with most duplicates${top(keys)}` : "no duplicates yet");
}

function top(rows) {
  return rows.length > TOP_ROWS_MAX ? `: the first ${TOP_ROWS_MAX} of ${count(rows.length)}, the others at the foot of the page as JSON` : "";
}
