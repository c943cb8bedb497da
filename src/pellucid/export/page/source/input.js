// What comes in: drawings, pictures, the camera, images that came along.

const draw = element("draw"), over = element("over"), pen = draw.getContext("2d", { willReadFrequently: true });
let drawing = false, waiting = false, stale = false;

const zoom = 280 / Math.max(H, W); // the canvas has the input's sides, enlarged
draw.width = Math.max(1, Math.round(W * zoom)); draw.height = Math.max(1, Math.round(H * zoom));
draw.parentNode.style.width = `${draw.width}px`;

const asShown = { top: 0, left: 0, down: zoom, across: zoom }; // the canvas shows the network's input itself
let placed = asShown; // where the pixels that the network sees lie on the canvas
function blankCanvas() { pen.fillStyle = "#000"; pen.fillRect(0, 0, draw.width, draw.height); clearOver(); }
function clearOver() { over.width = draw.width; over.height = draw.height; }
function message(key) { element("message").textContent = key ? word(key) : ""; }

function place(event) {
  const box = draw.getBoundingClientRect();
  return [((event.clientX - box.left) * draw.width) / box.width, ((event.clientY - box.top) * draw.height) / box.height];
}
function startStroke(x, y) {
  stopCamera();
  if (state.from !== "drawn") { blankCanvas(); state.from = "drawn"; state.truth = null; }
  clearOver(); message();
  pen.strokeStyle = "#fff"; pen.fillStyle = "#fff"; pen.lineWidth = model.framing === "character" ? 22 : Math.max(2, 2.4 * zoom); pen.lineCap = pen.lineJoin = "round";
  pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x + 0.1, y); pen.stroke();
}
draw.addEventListener("pointerdown", (event) => {
  drawing = true; draw.setPointerCapture(event.pointerId);
  startStroke(...place(event));
  soon();
});
draw.addEventListener("pointermove", (event) => {
  if (!drawing) return;
  pen.lineTo(...place(event)); pen.stroke();
  soon();
});
const tip = { x: draw.width / 2, y: draw.height / 4 }; // of the pen that arrow keys move, above the canvas with Shift
draw.addEventListener("keydown", (event) => {
  const move = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
  if (!move) return;
  event.preventDefault();
  const from = { ...tip }, far = Math.max(draw.width, draw.height) / 20;
  tip.x = Math.max(0, Math.min(draw.width, tip.x + far * move[0])); tip.y = Math.max(0, Math.min(draw.height, tip.y + far * move[1]));
  if (!event.shiftKey) { startStroke(from.x, from.y); pen.lineTo(tip.x, tip.y); pen.stroke(); soon(); }
  const context = over.getContext("2d");
  if (event.shiftKey) clearOver();
  context.strokeStyle = "#ff3b30"; context.lineWidth = 3;
  context.beginPath(); context.arc(tip.x, tip.y, 8, 0, 7); context.stroke();
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
function readDrawing() {
  const found = { ...asShown }, pixels = framed(pen.getImageData(0, 0, draw.width, draw.height).data, [draw.height, draw.width], model, found);
  if (pixels) placed = found;
  take(pixels, null);
}

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
  const small = make("canvas");
  paintPixels(small, state.pixels);
  placed = asShown;
  blankCanvas();
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, draw.width, draw.height);
}

/** A picture of any size, upright by its own note. */
async function takePicture(blob) {
  stopCamera(); message();
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
  if (pixels) { message(); showInput(); }
}
element("file").onchange = (event) => { if (event.target.files[0]) takePicture(event.target.files[0]); event.target.value = ""; };
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => { event.preventDefault(); const file = event.dataTransfer.files[0]; if (file) takePicture(file); else message("noPicture"); });
let seeing = null; // the camera's stream, while it runs
let asked = 0; // how often the camera was asked for or stopped: a permission that comes late is of no use

/** What the camera sees becomes the input, picture after picture, until another input is chosen. */
async function startCamera() {
  stopCamera(); message();
  const turn = asked;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }), video = document.createElement("video");
    if (turn !== asked) { stream.getTracks().forEach((track) => track.stop()); return; }
    seeing = stream; nameCamera();
    video.srcObject = stream; video.muted = video.playsInline = true;
    await video.play();
    const look = () => {
      if (seeing !== stream) return;
      takeBitmap(video, video.videoWidth, video.videoHeight);
      setTimeout(look, 40);
    };
    look();
  } catch { if (turn === asked) { stopCamera(); message("noCamera"); } }
}
function stopCamera() {
  asked++;
  seeing?.getTracks().forEach((track) => track.stop());
  seeing = null; nameCamera();
}
function nameCamera() {
  const key = seeing ? "cameraOff" : "camera";
  element("camera").dataset.word = key; element("camera").textContent = word(key);
}
element("camera").onclick = () => (seeing ? stopCamera() : startCamera());
element("clear").onclick = () => { stopCamera(); state.from = "drawn"; state.truth = null; placed = asShown; blankCanvas(); message(); take(new Uint8Array(C * H * W), null); };

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
  stopCamera();
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
