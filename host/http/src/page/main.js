// Asks the host each second and shows what it answers; says clearly when it does not, or when it stands still.

import { setAttribute, setText, say } from "./dom.js";
import * as latest from "./latest.js";
import * as overview from "./overview.js";
import * as tables from "./tables.js";
import { clock, count, duration, plain } from "./text.js";

const POLL_MS = 1000;
/** A page that nobody looks at asks this often. */
const POLL_HIDDEN_MS = 10000;
const ANSWER_WAIT_MS_MAX = 5000;
/** A line that has not turned for so long stands still; it may wait some seconds for a broker. */
const HEARTBEAT_MS_MAX = 10000;
/** Figures that have not moved on for so long are old. */
const FIGURES_MS_MAX = 5000;

const at = (id) => document.getElementById(id);
const state = { answered: 0, started: null, figuresAt: null, figuresMoved: 0, heartbeat: 0, paused: false, status: null, failure: null };
let timer = 0, asking = false;

async function ask(path) {
  const options = { cache: "no-store", headers: { accept: "application/json" }, signal: AbortSignal.timeout(ANSWER_WAIT_MS_MAX) };
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${path} answers ${response.status}`);
  return response.json();
}

async function turn() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  const begun = Date.now();
  const asked = ["api/status", "api/duplicates", "api/keys", "api/latest"].map(ask);
  const answers = await Promise.allSettled(asked);
  asking = false;
  if (state.paused) return;
  take(answers);
  const wait = document.hidden ? POLL_HIDDEN_MS : POLL_MS;
  timer = setTimeout(turn, Math.max(100, wait - (Date.now() - begun)));
}

function take([status, duplicates, keys, newest]) {
  reveal();
  if (status.status === "rejected") {
    state.failure = plain(status.reason.message);
    return showState();
  }
  state.failure = null;
  state.answered = Date.now();
  state.status = status.value;
  if (state.started !== null && state.started !== status.value.started_at) overview.forget();
  state.started = status.value.started_at;
  moved(duplicates.value?.at_ms);
  guarded("partitions", status, tables.showStatus);
  guarded("outcomes", duplicates, (insights) => overview.showTotals(insights, status.value));
  guarded("kinds", duplicates, overview.showDuplicates);
  guarded("properties", duplicates, tables.showProperties);
  guarded("keys", keys, tables.showKeys);
  guarded("latest", newest, latest.showLatest);
  if (duplicates.status === "rejected") overview.showTotals(null, status.value);
  showState();
}

/** One section that cannot be shown does not take the others with it. */
function guarded(section, answer, show) {
  try {
    if (answer.status === "rejected") throw answer.reason;
    show(answer.value);
  } catch (error) {
    say(section, `not available: ${plain(error.message)}`);
  }
}

function moved(figuresAt) {
  if (figuresAt === state.figuresAt && figuresAt !== undefined) return;
  state.figuresAt = figuresAt;
  state.figuresMoved = Date.now();
}

function reveal() {
  for (const id of ["main", "foot", "contents", "pause"]) at(id).hidden = false;
}

/** What is true now, worst first: a word, a sentence, and whether the figures are old. */
function judge(now) {
  const from = state.answered ? `figures are of ${clock(state.answered)}` : "no figures yet";
  if (state.paused) return ["paused", "Paused", `${from}; nothing is asked`, false];
  if (state.failure !== null) {
    const since = state.answered ? `for ${duration(Math.round((now - state.answered) / 1000))}` : "yet";
    return ["gone", "No answer", `none ${since}; ${from} (${state.failure})`, true];
  }
  if (state.status === null) return ["waiting", "Waiting", "no answer yet", false];
  if (now - state.answered > POLL_HIDDEN_MS + ANSWER_WAIT_MS_MAX) return ["gone", "No answer", from, true];
  const { heartbeat_age_ms: beat, ready, reasons = [], uptime_seconds: up } = state.status;
  if (beat > HEARTBEAT_MS_MAX) return ["still", "Stands still", `the host answers, but has processed nothing for ${duration(beat / 1000)}`, true];
  if (now - state.figuresMoved > FIGURES_MS_MAX + (document.hidden ? POLL_HIDDEN_MS : 0)) return ["still", "Old figures", `the host answers with figures of ${clock(state.figuresAt)}`, true];
  if (!ready) return ["unready", "Not ready", plain(reasons[0] ?? "no reason given") + (reasons.length > 1 ? `; and ${count(reasons.length - 1)} more` : ""), false];
  return ["live", "Live", `up ${duration(up)}, turned ${duration(beat / 1000)} ago, asked ${clock(state.answered)}`, false];
}

function showState() {
  const [kind, word, sentence, old] = judge(Date.now());
  setAttribute(at("state"), "data-state", kind);
  setText(at("state"), word);
  setText(at("detail"), sentence);
  setAttribute(at("main"), "data-old", String(old));
  setAttribute(document.body, "data-state", kind);
  document.title = kind === "live" ? "dedup-host" : `${word} – dedup-host`;
  if (state.status) setText(at("version"), `dedup-host ${plain(state.status.version)}`);
}

function pause() {
  state.paused = !state.paused;
  setAttribute(at("pause"), "aria-pressed", String(state.paused));
  setText(at("pause"), state.paused ? "Resume" : "Pause");
  showState();
  if (!state.paused) turn();
  else clearTimeout(timer);
}

overview.build();
tables.build();
latest.build();
at("pause").addEventListener("click", pause);
document.addEventListener("visibilitychange", () => document.hidden || state.paused || turn());
setInterval(showState, POLL_MS);
turn();
