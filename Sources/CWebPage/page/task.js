import { getJSON, getLines, taskPath } from "./api.js";
import { chart } from "./chart.js";
import { consoleView } from "./console.js";
import { element, setAttribute, setNumber, setText } from "./elements.js";
import { eventItem } from "./events.js";
import { age, bytes, cores, count, dateAndClock, none, oneLine, percent, rate } from "./format.js";
import * as history from "./history.js";
import { momentsLink } from "./moments.js";
import { stateKind, stateText } from "./tasks.js";
import { timeline } from "./timeline.js";

// One that never came to run has no exit, but a reason.
function exitText(task) {
  const exit = task.exit;
  if (!exit) return task.state === "failed" ? oneLine(task.reason ?? "it failed before it ran") : none;
  const how = exit.signal ? `signal ${exit.signal}` : `code ${exit.code}`;
  return `${how}${exit.outOfMemory ? ", out of memory" : ""}, ${age(exit.at)} ago`;
}

const facts = [
  ["Image", (task) => oneLine(task.image)],
  ["Layer", (task) => task.layer.slice(0, 16)],
  ["Id", (task) => task.id],
  ["Made", (task) => dateAndClock(task.created * 1000)],
  ["Class", (task) => task.class ?? none],
  ["Address", (task) => task.address ?? none],
  ["Ports", (task) => task.publish.join(", ") || none],
  ["Volumes", (task) => (task.volumes ?? []).map(oneLine).join(", ") || none],
  ["Command", (task) => (task.command ? task.command.map(oneLine).join(" ") : "the image's init")],
  ["Restarts", (task) => count(task.restarts)],
  ["Last exit", (task) => exitText(task)],
  ["Job", (task) => (task.owner ? `${oneLine(task.owner.job)}, replica ${task.owner.replica}, version ${task.owner.version}` : none)],
];

const amounts = [
  ["cpu-limit", "CPU limit", (usage) => usage.limits.cpu, cores],
  ["memory", "Memory", (usage) => usage.memory?.current, bytes],
  ["memory-limit", "Memory limit", (usage) => usage.limits.memory, bytes],
  ["pids", "Processes", (usage) => usage.pids?.current, count],
  ["pids-limit", "Processes limit", (usage) => usage.limits.pids, count],
  ["disk", "Disk", (usage) => usage.disk?.used, bytes],
  ["disk-limit", "Disk limit", (usage) => usage.disk?.limit, bytes],
];

// One task: curves, facts, what happened to it, what it says.
export function taskView(root, name) {
  const abort = new AbortController();
  const dot = element("span", { class: "dot", "aria-hidden": "true" });
  const state = element("span", { class: "state" });
  const reason = element("p", { class: "note" });
  const charts = {
    cpu: chart("CPU", [{ kind: "cpu", name: "used" }], percent, 5),
    memory: chart("Memory", [{ kind: "memory", name: "in use" }], bytes, 1 << 20),
    io: chart("I/O", [{ kind: "io", name: "read" }, { kind: "io second", name: "written" }], rate, 1 << 16),
    stall: chart(
      "Stalled (PSI)",
      [{ kind: "cpu", name: "CPU" }, { kind: "memory", name: "memory" }, { kind: "io", name: "I/O" }], percent, 5),
  };
  const list = (rows) => {
    const values = new Map(rows.map(([key]) => [key, element("dd")]));
    const node = element("dl", { class: "facts" });
    for (const [key, title] of rows) node.append(element("div", {}, element("dt", {}, title), values.get(key)));
    return { node, values };
  };
  const factList = list(facts.map(([title]) => [title, title]));
  const amountList = list(amounts);
  const line = timeline();
  const happened = element("ol", { class: "events", reversed: true });
  const snapshots = element("ul", { class: "plain" });
  const log = consoleView(name, abort.signal);
  root.append(
    element("p", { class: "back" }, element("a", { href: "#/" }, "All tasks")),
    element("h2", { tabindex: "-1" }, oneLine(name), " ", element("span", { class: "state-label" }, dot, state)),
    reason,
    element("div", { class: "charts" }, ...Object.values(charts).map((one) => one.node)),
    element(
      "div", { class: "columns" },
      element("section", { "aria-label": "Limits and use" }, element("h3", {}, "Limits and use"), amountList.node),
      element("section", { "aria-label": "Facts" }, element("h3", {}, "Facts"), factList.node)),
    element("section", { "aria-label": "Timeline" }, element("h3", {}, "Timeline"), line.node, element("h4", {}, "Snapshots"), snapshots,
      element("p", {}, element("a", { href: momentsLink("task", name) }, "What changed between them, and since"))),
    element("section", { "aria-label": "Console" }, element("h3", {}, "Console"), log.node),
    element("section", { "aria-label": "Events" }, element("h3", {}, "Events"), happened));

  let events = [];
  let kept = [];
  let known = -1;
  async function readHistory(task) {
    try {
      [events, kept] = await Promise.all([
        getLines(`/v1/events?object=${encodeURIComponent(task.id)}`, abort.signal),
        getJSON(taskPath(task.id, "/snapshots"), abort.signal).catch(() => []),
      ]);
    } catch (error) {
      // The next event asks again.
      if (!abort.signal.aborted) known = -1;
      return;
    }
    happened.replaceChildren(...events.slice(-200).reverse().map(eventItem));
    snapshots.replaceChildren(
      ...(kept.length ? kept.map((one) => element(
        "li", {}, element("span", { class: "value" }, dateAndClock(one.created * 1000)), " ", oneLine(one.name), one.isAutomatic ? " (by a rollback)" : ""))
        : [element("li", { class: "note" }, `none; dish snapshot ${oneLine(name)} makes one`)]));
    line.update(events, kept);
  }

  return {
    update(all) {
      const task = all.tasks.find((one) => one.name === name);
      if (!task) {
        setText(state, "gone");
        setAttribute(dot, "class", "dot rest");
        setText(reason, "There is no such task now.");
        return;
      }
      setText(state, stateText(task));
      setAttribute(dot, "class", `dot ${stateKind(task)}`);
      setText(reason, oneLine(task.reason ?? task.health?.reason ?? ""));
      for (const [title, of] of facts) setText(factList.values.get(title), of(task));
      const usage = all.usage.get(task.id);
      for (const [key, , of, shown] of amounts) {
        const value = usage ? of(usage) : undefined;
        setNumber(amountList.values.get(key), value, shown(value));
      }
      const curves = history.ofTask(task.id);
      charts.cpu.update([curves.cpu]);
      charts.memory.update([curves.memory]);
      charts.io.update([curves.read, curves.written]);
      charts.stall.update([curves.pressure.cpu, curves.pressure.memory, curves.pressure.io]);
      if (known !== all.sequence) {
        known = all.sequence;
        readHistory(task);
      }
    },
    close: () => abort.abort(),
  };
}
