// The summary: what the whole set of images looks like, and which image to open for each part of it.

function headlineCard() {
  const sorted = [...scores].sort((a, b) => a - b);
  const withErrors = images.filter((image) => errorsOf(image)).length;
  const withNotes = images.filter((image) => notesOf(image)).length;
  const figures = [
    [whole(images.length), images.length === 1 ? "image" : "images"],
    sorted.length && [fixed(mean(sorted), 4), `mean ${scoreLabel}`],
    sorted.length && [fixed(quantile(sorted, 0.5), 4), "median"],
    sorted.length && [fixed(sorted[0], 4), "worst"],
    hasFindings && [whole(withErrors), `with errors`],
    hasFindings && [whole(withNotes), `with notes`],
  ].filter(Boolean);
  return make(
    "section",
    { class: "card headline" },
    make("h2", { class: "unseen" }, "In short"),
    make(
      "dl",
      { class: "figures" },
      figures.map(([value, label]) => make("div", {}, make("dt", {}, label), make("dd", {}, value))),
    ),
    make(
      "dl",
      { class: "facts long" },
      [...record.about, ["made by", record.generator]].map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, value)),
      ),
    ),
    make(
      "p",
      {},
      make(
        "button",
        {
          type: "button",
          class: "download",
          on: { click: () => download(`${fileStem(record.title)}_scores.csv`, scoresText()) },
        },
        "Table of all images (CSV)",
      ),
    ),
  );
}

// Bins with round edges, given as texts so that a filter cuts where the bins do; the last one holds its upper edge too.
function binsOf(numbers, most) {
  const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
  const width = niceStep(Math.max(highest - lowest, 1e-4), most);
  const digits = Math.max(2, -Math.floor(Math.log10(width) + 1e-9));
  const first = Math.floor(lowest / width + 1e-9);
  const last = Math.max(first + 1, Math.ceil(highest / width - 1e-9));
  const bins = Array.from({ length: last - first }, (_, at) => ({
    low: ((first + at) * width).toFixed(digits),
    high: ((first + at + 1) * width).toFixed(digits),
    count: 0,
  }));
  for (const number of numbers) (bins.findLast(({ low }) => Number(low) <= number) ?? bins[0]).count++;
  return bins;
}

function histogramCard() {
  if (scores.length < 2) return null;
  const bins = binsOf(scores, 16);
  const height = 260;
  const x = scaleOf(Number(bins[0].low), Number(bins.at(-1).high), EDGE.left, CHART_WIDTH - EDGE.right);
  const y = scaleOf(0, Math.max(...bins.map((bin) => bin.count)), height - EDGE.bottom, EDGE.top);
  const rangeOf = (bin) => `${bin.low} to ${bin.high}`;
  const bars = bins
    .filter((bin) => bin.count)
    .map((bin) =>
      mark(
        makeSvg("rect", {
          class: "bar",
          x: x(bin.low) + 1,
          width: Math.max(1, x(bin.high) - x(bin.low) - 2),
          y: y(bin.count),
          height: y(0) - y(bin.count),
        }),
        `${rangeOf(bin)}: ${count(bin.count, "image")}`,
        () => filterBy(`score>=${bin.low} score<${bin === bins.at(-1) ? "=" : ""}${bin.high}`),
      ),
    );
  const sorted = [...scores].sort((a, b) => a - b);
  const middle = quantile(sorted, 0.5);
  const line = makeSvg("line", {
    class: "median",
    x1: x(middle),
    x2: x(middle),
    y1: EDGE.top,
    y2: y(0),
    "aria-hidden": "true",
  });
  const extent = `${fixed(sorted[0], 4)} to ${fixed(sorted.at(-1), 4)}, median ${fixed(middle, 4)}`;
  const name = `Histogram of ${scoreLabel}: ${count(scores.length, "image")}, ${extent}`;
  return card(
    `${capital(scoreLabel)} of the images`,
    `${capital(record.score?.about || scoreLabel)}. A bar opens its images; the line is the median.`,
    chart(name, height, axisX(x, height, scoreLabel), axisY(y, "images", 1), bars, line),
    asTable(
      `Images by ${scoreLabel}`,
      [scoreLabel, "images"],
      bins.map((bin) => [rangeOf(bin), bin.count]),
    ),
  );
}

// Boxes from quartile to quartile, whiskers over nine tenths of the images, and the worst images of each bone as points.
const POINTS = 3;

function boneStatistics() {
  const series = scoredSets.length
    ? scoredSets.map((set) => ({ set, of: (image, bone) => image.dice[set.key]?.[bone] }))
    : hasExpected
      ? [{ set: styledSets[0], of: (image, bone) => image.expected?.[bone] }]
      : [];
  return series.map(({ set, of }) => ({
    set,
    boxes: allBones.map((bone) => {
      const entries = images
        .map((image, index) => ({ index, dice: of(image, bone) }))
        .filter(({ dice }) => isNumber(dice));
      entries.sort((a, b) => a.dice - b.dice);
      const sorted = entries.map(({ dice }) => dice);
      if (!sorted.length) return null;
      const [low, q1, median, q3, high] = [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => quantile(sorted, share));
      return { low, q1, median, q3, high, mean: mean(sorted), worst: entries.slice(0, POINTS) };
    }),
  }));
}

function bonesCard() {
  const series = boneStatistics();
  if (!series.length || images.length < 2) return null;
  const band = 12 * series.length + 8;
  const left = 92;
  const height = bones.length * band + EDGE.top + EDGE.bottom;
  const values = series.flatMap(({ boxes }) => boxes.filter(Boolean));
  // One lost bone must not squeeze all boxes to a line: what lies further out stays at the edge.
  const lowest = Math.min(...values.map(({ q1 }) => q1));
  const floor = Math.max(0, Math.floor((lowest - 0.1) * 20) / 20);
  const x = scaleOf(floor, 1, left, CHART_WIDTH - EDGE.right);
  const at = (value) => x(Math.max(floor, value));
  const label = hasExpected && !scoredSets.length ? "expected Dice" : "Dice";
  const marks = [];
  const shapes = allBones.map((bone) => {
    const top = EDGE.top + bone * band;
    const middle = top + band / 2;
    const drawn = [makeSvg("text", { x: left - 8, y: middle + 4, "text-anchor": "end" }, bones[bone])];
    if (bone % 2) drawn.unshift(makeSvg("rect", { class: "stripe", x: 0, y: top, width: CHART_WIDTH, height: band }));
    series.forEach(({ set, boxes }, place) => {
      const box = boxes[bone];
      if (!box) return;
      const centre = middle + (place - (series.length - 1) / 2) * 12;
      drawn.push(
        makeSvg("line", {
          class: `whisker ${setClass(set)}`,
          x1: at(box.low),
          x2: at(box.high),
          y1: centre,
          y2: centre,
        }),
        makeSvg("rect", {
          class: `box ${setClass(set)}`,
          x: at(box.q1),
          width: Math.max(1.5, at(box.q3) - at(box.q1)),
          y: centre - 4,
          height: 8,
        }),
        makeSvg("line", {
          class: `middle ${setClass(set)}`,
          x1: at(box.median),
          x2: at(box.median),
          y1: centre - 4,
          y2: centre + 4,
        }),
      );
      for (const { index, dice } of box.worst)
        marks.push(
          mark(
            makeSvg("circle", { class: `point ${setClass(set)}`, cx: at(dice), cy: centre, r: 3 }),
            `${bones[bone]}, ${set.label}: ${label} ${fixed(dice, 3)} in ${images[index].name}`,
            () => openBone(index, bone),
          ),
        );
    });
    return drawn;
  });
  return card(
    `${capital(label)} of each bone`,
    "Boxes hold the middle half of the images, whiskers nine tenths; points are the worst images, a click opens them. What lies left of the axis stands at its edge.",
    chartLegend(series.map(({ set }) => set)),
    chart(
      `${label} of each bone: median and quartiles, ${count(marks.length, "image")} that stand out`,
      height,
      axisX(x, height, label),
      shapes,
      marks,
    ),
    asTable(
      `${label} of each bone`,
      [
        "Bone",
        ...series.flatMap(({ set }) =>
          ["mean", "median", "worst"].map((name) => (series.length > 1 ? `${name}, ${set.label}` : name)),
        ),
      ],
      allBones.map((bone) => [
        bones[bone],
        ...series.flatMap(({ boxes }) =>
          boxes[bone]
            ? [fixed(boxes[bone].mean, 4), fixed(boxes[bone].median, 4), fixed(boxes[bone].worst[0].dice, 4)]
            : ["–", "–", "–"],
        ),
      ]),
    ),
  );
}

// The bone is gone to when the image's layers are there.
let wantedBone = -1;
function openBone(index, bone) {
  const isShown = index === state.index;
  if (!isShown) wantedBone = bone;
  open(index, "images");
  if (isShown) goToBone(bone);
}
when("loaded", () => {
  if (wantedBone >= 0) goToBone(wantedBone);
  wantedBone = -1;
});

function buildSummary() {
  const cards = [
    headlineCard(),
    histogramCard(),
    findingsCard(),
    scatterCard(),
    bonesCard(),
    ...slicesCards(),
    comparisonCard(),
    groupsCard(),
  ];
  byId("summary").replaceChildren(...cards.filter(Boolean));
}
