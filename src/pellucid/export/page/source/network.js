// The nodes run in order, forwards for every value, backwards for the gradient of every value: floats, or an integer
// network's steps, where `model.entry` tells which byte stands for each pixel's.

class Network {
  constructor(model, arrays) {
    this.model = model;
    this.arrays = arrays;
    this.layers = model.entry ? INTEGERS : LAYERS;
    this.shapes = { input: model.input };
    for (const node of model.nodes) {
      this.shapes[node.name] = node.shape;
      node.cache = {};
    }
    this.byName = Object.fromEntries(model.nodes.map((node) => [node.name, node]));
  }

  /** The input that pixels (C, H, W) of bytes make. */
  enter(pixels) {
    if (!this.model.entry) return normalized(pixels, this.model);
    const n = pixels.length / this.model.entry.length;
    return pixels.map((v, i) => this.model.entry[Math.floor(i / n)][v]);
  }

  /** What the network says, in floats: of whole numbers what they are worth. */
  logits(values) {
    const y = values[this.model.outputs[0]], { step } = this.byName[this.model.outputs[0]];
    return this.model.entry ? Float32Array.from(y, (v) => Math.fround(v) * Math.fround(step)) : y;
  }

  /** What stands for 0 in a value: 0, but in an integer network's bytes. */
  zero(name) { return (name === "input" ? this.model.zero : this.byName[name].zero) || 0; }

  /** All values by name, for an input (C, H, W). */
  forward(input) {
    const values = { input };
    for (const node of this.model.nodes)
      values[node.name] = this.layers[node.op].forward(
        node.inputs.map((name) => values[name]), node, node.inputs.map((name) => this.shapes[name]), this.arrays);
    return values;
  }

  /** Gradients of all values that lead to `name`, of the sum of its numbers times `seed`. */
  backward(values, name, seed) {
    const gradients = { [name]: seed };
    for (const node of [...this.model.nodes].reverse()) {
      const dy = gradients[node.name];
      if (!dy) continue;
      const shapes = node.inputs.map((input) => this.shapes[input]);
      const parts = this.layers[node.op].back(dy, node.inputs.map((input) => values[input]), values[node.name], node, shapes, this.arrays);
      node.inputs.forEach((input, i) => {
        if (parts[i]) gradients[input] = gradients[input] ? gradients[input].map((d, k) => d + parts[i][k]) : parts[i];
      });
    }
    return gradients;
  }

  /** Adds to sums, one for each array, what gradients of all values make of the weights. */
  learn(values, gradients, sums) {
    for (const node of this.model.nodes) {
      const dy = gradients[node.name], { learn } = this.layers[node.op];
      if (dy && learn) learn(dy, node.inputs.map((input) => values[input]), node, node.inputs.map((input) => this.shapes[input]), sums);
    }
  }

  /** What the filters were has changed. */
  forget() {
    for (const node of this.model.nodes) node.cache = {};
  }

  /** Rows and columns [r0, r1, c0, c1] of the input that the unit (row, column) of a node sees, padding included. */
  field(name, row, column) {
    const ranges = { [name]: [row, row, column, column] };
    for (const node of [...this.model.nodes].reverse()) {
      const range = ranges[node.name];
      if (!range) continue;
      node.inputs.forEach((input, i) => {
        if (i && (node.op === "edges" || node.op === "crop")) return;
        const part = seen(node, range, this.shapes[input]), before = ranges[input];
        ranges[input] = before ? [Math.min(before[0], part[0]), Math.max(before[1], part[1]), Math.min(before[2], part[2]), Math.max(before[3], part[3])] : part;
      });
    }
    return ranges.input;
  }
}

function seen(node, [r0, r1, c0, c1], shape) {
  if (shape.length === 1) return [0, 0, 0, 0];
  const all = [0, shape[1] - 1, 0, shape[2] - 1];
  if (node.op === "mean" || node.shape.length === 1) return all;
  if (node.op === "edges") return [r0 - node.before[0], r1 - node.before[0], c0 - node.before[1], c1 - node.before[1]];
  if (node.pool > 1) [r0, r1, c0, c1] = [r0 * node.pool, r1 * node.pool + node.pool - 1, c0 * node.pool, c1 * node.pool + node.pool - 1];
  if (!node.kernel) return shape[1] === 1 && node.shape[1] > 1 ? all : [r0, r1, c0, c1];
  const reach = [0, 1].map((i) => node.dilation[i] * (node.kernel[i] - 1)), [top, , left] = node.pads, [down, across] = node.stride;
  if (node.op === "spread")
    return [Math.ceil((r0 + top - reach[0]) / down), Math.floor((r1 + top) / down), Math.ceil((c0 + left - reach[1]) / across), Math.floor((c1 + left) / across)];
  return [r0 * down - top, r1 * down - top + reach[0], c0 * across - left, c1 * across - left + reach[1]];
}

const ACTIVATIONS = new Set(["relu", "leaky", "clip", "silu", "sigmoid", "tanh", "add"]);

/** The node whose maps Grad-CAM weighs: of the maps with the fewest places, but more than one, the last that an activation
    or an addition gives, or the last where none does. Undefined where there are no maps. */
function camLayer({ nodes, outputs }) {
  const maps = nodes.filter(({ name, shape }) => shape.length === 3 && shape[1] * shape[2] > 1 && !outputs.includes(name));
  const fewest = Math.min(...maps.map(({ shape }) => shape[1] * shape[2]));
  const coarsest = maps.filter(({ shape }) => shape[1] * shape[2] === fewest).reverse();
  return coarsest.find(({ op, active }) => active ?? ACTIVATIONS.has(op)) ?? coarsest[0];
}

/** The class activation map of Grad-CAM: (H, W) of a layer, from 0 on. gradient: of the class's logit for its maps. */
function gradCam(maps, gradient, [C, H, W]) {
  const cam = new Float32Array(H * W), n = H * W;
  for (let c = 0; c < C; c++) {
    let weight = 0;
    for (let i = 0; i < n; i++) weight += gradient[c * n + i] / n;
    for (let i = 0; i < n; i++) cam[i] += weight * maps[c * n + i];
  }
  return cam.map((v) => Math.max(0, v));
}
