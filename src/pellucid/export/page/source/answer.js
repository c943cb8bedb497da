// What goes out: bars, classes of pixels, boxes.

const COLOURS = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [120, 120, 120], [240, 228, 66]];
const colourOf = (k) => model.colours[k] ?? COLOURS[k % 8];
const view = { opacity: 0.6, threshold: model.detection ? model.detection.shown_score : 0 };

function drawAnswer() {
  const y = network.logits(state.values), truth = state.truth === null ? "" : ` (${word("truth")}: ${model.classes[state.truth]})`;
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
    bars.children[i].title = `logit ${shown(y[k])}${model.entry ? ` = ${state.values[output][k]} × ${shown(network.byName[output].step)}` : ""}`;
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
    const k = found ? found[i] : 0, part = k ? view.opacity : 0; // class 0 is the ground
    if (found) counts[k] = (counts[k] || 0) + 1;
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = pixels[(C === 1 ? 0 : c) * H * W + i] * (1 - part) + (part ? colourOf(k)[c] * part : 0);
    picture.data[4 * i + 3] = 255;
  }
  const small = make("canvas", null, { width: W, height: H });
  small.getContext("2d").putImageData(picture, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const legend = element("legend"), item = (k, text) => { const key = make("i", null, { class: "key" }); key.style.background = found && !k ? "none" : `rgb(${colourOf(k)})`; return make("span", null, {}, key, text); };
  if (found) legend.replaceChildren(...Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([k, n]) => item(Number(k), `${model.classes[k]} ${((100 * n) / (H * W)).toFixed(1)} %`)));
  else {
    const boxes = findBoxes(y, outputShape, model.detection, [H, W]), sure = boxes.filter(({ score }) => score >= view.threshold);
    const tall = Math.round((12 * canvas.width) / 280); // shown in 280 pixels
    context.lineWidth = Math.max(2, tall / 8); context.font = `${tall}px sans-serif`;
    for (const { box: [l, t, r, b], label, score, dropped } of [...sure].reverse()) {
      const text = `${model.classes[label]} ${score.toFixed(2)}`, [red, green, blue] = colourOf(label), top = Math.max(tall + 4, t * scale);
      context.setLineDash(dropped ? [3, 4] : []);
      context.strokeStyle = context.fillStyle = `rgb(${colourOf(label)})`;
      context.strokeRect(l * scale, t * scale, (r - l) * scale, (b - t) * scale);
      if (dropped) continue;
      const left = Math.max(0, Math.min(l * scale, canvas.width - context.measureText(text).width - 6));
      context.fillRect(left, top - tall - 4, context.measureText(text).width + 6, tall + 4);
      context.fillStyle = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "#fff" : "#000";
      context.fillText(text, left + 3, top - 5);
    }
    const kept = sure.filter(({ dropped }) => !dropped);
    legend.replaceChildren(...kept.map(({ label, score }) => item(label, `${model.classes[label]} ${score.toFixed(2)}`)), make("span", `${sure.length - kept.length} ${word("dropped")}`));
  }
  canvas.setAttribute("aria-label", legend.textContent);
  element("said").textContent = "";
}
