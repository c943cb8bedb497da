// What each kind of layer does to one image: forward, and back to the gradients of its inputs.
// forward(xs, node, shapes, arrays) gives the output; back(dy, xs, y, node, shapes, arrays) a gradient for each input;
// learn(dy, xs, node, shapes, sums) adds to the sums of its arrays' gradients.

const sigmoid = (v) => 1 / (1 + Math.exp(-v));

/** A function of each number, and its derivative from input and output. */
const elementwise = (f, slope) => ({
  forward: ([x], node) => { const y = new Float32Array(x.length); for (let i = 0; i < x.length; i++) y[i] = f(x[i], node); return y; },
  back: (dy, [x], y, node) => [dy.map((d, i) => d * slope(x[i], y[i], node))],
});

/** Visits each window of a pool: visit(place, indices of the pixels that it covers, what an average divides by). */
function windows([C, H, W], [, P, Q], g, visit) {
  const [R, S] = g.kernel, [top, bottom, left, right] = g.pads, covered = [];
  for (let c = 0; c < C; c++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) {
        let padded = 0;
        covered.length = 0;
        for (let r = 0; r < R; r++)
          for (let s = 0; s < S; s++) {
            const row = p * g.stride[0] + r * g.dilation[0] - top, column = q * g.stride[1] + s * g.dilation[1] - left;
            if (row < H + bottom && column < W + right) padded++;
            if (row >= 0 && row < H && column >= 0 && column < W) covered.push((c * H + row) * W + column);
          }
        visit((c * P + p) * Q + q, covered, Math.max(1, g.counted ? padded : covered.length));
      }
}

function best(x, covered) {
  let winner = covered[0];
  for (let i = 1; i < covered.length; i++) if (x[covered[i]] > x[winner]) winner = covered[i];
  return winner;
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** Index into an input that counts for every pixel, or for one. */
const spreadIndex = (i, large, small) => (large === small ? i : Math.floor(i / (large / small)));

const LAYERS = {
  conv: {
    forward: ([x], node, [shape], a) => convolve(x, shape, a[node.weight].data, biasOf(node, a), node.shape, node, node.cache),
    back: (dy, xs, y, node, [shape], a) => [convolveBack(dy, node.shape, a[node.weight].data, shape, node)],
    learn(dy, [x], node, [shape], sums) { filterGradient(x, shape, dy, node.shape, node, sums[node.weight]); addByChannel(dy, node, sums[node.bias]); },
  },
  spread: {
    forward([x], node, [shape], a) {
      const y = convolveBack(x, shape, a[node.weight].data, node.shape, node), b = biasOf(node, a);
      if (b) for (let i = 0, n = node.shape[1] * node.shape[2]; i < y.length; i++) y[i] += b[Math.floor(i / n)];
      return y;
    },
    back: (dy, xs, y, node, [shape], a) => [convolve(dy, node.shape, a[node.weight].data, null, shape, node, node.cache)],
    learn(dy, [x], node, [shape], sums) { filterGradient(dy, node.shape, x, shape, node, sums[node.weight]); addByChannel(dy, node, sums[node.bias]); },
  },
  linear: {
    forward([x], node, shapes, a) {
      const w = a[node.weight].data, b = biasOf(node, a), n = x.length, y = new Float32Array(node.shape[0]);
      for (let k = 0; k < y.length; k++) {
        let sum = b ? b[k] : 0;
        for (let i = 0, at = k * n; i < n; i++) sum += w[at + i] * x[i];
        y[k] = sum;
      }
      return y;
    },
    back(dy, [x], y, node, shapes, a) {
      const w = a[node.weight].data, n = x.length, dx = new Float64Array(n);
      for (let k = 0; k < dy.length; k++) if (dy[k]) for (let i = 0, at = k * n; i < n; i++) dx[i] += dy[k] * w[at + i];
      return [Float32Array.from(dx)];
    },
    learn(dy, [x], node, shapes, sums) {
      const dw = sums[node.weight];
      for (let k = 0; k < dy.length; k++) if (dy[k]) for (let i = 0, at = k * x.length; i < x.length; i++) dw[at + i] += dy[k] * x[i];
      addByChannel(dy, node, sums[node.bias]);
    },
  },
  norm: {
    forward([x], node, [shape], a) {
      const scale = a[node.weight].data, shift = a[node.bias].data, n = shape[1] * shape[2], y = new Float32Array(x.length);
      for (let c = 0, i = 0; c < shape[0]; c++) for (let end = i + n, m = scale[c], b = shift[c]; i < end; i++) y[i] = x[i] * m + b;
      return y;
    },
    back: (dy, xs, y, node, [shape], a) => [dy.map((d, i) => d * a[node.weight].data[Math.floor(i / (shape[1] * shape[2]))])],
    learn(dy, [x], node, shapes, sums) { addByChannel(dy.map((d, i) => d * x[i]), node, sums[node.weight]); addByChannel(dy, node, sums[node.bias]); },
  },
  max: {
    forward([x], node, [shape]) {
      const y = new Float32Array(size(node.shape));
      windows(shape, node.shape, node, (place, covered) => { y[place] = covered.length ? x[best(x, covered)] : -Infinity; });
      return y;
    },
    back(dy, [x], y, node, [shape]) {
      const dx = new Float32Array(x.length);
      windows(shape, node.shape, node, (place, covered) => { if (covered.length) dx[best(x, covered)] += dy[place]; });
      return [dx];
    },
  },
  average: {
    forward([x], node, [shape]) {
      const y = new Float32Array(size(node.shape));
      windows(shape, node.shape, node, (place, covered, count) => {
        let sum = 0;
        for (const i of covered) sum += x[i];
        y[place] = sum / count;
      });
      return y;
    },
    back(dy, [x], y, node, [shape]) {
      const dx = new Float32Array(x.length);
      windows(shape, node.shape, node, (place, covered, count) => { for (const i of covered) dx[i] += dy[place] / count; });
      return [dx];
    },
  },
  mean: {
    forward([x], node, [[C, H, W]]) {
      const y = new Float32Array(C), n = H * W;
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += x[c * n + i];
        y[c] = sum / n;
      }
      return y;
    },
    back: (dy, [x], y, node, [[, H, W]]) => [x.map((_, i) => dy[Math.floor(i / (H * W))] / (H * W))],
  },
  relu: elementwise((v) => (v > 0 ? v : 0), (x) => (x > 0 ? 1 : 0)),
  leaky: elementwise((v, node) => (v > 0 ? v : node.slope * v), (x, y, node) => (x > 0 ? 1 : node.slope)),
  clip: elementwise((v, node) => Math.min(Math.max(v, node.low), node.high), (x, y, node) => (y > node.low && y < node.high ? 1 : 0)),
  sigmoid: elementwise(sigmoid, (x, y) => y * (1 - y)),
  tanh: elementwise(Math.tanh, (x, y) => 1 - y * y),
  silu: elementwise((v) => v * sigmoid(v), (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
  same: { forward: ([x]) => x, back: (dy) => [dy] },
  add: {
    forward: (xs, node) => new Float32Array(size(node.shape)).map((_, i, y) => xs.reduce((sum, x) => sum + x[spreadIndex(i, y.length, x.length)], 0)),
    back: (dy, xs) => xs.map((x) => gathered(dy, x.length, () => 1)),
  },
  multiply: {
    forward: (xs, node) => new Float32Array(size(node.shape)).map((_, i, y) => xs.reduce((product, x) => product * x[spreadIndex(i, y.length, x.length)], 1)),
    back: (dy, xs) => xs.map((x, k) => gathered(dy, x.length, (i) =>
      xs.reduce((product, other, m) => (m === k ? product : product * other[spreadIndex(i, dy.length, other.length)]), 1))),
  },
  concat: {
    forward(xs, node) {
      const y = new Float32Array(size(node.shape));
      let at = 0;
      for (const x of xs) { y.set(x, at); at += x.length; }
      return y;
    },
    back(dy, xs) {
      let at = 0;
      return xs.map((x) => dy.slice(at, (at += x.length)));
    },
  },
  order: {
    forward: ([x], node) => x.constructor.from({ length: size(node.shape) }, (_, i) => x[orderIndex(node, i)]),
    back(dy, [x], y, node) {
      const dx = new Float32Array(x.length);
      dy.forEach((d, i) => { dx[orderIndex(node, i)] += d; });
      return [dx];
    },
  },
  edges: {
    forward([x], node, [shape]) { return Float32Array.from(edgeIndex(node, shape), (i) => x[i]); },
    back(dy, [x, image], y, node, [shape]) {
      const dx = new Float32Array(x.length);
      edgeIndex(node, shape).forEach((from, i) => { dx[from] += dy[i]; });
      return [dx, null];
    },
  },
  crop: {
    forward([x], node, [shape]) { return Float32Array.from(cropIndex(node, shape), (i) => x[i]); },
    back(dy, [x], y, node, [shape]) {
      const dx = new Float32Array(x.length);
      cropIndex(node, shape).forEach((from, i) => { dx[from] = dy[i]; });
      return [dx, null];
    },
  },
};

const biasOf = (node, arrays) => (node.bias === undefined ? null : arrays[node.bias].data);

/** Adds to each channel's number the sum of its part of dy; where there is one. */
function addByChannel(dy, node, sums) {
  for (let i = 0, n = dy.length / node.shape[0]; sums && i < dy.length; i++) sums[Math.floor(i / n)] += dy[i];
}

function gathered(dy, length, factor) {
  const dx = new Float64Array(length);
  for (let i = 0; i < dy.length; i++) dx[spreadIndex(i, dy.length, length)] += dy[i] * factor(i);
  return Float32Array.from(dx);
}

/** Which of the input's numbers number i is: of channels in another order that one's, else number i. */
function orderIndex(node, i) {
  if (!node.order) return i;
  const n = size(node.shape) / node.order.length;
  return node.order[Math.floor(i / n)] * n + (i % n);
}

/** For each number of the output, the one of the input (C, H, W) that it repeats. */
function indexed([K, P, Q], [, H, W], row, column) {
  const found = new Int32Array(K * P * Q);
  for (let k = 0, at = 0; k < K; k++) for (let p = 0; p < P; p++) for (let q = 0; q < Q; q++) found[at++] = (k * H + row(p)) * W + column(q);
  return found;
}

const within = (i, n) => Math.min(Math.max(i, 0), n - 1);
const edgeIndex = (node, shape) => indexed(node.shape, shape, (p) => within(p - node.before[0], shape[1]), (q) => within(q - node.before[1], shape[2]));
const cropIndex = (node, shape) => indexed(node.shape, shape, (p) => p, (q) => q);
