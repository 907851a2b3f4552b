import { element } from "./elements.js";

// A table that scrolls by itself where it is too wide. `titles` have a `text`, and `isNumber` for a column of numbers; `rows` have
// `cells` and `attributes`.
export function table(titles, rows, label) {
  const cell = (tag, content, index) => element(tag, { class: titles[index].isNumber ? "number" : null, scope: tag === "th" ? "col" : null }, content);
  return element(
    "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    element(
      "table", {}, element("thead", {}, element("tr", {}, ...titles.map((title, index) => cell("th", title.text, index)))),
      element("tbody", {}, ...rows.map((row) => element("tr", row.attributes ?? {}, ...row.cells.map((content, index) => cell("td", content, index)))))));
}
