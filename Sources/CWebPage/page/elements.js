// Makes elements. Text from elsewhere becomes text nodes and attribute values only.

const svgSpace = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(svgSpace, tag), attributes, children);

// Writes only what has changed: 300 rows are looked at every two seconds.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A number as people read it, and as the API has it.
export function setNumber(node, value, text) {
  setText(node, text);
  const raw = value === undefined || value === null ? "" : String(value);
  if (node.dataset.value !== raw) node.dataset.value = raw;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
