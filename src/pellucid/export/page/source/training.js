// The last layer, or all of a small network, learns in the page.

const MOST_TRAINED = 400_000; // weights that are all trained in a browser
const BATCH = 16, RATE = 0.001, STEPS = 60; // of training all

function drawTrain() {
  const box = element("panel-train"), last = lastLayer();
  if (model.entry) { box.replaceChildren(make("section", word("cantWhole"), { class: "card" })); return; }
  if (last.op !== "linear" || model.task !== "classify") { box.replaceChildren(make("section", word("cant"), { class: "card" })); return; }
  const label = make("select", null, { id: "own-label" }, ...model.classes.map((name, k) => make("option", name, { value: k }))), told = make("p", `${state.examples.length} ${word("examples")}`, { role: "status", id: "trained" });
  const curve = make("canvas", null, { width: 300, height: 100, role: "img", "aria-label": word("loss"), hidden: "" }), own = make("div", null, { class: "samples", id: "own" });
  const showOwn = () => { own.replaceChildren(...state.examples.map(ownPicture)); told.textContent = `${state.examples.length} ${word("examples")}`; };
  const add = make("button", word("add"), { id: "add-example", onclick: () => { if (state.pixels) state.examples.push({ pixels: state.pixels.slice(), truth: Number(label.value) }); showOwn(); } });
  const start = make("button", word("start"), { id: "start-training", onclick: () => trainLast(last, told, curve) });
  const whole = make("button", word("startAll"), { id: "train-all", onclick: () => trainAll(told, curve) });
  whole.hidden = original.reduce((sum, { length }) => sum + length, 0) > MOST_TRAINED;
  const undo = make("button", word("back"), { onclick: () => { setBits(16); run(); showLearnt(); told.textContent = ""; } });
  box.replaceChildren(make("section", null, { class: "card" }, make("h2", word("train")), make("p", word("trainHelp")), make("p", null, { class: "row" }, make("label", null, {}, make("span", `${word("isA")} `), label), add, start, whole, undo), own, told, curve, make("div", null, { class: "numbers", id: "learnt" }, ...learntPictures())));
  showOwn(); showLearnt();
}

/** One of one's own examples, small, with what it is said to be. */
function ownPicture({ pixels, truth }) {
  const canvas = make("canvas", null, { role: "img", "aria-label": model.classes[truth] });
  paintPixels(canvas, pixels);
  return make("figure", null, {}, canvas, make("figcaption", model.classes[truth]));
}

/** Weights that can be watched while they are learnt: filters of the first layer, a row a class of the last. */
const learnt = () => [[model.nodes.find(({ op, weight }) => op === "conv" && weight !== undefined), "firstFilters"], [lastLayer(), "lastWeights"]].filter(([node]) => node);
const learntPictures = () => learnt().map(([node, key]) => make("figure", null, { "data-node": node.name, class: "filters" }, make("canvas", null, { role: "img", "aria-label": word(key) }), make("figcaption", word(key))));
function showLearnt() {
  for (const figure of element("learnt").children) {
    const node = network.byName[figure.dataset.node], canvas = figure.firstChild, { data } = network.arrays[node.weight];
    if (node.op === "conv") paintFilters(canvas, node, data);
    else paint(canvas, data, [node.shape[0], data.length / node.shape[0]], null, true);
    canvas.style.width = `${Math.min(480, canvas.width * Math.max(1, Math.floor(300 / canvas.width)))}px`;
    if (node.op === "linear") canvas.style.height = `${12 * node.shape[0]}px`;
  }
}

/** The layer that gives the logits; what does nothing at work may stand behind it. */
function lastLayer() {
  let node = network.byName[output];
  while (node.op === "same" && network.byName[node.inputs[0]]) node = network.byName[node.inputs[0]];
  return node;
}

/** What there is to learn from: one's own examples, and images that came along. */
async function examplesOf() {
  for (const sample of model.images) sample.pixels ??= await pixelsOf(sample.src);
  return [...state.examples, ...model.images.filter(({ truth }) => truth !== null)];
}

/** Loss by step: as a line, and in words. */
function showLosses(losses, told, curve) {
  curve.hidden = false;
  const context = curve.getContext("2d"), most = Math.max(...losses);
  context.clearRect(0, 0, 300, 100); context.strokeStyle = "#d55e00"; context.lineWidth = 2; context.beginPath();
  losses.forEach((v, i) => context.lineTo(i * 5, 98 - (v / most) * 94)); context.stroke();
  told.textContent = `${word("loss")} ${losses[0].toFixed(4)} → ${losses.at(-1).toFixed(4)}`;
  told.dataset.losses = `${losses[0]} ${losses.at(-1)}`;
  showLearnt();
}

/** Gradient descent on cross-entropy for the last layer's weights; what it sees of each image is worked out once. */
async function trainLast(last, told, curve) {
  const all = await examplesOf();
  if (!all.length) return;
  const seen = all.map(({ pixels }) => network.forward(network.enter(pixels))[last.inputs[0]]), w = network.arrays[last.weight].data, b = biasOf(last, network.arrays), n = seen[0].length, K = last.shape[0], losses = [];
  const power = seen.reduce((sum, x) => sum + x.reduce((s, v) => s + v * v, 1), 0) / seen.length, rate = 1 / power;
  for (let step = 0; step < STEPS; step++) {
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
    showLosses(losses, told, curve);
    if (step % 5 === 0) await new Promise((done) => setTimeout(done));
  }
  run();
}

/** Adam (Kingma and Ba 2015) on cross-entropy for all weights, on some examples a step, drawn in turn: one's own first. */
async function trainAll(told, curve) {
  const all = await examplesOf(), losses = [], zeros = () => original.map(({ length }) => new Float64Array(length)), first = zeros(), second = zeros();
  if (!all.length) return;
  for (let step = 1; step <= STEPS; step++) {
    const sums = zeros(), some = Array.from({ length: Math.min(BATCH, all.length) }, (_, i) => all[((step - 1) * BATCH + i) % all.length]);
    let loss = 0;
    for (const { pixels, truth } of some) {
      const values = network.forward(network.enter(pixels)), shares = softmax(values[output]);
      loss -= Math.log(Math.max(1e-12, shares[truth])) / some.length;
      network.learn(values, network.backward(values, output, Float32Array.from(shares, (v, k) => (v - (k === truth)) / some.length)), sums);
    }
    network.arrays.forEach(({ data }, a) => {
      for (let i = 0; i < data.length; i++) {
        first[a][i] += 0.1 * (sums[a][i] - first[a][i]);
        second[a][i] += 0.001 * (sums[a][i] ** 2 - second[a][i]);
        data[i] -= (RATE * first[a][i]) / (1 - 0.9 ** step) / (Math.sqrt(second[a][i] / (1 - 0.999 ** step)) + 1e-8);
      }
    });
    network.forget();
    losses.push(loss);
    showLosses(losses, told, curve);
    await new Promise((done) => setTimeout(done));
  }
  run();
  await guessAll();
}
