// Loss by epoch, and the confusion matrix.

function drawHistory() {
  const box = element("panel-history"), parts = [];
  const series = ["train", "validation", "test"].map((name) => [name, model.history.filter((r) => r[name]).map((r) => [r.epoch, r[name].loss])]).filter(([, points]) => points.length);
  if (series.length) {
    const most = Math.max(...series.flatMap(([, points]) => points.map(([, v]) => v))), last = Math.max(...model.history.map((r) => r.epoch)), svgNS = "http://www.w3.org/2000/svg", svg = document.createElementNS(svgNS, "svg");
    svg.setAttribute("viewBox", "0 0 420 180"); svg.setAttribute("role", "img"); svg.setAttribute("width", "420"); svg.setAttribute("style", ""); svg.style.maxWidth = "100%";
    svg.setAttribute("aria-label", series.map(([name, points]) => `${name} ${word("loss")} ${points.at(-1)[1].toFixed(4)}`).join(", "));
    series.forEach(([name, points], i) => {
      const xy = points.map(([e, v]) => [40 + (last > 1 ? ((e - 1) / (last - 1)) * 350 : 175), 160 - (v / most) * 140]);
      const line = document.createElementNS(svgNS, "polyline");
      line.setAttribute("points", xy.map((p) => p.join()).join(" ")); line.setAttribute("fill", "none"); line.setAttribute("stroke", `rgb(${COLOURS[i]})`); line.setAttribute("stroke-width", "3");
      svg.append(line);
      for (const [x, y] of xy) { const dot = document.createElementNS(svgNS, "circle"); dot.setAttribute("cx", x); dot.setAttribute("cy", y); dot.setAttribute("r", 4); dot.setAttribute("fill", `rgb(${COLOURS[i]})`); svg.append(dot); }
      const text = document.createElementNS(svgNS, "text");
      text.setAttribute("x", 44 + i * 120); text.setAttribute("y", 14); text.setAttribute("fill", "currentColor"); text.setAttribute("font-size", "13"); text.textContent = `${i ? "▲" : "●"} ${name} ${points.at(-1)[1].toFixed(4)}`;
      svg.append(text);
    });
    parts.push(make("h2", word("history")), svg, make("p", model.history.map((r) => `${word("epoch")} ${r.epoch}: ${Object.entries(r.test ?? r.validation ?? r.train).filter(([n]) => n !== "images").map(([n, v]) => `${n} ${Number(v).toPrecision(4)}`).join(", ")}`).at(-1), { class: "small" }));
  } else parts.push(make("p", word("none")));
  if (model.matrix) {
    const found = make("div", word("takeCell"), { id: "found", class: "samples", role: "status" }), grid = make("table", null, { class: "plain" }, make("caption", word("matrix"), { class: "small" }));
    grid.append(make("tr", null, {}, make("td"), ...model.classes.map((name) => make("th", name, { scope: "col" }))));
    model.matrix.forEach((row, i) => grid.append(make("tr", null, {}, make("th", model.classes[i], { scope: "row" }), ...row.map((count, j) => {
      const button = make("button", count || "·", { "aria-label": `${model.classes[i]} → ${model.classes[j]}: ${count}` });
      if (count && i !== j) { button.style.background = "var(--fill)"; button.style.fontWeight = "700"; }
      button.onclick = () => {
        const some = model.images.filter((sample) => sample.truth === i && sample.guess === j);
        found.replaceChildren(...(some.length ? some.map((sample) => make("button", null, { "aria-label": `${model.classes[i]} → ${model.classes[j]}`, onclick: () => { takeSample(sample); open("network"); } }, make("img", null, { src: sample.src, alt: "" }))) : [make("span", word("noneHere"))]));
      };
      return make("td", null, {}, button);
    }))));
    parts.push(make("div", null, { class: "scrolls", tabindex: "0", role: "region", "aria-label": word("matrix") }, grid), found);
  }
  box.replaceChildren(make("section", null, { class: "card" }, ...parts));
}
