import { element, setAttribute, setText, svg } from "./elements.js";
import { length } from "./history.js";

const known = (value) => value !== undefined && value !== null;

export const greatest = (lists, least) => {
  let greatest = least;
  for (const list of lists) for (const value of list) if (known(value) && value > greatest) greatest = value;
  return greatest;
};

// A line through samples, the newest at the right edge; where nothing is known it has gaps.
function line(values, width, height, top) {
  const step = width / (length - 1);
  const first = length - values.length;
  let path = "";
  let isDown = false;
  values.forEach((value, index) => {
    if (!known(value)) {
      isDown = false;
      return;
    }
    const x = ((first + index) * step).toFixed(1);
    const y = (height - 1 - (value / top) * (height - 2)).toFixed(1);
    path += `${isDown ? "L" : "M"}${x} ${y}`;
    isDown = true;
  });
  return path;
}

// A curve the size of a word. What it shows is beside it as a number.
export function sparkline(kind) {
  const path = svg("path", { class: "line" });
  const node = svg("svg", { class: `spark ${kind}`, viewBox: "0 0 90 18", preserveAspectRatio: "none", "aria-hidden": "true" }, path);
  return {
    node,
    update(values, least) {
      setAttribute(path, "d", line(values, 90, 18, greatest([values], least)));
    },
  };
}

// A curve to read: a grid, a scale, and the last values beside their names.
export function chart(title, series, shown, least) {
  const [width, height] = [360, 90];
  const paths = series.map((one) => svg("path", { class: `line ${one.kind}` }));
  const grid = [0.25, 0.5, 0.75].map((part) => svg("line", { class: "grid", x1: 0, x2: width, y1: height * part, y2: height * part }));
  const picture = svg(
    "svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...grid, ...paths);
  const top = element("span", { class: "scale" });
  const values = series.map(() => element("span", { class: "value" }));
  const legend = element(
    "ul", { class: "legend" },
    ...series.map((one, index) => element("li", {}, element("span", { class: `key ${one.kind}` }), one.name, " ", values[index])));
  const node = element(
    "figure", { class: "chart" }, element("figcaption", {}, title, top), picture, legend);
  return {
    node,
    update(lists) {
      const most = greatest(lists, least);
      setText(top, shown(most));
      lists.forEach((list, index) => {
        setAttribute(paths[index], "d", line(list, width, height, most));
        setText(values[index], shown(list[list.length - 1]));
      });
    },
  };
}

// Parts of a whole, side by side.
export function bar(parts, whole, label) {
  let from = 0;
  const node = svg("svg", { class: "bar", viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-label": label });
  for (const part of parts) {
    const width = whole > 0 ? Math.max(0, Math.min(1000 - from, (part.value / whole) * 1000)) : 0;
    node.append(svg("rect", { class: part.kind, x: from.toFixed(2), y: 0, width: width.toFixed(2), height: 10 }));
    from += width;
  }
  return node;
}
