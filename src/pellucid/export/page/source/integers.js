// What each step of an integer network does to one image, number for number as Python does it.
// Bytes are Uint8Array, sums and logits Int32Array. A byte q stands for step * (q - zero).
// The way back takes the network as if nothing were rounded: a byte's change by how much the other's changes.

const POWERS = Array.from({ length: 64 }, () => 1);
for (let i = 1; i < 64; i++) POWERS[i] = 2 * POWERS[i - 1];

/** round(total * multiplier / 2^shift), halves upwards, exactly: 62 bits of product in numbers that hold 53.
    total has 32 bits, multiplier 31. Below a shift of 17 the product is short, or so large that any bound clips it. */
function rescaled(total, multiplier, shift) {
  if (shift < 17) return Math.floor((total * multiplier + POWERS[shift - 1]) / POWERS[shift]);
  const low = Math.floor((total * (multiplier & 65535)) / 65536); // what lies below never reaches the whole numbers
  return Math.floor((total * (multiplier >> 16) + low + POWERS[shift - 17]) / POWERS[shift - 16]);
}

const bounded = (v, low, high) => (v < low ? low : v > high ? high : v);
const asImages = (shape) => (shape.length === 3 ? shape : [shape[0], 1, 1]);

/** Shape of a layer's sums, before a pool that is part of it. */
function sumsShape(node, [, H, W]) {
  const K = node.shape[0];
  if (node.grown) return [K, ...node.grown];
  const places = (n, axis) => Math.floor((n + node.pads[2 * axis] + node.pads[2 * axis + 1] - node.dilation[axis] * (node.kernel[axis] - 1) - 1) / node.stride[axis]) + 1;
  return [K, places(H, 0), places(W, 1)];
}

/** The sums themselves: Int32Array. */
function sumsOf(x, node, shape, arrays) {
  const input = asImages(shape), output = sumsShape(node, input), w = arrays[node.weight].data, b = arrays[node.bias].data;
  if (node.op !== "spread") return convolve(x, input, w, b, output, node, node.cache, Int32Array);
  const y = convolveBack(Float64Array.from(x, (v) => v - node.from), input, w, output, node, Int32Array), n = output[1] * output[2];
  for (let i = 0; i < y.length; i++) y[i] += b[Math.floor(i / n)];
  return y;
}

/** Of each square of `side` x `side` sums the index of the largest. */
function largestOf(sums, [K, P, Q], side) {
  const p = Math.floor(P / side), q = Math.floor(Q / side), found = new Int32Array(K * p * q);
  for (let k = 0, to = 0; k < K; k++) for (let r = 0; r < p; r++) for (let c = 0; c < q; c++, to++) {
    let top = (k * P + r * side) * Q + c * side;
    for (let i = 0; i < side; i++) for (let j = 0, at = (k * P + r * side + i) * Q + c * side; j < side; j++, at++) if (sums[at] > sums[top]) top = at;
    found[to] = top;
  }
  return found;
}

/** What comes of a sum of filter k. */
function settle(node, arrays, k, sum) {
  const scaled = rescaled(sum, arrays[node.multiplier].data[k], arrays[node.shift].data[k]);
  return node.wide ? scaled : bounded(scaled + node.zero, node.low, node.high);
}

const factorOf = (node, arrays, k) => arrays[node.multiplier].data[k] / POWERS[arrays[node.shift].data[k]];
const passes = (node, v) => node.wide || (v > node.low && v < node.high);

const AFFINE = {
  forward([x], node, [shape], arrays) {
    const output = sumsShape(node, asImages(shape)), sums = sumsOf(x, node, shape, arrays);
    const chosen = node.pool > 1 ? largestOf(sums, output, node.pool).map((i) => sums[i]) : sums;
    const y = new (node.wide ? Int32Array : Uint8Array)(chosen.length), n = y.length / output[0];
    for (let i = 0; i < y.length; i++) y[i] = settle(node, arrays, Math.floor(i / n), chosen[i]);
    return y;
  },
  back(dy, [x], y, node, [shape], arrays) {
    const input = asImages(shape), output = sumsShape(node, input), w = arrays[node.weight].data, n = y.length / output[0];
    let d = Float32Array.from(dy, (v, i) => (passes(node, y[i]) ? v * factorOf(node, arrays, Math.floor(i / n)) : 0));
    if (node.pool > 1) {
      const whole = new Float32Array(output[0] * output[1] * output[2]);
      largestOf(sumsOf(x, node, shape, arrays), output, node.pool).forEach((at, i) => { whole[at] = d[i]; });
      d = whole;
    }
    if (node.op === "spread") return [convolve(d, output, w, null, input, { ...node, from: 0 }, {})];
    return [convolveBack(d, output, w, input, node)];
  },
};

/** By how much a table's result changes with its byte. */
const tableSlope = (table, first, q) => (table[first + Math.min(255, q + 1)] - table[first + Math.max(0, q - 1)]) / (q === 0 || q === 255 ? 1 : 2);

/** Numbers picked out of a window, as bytes. */
const pooled = (of) => ({
  forward([x], node, [shape]) {
    const y = new Uint8Array(size(node.shape));
    windows(asImages(shape), asImages(node.shape), node, (place, covered, count) => { y[place] = of(x, covered, count); });
    return y;
  },
});

const INTEGERS = {
  conv: AFFINE,
  linear: AFFINE,
  spread: AFFINE,
  max: {
    ...pooled((x, covered) => (covered.length ? x[best(x, covered)] : 0)),
    back: (dy, [x], y, node, [shape]) => LAYERS.max.back(dy, [x], y, { ...node, shape: asImages(node.shape) }, [asImages(shape)]),
  },
  average: {
    ...pooled((x, covered, count) => Math.floor((2 * covered.reduce((sum, i) => sum + x[i], 0) + count) / (2 * count))),
    back: (dy, [x], y, node, [shape]) => LAYERS.average.back(dy, [x], y, { ...node, shape: asImages(node.shape) }, [asImages(shape)]),
  },
  table: {
    forward: ([x], node, shapes, arrays) => x.map((q) => arrays[node.table].data[q]),
    back: (dy, [x], y, node, shapes, arrays) => [dy.map((d, i) => d * tableSlope(arrays[node.table].data, 0, x[i]))],
  },
  add: {
    forward(xs, node) {
      const y = new (node.wide ? Int32Array : Uint8Array)(size(node.shape));
      for (let i = 0; i < y.length; i++) {
        let sum = 0;
        for (let k = 0; k < xs.length; k++) sum += (xs[k][spreadIndex(i, y.length, xs[k].length)] - node.zeros[k]) * node.multipliers[k];
        y[i] = node.wide ? sum : bounded(Math.floor((sum + POWERS[node.shift - 1]) / POWERS[node.shift]) + node.zero, node.low, node.high);
      }
      return y;
    },
    back: (dy, xs, y, node) => xs.map((x, k) => gathered(dy, x.length, (i) => (passes(node, y[i]) ? node.multipliers[k] / (node.wide ? 1 : POWERS[node.shift]) : 0))),
  },
  multiply: {
    forward([x, by], node) {
      return x.map((q, i) => {
        const product = (q - node.zeros[0]) * (by[spreadIndex(i, x.length, by.length)] - node.zeros[1]);
        return bounded(rescaled(product, node.multiplier, node.shift) + node.zero, node.low, node.high);
      });
    },
    back: (dy, xs, y, node) => xs.map((x, k) => gathered(dy, x.length, (i) => {
      const other = xs[1 - k], v = other[spreadIndex(i, dy.length, other.length)] - node.zeros[1 - k];
      return passes(node, y[i]) ? (v * node.multiplier) / POWERS[node.shift] : 0;
    })),
  },
  concat: {
    forward(xs, node, shapes, arrays) {
      const y = new Uint8Array(size(node.shape)), tables = arrays[node.tables].data;
      let at = 0;
      xs.forEach((x, k) => { for (let i = 0; i < x.length; i++) y[at++] = tables[256 * k + x[i]]; });
      return y;
    },
    back(dy, xs, y, node, shapes, arrays) {
      const tables = arrays[node.tables].data;
      let at = 0;
      return xs.map((x, k) => dy.slice(at, (at += x.length)).map((d, i) => d * tableSlope(tables, 256 * k, x[i])));
    },
  },
  order: LAYERS.order,
  same: LAYERS.same,
  edges: { ...LAYERS.edges, forward: ([x], node, [shape]) => x.constructor.from(edgeIndex(node, shape), (i) => x[i]) },
  crop: { ...LAYERS.crop, forward: ([x], node, [shape]) => x.constructor.from(cropIndex(node, shape), (i) => x[i]) },
};
