// Squarified treemap (Bruls, Huizing, van Wijk 2000): rectangles whose areas are as their values, as square as can be.

function worst(row, side) {
  const sum = row.reduce((total, one) => total + one.area, 0);
  const [least, most] = [Math.min(...row.map((one) => one.area)), Math.max(...row.map((one) => one.area))];
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}

// `items` have a `value`; the answer has them with x, y, width and height.
export function treemap(items, width, height) {
  const whole = items.reduce((total, item) => total + item.value, 0);
  if (whole <= 0 || width <= 0 || height <= 0) return [];
  const left = items.filter((item) => item.value > 0).sort((a, b) => b.value - a.value)
    .map((item) => ({ item, area: (item.value / whole) * width * height }));
  const placed = [];
  let [x, y, w, h] = [0, 0, width, height];
  while (left.length > 0) {
    const side = Math.min(w, h);
    const row = [left.shift()];
    while (left.length > 0 && worst([...row, left[0]], side) <= worst(row, side)) row.push(left.shift());
    const depth = row.reduce((total, one) => total + one.area, 0) / side;
    let along = 0;
    for (const one of row) {
      const size = one.area / depth;
      placed.push(
        w >= h ? { ...one.item, x, y: y + along, width: depth, height: size } : { ...one.item, x: x + along, y, width: size, height: depth });
      along += size;
    }
    if (w >= h) [x, w] = [x + depth, w - depth];
    else [y, h] = [y + depth, h - depth];
  }
  return placed;
}
