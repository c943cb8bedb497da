// Grad-CAM, covered parts, and weights of fewer bits.

function labelNow() { return state.label ?? topOf(state.values[output]); }
function drawCam() {
  if (!state.values || model.task !== "classify") return;
  const node = camLayer(model), k = labelNow(), seed = new Float32Array(outputShape[0]);
  if (!node) return;
  seed[k] = 1;
  const zero = network.zero(node.name), cam = gradCam(Float32Array.from(state.values[node.name], (v) => v - zero), network.backward(state.values, output, seed)[node.name], node.shape);
  clearOver(); overlay(cam, node.shape.slice(1), false);
  element("explained").textContent = `${word("looked")} ${model.classes[k]} (${node.name} ${node.kind})${model.entry ? `. ${word("asIf")}` : ""}`;
}
element("cam").onclick = drawCam;
element("plain").onclick = () => { clearOver(); element("explained").textContent = ""; };
element("occlude").onclick = async () => {
  if (!state.values || model.task !== "classify") return;
  const k = labelNow(), side = Math.max(2, Math.round(Math.min(H, W) / 5)), steps = 12, heat = new Float32Array(steps * steps), whole = softmax(network.logits(state.values))[k], pixels = state.pixels;
  for (let i = 0; i < steps * steps; i++) {
    const top = Math.round((Math.floor(i / steps) / (steps - 1)) * (H - side)), left = Math.round(((i % steps) / (steps - 1)) * (W - side)), covered = pixels.slice();
    for (let c = 0; c < C; c++) for (let r = 0; r < side; r++) covered.fill(C === 1 ? 0 : 128, (c * H + top + r) * W + left, (c * H + top + r) * W + left + side);
    heat[i] = Math.max(0, whole - softmax(network.logits(network.forward(network.enter(covered))))[k]);
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
element("bits-row").hidden = Boolean(model.entry);
element("bits").max = Math.min(16, model.bits); element("bits").value = element("bits").max;
element("bits").oninput = async () => {
  const bits = Number(element("bits").value);
  element("bits-shown").textContent = bits;
  setBits(bits); run();
  if (model.task !== "classify" || !model.images.length) return;
  await guessAll();
  const right = model.images.filter(({ guess, truth }) => guess === truth).length;
  element("bits-said").textContent = `${right} ${word("of")} ${model.images.length} ${word("rightHere")}`;
};
