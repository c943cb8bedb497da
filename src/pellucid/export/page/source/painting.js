// The one state of the interface, and numbers as pictures.

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
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
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

/** Pixels (C, H, W) of the input's sides as they look. */
function paintPixels(canvas, pixels) {
  const picture = new ImageData(W, H);
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = pixels[(C === 1 ? 0 : c) * H * W + i];
    picture.data[4 * i + 3] = 255;
  }
  canvas.width = W; canvas.height = H;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** All filters of a convolution side by side: of three input channels in colour around grey, else their sum. */
function paintFilters(canvas, node, weights) {
  const [R, S] = node.kernel, K = node.shape[0], per = weights.length / (K * R * S), across = Math.min(K, 8), wide = across * (S + 1) - 1, high = Math.ceil(K / across) * (R + 1) - 1, planes = Array.from({ length: per }, () => new Float32Array(high * wide));
  for (let k = 0; k < K; k++) for (let c = 0; c < per; c++) for (let i = 0; i < R * S; i++)
    planes[c][(Math.floor(k / across) * (R + 1) + Math.floor(i / S)) * wide + (k % across) * (S + 1) + (i % S)] = weights[(k * per + c) * R * S + i];
  if (per !== 3) { paint(canvas, planes[0].map((_, i) => planes.reduce((sum, plane) => sum + plane[i], 0)), [high, wide], null, true); return; }
  const most = weights.reduce((top, v) => Math.max(top, Math.abs(v)), 0) || 1, picture = new ImageData(wide, high);
  for (let i = 0; i < high * wide; i++) picture.data.set([...planes.map((plane) => 128 + (127 * plane[i]) / most), 255], 4 * i);
  canvas.width = wide; canvas.height = high;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

const planes = (name) => { const s = network.shapes[name]; return s.length === 3 ? s : [1, ...vectorGrid(s[0])]; };
function vectorGrid(n) { const w = Math.min(n, Math.max(10, Math.ceil(Math.sqrt(n)))); return [Math.ceil(n / w), w]; }
/** A map's numbers; of whole numbers what they lie above or below that which stands for 0. */
function planeOf(name, channel) {
  const [, h, w] = planes(name), part = new Float32Array(h * w), zero = network.zero(name);
  state.values[name].subarray(channel * h * w, (channel + 1) * h * w).forEach((v, i) => { part[i] = v - zero; });
  return part;
}

/** The first feature maps of a layer side by side, on one scale. */
function mosaic(canvas, name) {
  const [K, h, w] = planes(name), many = Math.min(K, 16), across = Math.ceil(Math.sqrt(many)), gap = many > 1 ? 1 : 0;
  const width = across * (w + gap), height = Math.ceil(many / across) * (h + gap), all = new Float32Array(width * height);
  const values = state.values[name], zero = network.zero(name);
  for (let k = 0; k < many; k++) {
    const top = Math.floor(k / across) * (h + gap), left = (k % across) * (w + gap);
    for (let r = 0; r < h; r++) for (let c = 0, from = (k * h + r) * w, to = (top + r) * width + left; c < w && from + c < values.length; c++) all[to + c] = values[from + c] - zero;
  }
  paint(canvas, all, [height, width]);
}
