import { element, svg } from "./elements.js";
import { clock, date, dateAndClock, duration, oneLine } from "./format.js";

const ends = new Set(["exited", "failed", "removed"]);

// The runs of a task, from what happened to it.
export function runs(events) {
  const all = [];
  let run = null;
  for (const event of events) {
    if (event.what === "running" || event.what === "starting" || event.what === "created") {
      if (!run) run = { from: event.time, to: null, end: null };
    } else if (ends.has(event.what) && run) {
      all.push({ ...run, to: event.time, end: event });
      run = null;
    }
  }
  if (run) all.push(run);
  return all;
}

const marks = new Set(["limited", "not ready", "out of memory", "rollback", "snapshot", "unhealthy"]);

// A line of time: bars are runs, marks are what happened in between.
export function timeline() {
  const node = element("div", { class: "timeline" });
  return {
    node,
    update(events, snapshots) {
      const now = Date.now();
      const times = [...events.map((event) => event.time), ...snapshots.map((one) => one.created * 1000)];
      const from = Math.min(now - 60000, ...times);
      const span = now - from;
      const width = 1000;
      const x = (time) => (((time - from) / span) * width).toFixed(1);
      const all = runs(events);
      const picture = svg("svg", {
        viewBox: `0 0 ${width} 44`, preserveAspectRatio: "none", role: "img",
        "aria-label": `${all.length} runs and ${snapshots.length} snapshots in ${duration(span)}`,
      });
      picture.append(svg("line", { class: "axis", x1: 0, x2: width, y1: 35, y2: 35 }));
      for (const run of all) {
        const to = run.to ?? now;
        const kind = !run.end ? "alive" : run.end.what === "failed" || /code [1-9]|signal/.test(run.end.reason) ? "bad" : "over";
        picture.append(svg(
          "rect", { class: `run ${kind}`, x: x(run.from), y: 14, width: Math.max(2, x(to) - x(run.from)).toFixed(1), height: 16 },
          svg("title", {}, `${dateAndClock(run.from)}, ${duration(to - run.from)}${run.end ? `: ${oneLine(run.end.reason)}` : ", still running"}`)));
      }
      for (const event of events.filter((one) => marks.has(one.what))) {
        const at = Number(x(event.time));
        const isGood = event.what === "snapshot" || event.what === "rollback";
        picture.append(svg(
          "rect", { class: `mark ${isGood ? "good" : "bad"}`, x: at - 2, y: isGood ? 4 : 33, width: 4, height: 8 },
          svg("title", {}, `${dateAndClock(event.time)} ${event.what}: ${oneLine(event.reason)}`)));
      }
      const label = (time) => (span > 172800000 ? date(time) : clock(time));
      const ticks = element("p", { class: "ticks", "aria-hidden": "true" }, ...[0, 0.5, 1].map((part) => element("span", {}, label(from + span * part))));
      const legend = element(
        "ul", { class: "legend" },
        ...[["alive", "runs now"], ["over", "ended well"], ["failed", "ended with an error"], ["snapshot", "snapshot, rollback (above)"], ["failed", "trouble (below)"]].map(
          ([kind, text]) => element("li", {}, element("span", { class: `key ${kind}` }), text)));
      node.replaceChildren(picture, ticks, legend);
    },
  };
}
