// What comes in: drawings, pictures, the camera, images that came along.

const draw = element("draw"), over = element("over"), pen = draw.getContext("2d", { willReadFrequently: true });
let drawing = false, waiting = false, stale = false;

const zoom = 280 / Math.max(H, W); // the canvas has the input's sides, enlarged
draw.width = Math.max(1, Math.round(W * zoom)); draw.height = Math.max(1, Math.round(H * zoom));
draw.parentNode.style.width = `${draw.width}px`;

function blankCanvas() { pen.fillStyle = "#000"; pen.fillRect(0, 0, draw.width, draw.height); clearOver(); }
function clearOver() { over.width = draw.width; over.height = draw.height; }
function message(key) { element("message").textContent = key ? word(key) : ""; }

function place(event) {
  const box = draw.getBoundingClientRect();
  return [((event.clientX - box.left) * draw.width) / box.width, ((event.clientY - box.top) * draw.height) / box.height];
}
draw.addEventListener("pointerdown", (event) => {
  if (state.from !== "drawn") { blankCanvas(); state.from = "drawn"; state.truth = null; }
  drawing = true; clearOver(); message();
  draw.setPointerCapture(event.pointerId);
  pen.strokeStyle = "#fff"; pen.fillStyle = "#fff"; pen.lineWidth = model.framing === "character" ? 22 : Math.max(2, 2.4 * zoom); pen.lineCap = pen.lineJoin = "round";
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

/** Reads the canvas at once, so that the screen's next picture has the answer; and no more than once for each picture. */
function soon() {
  stale = waiting;
  if (waiting) return;
  waiting = true;
  readDrawing();
  requestAnimationFrame(() => { waiting = false; if (stale) soon(); });
}
function readDrawing() { take(framed(pen.getImageData(0, 0, draw.width, draw.height).data, [draw.height, draw.width], model), null); }

/** Pixels (C, H, W) become the input. */
function take(pixels, truth) {
  if (!pixels) { message(state.from === "drawn" ? "blank" : "noCharacter"); return; }
  state.pixels = pixels; state.truth = truth;
  run();
}
function run() {
  if (!state.pixels) return;
  const start = performance.now();
  state.values = network.forward(network.enter(state.pixels));
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
  pen.drawImage(small, 0, 0, draw.width, draw.height);
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
    if (model.task === "classify") sample.guess = topOf(network.logits(network.forward(network.enter(sample.pixels))));
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
