import { getJSON, getLines } from "./api.js";
import { setAttribute, setText } from "./elements.js";
import { eventsView } from "./events.js";
import { clock, oneLine } from "./format.js";
import * as history from "./history.js";
import { hostStrip } from "./host.js";
import { momentsView } from "./moments.js";
import { poolView } from "./pool.js";
import { taskView } from "./task.js";
import { tasksView } from "./tasks.js";

// Milliseconds between two looks; longer while nobody sees the page.
const interval = 2000;
const hiddenInterval = 15000;
const keptEvents = 1000;

const state = { tasks: [], usage: new Map(), events: [], sequence: 0 };
const main = document.getElementById("main");
const connection = document.getElementById("connection");
const strip = hostStrip(document.getElementById("host"));
let view = null;

function route() {
  const [, place = "", name = "", last = ""] = location.hash.slice(1).split("/");
  if (place === "past" && last !== "") return { view: "past", kind: name, name: decodeURIComponent(last) };
  return place === "task" && name !== "" ? { view: "task", name: decodeURIComponent(name) } : { view: ["pool", "events"].includes(place) ? place : "tasks" };
}

function show(isAsked) {
  let wanted;
  try {
    wanted = route();
  } catch {
    wanted = { view: "tasks" };
  }
  view?.close();
  main.replaceChildren();
  switch (wanted.view) {
    case "task": view = taskView(main, wanted.name); break;
    case "past": view = momentsView(main, wanted.kind, wanted.name); break;
    case "pool": view = poolView(main); break;
    case "events": view = eventsView(main); break;
    default: view = tasksView(main);
  }
  for (const link of document.querySelectorAll("nav a")) {
    const place = wanted.view === "task" || wanted.kind === "task" ? "tasks" : wanted.view === "past" ? "pool" : wanted.view;
    const isHere = link.dataset.view === place;
    if (isHere) setAttribute(link, "aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.update(state);
  if (isAsked) {
    scrollTo(0, 0);
    main.querySelector("h2")?.focus({ preventScroll: true });
  }
}

let known = 0;
async function readTasks() {
  const [tasks, jobs] = await Promise.all([getJSON("/v1/tasks"), getJSON("/v1/replicas")]);
  state.tasks = tasks;
  known = Date.now();
  strip.tasks(tasks);
  strip.jobs(jobs);
}

async function readStats() {
  const stats = await getJSON("/v1/stats");
  history.record(stats);
  state.usage = new Map(stats.tasks.map((usage) => [usage.id, usage]));
  strip.usage(stats.host);
  return stats.host;
}

// Whether something has happened.
async function readEvents() {
  const events = await getLines(`/v1/events?since=${state.sequence}&last=${keptEvents}`);
  if (events.length === 0) return false;
  state.events = [...state.events, ...events].slice(-keptEvents);
  state.sequence = events[events.length - 1].sequence;
  return true;
}

async function look() {
  const isFirst = known === 0;
  const [host, hasHappened] = await Promise.all([readStats(), readEvents(), isFirst ? readTasks() : undefined]);
  // What events don't tell, like checks that are still being asked, is looked at now and then.
  if (!isFirst && (hasHappened || Date.now() - known > 10000)) await readTasks();
  setText(document.getElementById("host-name"), oneLine(host.name));
  document.title = `${oneLine(host.name)} · Butterdish`;
  setText(connection, `Updated ${clock(Date.now())}`);
  setAttribute(connection, "class", "");
  view.update(state);
  // For benchmarks: when there was something to see.
  if (performance.getEntriesByName("tasks-shown").length === 0) performance.mark("tasks-shown");
}

addEventListener("hashchange", () => {
  // The skip link's target is no view.
  if (location.hash.startsWith("#/") || location.hash === "") show(true);
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(input|select|textarea)$/i.test(event.target.tagName)) return;
  if (!view.focusFilter) return;
  event.preventDefault();
  view.focusFilter();
});

let wake = () => {};
document.addEventListener("visibilitychange", () => wake());

show(false);
for (;;) {
  try {
    await look();
  } catch (error) {
    setText(connection, `No answer since ${clock(Date.now())}: ${error.message}`);
    setAttribute(connection, "class", "lost");
  }
  await new Promise((done) => {
    wake = done;
    setTimeout(done, document.hidden ? hiddenInterval : interval);
  });
}
