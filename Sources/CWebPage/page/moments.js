import { getJSON } from "./api.js";
import { element, setText, svg } from "./elements.js";
import { age, bytes, clock, date, dateAndClock, duration, none, oneLine } from "./format.js";
import { table } from "./table.js";

const kinds = { task: "task", volume: "volume", image: "image" };
const words = { image: "image", snapshot: "snapshot", automatic: "by itself", build: "build", now: "now" };

export const momentsLink = (kind, name) => `#/past/${kind}/${encodeURIComponent(name)}`;

// A line of time with a mark for each moment; where they are too close, the later stand above the earlier.
function picture(moments) {
  const dated = moments.map((moment) => ({ moment, at: moment.created === undefined ? Date.now() : moment.created * 1000 }));
  const from = Math.min(...dated.map((one) => one.at));
  const span = Math.max(1000, Date.now() - from);
  const width = 1000;
  const node = svg("svg", {
    viewBox: `0 0 ${width} 30`, preserveAspectRatio: "none", role: "img", "aria-label": `${moments.length} moments in ${duration(span)}; the table has the same`,
  });
  node.append(svg("line", { class: "axis", x1: 0, x2: width, y1: 22, y2: 22 }));
  for (const { moment, at } of dated) {
    const x = Math.min(width - 5, ((at - from) / span) * width);
    node.append(svg(
      "rect", { class: `moment ${moment.kind}`, x: x.toFixed(1), y: 6, width: 5, height: 16 },
      svg("title", {}, `${oneLine(moment.name)}: ${moment.created === undefined ? "now" : dateAndClock(at)}`)));
  }
  const label = (time) => (span > 172800000 ? date(time) : clock(time));
  return element(
    "div", { class: "timeline" }, node,
    element("p", { class: "ticks", "aria-hidden": "true" }, ...[0, 0.5, 1].map((part) => element("span", {}, label(from + span * part)))));
}

function pathText(state) {
  if (!state) return "not there";
  return state.kind === "file" ? `${bytes(state.size)}, changed ${age(state.modified)} ago` : state.kind;
}

function list(moments, what) {
  const number = (text) => ({ text, isNumber: true });
  const counts = ["added", "changed", "removed"];
  const titles = [{ text: "Moment" }, { text: "Kind" }, { text: "When" }];
  if (what === "counts") titles.push(number("Added"), number("Changed"), number("Removed"), number("Written"), number("Replaced"));
  if (what === "path") titles.push({ text: "The path" });
  return table(
    titles,
    [...moments].reverse().map((moment) => {
      const cells = [oneLine(moment.name), words[moment.kind] ?? moment.kind, moment.created === undefined ? none : dateAndClock(moment.created * 1000)];
      if (what === "counts") {
        const since = moment.changes;
        cells.push(
          ...counts.map((key) => element("span", { "data-value": since?.[key] }, since ? String(since[key]) : none)),
          element("span", { "data-value": since?.written }, bytes(since?.written)), bytes(since?.replaced));
      }
      if (what === "path") cells.push(pathText(moment.path));
      return { attributes: { "data-moment": moment.name }, cells };
    }),
    "Moments");
}

const signs = { added: "+", removed: "−", changed: "~" };

function changeItem(change) {
  const sizes = change.kind === "changed" && change.oldSize !== change.newSize ? `${bytes(change.oldSize)} → ${bytes(change.newSize)}` : bytes(change.newSize ?? change.oldSize);
  return element(
    "li", { class: change.kind, "data-path": change.path },
    element("span", { class: "sign", "aria-hidden": "true" }, signs[change.kind] ?? "?"),
    element("span", { class: "path" }, element("span", { class: "visually-hidden" }, `${change.kind}: `), oneLine(change.path)),
    element("span", { class: "note" }, change.aspects.join(", ")), element("span", { class: "value" }, sizes === none ? "" : sizes));
}

// The moments of a task, volume or image, and what changed between any two of them. Reading that takes as long as it is much, so it
// is done when somebody asks.
export function momentsView(root, kind, name) {
  const abort = new AbortController();
  const query = `of=${encodeURIComponent(kind)}&name=${encodeURIComponent(name)}`;
  const note = element("p", { class: "note", role: "status" }, "Reading…");
  const line = element("div");
  const rows = element("div");
  const [from, to] = [element("select", { id: "from" }), element("select", { id: "to" })];
  const compare = element("button", { type: "button", id: "compare" }, "Compare");
  const count = element("button", { type: "button", id: "count" }, "Count changes");
  const path = element("input", { type: "search", id: "path", autocomplete: "off", spellcheck: "false", placeholder: "/etc/motd" });
  const find = element("button", { type: "button", id: "find" }, "Find");
  const answer = element("p", { class: "note", role: "status" });
  const changes = element("ol", { class: "changes" });
  root.append(
    kind === "task" ? element("p", { class: "back" }, element("a", { href: `#/task/${encodeURIComponent(name)}` }, oneLine(name))) : element("p", { class: "back" }, element("a", { href: "#/pool" }, "Pool")),
    element("h2", { tabindex: "-1" }, `Timeline of the ${kinds[kind] ?? "thing"} ${oneLine(name)}`), note, line,
    element(
      "div", { class: "tools" }, count, element("label", { for: "path" }, "Path"), path, find),
    rows, element("h3", {}, "What changed"),
    element("div", { class: "tools" }, element("label", { for: "from" }, "From"), from, element("label", { for: "to" }, "to"), to, compare), answer, changes);

  const buttons = [compare, count, find];
  // One question at a time.
  async function ask(place, words, question) {
    for (const button of buttons) button.disabled = true;
    setText(place, words);
    try {
      await question();
    } catch (error) {
      if (!abort.signal.aborted) setText(place, error.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  async function read(more, what) {
    const moments = await getJSON(`/v1/timeline?${query}${more}`, abort.signal);
    line.replaceChildren(...(moments.length ? [picture(moments)] : []));
    rows.replaceChildren(list(moments, what));
    const chosen = [from.value, to.value];
    for (const select of [from, to]) {
      select.replaceChildren(...moments.map((moment) => element("option", { value: moment.name }, oneLine(moment.name))));
    }
    const at = (index) => moments[Math.max(0, moments.length + index)]?.name ?? "";
    from.value = moments.some((one) => one.name === chosen[0]) ? chosen[0] : at(-2);
    to.value = moments.some((one) => one.name === chosen[1]) ? chosen[1] : at(-1);
    setText(note, `${moments.length} moments`);
  }

  count.addEventListener("click", () => ask(note, "Counting…", () => read("&counts=true", "counts")));
  find.addEventListener("click", () => ask(note, "Looking…", () => (path.value === "" ? read("", "") : read(`&path=${encodeURIComponent(path.value)}`, "path"))));
  path.addEventListener("keydown", (event) => {
    if (event.key === "Enter") find.click();
  });
  compare.addEventListener("click", () => ask(answer, "Comparing…", async () => {
    changes.replaceChildren();
    const found = await getJSON(`/v1/timeline/changes?${query}&from=${encodeURIComponent(from.value)}&to=${encodeURIComponent(to.value)}`, abort.signal);
    const { added, changed, removed, written, replaced } = found.summary;
    changes.replaceChildren(...found.changes.map(changeItem));
    setText(
      answer,
      `${added} added, ${changed} changed, ${removed} removed; ${bytes(written)} written, ${bytes(replaced)} replaced${found.left ? `; ${found.left} paths aren't listed, dish diff has them all` : ""}`);
  }));
  ask(note, "Reading…", () => read("", ""));
  return {
    update() {},
    close: () => abort.abort(),
  };
}
