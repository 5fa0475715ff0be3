// The scatter of scores against a fact that is a number.

// Score against a number that is known of the images; the tilt of the hand first where there is one.
function scatterCard() {
  const numeric = facts.filter((fact) => fact.numeric && fact.counts.size > 2);
  if (scores.length < 3 || !numeric.length) return null;
  const first = numeric.find(({ key }) => /tilt/i.test(key)) ?? numeric[0];
  const holder = make("div");
  const show = (key) => holder.replaceChildren(...scatter(key));
  const choice = make(
    "select",
    { id: "scatter-fact", on: { change: (event) => show(event.target.value) } },
    numeric.map(({ key }) => make("option", { value: key, selected: key === first.key }, key)),
  );
  show(first.key);
  return card(
    `${capital(scoreLabel)} against a fact`,
    "A point opens its image.",
    make("p", {}, make("label", { for: "scatter-fact" }, "Against "), choice),
    holder,
  );
}

function scatter(key) {
  const wrists = facts.find((fact) => fact.key === "wrist");
  const points = images
    .map((image, index) => ({ image, index, x: numberOf(image.facts[key]), y: image.score }))
    .filter(({ x, y }) => Number.isFinite(x) && isNumber(y));
  const xs = points.map(({ x }) => x);
  const margin = (Math.max(...xs) - Math.min(...xs)) * 0.03 || 1;
  const height = 300;
  const x = scaleOf(Math.min(...xs) - margin, Math.max(...xs) + margin, EDGE.left, CHART_WIDTH - EDGE.right);
  const y = scaleOf(scoreFloor, 1, height - EDGE.bottom, EDGE.top);
  points.sort((a, b) => a.x - b.x);
  const marks = points.map(({ image, index, x: known, y: score }) => {
    const isBent = image.facts.wrist === "bent";
    const [left, top] = [x(known), y(score)];
    const shape = isBent
      ? makeSvg("path", { class: "point bent", d: `M${left} ${top - 5}l5 9h-10z` })
      : makeSvg("circle", { class: "point", cx: left, cy: top, r: 4 });
    return mark(
      shape,
      `${image.name}: ${key} ${image.facts[key]}, ${scoreLabel} ${scoreText(image)}${image.facts.wrist ? `, wrist ${image.facts.wrist}` : ""}`,
      () => open(index, "images"),
    );
  });
  const r = correlation(
    points.map((point) => point.x),
    points.map((point) => point.y),
  );
  return [
    wrists?.counts.has("bent") ? make("p", { class: "chart-legend" }, "▲ bent wrist  ● other") : null,
    chart(
      `${scoreLabel} against ${key}: ${count(points.length, "image")}, correlation ${fixed(r, 2)}`,
      height,
      axisX(x, height, key),
      axisY(y, scoreLabel),
      marks,
    ),
    asTable(
      `${scoreLabel} against ${key}`,
      ["Image", key, scoreLabel],
      points.map(({ image }) => [image.name, image.facts[key], scoreText(image)]),
    ),
  ].filter(Boolean);
}

function correlation(xs, ys) {
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  xs.forEach((x, at) => {
    xy += (x - meanX) * (ys[at] - meanY);
    xx += (x - meanX) ** 2;
    yy += (ys[at] - meanY) ** 2;
  });
  return xy / Math.sqrt(xx * yy || 1);
}
