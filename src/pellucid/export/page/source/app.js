// The interface: one state, and views that draw it.

const element = (id) => document.getElementById(id);
const model = JSON.parse(element("model").textContent);
const network = new Network(model, unpackArrays(model.arrays, element("weights").textContent.trim()));
const original = network.arrays.map(({ data }) => data.slice());
const [C, H, W] = model.input, output = model.outputs[0], outputShape = network.shapes[output];
const state = { pixels: null, values: null, node: null, channel: 0, row: 0, column: 0, label: null, truth: null, tab: "network", lesson: 0, language: 0, examples: [], from: "clear" };
const word = (key) => WORDS[key][state.language];
const shown = (v) => (Number.isInteger(v) ? String(v) : Math.abs(v) >= 1000 || Math.abs(v) < 0.001 ? v.toExponential(3) : v.toFixed(4));

/** An element with text, never markup, and attributes. */
function make(tag, text, attributes = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== null && text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) if (name.startsWith("on")) made[name] = value; else made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Numbers (h, w) as colours: dark to light from 0 on, or orange to blue around 0. */
function paint(canvas, values, [h, w], most = null, signed = null) {
  canvas.width = w; canvas.height = h;
  let low = 0, high = 0;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  const both = signed ?? low < 0, scale = most ?? (Math.max(high, -low) || 1), picture = new ImageData(w, h);
  for (let i = 0; i < h * w; i++) {
    const t = Math.max(-1, Math.min(1, values[i] / scale)), at = i * 4, d = picture.data;
    if (both) { const m = Math.abs(t); d[at] = t < 0 ? 245 : 245 * (1 - m) + 20 * m; d[at + 1] = 245 * (1 - m) + 110 * m; d[at + 2] = t < 0 ? 245 * (1 - m) + 20 * m : 245; }
    else { d[at] = 255 * t ** 1.1; d[at + 1] = 20 * (1 - t) + 235 * t; d[at + 2] = 40 + 150 * t; }
    d[at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

const planes = (name) => { const s = network.shapes[name]; return s.length === 3 ? s : [1, ...vectorGrid(s[0])]; };
function vectorGrid(n) { const w = Math.min(n, Math.max(10, Math.ceil(Math.sqrt(n)))); return [Math.ceil(n / w), w]; }
function planeOf(name, channel) {
  const [, h, w] = planes(name), values = state.values[name], part = new Float32Array(h * w);
  part.set(values.subarray(channel * h * w, (channel + 1) * h * w));
  return part;
}

/** The first feature maps of a layer side by side, on one scale. */
function mosaic(canvas, name) {
  const [K, h, w] = planes(name), many = Math.min(K, 16), across = Math.ceil(Math.sqrt(many)), gap = many > 1 ? 1 : 0;
  const width = across * (w + gap), height = Math.ceil(many / across) * (h + gap), all = new Float32Array(width * height);
  const values = state.values[name];
  for (let k = 0; k < many; k++) {
    const top = Math.floor(k / across) * (h + gap), left = (k % across) * (w + gap);
    for (let r = 0; r < h; r++) all.set(values.subarray((k * h + r) * w, Math.min(values.length, (k * h + r + 1) * w)), (top + r) * width + left);
  }
  paint(canvas, all, [height, width]);
}

// ---- input ----

const draw = element("draw"), over = element("over"), pen = draw.getContext("2d", { willReadFrequently: true });
let drawing = false, waiting = false;

function blankCanvas() { pen.fillStyle = "#000"; pen.fillRect(0, 0, 280, 280); clearOver(); }
function clearOver() { over.width = 280; over.height = 280; }
function message(key) { element("message").textContent = key ? word(key) : ""; }

function place(event) {
  const box = draw.getBoundingClientRect();
  return [((event.clientX - box.left) * 280) / box.width, ((event.clientY - box.top) * 280) / box.height];
}
draw.addEventListener("pointerdown", (event) => {
  if (state.from !== "drawn") { blankCanvas(); state.from = "drawn"; state.truth = null; }
  drawing = true; clearOver(); message();
  draw.setPointerCapture(event.pointerId);
  pen.strokeStyle = "#fff"; pen.fillStyle = "#fff"; pen.lineWidth = 22; pen.lineCap = pen.lineJoin = "round";
  const [x, y] = place(event);
  pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x + 0.1, y); pen.stroke();
  soon();
});
draw.addEventListener("pointermove", (event) => {
  if (!drawing) return;
  pen.lineTo(...place(event)); pen.stroke();
  soon();
});
for (const end of ["pointerup", "pointercancel"]) draw.addEventListener(end, () => { drawing = false; });

/** Reads the canvas once for each picture that the screen shows. */
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; readDrawing(); });
}
function readDrawing() { take(framed(pen.getImageData(0, 0, 280, 280).data, [280, 280], model), null); }

/** Pixels (C, H, W) become the input. */
function take(pixels, truth) {
  if (!pixels) { message(state.from === "drawn" ? "blank" : "noCharacter"); return; }
  state.pixels = pixels; state.truth = truth;
  run();
}
function run() {
  if (!state.pixels) return;
  const start = performance.now();
  state.values = network.forward(normalized(state.pixels, model));
  drawAnswer(); drawMap(); drawUnit();
  document.documentElement.dataset.milliseconds = (performance.now() - start).toFixed(1);
}

/** The network's input, enlarged, on the canvas. */
function showInput() {
  const small = make("canvas", null, { width: W, height: H }), picture = new ImageData(W, H);
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = state.pixels[(C === 1 ? 0 : c) * H * W + i];
    picture.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(picture, 0, 0);
  blankCanvas();
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, 280, 280);
}

/** A picture of any size, upright by its own note. */
async function takePicture(blob) {
  message();
  try {
    if (!/^image\/(png|jpeg|webp|bmp|gif)$/.test(blob.type)) throw new Error("kind");
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    takeBitmap(bitmap, bitmap.width, bitmap.height);
  } catch { message("noPicture"); }
}
function takeBitmap(source, width, height) {
  const shrink = Math.min(1, 1024 / Math.max(width, height)), w = Math.max(1, Math.round(width * shrink)), h = Math.max(1, Math.round(height * shrink));
  const canvas = make("canvas", null, { width: w, height: h }), context = canvas.getContext("2d");
  context.fillStyle = "#fff"; context.fillRect(0, 0, w, h); context.imageSmoothingQuality = "high"; context.drawImage(source, 0, 0, w, h);
  const pixels = framed(context.getImageData(0, 0, w, h).data, [h, w], model);
  state.from = "picture";
  take(pixels, null);
  if (pixels) showInput();
}
element("file").onchange = (event) => { if (event.target.files[0]) takePicture(event.target.files[0]); event.target.value = ""; };
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => { event.preventDefault(); const file = event.dataTransfer.files[0]; if (file) takePicture(file); else message("noPicture"); });
element("camera").onclick = async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true }), video = document.createElement("video");
    video.srcObject = stream; video.muted = true;
    await video.play();
    takeBitmap(video, video.videoWidth, video.videoHeight);
    stream.getTracks().forEach((track) => track.stop());
  } catch { message("noCamera"); }
};
element("clear").onclick = () => { state.from = "drawn"; state.truth = null; blankCanvas(); message(); take(new Uint8Array(C * H * W), null); };

/** The pixels of an image that came along. */
async function pixelsOf(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const canvas = make("canvas", null, { width: W, height: H }), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, W, H);
  return Uint8Array.from({ length: C * H * W }, (_, i) => data[4 * (i % (H * W)) + Math.floor(i / (H * W))]);
}
async function takeSample(sample) {
  sample.pixels ??= await pixelsOf(sample.src);
  state.from = "sample"; message();
  take(sample.pixels, sample.truth);
  showInput();
}
const topOf = (values) => values.reduce((top, v, i) => (v > values[top] ? i : top), 0);
async function guessAll() {
  for (const sample of model.images) {
    sample.pixels ??= await pixelsOf(sample.src);
    if (model.task === "classify") sample.guess = topOf(network.forward(normalized(sample.pixels, model))[output]);
    await new Promise((done) => setTimeout(done));
  }
  drawSamples();
}
function drawSamples() {
  const box = element("samples");
  box.setAttribute("aria-label", word("sample"));
  box.replaceChildren(...model.images.map((sample, i) => {
    const truth = sample.truth === null ? "" : `, ${word("truth")} ${model.classes[sample.truth]}`, wrong = sample.guess !== undefined && sample.guess !== sample.truth;
    const button = make("button", null, { "aria-label": `${word("sample")} ${i + 1}${truth}`, title: truth.slice(2), class: wrong ? "wrong" : "", onclick: () => takeSample(sample) });
    button.append(make("img", null, { src: sample.src, alt: "" }));
    return button;
  }));
}

// ---- answer ----

const COLOURS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [120, 120, 120], [240, 228, 66]];
const view = { opacity: 0.6, threshold: model.detection ? model.detection.shown_score : 0 };

function drawAnswer() {
  const y = state.values[output], truth = state.truth === null ? "" : ` (${word("truth")}: ${model.classes[state.truth]})`;
  if (model.task !== "classify") return drawPlaces(y);
  const shares = softmax(y), order = shares.map((_, i) => i).sort((a, b) => shares[b] - shares[a]), top = order[0];
  element("said").textContent = `${model.classes[top]} ${(100 * shares[top]).toFixed(1)} %${truth}`;
  const listed = model.classes.length <= 12 ? shares.map((_, i) => i) : order.slice(0, 10), bars = element("bars");
  if (bars.children.length !== listed.length) bars.replaceChildren(...listed.map(() => make("button", null, { class: "bar" }, make("span"), make("i"), make("span"))));
  listed.forEach((k, i) => {
    const [name, bar, share] = bars.children[i].children;
    name.textContent = model.classes[k];
    bar.style.width = `${(100 * shares[k]).toFixed(1)}%`;
    share.textContent = `${(100 * shares[k]).toFixed(1)} %`;
    bars.children[i].title = `logit ${shown(y[k])}`;
    bars.children[i].setAttribute("aria-pressed", String(state.label === k));
    bars.children[i].onclick = () => { state.label = k; drawAnswer(); drawCam(); };
  });
}

/** Classes of pixels, or boxes, over the input. */
function drawPlaces(y) {
  const box = element("picture");
  if (!box.children.length) {
    const set = model.task === "segment" ? "opacity" : "threshold", canvas = make("canvas", null, { role: "img", id: "places" });
    const slider = make("input", null, { type: "range", min: 0, max: 1, step: 0.01, value: view[set], id: set, "aria-label": word(set === "opacity" ? "opacity" : "threshold") });
    slider.oninput = () => { view[set] = Number(slider.value); drawAnswer(); };
    box.append(canvas, make("br"), make("label", null, {}, make("span", `${word(set)} `), slider), make("p", null, { class: "small", id: "legend" }));
  }
  const canvas = element("places"), scale = Math.max(1, Math.floor(560 / Math.max(H, W))), pixels = state.pixels;
  canvas.width = W * scale; canvas.height = H * scale;
  const context = canvas.getContext("2d"), picture = new ImageData(W, H), found = model.task === "segment" ? likeliest(y, outputShape) : null, counts = {};
  for (let i = 0; i < H * W; i++) {
    const k = found ? found[i] : 0, part = found ? view.opacity : 0;
    if (found) counts[k] = (counts[k] || 0) + 1;
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = pixels[(C === 1 ? 0 : c) * H * W + i] * (1 - part) + COLOURS[k % 8][c] * part;
    picture.data[4 * i + 3] = 255;
  }
  const small = make("canvas", null, { width: W, height: H });
  small.getContext("2d").putImageData(picture, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  let said;
  if (found) said = Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([k, n]) => `${model.classes[k]} ${((100 * n) / (H * W)).toFixed(1)} %`).join(", ");
  else {
    const boxes = findBoxes(y, outputShape, model.detection, [H, W]), sure = boxes.filter(({ score }) => score >= view.threshold);
    context.lineWidth = 2; context.font = "14px sans-serif";
    for (const { box: [l, t, r, b], label, score, dropped } of [...sure].reverse()) {
      context.setLineDash(dropped ? [3, 4] : []);
      context.strokeStyle = `rgb(${COLOURS[label % 8]})`;
      context.strokeRect(l * scale, t * scale, (r - l) * scale, (b - t) * scale);
      if (!dropped) { context.fillStyle = "#fff"; context.fillText(`${model.classes[label]} ${score.toFixed(2)}`, l * scale + 3, Math.max(14, t * scale - 3)); }
    }
    const kept = sure.filter(({ dropped }) => !dropped);
    said = `${kept.map(({ label, score }) => `${model.classes[label]} ${score.toFixed(2)}`).join(", ") || "-"}; ${sure.length - kept.length} ${word("dropped")}`;
  }
  canvas.setAttribute("aria-label", said);
  element("legend").textContent = said;
  element("said").textContent = "";
}

// ---- the map ----

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
  const width = (Math.max(...Object.values(depth)) + 1) * step, height = (Math.max(...Object.values(lanes)) + 1) * rise;
  box.style.width = `${width}px`; box.style.height = `${height + 24}px`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", width); svg.setAttribute("height", height + 24); svg.setAttribute("aria-hidden", "true");
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

// ---- one unit ----

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
    box.replaceChildren(make("h3", node ? `${name} ${node.kind} ${node.says}` : "input"), make("div", null, { class: "many", id: "maps" }, ...(K > 1 ? maps : [])), make("div", null, { class: "numbers" }, large, make("div", null, { id: "made" })));
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

/** A small table of numbers, coloured as pictures are. */
function table(caption, values, [h, w], id) {
  const made = make("table", null, { class: "grid" });
  for (let r = 0; r < h; r++) made.append(make("tr", null, {}, ...Array.from({ length: w }, (_, c) => make("td", values[r * w + c].toFixed(3)))));
  return make("figure", null, id ? { id } : {}, made, make("figcaption", caption));
}

/** Terms [input, weight] by input channel of a unit of a convolution. */
function termsOf(node) {
  const x = state.values[node.inputs[0]], shape = network.shapes[node.inputs[0]], w = network.arrays[node.weight].data;
  if (node.op === "linear") return [Array.from(x, (v, i) => [v, w[state.column + state.row * planes(node.name)[2] < node.shape[0] ? (state.row * planes(node.name)[2] + state.column) * x.length + i : i]])];
  const [R, S] = node.kernel, perGroup = shape[0] / node.groups, first = Math.floor(state.channel / (node.shape[0] / node.groups)) * perGroup;
  return Array.from({ length: perGroup }, (_, c) => Array.from({ length: R * S }, (__, i) => {
    const row = state.row * node.stride[0] + Math.floor(i / S) * node.dilation[0] - node.pads[0], column = state.column * node.stride[1] + (i % S) * node.dilation[1] - node.pads[2];
    const inside = row >= 0 && row < shape[1] && column >= 0 && column < shape[2];
    return [inside ? x[((first + c) * shape[1] + row) * shape[2] + column] : 0, w[((state.channel * perGroup + c) * R + Math.floor(i / S)) * S + (i % S)]];
  }));
}

/** How a unit came to its value, as numbers that add up. */
function madeOf(node, value) {
  const parts = [];
  if (node.op === "conv" || node.op === "linear") {
    const terms = termsOf(node), sums = terms.map((channel) => channel.reduce((sum, [x, w]) => sum + x * w, 0));
    const index = node.op === "linear" ? flatIndex() : state.channel, bias = node.bias === undefined ? 0 : network.arrays[node.bias].data[index] ?? 0;
    const total = sums.reduce((a, b) => a + b, 0), loudest = topOf(sums.map(Math.abs));
    if (node.op === "conv" && node.kernel[0] * node.kernel[1] <= 49) {
      const chosen = make("select", null, { "aria-label": word("channel") }, ...sums.map((s, c) => make("option", `${c}: ${s.toFixed(4)}`, { value: c })));
      const tables = make("div", null, { class: "numbers" }), show = () => {
        const one = terms[chosen.value];
        tables.replaceChildren(table(word("patch"), one.map(([x]) => x), node.kernel, "patch"), table(word("filter"), one.map(([, w]) => w), node.kernel, "filter"), table(word("products"), one.map(([x, w]) => x * w), node.kernel, "products"));
      };
      chosen.value = loudest; chosen.onchange = show; show();
      parts.push(make("label", null, { class: "small" }, make("span", `${word("channel")} (${word("products")}): `), chosen), tables);
    }
    parts.push(make("p", `${word("sum")} ${shown(total)} + ${word("bias")} ${shown(bias)} = ${shown(total + bias)}`, { class: "sum", id: "sum", "data-total": total, "data-bias": bias, "data-value": value }));
  } else if (node.op === "norm") {
    const scale = network.arrays[node.weight].data[state.channel], shift = network.arrays[node.bias].data[state.channel], x = state.values[node.inputs[0]][flatIndex()];
    parts.push(make("p", `${shown(x)} x ${shown(scale)} + ${shown(shift)} = ${shown(value)}`, { class: "sum" }));
  } else {
    const inputs = node.inputs.filter((name) => state.values[name].length === state.values[node.name].length).map((name) => `${name} ${shown(state.values[name][flatIndex()] ?? 0)}`);
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
    for (let i = 0; i < gradient.length; i++) heat[i % (H * W)] += gradient[i] * x[i];
    overlay(heat, [H, W], true);
  }
  const [r0, r1, c0, c1] = network.field(name, ...(network.shapes[name].length === 1 ? [0, 0] : [state.row, state.column]));
  context.strokeStyle = "#ff3b30"; context.lineWidth = 3;
  context.strokeRect((c0 * 280) / W, (r0 * 280) / H, ((c1 - c0 + 1) * 280) / W, ((r1 - r0 + 1) * 280) / H);
  document.documentElement.dataset.field = [r0, r1, c0, c1].join(" ");
}
function overlay(heat, [h, w], signed) {
  const small = make("canvas", null, { width: w, height: h }), picture = new ImageData(w, h), most = heat.reduce((a, v) => Math.max(a, Math.abs(v)), 0) || 1;
  heat.forEach((v, i) => { const t = v / most; picture.data.set(signed && t < 0 ? [255, 140, 0] : signed ? [40, 150, 255] : [255, 60, 30], 4 * i); picture.data[4 * i + 3] = 210 * Math.min(1, Math.abs(t)) ** 0.7; });
  small.getContext("2d").putImageData(picture, 0, 0);
  const context = over.getContext("2d");
  context.imageSmoothingEnabled = !signed;
  context.drawImage(small, 0, 0, 280, 280);
}

// ---- explanations ----

function labelNow() { return state.label ?? topOf(state.values[output]); }
function drawCam() {
  if (!state.values || model.task !== "classify") return;
  const node = camLayer(model), k = labelNow(), seed = new Float32Array(outputShape[0]);
  if (!node) return;
  seed[k] = 1;
  const cam = gradCam(state.values[node.name], network.backward(state.values, output, seed)[node.name], node.shape);
  clearOver(); overlay(cam, node.shape.slice(1), false);
  element("explained").textContent = `${word("looked")} ${model.classes[k]} (${node.name} ${node.kind})`;
}
element("cam").onclick = drawCam;
element("plain").onclick = () => { clearOver(); element("explained").textContent = ""; };
element("occlude").onclick = async () => {
  if (!state.values || model.task !== "classify") return;
  const k = labelNow(), side = Math.max(2, Math.round(Math.min(H, W) / 5)), steps = 12, heat = new Float32Array(steps * steps), whole = softmax(state.values[output])[k], pixels = state.pixels;
  for (let i = 0; i < steps * steps; i++) {
    const top = Math.round((Math.floor(i / steps) / (steps - 1)) * (H - side)), left = Math.round(((i % steps) / (steps - 1)) * (W - side)), covered = pixels.slice();
    for (let c = 0; c < C; c++) for (let r = 0; r < side; r++) covered.fill(C === 1 ? 0 : 128, (c * H + top + r) * W + left, (c * H + top + r) * W + left + side);
    heat[i] = Math.max(0, whole - softmax(network.forward(normalized(covered, model))[output])[k]);
    if (i % steps === 0) await new Promise((done) => setTimeout(done));
  }
  clearOver(); overlay(heat, [steps, steps], false);
  element("explained").textContent = `${word("covered")} ${model.classes[k]}: -${(100 * Math.max(...heat)).toFixed(1)} %`;
};

/** Weights of so many bits: each output's largest magnitude is the last level. */
function setBits(bits) {
  network.arrays.forEach((array, i) => {
    array.data.set(original[i]);
    if (bits >= 16 || array.shape.length < 2) return;
    const row = array.data.length / array.shape[0], most = Math.max(1, 2 ** (bits - 1) - 1);
    for (let k = 0; k < array.shape[0]; k++) {
      let peak = 0;
      for (let j = 0; j < row; j++) peak = Math.max(peak, Math.abs(array.data[k * row + j]));
      const scale = peak / most || 1;
      for (let j = 0; j < row; j++) array.data[k * row + j] = Math.round(array.data[k * row + j] / scale) * scale;
    }
  });
  network.forget();
}
element("bits").max = Math.min(16, model.bits); element("bits").value = element("bits").max;
element("bits").oninput = async () => {
  const bits = Number(element("bits").value);
  element("bits-shown").textContent = bits;
  setBits(bits); run();
  if (model.task !== "classify" || !model.images.length) return;
  await guessAll();
  const right = model.images.filter(({ guess, truth }) => guess === truth).length;
  element("bits-said").textContent = `${right} ${word("of")} ${model.images.length} ${word("accuracy")}`;
};

// ---- tabs ----

function drawHistory() {
  const box = element("panel-history"), parts = [];
  const series = ["train", "validation", "test"].map((name) => [name, model.history.filter((r) => r[name]).map((r) => [r.epoch, r[name].loss])]).filter(([, points]) => points.length);
  if (series.length) {
    const most = Math.max(...series.flatMap(([, points]) => points.map(([, v]) => v))), last = Math.max(...model.history.map((r) => r.epoch)), svgNS = "http://www.w3.org/2000/svg", svg = document.createElementNS(svgNS, "svg");
    svg.setAttribute("viewBox", "0 0 420 180"); svg.setAttribute("role", "img"); svg.setAttribute("width", "420"); svg.setAttribute("style", ""); svg.style.maxWidth = "100%";
    svg.setAttribute("aria-label", series.map(([name, points]) => `${name} ${word("loss")} ${points.at(-1)[1].toFixed(4)}`).join(", "));
    series.forEach(([name, points], i) => {
      const xy = points.map(([e, v]) => [40 + (last > 1 ? ((e - 1) / (last - 1)) * 350 : 175), 160 - (v / most) * 140]);
      const line = document.createElementNS(svgNS, "polyline");
      line.setAttribute("points", xy.map((p) => p.join()).join(" ")); line.setAttribute("fill", "none"); line.setAttribute("stroke", `rgb(${COLOURS[i]})`); line.setAttribute("stroke-width", "3");
      svg.append(line);
      for (const [x, y] of xy) { const dot = document.createElementNS(svgNS, "circle"); dot.setAttribute("cx", x); dot.setAttribute("cy", y); dot.setAttribute("r", 4); dot.setAttribute("fill", `rgb(${COLOURS[i]})`); svg.append(dot); }
      const text = document.createElementNS(svgNS, "text");
      text.setAttribute("x", 44 + i * 120); text.setAttribute("y", 14); text.setAttribute("fill", "currentColor"); text.setAttribute("font-size", "13"); text.textContent = `${i ? "▲" : "●"} ${name} ${points.at(-1)[1].toFixed(4)}`;
      svg.append(text);
    });
    parts.push(make("h2", word("history")), svg, make("p", model.history.map((r) => `${word("epoch")} ${r.epoch}: ${Object.entries(r.test ?? r.validation ?? r.train).filter(([n]) => n !== "images").map(([n, v]) => `${n} ${Number(v).toPrecision(4)}`).join(", ")}`).at(-1), { class: "small" }));
  } else parts.push(make("p", word("none")));
  if (model.matrix) {
    const found = make("div", word("takeCell"), { id: "found", class: "samples", role: "status" }), grid = make("table", null, { class: "plain" }, make("caption", word("matrix"), { class: "small" }));
    grid.append(make("tr", null, {}, make("td"), ...model.classes.map((name) => make("th", name, { scope: "col" }))));
    model.matrix.forEach((row, i) => grid.append(make("tr", null, {}, make("th", model.classes[i], { scope: "row" }), ...row.map((count, j) => {
      const button = make("button", count || "·", { "aria-label": `${model.classes[i]} → ${model.classes[j]}: ${count}` });
      if (count && i !== j) { button.style.background = "var(--fill)"; button.style.fontWeight = "700"; }
      button.onclick = () => {
        const some = model.images.filter((sample) => sample.truth === i && sample.guess === j);
        found.replaceChildren(...(some.length ? some.map((sample) => make("button", null, { "aria-label": `${model.classes[i]} → ${model.classes[j]}`, onclick: () => { takeSample(sample); open("network"); } }, make("img", null, { src: sample.src, alt: "" }))) : [make("span", word("noneHere"))]));
      };
      return make("td", null, {}, button);
    }))));
    parts.push(make("div", null, { class: "scrolls", tabindex: "0", role: "region", "aria-label": word("matrix") }, grid), found);
  }
  box.replaceChildren(make("section", null, { class: "card" }, ...parts));
}

function drawTrain() {
  const box = element("panel-train"), last = lastLayer();
  if (last.op !== "linear" || model.task !== "classify") { box.replaceChildren(make("section", word("cant"), { class: "card" })); return; }
  const label = make("select", null, { id: "own-label" }, ...model.classes.map((name, k) => make("option", name, { value: k }))), told = make("p", `${state.examples.length} ${word("examples")}`, { role: "status", id: "trained" });
  const curve = make("canvas", null, { width: 300, height: 100, role: "img", "aria-label": word("loss") });
  const add = make("button", word("add"), { onclick: () => { if (state.pixels) state.examples.push({ pixels: state.pixels.slice(), truth: Number(label.value) }); told.textContent = `${state.examples.length} ${word("examples")}`; } });
  const start = make("button", word("start"), { id: "start-training", onclick: () => trainLast(last, told, curve) });
  const undo = make("button", word("back"), { onclick: () => { setBits(16); run(); told.textContent = ""; } });
  box.replaceChildren(make("section", null, { class: "card" }, make("h2", word("train")), make("p", word("trainHelp")), make("p", null, { class: "row" }, make("label", null, {}, make("span", `${word("isA")} `), label), add, start, undo), told, curve));
}

/** The layer that gives the logits; what does nothing at work may stand behind it. */
function lastLayer() {
  let node = network.byName[output];
  while (node.op === "same" && network.byName[node.inputs[0]]) node = network.byName[node.inputs[0]];
  return node;
}

/** Gradient descent on cross-entropy for the last layer's weights; what it sees of each image is worked out once. */
async function trainLast(last, told, curve) {
  for (const sample of model.images) sample.pixels ??= await pixelsOf(sample.src);
  const all = [...state.examples, ...model.images.filter(({ truth }) => truth !== null)];
  if (!all.length) return;
  const seen = all.map(({ pixels }) => network.forward(normalized(pixels, model))[last.inputs[0]]), w = network.arrays[last.weight].data, b = biasOf(last, network.arrays), n = seen[0].length, K = last.shape[0], losses = [];
  const power = seen.reduce((sum, x) => sum + x.reduce((s, v) => s + v * v, 1), 0) / seen.length, rate = 1 / power;
  for (let step = 0; step < 60; step++) {
    const dw = new Float64Array(w.length), db = new Float64Array(K);
    let loss = 0;
    seen.forEach((x, i) => {
      const shares = softmax(LAYERS.linear.forward([x], last, null, network.arrays));
      loss -= Math.log(Math.max(1e-12, shares[all[i].truth])) / seen.length;
      for (let k = 0; k < K; k++) { const d = (shares[k] - (k === all[i].truth)) / seen.length; db[k] += d; for (let j = 0; j < n; j++) dw[k * n + j] += d * x[j]; }
    });
    for (let i = 0; i < w.length; i++) w[i] -= rate * dw[i];
    if (b) for (let k = 0; k < K; k++) b[k] -= rate * db[k];
    losses.push(loss);
    const context = curve.getContext("2d");
    context.clearRect(0, 0, 300, 100); context.strokeStyle = "#d55e00"; context.lineWidth = 2; context.beginPath();
    losses.forEach((v, i) => context.lineTo(i * 5, 98 - (v / losses[0]) * 94)); context.stroke();
    told.textContent = `${word("loss")} ${losses[0].toFixed(4)} → ${loss.toFixed(4)}`;
    told.dataset.losses = `${losses[0]} ${loss}`;
    if (step % 5 === 0) await new Promise((done) => setTimeout(done));
  }
  run();
}

function drawLessons() {
  const box = element("panel-lessons"), [title, text, op, which] = LESSONS[state.lesson], go = (i) => { state.lesson = (i + LESSONS.length) % LESSONS.length; drawLessons(); };
  const nodes = model.nodes.filter((node) => node.op === op), node = nodes.at(which);
  const buttons = [make("button", "←", { "aria-label": "previous", onclick: () => go(state.lesson - 1) }), make("button", "→", { "aria-label": "next", onclick: () => go(state.lesson + 1) }),
    make("button", word("show"), { onclick: () => { open("network"); if (node) { pick(node.name, 0); element("unit").scrollIntoView({ block: "nearest" }); } } })];
  box.replaceChildren(make("section", null, { class: "card lesson" }, make("h2", `${state.lesson + 1} / ${LESSONS.length}: ${title[state.language]}`), make("p", text[state.language]), make("p", null, { class: "row" }, ...buttons)));
}

const TABS = { network: () => {}, history: drawHistory, train: drawTrain, lessons: drawLessons };
function open(tab) {
  state.tab = tab;
  for (const name of Object.keys(TABS)) {
    element(`panel-${name}`).hidden = name !== tab;
    element(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    element(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
  }
  TABS[tab]();
}
function buildTabs() {
  const names = Object.keys(TABS);
  element("tabs").replaceChildren(...names.map((name, i) => make("button", null, {
    role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, "data-word": name, onclick: () => open(name),
    onkeydown: (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: names.length - 1 }[event.key];
      if (to === undefined) return;
      const next = names[(to + names.length) % names.length];
      open(next); element(`tab-${next}`).focus();
    },
  })));
}

function speak(language) {
  state.language = language;
  document.documentElement.lang = ["en", "ja"][language];
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = word(one.dataset.word);
  draw.setAttribute("aria-label", word("drawHere"));
  element("picture").replaceChildren();
  element("bits-shown").textContent = element("bits").value;
  drawSamples(); open(state.tab);
  if (state.values) { drawAnswer(); drawUnit(); }
}
element("language").onchange = (event) => speak(event.target.selectedIndex);
element("colours").onchange = (event) => { document.documentElement.dataset.colours = event.target.value; };

element("title").textContent = model.title;
if (model.task !== "classify") for (const id of ["cam", "occlude", "plain"]) element(id).hidden = true;
blankCanvas(); buildTabs(); buildMap(); speak((navigator.language || "").startsWith("ja") ? 1 : 0);
(async () => {
  if (model.images.length) await takeSample(model.images[0]);
  else take(new Uint8Array(C * H * W), null);
  await guessAll();
  document.documentElement.dataset.ready = "yes";
})();
