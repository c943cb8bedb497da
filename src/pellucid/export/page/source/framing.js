// From pixels of any size to the network's input, by the model's own framing.

/** Weights by which old pixels make a new one: a triangle that widens as it shrinks, or a box. */
function kernelOf(from, to, box) {
  const scale = from / to, wide = Math.max(scale, 1), support = wide * (box ? 0.5 : 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale, first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(from, Math.floor(centre + support + 0.5)), weights = [];
    for (let k = first; k < last; k++) {
      const off = (k + 0.5 - centre) / wide;
      weights.push(box ? (off > -0.5 && off <= 0.5 ? 1 : 0) : Math.max(0, 1 - Math.abs(off)));
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, weights.map((v) => v / sum)];
  });
}

/** A plane (H, W) at another size; bytes: rounded to whole numbers after each direction, as pictures are. */
function resizePlane(x, [H, W], [h, w], { box = false, bytes = false } = {}) {
  const settle = bytes ? (v) => Math.min(255, Math.max(0, Math.round(v))) : (v) => v;
  const across = kernelOf(W, w, box), down = kernelOf(H, h, box), rows = new Float32Array(H * w), y = new Float32Array(h * w);
  for (let r = 0; r < H; r++) across.forEach(([first, weights], q) => {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * x[r * W + first + k];
    rows[r * w + q] = W === w ? x[r * W + q] : settle(sum);
  });
  for (let q = 0; q < w; q++) down.forEach(([first, weights], p) => {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * rows[(first + k) * w + q];
    y[p * w + q] = H === h ? rows[p * w + q] : settle(sum);
  });
  return y;
}

/** A character's ink (H, W), 0 to 1, as MNIST has it: longer side 20 of 28, centre of mass in the middle; null for none.
    placed: is told where on the ink the result's first row and column lie, and how far apart the next ones are. */
function centreInk(ink, [H, W], side, placed) {
  const peak = ink.reduce((a, b) => Math.max(a, b), 0);
  if (peak < 0.04) return null;
  let top = H, bottom = -1, left = W, right = -1;
  for (let r = 0; r < H; r++) for (let c = 0; c < W; c++) if (ink[r * W + c] > 0.25 * peak) {
    top = Math.min(top, r); bottom = Math.max(bottom, r); left = Math.min(left, c); right = Math.max(right, c);
  }
  const cut = [bottom - top + 1, right - left + 1], box = Math.round((20 * side) / 28), longer = Math.max(...cut);
  const part = new Float32Array(cut[0] * cut[1]).map((_, i) => Math.min(1, ink[(top + Math.floor(i / cut[1])) * W + left + (i % cut[1])] / peak));
  const small = cut.map((n) => Math.max(1, Math.round((n * box) / longer)));
  let shrunk = resizePlane(part, cut, small, { box: true });
  const full = shrunk.reduce((a, b) => Math.max(a, b), 0);
  shrunk = shrunk.map((v) => v / full);
  const start = [0, 1].map((axis) => {
    let mass = 0, moment = 0;
    shrunk.forEach((v, i) => { mass += v; moment += v * (axis ? i % small[1] : Math.floor(i / small[1])); });
    return Math.min(Math.max(Math.floor(side / 2 - moment / mass + 0.5), 0), side - small[axis]);
  });
  const apart = [0, 1].map((axis) => cut[axis] / small[axis]);
  Object.assign(placed, { top: top - start[0] * apart[0], left: left - start[1] * apart[1], down: apart[0], across: apart[1] });
  const pixels = new Uint8Array(side * side);
  shrunk.forEach((v, i) => { pixels[(start[0] + Math.floor(i / small[1])) * side + start[1] + (i % small[1])] = Math.round(v * 255); });
  return pixels;
}

/** How dark or light each pixel is against the picture's border, 0 to 1: ink on an even ground. */
function inkOf(grey, H, W) {
  const border = [];
  for (let c = 0; c < W; c++) border.push(grey[c], grey[(H - 1) * W + c]);
  for (let r = 0; r < H; r++) border.push(grey[r * W], grey[r * W + W - 1]);
  border.sort((a, b) => a - b);
  const ground = border[border.length >> 1];
  let up = 0, down = 0;
  for (const v of grey) { const d = (v - ground) / 255; if (d > 0) up += d * d * d; else down -= d * d * d; }
  const sign = up >= down ? 1 : -1;
  return grey.map((v) => { const d = (sign * (v - ground)) / 255; return d > 0.08 ? d : 0; });
}

/** The nearest whole number, of two the even one. */
function evenRound(x) {
  const low = Math.floor(x);
  return x - low === 0.5 ? low + (low % 2) : Math.round(x);
}

/** Colours (H, W, 4) bytes to the network's pixels (C, h, w) bytes; null where no character is on the picture.
    placed: of a character, as `centreInk`. */
function framed(rgba, [H, W], model, placed = {}) {
  const [C, h, w] = model.input, luma = (i) => Math.floor((rgba[4 * i] * 19595 + rgba[4 * i + 1] * 38470 + rgba[4 * i + 2] * 7471 + 0x8000) / 65536);
  const plane = (c) => new Float32Array(H * W).map((_, i) => (C === 1 ? luma(i) : rgba[4 * i + c]));
  if (model.framing === "character" && (H !== h || W !== w)) return centreInk(inkOf(plane(0), H, W), [H, W], h, placed);
  if (model.framing === "crop") {
    const wider = W * h > H * w;
    const high = wider ? H : Math.min(H, Math.max(1, evenRound(W * h / w))), wide = wider ? Math.min(W, Math.max(1, evenRound(H * w / h))) : W;
    const top = (H - high) >> 1, left = (W - wide) >> 1, cut = new Uint8ClampedArray(4 * high * wide);
    for (let r = 0; r < high; r++) cut.set(rgba.slice(4 * ((top + r) * W + left), 4 * ((top + r) * W + left + wide)), 4 * r * wide);
    return framed(cut, [high, wide], { ...model, framing: "stretch" });
  }
  const keeps = model.framing === "canvas" || model.framing === "own", shrink = keeps ? Math.min(1, h / H, w / W) : 0;
  const part = keeps ? [Math.max(1, Math.round(H * shrink)), Math.max(1, Math.round(W * shrink))] : [h, w];
  const pixels = new Uint8Array(C * h * w);
  for (let c = 0; c < C; c++) resizePlane(plane(c), [H, W], part, { bytes: true }).forEach((v, i) => {
    pixels[(c * h + Math.floor(i / part[1])) * w + (i % part[1])] = v;
  });
  return pixels;
}

/** What the network sees of pixels (C, h, w): (pixel / 255 - mean) / std. */
function normalized(pixels, model) {
  const n = model.input[1] * model.input[2];
  return new Float32Array(pixels.length).map((_, i) => {
    const c = Math.floor(i / n);
    return (pixels[i] / 255 - (model.mean[c] || 0)) / (model.std[c] || 1);
  });
}
