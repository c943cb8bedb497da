// Every layer as a card with its maps.

const cards = new Map();
const visible = new Set();
function buildMap() {
  const depth = { input: 0 }, lanes = {}, at = {}, box = element("map"), step = 158, rise = 196;
  const all = [{ name: "input", kind: "Input", says: "", inputs: [], shape: model.input }, ...model.nodes];
  for (const node of all) {
    depth[node.name] = node.inputs.length ? 1 + Math.max(...node.inputs.map((name) => depth[name])) : 0;
    const lane = (lanes[depth[node.name]] = (lanes[depth[node.name]] ?? -1) + 1);
    at[node.name] = [depth[node.name] * step, lane * rise];
  }
  const skips = all.some((node) => node.inputs.some((name) => depth[node.name] - depth[name] > 1)); // which dip below the cards
  const width = (Math.max(...Object.values(depth)) + 1) * step, height = Math.max(...Object.values(lanes)) * rise + (skips ? rise + 24 : 170);
  box.style.width = `${width}px`; box.style.height = `${height}px`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", width); svg.setAttribute("height", height); svg.setAttribute("aria-hidden", "true");
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const name = entry.target.dataset.name;
      if (!entry.isIntersecting) visible.delete(name);
      else { visible.add(name); if (state.values) mosaic(cards.get(name).lastChild, name); }
    }
  });
  for (const node of all) {
    const [x, y] = at[node.name];
    for (const input of node.inputs) {
      const [fx, fy] = at[input], path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const start = [fx + 132, fy + 100], end = [x, y + 100], far = depth[node.name] - depth[input] > 1;
      const dip = far ? Math.max(fy, y) + 188 : null;
      path.setAttribute("d", far ? `M${start} C${start[0] + 20},${start[1]} ${start[0] + 6},${dip} ${start[0] + 26},${dip} L${end[0] - 26},${dip} C${end[0] - 6},${dip} ${end[0] - 20},${end[1]} ${end}` : `M${start} C${start[0] + 14},${start[1]} ${end[0] - 14},${end[1]} ${end}`);
      svg.append(path);
    }
    const shape = node.shape.join("x"), card = make("button", null, { class: "node", "data-name": node.name, "aria-pressed": "false", "aria-label": `${node.kind} ${node.says}, ${shape}`, title: `${node.name} ${node.kind} ${node.says}` },
      make("b", `${node.kind} ${node.says}`), make("small", `${node.name === "input" ? "" : node.name}  ${shape}`), make("canvas", null, { "aria-hidden": "true" }));
    card.style.left = `${x}px`; card.style.top = `${y}px`;
    card.onclick = () => pick(node.name, 0);
    cards.set(node.name, card);
    watch.observe(card);
  }
  box.append(svg, ...cards.values());
}
function drawMap() { for (const name of visible) mosaic(cards.get(name).lastChild, name); }

/** Opens a layer: its strongest place to begin with. */
function pick(name, channel) {
  if (!state.values) return;
  const [, h, w] = planes(name), plane = planeOf(name, channel), top = topOf(plane);
  Object.assign(state, { node: name, channel, row: Math.floor(top / w), column: top % w });
  for (const [other, card] of cards) card.setAttribute("aria-pressed", String(other === name));
  drawUnit();
}
