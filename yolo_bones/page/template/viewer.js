// The viewer's bars, and an image coming into the stage: picture and outlines together, never those of two images.

const BLANK_AFTER_MS = 120;

async function showImage(index) {
  state.index = index;
  state.hovered = [];
  tip.hidden = true;
  const image = currentImage();
  tell("image", image);
  // What is still seen belongs to the image before: it must go soon, but not flicker when the next is there at once.
  const blank = setTimeout(clearStage, BLANK_AFTER_MS);
  const [picture, layers] = await Promise.allSettled([pictureOf(index), layersOf(index)]);
  clearTimeout(blank);
  if (state.index !== index) return;
  placeImage(image, picture.value ?? null, layers.value ?? {});
  tell("notice", noticeOf(image, picture, layers));
  tell("loaded");
  tell("layers");
  drawFrame();
  document.documentElement.dataset.shown = index;
  preloadNeighbours();
}

function clearStage() {
  shownPicture?.remove();
  shownPicture = null;
  shownLayers = {};
  redraw();
}

function placeImage(image, picture, layers) {
  if (picture !== shownPicture) shownPicture?.remove();
  shownPicture = picture;
  shownLayers = layers;
  if (picture) {
    // The runs count in the image's pixels, however large the picture was stored.
    picture.style.width = `${image.width}px`;
    picture.style.height = `${image.height}px`;
    frame.append(picture);
  }
  // Hands lie elsewhere in every image; a bone that was gone to is gone to again.
  const followed = view.followed;
  fit();
  if (followed >= 0) goToBone(followed);
  if (windowing.auto) autoWindow();
}

function noticeOf(image, picture, layers) {
  if (!canUnpack)
    return "This browser cannot unpack the outlines (no DecompressionStream): the tables are complete, but nothing is drawn. Any browser since 2023 can.";
  if (layers.status === "rejected") return `The outlines of this image cannot be read: ${layers.reason.message}.`;
  if (!image.picture) return "The page has no picture of this image; outlines are drawn on black.";
  if (picture.status === "rejected")
    return image.picture.startsWith("data:")
      ? "The picture of this image cannot be read."
      : `The picture ${image.picture} is not there: its folder must lie beside this page.`;
  return "";
}

when("notice", (text) => {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
});

when("image", (image) => {
  const place = state.shown.indexOf(state.index);
  byId("image-name").textContent = image.name;
  byId("image-name").title = image.name;
  byId("image-place").textContent = place < 0 ? `of ${images.length}` : `${place + 1} of ${state.shown.length}`;
  byId("image-score").textContent = isNumber(image.score) ? `${scoreLabel} ${scoreText(image)}` : "";
  stage.setAttribute("aria-label", `Radiograph ${image.name} with the outlines of its bones`);
  const found = image.findings.length ? `, ${count(image.findings.length, "finding")}` : "";
  const score = isNumber(image.score) ? `, ${scoreLabel} ${scoreText(image)}` : "";
  announce(
    `Image ${place < 0 ? state.index + 1 : place + 1} of ${place < 0 ? images.length : state.shown.length}: ${image.name}${score}${found}`,
  );
});

when("view", () => {
  byId("zoom").textContent = `${Math.round(view.scale * pixelRatio() * 100)}%`;
  byId("fit").setAttribute("aria-pressed", view.fitted);
  redraw();
});

// A sample of a set's line, as it is drawn on the picture.
function lineSample(set) {
  const line = makeSvg("line", {
    x1: 1,
    y1: 6,
    x2: 21,
    y2: 6,
    stroke: set.colour,
    "stroke-width": 2.4,
    "stroke-dasharray": set.dash.join(" ") || null,
  });
  return makeSvg("svg", { class: "sample", viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" }, line);
}

function differenceSample(kind) {
  const lines = [-4, 3, 10, 17].map((x) =>
    makeSvg("line", {
      x1: x,
      x2: x + 12,
      y1: kind === "missed" ? 12 : 0,
      y2: kind === "missed" ? 0 : 12,
      stroke: kind === "missed" ? "#d7ecff" : "#ffe3d6",
      "stroke-width": 1.4,
    }),
  );
  return makeSvg(
    "svg",
    { class: "sample", viewBox: "0 0 20 12", width: 20, height: 12, "aria-hidden": "true" },
    makeSvg("rect", { width: 20, height: 12, fill: DIFFERENCE[kind], "fill-opacity": 0.6 }),
    lines,
  );
}

const toggleButton = (id, label, key, title, press, ...before) =>
  make(
    "button",
    {
      type: "button",
      id,
      class: "toggle",
      title: key ? `${title} (${key})` : title,
      "aria-pressed": "false",
      on: { click: press },
    },
    ...before,
    label,
  );

function buildLegend() {
  const setButtons = styledSets.map((set) =>
    toggleButton(
      `set-${set.position}`,
      make("span", { class: "clip" }, set.label),
      set.shortcut,
      `${set.role}: ${set.label}, ${set.line} line`,
      () => toggleSet(set.key),
      lineSample(set),
    ),
  );
  const switches = [
    toggleButton("outlines", "Outlines", "l or space", "all outlines on or off", toggleOutlines),
    toggleButton("fill", "Fill", "f", "translucent fill", () => toggle("fill")),
    toggleButton("names", "Names", "n", "names of the bones on the picture", () => toggle("names")),
  ];
  if (styledSets.length > 1)
    switches.push(
      toggleButton("bone-colours", "Colours", "c", "a colour for each bone instead of each set", toggleColours),
    );
  const parts = [make("span", { class: "sets" }, setButtons), make("span", { class: "switches" }, switches)];
  if (reference) {
    const about = `pixels ${MISSED} or ${extraOf(comparable[0])}, ${comparable[0].label} against ${reference.label}`;
    parts[1].append(toggleButton("difference", "Difference", "d", about, () => toggle("difference")));
    parts.push(make("span", { id: "difference-legend", class: "legend-note" }));
  }
  if (comparable.length > 1) {
    const options = comparable.map((set) => make("option", { value: set.key }, set.label));
    const label = "Set whose difference is shown";
    parts.push(make("select", { id: "compared", "aria-label": label, on: { change: chooseCompared } }, options));
  }
  byId("legend").replaceChildren(...parts);
}

function chooseCompared(event) {
  state.compared = event.target.value;
  tell("loaded");
  tell("layers");
}

function showSwitches() {
  const press = (id, on) => byId(id)?.setAttribute("aria-pressed", on);
  for (const set of styledSets) {
    press(`set-${set.position}`, Boolean(state.setsOn[set.key]));
    byId(`set-${set.position}`).classList.toggle("absent", !shownLayers[set.key]);
  }
  press("outlines", state.outlines);
  press("fill", state.fill);
  press("names", state.names);
  press("difference", state.difference);
  press("bone-colours", state.colourBy === "bone");
  if (!reference) return;
  const set = styledSets.find((each) => each.key === state.compared);
  byId("difference-legend").hidden = !state.difference;
  byId("difference-legend").replaceChildren(
    differenceSample("missed"),
    ` ${MISSED} `,
    differenceSample("extra"),
    ` ${extraOf(set)}`,
  );
  if (byId("compared")) byId("compared").hidden = !state.difference;
}

when("layers", () => {
  showSwitches();
  redraw();
});

function buildBars() {
  buildLegend();
  const press = (id, listener) => byId(id).addEventListener("click", listener);
  press("previous", () => step(-1));
  press("next", () => step(1));
  press("zoom-in", () => zoomAt(1.25));
  press("zoom-out", () => zoomAt(0.8));
  press("fit", fit);
  press("native", zoomToNative);
  press("auto", () => (windowing.auto ? setWindow({}) : autoWindow()));
  press("invert", () => setWindow({ inverted: !windowing.inverted, auto: windowing.auto }));
  press("reset-window", resetWindow);
  for (const name of ["level", "width"]) {
    byId(name).addEventListener("input", (event) => setWindow({ [name]: Number(event.target.value) }));
    byId(name).addEventListener("dblclick", () => setWindow({ [name]: FULL[name] }));
  }
  new ResizeObserver(measureStage).observe(stage);
  applyWindow();
}
