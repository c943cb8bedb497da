// One unit, as numbers that add up.

const flatIndex = () => { const [, h, w] = planes(state.node); return (state.channel * h + state.row) * w + state.column; };
let unitFor = "";

function drawUnit() {
  const box = element("unit");
  if (!state.node) { box.replaceChildren(make("p", word("pick"))); return; }
  const name = state.node, node = network.byName[name], [K, h, w] = planes(name), key = `${name} ${state.language}`;
  if (unitFor !== key) {
    unitFor = key;
    const maps = Array.from({ length: Math.min(K, 256) }, (_, k) => make("button", null, { "aria-label": `${word("channel")} ${k}`, onclick: () => { const i = [state.row, state.column]; state.channel = k; [state.row, state.column] = i; drawUnit(); } }, make("canvas", null, { "aria-hidden": "true" })));
    const large = make("canvas", null, { id: "large", tabindex: "0", role: "application" });
    const go = (r, c) => { state.row = within(r, h); state.column = within(c, w); drawUnit(); };
    large.onclick = (event) => { const rect = large.getBoundingClientRect(); go(Math.floor(((event.clientY - rect.top) / rect.height) * h), Math.floor(((event.clientX - rect.left) / rect.width) * w)); };
    large.onkeydown = (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (move) { event.preventDefault(); go(state.row + move[0], state.column + move[1]); }
    };
    box.replaceChildren(make("h3", node ? `${name} ${node.kind} ${node.says ?? ""}` : "input"), make("div", null, { class: "many", id: "maps" }, ...(K > 1 ? maps : [])), make("div", null, { class: "numbers" }, large, make("div", null, { id: "made" })));
  }
  [...element("maps").children].forEach((button, k) => { paint(button.firstChild, planeOf(name, k), [h, w]); button.firstChild.style.width = `${Math.max(24, Math.min(48, w))}px`; button.setAttribute("aria-pressed", String(k === state.channel)); });
  const large = element("large"), scale = Math.max(1, Math.floor(196 / Math.max(h, w))), small = make("canvas");
  paint(small, planeOf(name, state.channel), [h, w]);
  large.width = w * scale; large.height = h * scale;
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false; context.drawImage(small, 0, 0, large.width, large.height);
  context.strokeStyle = "#ff3b30"; context.lineWidth = 2; context.strokeRect(state.column * scale + 1, state.row * scale + 1, Math.max(2, scale - 2), Math.max(2, scale - 2));
  const value = state.values[name][flatIndex()] ?? 0;
  large.setAttribute("aria-label", `${word("channel")} ${state.channel}, ${state.row}, ${state.column}: ${shown(value)}`);
  element("made").replaceChildren(...(node ? madeOf(node, value) : [make("p", `${word("value")} ${shown(value)}`, { class: "sum" })]));
  markField(name);
}

/** A small table of numbers, the larger the stronger its colour: blue, or orange below 0. */
function table(caption, values, [h, w], id) {
  const made = make("table", null, { class: "grid" }), most = Math.max(...values.map(Math.abs)) || 1;
  const cell = (v) => {
    const one = make("td", model.entry ? v : v.toFixed(3));
    one.style.background = `rgb(${v < 0 ? "245 140 20" : "60 140 245"} / ${((45 * Math.abs(v)) / most).toFixed(0)}%)`;
    return one;
  };
  for (let r = 0; r < h; r++) made.append(make("tr", null, {}, ...Array.from(values.slice(r * w, (r + 1) * w), cell)));
  return make("figure", null, id ? { id } : {}, made, make("figcaption", caption));
}

/** Terms [input, weight] by input channel of a unit of a convolution, before a pool that is part of it. */
function termsOf(node, unitRow = state.row, unitColumn = state.column) {
  const x = state.values[node.inputs[0]], shape = asImages(network.shapes[node.inputs[0]]), w = network.arrays[node.weight].data;
  if (node.op === "linear") return [Array.from(x, (v, i) => [v, w[state.column + state.row * planes(node.name)[2] < node.shape[0] ? (state.row * planes(node.name)[2] + state.column) * x.length + i : i]])];
  const [R, S] = node.kernel, perGroup = shape[0] / node.groups, first = Math.floor(state.channel / (node.shape[0] / node.groups)) * perGroup;
  return Array.from({ length: perGroup }, (_, c) => Array.from({ length: R * S }, (__, i) => {
    const row = unitRow * node.stride[0] + Math.floor(i / S) * node.dilation[0] - node.pads[0], column = unitColumn * node.stride[1] + (i % S) * node.dilation[1] - node.pads[2];
    const inside = row >= 0 && row < shape[1] && column >= 0 && column < shape[2];
    return [inside ? x[((first + c) * shape[1] + row) * shape[2] + column] : node.from || 0, w[((state.channel * perGroup + c) * R + Math.floor(i / S)) * S + (i % S)]];
  }));
}

/** The products of a unit by input channel: a choice of channels, and tables of one's patch, filter and products. */
function productsOf(node, terms, sums) {
  if (node.op !== "conv" || node.kernel[0] * node.kernel[1] > 49) return [];
  const said = (v) => (model.entry ? v : v.toFixed(4));
  const chosen = make("select", null, { "aria-label": word("channel") }, ...sums.map((s, c) => make("option", `${c}: ${said(s)}`, { value: c })));
  const tables = make("div", null, { class: "numbers" }), show = () => {
    const one = terms[chosen.value];
    tables.replaceChildren(table(word("patch"), one.map(([x]) => x), node.kernel, "patch"), table(word("filter"), one.map(([, w]) => w), node.kernel, "filter"), table(word("products"), one.map(([x, w]) => x * w), node.kernel, "products"));
  };
  chosen.value = topOf(sums.map(Math.abs)); chosen.onchange = show; show();
  return [filterPicture(node, terms), make("label", null, { class: "small" }, make("span", `${word("channel")} (${word("products")}): `), chosen), tables];
}

/** A unit's filter as pictures side by side, one for each input channel. */
function filterPicture(node, terms) {
  const [R, S] = node.kernel, across = Math.ceil(Math.sqrt(terms.length * 3)), down = Math.ceil(terms.length / across), wide = across * (S + 1) - 1;
  const all = new Float32Array((down * (R + 1) - 1) * wide), canvas = make("canvas", null, { role: "img", "aria-label": word("weights") });
  terms.forEach((channel, c) => channel.forEach(([, w], i) => { all[(Math.floor(c / across) * (R + 1) + Math.floor(i / S)) * wide + (c % across) * (S + 1) + (i % S)] = w; }));
  paint(canvas, all, [all.length / wide, wide], null, true);
  canvas.style.width = `${wide * Math.max(2, Math.min(12, Math.floor(320 / wide)))}px`;
  return make("figure", null, { class: "filters" }, canvas, make("figcaption", word("weights")));
}

const totals = (terms) => terms.map((channel) => channel.reduce((sum, [x, w]) => sum + x * w, 0));
const added = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** How a unit came to its value, as numbers that add up. */
function madeOf(node, value) {
  const parts = [];
  if (model.entry) parts.push(...wholeOf(node, value));
  else if (node.op === "conv" || node.op === "linear") {
    const terms = termsOf(node), sums = totals(terms), total = added(sums);
    const index = node.op === "linear" ? flatIndex() : state.channel, bias = node.bias === undefined ? 0 : network.arrays[node.bias].data[index] ?? 0;
    parts.push(...productsOf(node, terms, sums));
    parts.push(make("p", `${word("sum")} ${shown(total)} + ${word("bias")} ${shown(bias)} = ${shown(total + bias)}`, { class: "sum", id: "sum", "data-total": total, "data-bias": bias, "data-value": value }));
  } else if (node.op === "norm") {
    const scale = network.arrays[node.weight].data[state.channel], shift = network.arrays[node.bias].data[state.channel], x = state.values[node.inputs[0]][flatIndex()];
    parts.push(make("p", `${shown(x)} x ${shown(scale)} + ${shown(shift)} = ${shown(value)}`, { class: "sum" }));
  } else {
    const inputs = node.inputs.filter((name) => node.order || state.values[name].length === state.values[node.name].length).map((name) => `${name} ${shown(state.values[name][orderIndex(node, flatIndex())] ?? 0)}`);
    parts.push(make("p", `${inputs.length ? `${inputs.join(", ")} → ` : ""}${node.kind} = ${shown(value)}`, { class: "sum" }));
  }
  let last = node.name;
  for (const next of model.nodes) if (next.inputs.length === 1 && next.inputs[0] === last && ["norm", "relu", "leaky", "clip", "sigmoid", "tanh", "silu"].includes(next.op)) {
    last = next.name;
    parts.push(make("p", `${word("then")} ${next.kind} (${next.name}): ${shown(state.values[last][flatIndex()])}`, { class: "sum" }));
  }
  parts.push(make("p", word("moved"), { class: "small" }));
  return parts;
}

/** On the input: what the unit sees, and what moves it. */
function markField(name) {
  clearOver();
  if (name === "input") return;
  const seed = new Float32Array(state.values[name].length);
  if (flatIndex() >= seed.length) return;
  seed[flatIndex()] = 1;
  const gradient = network.backward(state.values, name, seed).input, context = over.getContext("2d"), x = state.values.input;
  if (gradient) {
    const heat = new Float32Array(H * W);
    const zero = network.zero("input");
    for (let i = 0; i < gradient.length; i++) heat[i % (H * W)] += gradient[i] * (x[i] - zero);
    overlay(heat, [H, W], true);
  }
  const [r0, r1, c0, c1] = network.field(name, ...(network.shapes[name].length === 1 ? [0, 0] : [state.row, state.column]));
  context.strokeStyle = "#ff3b30"; context.lineWidth = 3;
  context.strokeRect(placed.left + c0 * placed.across, placed.top + r0 * placed.down, (c1 - c0 + 1) * placed.across, (r1 - r0 + 1) * placed.down);
  document.documentElement.dataset.field = [r0, r1, c0, c1].join(" ");
}
function overlay(heat, [h, w], signed) {
  const small = make("canvas", null, { width: w, height: h }), picture = new ImageData(w, h), most = heat.reduce((a, v) => Math.max(a, Math.abs(v)), 0) || 1;
  heat.forEach((v, i) => { const t = v / most; picture.data.set(signed && t < 0 ? [255, 140, 0] : signed ? [40, 150, 255] : [255, 60, 30], 4 * i); picture.data[4 * i + 3] = 210 * Math.min(1, Math.abs(t)) ** 0.7; });
  small.getContext("2d").putImageData(picture, 0, 0);
  const context = over.getContext("2d");
  context.imageSmoothingEnabled = !signed;
  context.drawImage(small, placed.left, placed.top, W * placed.across, H * placed.down);
}
