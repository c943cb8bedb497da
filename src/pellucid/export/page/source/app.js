// Lessons, tabs, languages, and how it starts.

/** Layers that a lesson is about. */
const shownBy = ([, , kind]) => model.nodes.filter((node) => node.op === kind || node.kind === kind);

/** Those lessons that this network has something to show for. */
const lessons = LESSONS.map((lesson) => (model.entry && lesson.whole) || lesson).filter((lesson) =>
  (lesson[2] === null ? model.task === "classify" : shownBy(lesson).length > 0));

/** What a lesson's button shows: its layer's unit, or what there is to do beside the answer. */
function showLesson(node, opens) {
  open("network");
  if (node) { pick(node.name, 0); element("unit").scrollIntoView({ block: "nearest" }); return; }
  if (opens === "cam" || opens === "occlude") element(opens).click();
  (opens === "samples" ? element("samples").firstChild : element(opens))?.focus();
}

/** What the layer of a lesson makes of the input, now. */
function lessonPictures(node) {
  const pictures = [[node.inputs[0], "comesIn"], [node.name, "goesOut"]].map(([name, key]) => {
    const canvas = make("canvas", null, { role: "img", "aria-label": word(key) });
    mosaic(canvas, name);
    return make("figure", null, {}, canvas, make("figcaption", `${word(key)} (${name === "input" ? name : `${name} ${network.byName[name].kind}`})`));
  });
  return make("div", null, { class: "numbers" }, ...pictures);
}

function drawLessons() {
  const box = element("panel-lessons"), [title, text, , which, opens] = lessons[state.lesson], go = (i) => { state.lesson = (i + lessons.length) % lessons.length; drawLessons(); };
  const node = shownBy(lessons[state.lesson]).at(which);
  const turn = (key, sign, by) => make("button", sign, { id: key, "aria-label": word(key), onclick: () => { go(state.lesson + by); element(key).focus(); } });
  const buttons = [turn("previous", "←", -1), turn("next", "→", 1), make("button", word("show"), { id: "show-lesson", onclick: () => showLesson(node, opens) })];
  box.replaceChildren(make("section", null, { class: "card lesson" }, make("h2", `${state.lesson + 1} / ${lessons.length}: ${title[state.language]}`), make("p", text[state.language]), ...(node && state.values ? [lessonPictures(node)] : []), make("p", null, { class: "row" }, ...buttons)));
}

const TABS = { network: () => {}, history: drawHistory, train: drawTrain, lessons: drawLessons };
function open(tab) {
  state.tab = tab;
  for (const name of Object.keys(TABS)) {
    element(`panel-${name}`).hidden = name !== tab;
    element(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    element(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
  }
  TABS[tab]();
}
function buildTabs() {
  const names = Object.keys(TABS);
  element("tabs").replaceChildren(...names.map((name, i) => make("button", null, {
    role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, "data-word": name, onclick: () => open(name),
    onkeydown: (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: names.length - 1 }[event.key];
      if (to === undefined) return;
      const next = names[(to + names.length) % names.length];
      open(next); element(`tab-${next}`).focus();
    },
  })));
}

function speak(language) {
  state.language = language;
  document.documentElement.lang = ["en", "ja"][language];
  element("language").selectedIndex = language;
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = word(one.dataset.word);
  draw.setAttribute("aria-label", word("drawHere"));
  element("picture").replaceChildren();
  element("bits-shown").textContent = element("bits").value;
  if (model.entry) element("bits-said").textContent = word("wholeNumbers").replace("8", model.bits);
  drawSamples(); open(state.tab);
  if (state.values) { drawAnswer(); drawUnit(); }
}
element("language").onchange = (event) => speak(event.target.selectedIndex);
element("colours").onchange = (event) => { document.documentElement.dataset.colours = event.target.value; };

element("title").textContent = model.title;
if (model.task !== "classify") for (const id of ["cam", "occlude", "plain"]) element(id).hidden = true;
blankCanvas(); buildTabs(); buildMap(); speak((navigator.language || "").startsWith("ja") ? 1 : 0);
(async () => {
  if (model.images.length) await takeSample(model.images[0]);
  else take(new Uint8Array(C * H * W), null);
  await guessAll();
  document.documentElement.dataset.ready = "yes";
})();
