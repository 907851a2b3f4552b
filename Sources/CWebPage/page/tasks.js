import { sparkline } from "./chart.js";
import { element, setAttribute, setNumber, setText } from "./elements.js";
import { age, bytes, count, oneLine, percent, rate } from "./format.js";
import * as history from "./history.js";

const columns = [
  { key: "name", title: "Task", of: (row) => row.task.name },
  { key: "image", title: "Image", of: (row) => row.task.image },
  { key: "state", title: "State", of: (row) => row.task.state },
  { key: "cpu", title: "CPU", isNumber: true, of: (row) => row.usage?.cpu?.percent },
  { key: "memory", title: "Memory", isNumber: true, of: (row) => row.usage?.memory?.current },
  { key: "io", title: "I/O", isNumber: true, of: (row) => history.last(row.curves.io) },
  { key: "stall", title: "Stalled", isNumber: true, of: (row) => history.last(row.curves.stall) },
  { key: "pids", title: "Procs", isNumber: true, of: (row) => row.usage?.pids?.current },
  { key: "disk", title: "Disk", isNumber: true, of: (row) => row.usage?.disk?.used },
  { key: "age", title: "Age", isNumber: true, of: (row) => Date.now() / 1000 - row.task.created },
];

// web-2 comes before web-10.
const words = new Intl.Collator("en", { numeric: true });

// What its state is called, with what its checks say.
export function stateText(task) {
  if (task.state !== "running" || !task.health) return task.state;
  return task.health.ready ? "ready" : task.health.live ? "not ready" : "unhealthy";
}

export function stateKind(task) {
  switch (stateText(task)) {
    case "running": case "ready": return "good";
    case "failed": case "unhealthy": return "bad";
    case "exited": return task.exit && task.exit.code === 0 ? "rest" : "bad";
    default: return "busy";
  }
}

class Row {
  usage = null;

  constructor(task) {
    this.task = task;
    this.link = element("a", { href: `#/task/${encodeURIComponent(task.name)}` });
    this.dot = element("span", { class: "dot", "aria-hidden": "true" });
    this.cells = {};
    this.sparks = { cpu: sparkline("cpu"), memory: sparkline("memory"), io: sparkline("io"), stall: sparkline("stall") };
    this.node = element("tr", { role: "row", "data-task": task.id });
    for (const column of columns) {
      const text = element("span", { class: "value" });
      const cell = element(column.key === "name" ? "th" : "td", {
        role: column.key === "name" ? "rowheader" : "cell", scope: column.key === "name" ? "row" : null,
        class: `${column.key}${column.isNumber ? " number" : ""}`, "data-title": column.title,
      });
      if (column.key === "name") cell.append(this.link);
      else if (column.key === "state") cell.append(this.dot, text);
      else cell.append(...(this.sparks[column.key] ? [this.sparks[column.key].node] : []), text);
      this.cells[column.key] = text;
      this.node.append(cell);
    }
    this.describe(task);
  }

  get curves() {
    return history.ofTask(this.task.id);
  }

  describe(task) {
    this.task = task;
    setText(this.link, oneLine(task.name));
    setText(this.cells.image, oneLine(task.image));
    setAttribute(this.cells.image, "title", oneLine(task.image));
    setText(this.cells.state, stateText(task));
    setAttribute(this.cells.state, "title", oneLine(task.reason ?? task.health?.reason ?? ""));
    setAttribute(this.dot, "class", `dot ${stateKind(task)}`);
  }

  count(usage) {
    this.usage = usage ?? null;
    const { cells, curves } = this;
    setNumber(cells.cpu, usage?.cpu?.percent, percent(usage?.cpu?.percent));
    setNumber(cells.memory, usage?.memory?.current, bytes(usage?.memory?.current));
    const [io, stall] = usage ? [history.last(curves.io), history.last(curves.stall)] : [];
    setNumber(cells.io, io, rate(io));
    setNumber(cells.stall, stall, percent(stall));
    setNumber(cells.pids, usage?.pids?.current, count(usage?.pids?.current));
    setNumber(cells.disk, usage?.disk?.used, bytes(usage?.disk?.used));
    setText(cells.age, age(this.task.created));
  }

  draw() {
    const { curves, sparks } = this;
    sparks.cpu.update(curves.cpu, 5);
    sparks.memory.update(curves.memory, 1 << 20);
    sparks.io.update(curves.io, 1 << 16);
    sparks.stall.update(curves.stall, 5);
  }
}

// The table of tasks. Curves are drawn of rows that can be seen.
export function tasksView(root) {
  const rows = new Map();
  const visible = new Set();
  let sort = { key: "name", descending: false };
  let filter = "";

  const search = element("input", { type: "search", id: "filter", autocomplete: "off", spellcheck: "false", placeholder: "name, image or state", "aria-keyshortcuts": "/" });
  const order = element("select", { id: "order" }, ...columns.map((column) => element("option", { value: column.key }, column.title)));
  const shown = element("span", { class: "note", role: "status" });
  const body = element("tbody", { role: "rowgroup" });
  const heads = new Map();
  const head = element("tr", { role: "row" });
  for (const column of columns) {
    const button = element("button", { type: "button" }, column.title);
    const cell = element("th", { role: "columnheader", scope: "col", class: `${column.key}${column.isNumber ? " number" : ""}` }, button);
    button.addEventListener("click", () => {
      sort = sort.key === column.key ? { ...sort, descending: !sort.descending } : { key: column.key, descending: !!column.isNumber };
      order.value = sort.key;
      arrange(true);
    });
    heads.set(column.key, cell);
    head.append(cell);
  }
  const table = element(
    "table", { class: "tasks", role: "table", "aria-label": "Tasks" }, element("thead", { role: "rowgroup" }, head), body);
  root.append(
    element("h2", { class: "visually-hidden", tabindex: "-1" }, "Tasks"),
    element(
      "div", { class: "tools" }, element("label", { for: "filter" }, "Filter"), search,
      element("span", { class: "narrow" }, element("label", { for: "order" }, "Sort by"), order), shown),
    table);

  search.addEventListener("input", () => {
    filter = search.value.toLowerCase();
    arrange(true);
  });
  order.addEventListener("change", () => {
    sort = { key: order.value, descending: !!columns.find((column) => column.key === order.value).isNumber };
    arrange(true);
  });
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = rows.get(entry.target.dataset.task);
      if (!row) continue;
      if (entry.isIntersecting) {
        visible.add(row);
        row.draw();
      } else {
        visible.delete(row);
      }
    }
  });

  const isChosen = (row) =>
    filter === "" || [row.task.name, row.task.image, stateText(row.task)].some((text) => text.toLowerCase().includes(filter));

  // Rows don't move away under somebody who is at one of them.
  function arrange(isAsked) {
    for (const [key, cell] of heads) {
      setAttribute(cell, "aria-sort", key !== sort.key ? "none" : sort.descending ? "descending" : "ascending");
    }
    if (!isAsked && body.contains(document.activeElement)) return;
    const column = columns.find((one) => one.key === sort.key);
    const all = [...rows.values()].filter(isChosen).map((row) => ({ row, key: column.of(row) }));
    const sign = sort.descending ? -1 : 1;
    all.sort((a, b) => {
      if (a.key === undefined || b.key === undefined) return (a.key === undefined) - (b.key === undefined) || compare(a, b);
      return sign * (typeof a.key === "string" ? words.compare(a.key, b.key) : a.key - b.key) || compare(a, b);
    });
    const wanted = all.map((one) => one.row.node);
    if (wanted.length !== body.children.length || wanted.some((node, index) => body.children[index] !== node)) {
      body.replaceChildren(...wanted);
    }
    setText(shown, filter === "" ? `${rows.size} tasks` : `${wanted.length} of ${rows.size} tasks`);
    setText(empty, rows.size === 0 ? "There are no tasks. dish run starts one." : "");
  }
  const compare = (a, b) => words.compare(a.row.task.name, b.row.task.name);
  const empty = element("p", { class: "note" });
  root.append(empty);

  return {
    focusFilter: () => search.focus(),
    update(state) {
      const ids = new Set(state.tasks.map((task) => task.id));
      for (const [id, row] of rows) {
        if (ids.has(id)) continue;
        seen.unobserve(row.node);
        visible.delete(row);
        rows.delete(id);
      }
      for (const task of state.tasks) {
        const row = rows.get(task.id);
        if (row) {
          row.describe(task);
        } else {
          const made = new Row(task);
          rows.set(task.id, made);
          seen.observe(made.node);
        }
      }
      for (const [id, row] of rows) row.count(state.usage.get(id));
      arrange(false);
      for (const row of visible) row.draw();
    },
    close: () => seen.disconnect(),
  };
}
