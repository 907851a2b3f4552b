import { element } from "./elements.js";
import { age, bytes, none, oneLine, percent } from "./format.js";
import { table } from "./table.js";

const counted = [["writes", "write"], ["reads", "read"], ["flushes", "flush"], ["corruptions", "corrupt"], ["generations", "lost"]];

function errors(device) {
  const found = counted.filter(([key]) => device.errors[key] > 0).map(([key, word]) => `${device.errors[key]} ${word}`);
  return found.join(", ") || "none";
}

function found(progress) {
  const all = progress.readErrors + progress.checksumErrors + progress.verifyErrors + progress.superblockErrors;
  const read = `${bytes(progress.data + progress.metadata)} read`;
  return all === 0 ? `${read}, no errors` : `${read}, ${all} errors: ${progress.corrected} corrected, ${progress.uncorrectable} not`;
}

// What is under way, and when content was last compared with its checksums.
function work(report) {
  const last = report.lastScrub;
  const lines = [`Last scrub: ${last ? `${age(last.started)} ago, ${last.outcome}; ${found(last.found)}` : "never"}`];
  if (report.scrub) {
    const done = report.scrub.progress.data + report.scrub.progress.metadata;
    lines.push(`Scrub under way: ${percent(report.scrub.expected ? Math.min(100, (100 * done) / report.scrub.expected) : 100)}, ${found(report.scrub.progress)}`);
  }
  if (report.balance) {
    const { isRunning, completed, expected } = report.balance;
    lines.push(`Balance ${isRunning ? "under way" : "paused"}: ${completed} of about ${expected} block groups written anew`);
  }
  if (report.replacement !== undefined) lines.push(`A device is being replaced: ${percent(report.replacement / 10)}`);
  const degraded = report.degradedMounts?.at(-1);
  if (degraded) lines.push(`Mounted without all devices ${age(degraded.time)} ago: ${degraded.present.length} of ${degraded.deviceCount} were there`);
  lines.push(`Compression: ${report.settings?.compression ?? "none"}; mounted with ${oneLine(report.mountOptions)}`);
  return lines;
}

// What the pool is on, and how that is.
export function devices(report) {
  const number = (text) => ({ text, isNumber: true });
  const states = new Map((report.states ?? []).map(({ device, state }) => [device, state]));
  const state = (device) => states.get(device.id) ?? "unknown";
  const problems = report.problems.map((problem) => element("li", {}, oneLine(problem)));
  return element(
    "section", { "aria-label": "Devices", class: "devices" }, element("h3", {}, "Devices"),
    problems.length ? element("ul", { class: "problems", role: "alert" }, ...problems) : null,
    element(
      "div", { class: "columns" },
      table(
        [number("Number"), { text: "Device" }, number("Size"), number("Allocated"), { text: "Errors" }, { text: "State" }],
        report.devices.map((device) => ({
          attributes: { "data-device": device.id },
          cells: [
            String(device.id), oneLine(device.path) || none, bytes(device.size), bytes(device.allocated), errors(device),
            element(
              "span", {}, element("span", { class: `dot ${state(device) === "ok" ? "good" : "bad"}`, "aria-hidden": "true" }), state(device)),
          ],
        })),
        "Devices"),
      table(
        [{ text: "Content" }, { text: "Profile" }, number("Allocated"), number("Used")],
        report.allocations.map((part) => ({ cells: [part.kind, part.profile, bytes(part.size), bytes(part.used)] })), "Profiles")),
    ...work(report).map((line) => element("p", { class: "note" }, line)));
}
