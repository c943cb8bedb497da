// Lessons, tabs, languages, and how it starts.

function drawLessons() {
  const box = element("panel-lessons"), [title, text, op, which] = LESSONS[state.lesson].whole && model.entry ? LESSONS[state.lesson].whole : LESSONS[state.lesson], go = (i) => { state.lesson = (i + LESSONS.length) % LESSONS.length; drawLessons(); };
  const nodes = model.nodes.filter((node) => node.op === op), node = nodes.at(which);
  const buttons = [make("button", "←", { "aria-label": "previous", onclick: () => go(state.lesson - 1) }), make("button", "→", { "aria-label": "next", onclick: () => go(state.lesson + 1) }),
    make("button", word("show"), { onclick: () => { open("network"); if (node) { pick(node.name, 0); element("unit").scrollIntoView({ block: "nearest" }); } } })];
  box.replaceChildren(make("section", null, { class: "card lesson" }, make("h2", `${state.lesson + 1} / ${LESSONS.length}: ${title[state.language]}`), make("p", text[state.language]), make("p", null, { class: "row" }, ...buttons)));
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
