// Loss by epoch, and the confusion matrix.

/** An element of a drawing. */
function shape(tag, attributes, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

/** Losses by epoch, on axes. series: [name, [epoch, loss] ...]. */
function lossCurve(series) {
  const most = Math.max(...series.flatMap(([, points]) => points.map(([, v]) => v))), last = Math.max(...model.history.map((r) => r.epoch));
  const svg = shape("svg", { viewBox: "0 0 460 200", role: "img", width: 460, class: "curve", "aria-label": series.map(([name, points]) => `${word(`${name}Set`)}: ${word("loss")} ${points.at(-1)[1].toFixed(4)}`).join(", ") });
  const at = (e, v) => [52 + (last > 1 ? ((e - 1) / (last - 1)) * 390 : 195), 172 - (v / most) * 140], told = (x, y, text, anchor) => shape("text", { x, y, "text-anchor": anchor, fill: "currentColor", "font-size": 12 }, text);
  svg.append(shape("path", { d: "M52 28V172H446", fill: "none", stroke: "currentColor" }), told(46, 36, most.toPrecision(3), "end"), told(46, 176, "0", "end"));
  svg.append(told(...at(1, 0).map((v, i) => v + 16 * i), `${word("epoch")} 1`, "middle"));
  if (last > 1) svg.append(told(442, 188, last, "end"));
  series.forEach(([name, points], i) => {
    const colour = `rgb(${COLOURS[i]})`, xy = points.map(([e, v]) => at(e, v));
    svg.append(shape("polyline", { points: xy.map((p) => p.join()).join(" "), fill: "none", stroke: colour, "stroke-width": 3, ...(i ? { "stroke-dasharray": "7 4" } : {}) }));
    if (last <= 30) svg.append(...xy.map(([cx, cy]) => shape("circle", { cx, cy, r: 4, fill: colour })));
    svg.append(shape("path", { d: `M${60 + i * 130} 10h22`, stroke: colour, "stroke-width": 3, ...(i ? { "stroke-dasharray": "7 4" } : {}) }), told(88 + i * 130, 14, `${word(`${name}Set`)} ${points.at(-1)[1].toFixed(4)}`, "start"));
  });
  return svg;
}

function drawHistory() {
  const box = element("panel-history"), parts = [];
  const series = ["train", "validation", "test"].map((name) => [name, model.history.filter((r) => r[name]).map((r) => [r.epoch, r[name].loss])]).filter(([, points]) => points.length);
  if (series.length) {
    const last = model.history.at(-1), measured = ["test", "validation", "train"].find((name) => last[name]);
    parts.push(make("h2", word("history")), lossCurve(series), make("p", `${word("epoch")} ${last.epoch}, ${word(`${measured}Set`)}: ${Object.entries(last[measured]).filter(([n]) => n !== "images").map(([n, v]) => `${WORDS[n] ? word(n) : n.replaceAll("_", " ")} ${Number(v).toPrecision(4)}`).join(", ")}`, { class: "small" }));
    if (model.entry) parts.push(make("p", word("floatHistory"), { class: "small", id: "whose" }));
  } else parts.push(make("p", word("none")));
  if (model.matrix) {
    const most = Math.max(1, ...model.matrix.flatMap((row, i) => row.filter((_, j) => i !== j)));
    const found = make("div", word("takeCell"), { id: "found", class: "samples", role: "status" }), grid = make("table", null, { class: "plain" }, make("caption", word("matrix"), { class: "small" }));
    grid.append(make("tr", null, {}, make("td"), ...model.classes.map((name) => make("th", name, { scope: "col" }))));
    model.matrix.forEach((row, i) => grid.append(make("tr", null, {}, make("th", model.classes[i], { scope: "row" }), ...row.map((count, j) => {
      const some = model.images.filter((sample) => sample.truth === i && sample.guess === j);
      const button = make("button", count || "·", { "aria-label": `${model.classes[i]} → ${model.classes[j]}: ${count}` });
      if (some.length) button.prepend(make("img", null, { src: some[0].src, alt: "" }));
      button.onclick = () => {
        found.replaceChildren(...(some.length ? some.map((sample) => make("button", null, { "aria-label": `${model.classes[i]} → ${model.classes[j]}`, onclick: () => { takeSample(sample); open("network"); } }, make("img", null, { src: sample.src, alt: "" }))) : [make("span", word("noneHere"))]));
      };
      const share = Math.round(25 + (75 * count) / most); // how strongly a mistake is marked, by how often it was made
      return make("td", null, count && i !== j ? { class: "mistaken", style: `--share: ${share}%` } : {}, button);
    }))));
    parts.push(make("div", null, { class: "scrolls", tabindex: "0", role: "region", "aria-label": word("matrix") }, grid), found);
  }
  box.replaceChildren(make("section", null, { class: "card" }, ...parts));
}
