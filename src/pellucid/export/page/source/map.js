// Every layer as a card with its maps: a column a layer, zoomed, or the whole network in rows on one screen.

const cards = new Map();
const visible = new Set();
const STEP = 158, RISE = 196, CARD = 132, GAP = 13, PIXELS = 16; // lengths are in sixteenths of the map's letter size, which is its zoom
const zooming = { by: 1, whole: false };

/** Columns of nodes: how far from the input each lies, and in which lane of its column. */
function columnsOf(all) {
  const depth = {}, lane = {}, lanes = [];
  for (const node of all) {
    const d = node.inputs.length ? 1 + Math.max(...node.inputs.map((name) => depth[name])) : 0;
    depth[node.name] = d;
    lane[node.name] = lanes[d] = (lanes[d] ?? -1) + 1;
  }
  const skips = all.some((node) => node.inputs.some((name) => depth[node.name] - depth[name] > 1)); // which dip below the cards
  return { depth, lane, lanes, count: lanes.length, foot: skips ? RISE + 24 : RISE - 26 };
}
/** Where rows of so many columns begin, each as high as its lanes are many; and last, where all end. */
function rowTops(across) {
  const tops = [0];
  for (let first = 0; first < columns.count; first += across) tops.push(tops.at(-1) + Math.max(...columns.lanes.slice(first, first + across)) * RISE + columns.foot + 24);
  return tops;
}
const mapped = [{ name: "input", kind: "Input", says: "", inputs: [], shape: model.input }, ...model.nodes];
const columns = columnsOf(mapped);

function buildMap() {
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const name = entry.target.dataset.name;
      if (!entry.isIntersecting) visible.delete(name);
      else { visible.add(name); if (state.values) mosaic(cards.get(name).lastChild, name); }
    }
  });
  for (const node of mapped) {
    const size = node.shape.join("x"), card = make("button", null, { class: "node", "data-name": node.name, "aria-pressed": "false", "aria-label": `${node.kind} ${node.says ?? ""}, ${size}`, title: `${node.name} ${node.kind} ${node.says ?? ""}` },
      make("b", `${node.kind} ${node.says ?? ""}`), make("small", `${size}  ${node.name === "input" ? "" : node.name}`), make("canvas", null, { "aria-hidden": "true" }));
    card.onclick = () => { pick(node.name, 0); element("unit").scrollIntoView({ block: "nearest" }); };
    cards.set(node.name, card);
    watch.observe(card);
  }
  element("map").append(shape("svg", { "aria-hidden": "true" }), ...cards.values());
  zoomTo(1);
}

/** Puts the cards into place: all columns in one row, or `across` of them in each. */
function layMap(across) {
  const tops = rowTops(across), width = Math.min(across, columns.count) * STEP + GAP, height = tops.at(-1);
  const place = (name) => [GAP + (columns.depth[name] % across) * STEP, tops[Math.floor(columns.depth[name] / across)] + columns.lane[name] * RISE];
  const box = element("map"), lines = [];
  box.style.width = `${width / PIXELS}em`; box.style.height = `${height / PIXELS}em`;
  for (const node of mapped) {
    const [x, y] = place(node.name), card = cards.get(node.name);
    card.style.left = `${x / PIXELS}em`; card.style.top = `${y / PIXELS}em`;
    for (const input of node.inputs) lines.push(shape("path", { d: lineOf(input, node.name, place, across, tops) }));
  }
  const svg = box.firstChild;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(...lines);
}

/** From one card to another: straight on, below those between, or down to a row below. */
function lineOf(from, to, place, across, tops) {
  const [fx, fy] = place(from), [tx, ty] = place(to), start = [fx + CARD, fy + 100], end = [tx, ty + 100];
  const row = (name) => Math.floor(columns.depth[name] / across), curve = (x0, y0, x1, y1) => `C${x0},${y0} ${x1},${y1}`;
  if (row(from) !== row(to)) {
    const gap = tops[row(to)] - 12, out = start[0] + GAP, back = end[0] - GAP;
    return `M${start} H${out} V${gap} H${back} V${end[1]} H${end[0]}`;
  }
  if (columns.depth[to] - columns.depth[from] === 1) return `M${start} ${curve(start[0] + 14, start[1], end[0] - 14, end[1])} ${end}`;
  const dip = Math.max(fy, ty) + 188;
  return `M${start} ${curve(start[0] + 20, start[1], start[0] + 6, dip)} ${start[0] + 26},${dip} L${end[0] - 26},${dip} ${curve(end[0] - 6, dip, end[0] - 20, end[1])} ${end}`;
}

/** Cards `by` times as large, all columns in one row; what was in the middle stays there. */
function zoomTo(by) {
  const box = element("scroll"), middle = [(box.scrollLeft + box.clientWidth / 2) / zooming.by, (box.scrollTop + box.clientHeight / 2) / zooming.by], stays = !zooming.whole;
  Object.assign(zooming, { by: Math.max(0.25, Math.min(4, by)), whole: false });
  element("map").style.fontSize = `${zooming.by}rem`;
  layMap(columns.count);
  if (stays) box.scrollTo(middle[0] * zooming.by - box.clientWidth / 2, middle[1] * zooming.by - box.clientHeight / 2);
}

/** As large as they can be with all of them in sight. */
function zoomOut() {
  const box = element("scroll"), letter = parseFloat(getComputedStyle(document.documentElement).fontSize) / PIXELS, [width, height] = [box.clientWidth / letter, (0.72 * innerHeight) / letter];
  let best = 0, across = columns.count;
  for (let n = 1; n <= columns.count; n++) {
    const by = Math.min(1, width / (n * STEP + GAP), height / rowTops(n).at(-1));
    if (by >= best) { best = by; across = n; }
  }
  Object.assign(zooming, { by: best, whole: true });
  element("map").style.fontSize = `${best}rem`;
  layMap(across);
  box.scrollIntoView({ block: "nearest" });
}
element("closer").onclick = () => zoomTo(zooming.by * 1.4);
element("further").onclick = () => zoomTo(zooming.by / 1.4);
element("whole").onclick = zoomOut;
element("scroll").addEventListener("wheel", (event) => { // so do two fingers on a touchpad
  if (!event.ctrlKey) return;
  event.preventDefault(); zoomTo(zooming.by * (event.deltaY < 0 ? 1.15 : 1 / 1.15));
}, { passive: false });
element("scroll").addEventListener("keydown", (event) => {
  const act = { "+": () => zoomTo(zooming.by * 1.4), "-": () => zoomTo(zooming.by / 1.4), 0: zoomOut }[event.key];
  if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
});
addEventListener("resize", () => { if (zooming.whole) zoomOut(); });
function drawMap() { for (const name of visible) mosaic(cards.get(name).lastChild, name); }

/** Opens a layer: its strongest place to begin with. */
function pick(name, channel) {
  if (!state.values) return;
  const [, h, w] = planes(name), plane = planeOf(name, channel), top = topOf(plane);
  Object.assign(state, { node: name, channel, row: Math.floor(top / w), column: top % w });
  for (const [other, card] of cards) card.setAttribute("aria-pressed", String(other === name));
  drawUnit();
}
