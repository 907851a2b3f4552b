import { getJSON } from "./api.js";
import { bar } from "./chart.js";
import { devices } from "./devices.js";
import { element, setText, svg } from "./elements.js";
import { bytes, date, none, oneLine, percent } from "./format.js";
import { momentsLink } from "./moments.js";
import { table } from "./table.js";
import { treemap } from "./treemap.js";

const kinds = [["layer", "layers"], ["task", "tasks"], ["volume", "volumes"], ["rest", "others"], ["free", "free"]];

export const layerName = (layer) => layer.names[0] ?? layer.label;

const others = {
  logs: "logs", failed: "failed build steps", staging: "unfinished work", pool: "Butterdish's records and cache",
  removed: "removed, still shared", other: "other subvolumes", system: "the file system's trees",
};

// What is used, in pieces with names.
export function pieces(map) {
  const all = [
    ...map.layers.map((layer) => ({ kind: "layer", name: layerName(layer), value: layer.own ?? 0 })),
    ...map.tasks.map((task) => ({ kind: "task", name: task.name, value: task.own ?? 0, link: `#/task/${encodeURIComponent(task.name)}` })),
    ...map.volumes.map((volume) => ({ kind: "volume", name: volume.name, value: volume.own ?? 0 })),
  ];
  for (const other of map.others ?? []) all.push({ kind: "rest", name: others[other.kind] ?? oneLine(other.kind), value: other.bytes });
  const named = all.reduce((sum, piece) => sum + piece.value, 0);
  const rest = Math.max(0, map.dataUsed + map.metadataUsed - named);
  return rest > 0 ? [...all, { kind: "rest", name: map.quotas ? "others" : "everything: without quotas nobody is billed", value: rest }] : all;
}

// What would be too small to see stands together.
function gathered(all) {
  const whole = all.reduce((sum, piece) => sum + piece.value, 0);
  const result = all.filter((piece) => piece.value >= whole * 0.0012);
  for (const [kind, title] of kinds) {
    const small = all.filter((piece) => piece.kind === kind && piece.value > 0 && piece.value < whole * 0.0012);
    if (small.length === 0) continue;
    result.push(small.length === 1 ? small[0] : { kind, name: `${small.length} small ${title}`, value: small.reduce((sum, piece) => sum + piece.value, 0) });
  }
  return result;
}

function picture(map, width) {
  const height = width < 500 ? 260 : 300;
  const node = svg("svg", { class: "treemap", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "What the pool's space is used by; the tables below have the same numbers" });
  for (const piece of treemap(gathered(pieces(map)), width, height)) {
    const [w, h] = [Math.max(0, piece.width - 1), Math.max(0, piece.height - 1)];
    const group = svg(
      "g", { class: piece.kind, transform: `translate(${piece.x.toFixed(1)} ${piece.y.toFixed(1)})` },
      svg("title", {}, `${oneLine(piece.name)}: ${bytes(piece.value)}`), svg("rect", { width: w.toFixed(1), height: h.toFixed(1) }));
    const letters = Math.floor((w - 10) / 7.4);
    if (letters >= 4 && h >= 18) {
      const name = [...oneLine(piece.name)];
      group.append(svg("text", { x: 5, y: 14 }, name.length > letters ? `${name.slice(0, letters - 1).join("")}…` : name.join("")));
      if (h >= 34 && letters >= 7) group.append(svg("text", { x: 5, y: 29, class: "size" }, bytes(piece.value)));
    }
    node.append(group);
  }
  return node;
}

// Layers in the order of a tree, with their depth.
export function layerTree(layers) {
  const below = new Map();
  const ids = new Set(layers.map((layer) => layer.id));
  for (const layer of layers) {
    const parent = ids.has(layer.parent) ? layer.parent : "";
    below.set(parent, [...(below.get(parent) ?? []), layer]);
  }
  const result = [];
  const walk = (parent, depth) => {
    for (const layer of below.get(parent) ?? []) {
      result.push({ layer, depth });
      walk(layer.id, depth + 1);
    }
  };
  walk("", 0);
  return result;
}

function layers(map) {
  const users = new Map();
  for (const task of map.tasks) users.set(task.layer, (users.get(task.layer) ?? 0) + 1);
  const most = Math.max(1, ...map.layers.map((layer) => layer.own ?? 0));
  const rows = layerTree(map.layers).map(({ layer, depth }) => ({
    attributes: { "data-layer": layer.id },
    cells: [
      element(
        "span", { class: `indent depth-${Math.min(depth, 8)}` }, depth > 0 ? "└ " : "",
        element("a", { href: momentsLink("image", layerName(layer)) }, oneLine(layerName(layer)))),
      layer.id.slice(0, 12), element("span", { "data-value": layer.own }, bytes(layer.own)), bar([{ kind: "layer", value: layer.own ?? 0 }], most, bytes(layer.own)),
      bytes(layer.size), String(layer.entries), String(users.get(layer.id) ?? 0), date(layer.created * 1000),
    ],
  }));
  const number = (text) => ({ text, isNumber: true });
  return table(
    [{ text: "Layer" }, { text: "Id" }, number("Own"), { text: "" }, number("Whole tree"), number("Files"), number("Tasks"), number("Built")], rows,
    "Layers");
}

function owners(title, entries) {
  const rows = [...entries].sort((a, b) => (b.own ?? 0) - (a.own ?? 0)).map((entry) => ({
    cells: [
      element("a", { href: entry.layer ? `#/task/${encodeURIComponent(entry.name)}` : momentsLink("volume", entry.name) }, oneLine(entry.name)),
      bytes(entry.own), bytes(entry.limit), entry.limit && entry.own !== undefined ? percent((entry.own * 100) / entry.limit) : none,
    ],
  }));
  return table([{ text: title }, { text: "Own", isNumber: true }, { text: "Limit", isNumber: true }, { text: "Used", isNumber: true }], rows, title);
}

// What uses the pool's space.
export function poolView(root) {
  const abort = new AbortController();
  const note = element("p", { class: "note", role: "status" }, "Reading…");
  const content = element("div");
  root.append(element("h2", { tabindex: "-1" }, "Pool"), note, content);
  let map = null;
  let report = null;
  let width = 0;
  let frame = element("div", { class: "frame" });

  function draw() {
    width = Math.floor(frame.clientWidth);
    if (map && width > 0) frame.replaceChildren(picture(map, width));
  }

  function show() {
    const sums = new Map(kinds.map(([kind]) => [kind, 0]));
    for (const piece of pieces(map)) sums.set(piece.kind, sums.get(piece.kind) + piece.value);
    sums.set("free", map.available);
    const parts = kinds.map(([kind]) => ({ kind, value: sums.get(kind) }));
    const whole = Math.max(map.total, parts.reduce((sum, part) => sum + part.value, 0));
    setText(note, `${map.path}: ${bytes(map.available)} free of ${bytes(map.total)}; ${bytes(map.dataUsed)} data, ${bytes(map.metadataUsed)} metadata${map.quotas ? "" : "; without quotas nobody is billed"}`);
    content.replaceChildren(
      bar(parts, whole, kinds.map(([kind, title]) => `${title}: ${bytes(sums.get(kind))}`).join(", ")),
      element("ul", { class: "legend" }, ...kinds.map(([kind, title]) => element(
        "li", {}, element("span", { class: `key ${kind}` }), title, " ", element("span", { class: "value", "data-kind": kind, "data-value": sums.get(kind) }, bytes(sums.get(kind)))))),
      frame, ...(report ? [devices(report)] : []),
      element("h3", {}, "Layers"), layers(map),
      element(
        "div", { class: "columns" },
        element("section", { "aria-label": "Tasks" }, element("h3", {}, "Tasks"), owners("Task", map.tasks)),
        element("section", { "aria-label": "Volumes" }, element("h3", {}, "Volumes"), map.volumes.length ? owners("Volume", map.volumes) : element("p", { class: "note" }, "none; dish volume create makes one"))));
    draw();
  }

  const resized = new ResizeObserver(() => {
    if (Math.floor(frame.clientWidth) !== width) draw();
  });
  resized.observe(frame);
  (async () => {
    while (!abort.signal.aborted) {
      try {
        if (!document.hidden) {
          const next = await Promise.all([getJSON("/v1/pool/map", abort.signal), getJSON("/v1/pool/devices", abort.signal)]);
          // Somebody may be in the middle of a table.
          if (JSON.stringify(next) !== JSON.stringify([map, report]) && !content.contains(document.activeElement)) {
            [map, report] = next;
            show();
          }
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        setText(note, error.message);
      }
      await new Promise((done) => setTimeout(done, 10000));
    }
  })();
  return {
    update() {},
    close() {
      abort.abort();
      resized.disconnect();
    },
  };
}
