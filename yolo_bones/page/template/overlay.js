// The canvas over the picture: fills, differences, outlines, what is under the pointer, names. Drawn at most once a frame.

const overlay = byId("overlay");
const context = overlay.getContext("2d");
const DIFFERENCE = { missed: "#4aa3ff", extra: "#ff6a3d" };
let shownLayers = {};
let hatches = null;
let frameAsked = 0;

const setIsOn = (set) => state.setsOn[set.key] && shownLayers[set.key];
const bonesOnNow = () => allBones.filter((bone) => state.bonesOn[bone] || bone === state.selected);
const colourOf = (set, bone) => (state.colourBy === "set" ? set.colour : boneColours[bone]);

function redraw() {
  frameAsked ||= requestAnimationFrame(drawFrame);
}

function drawFrame() {
  cancelAnimationFrame(frameAsked);
  frameAsked = 0;
  const ratio = pixelRatio();
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (overlay.width !== width || overlay.height !== height) {
    overlay.width = width;
    overlay.height = height;
  }
  placePicture(ratio);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const image = currentImage();
  if (!image || !state.outlines) return;
  context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
  if (state.fill) drawFills(image);
  if (state.difference) drawDifferences(image);
  for (const set of styledSets) if (setIsOn(set)) drawOutlines(image, set);
  drawMarked(image);
  if (state.names) drawNames(image, ratio);
}

function placePicture(ratio) {
  if (!shownPicture) return;
  shownPicture.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  shownPicture.classList.toggle("pixelated", view.scale * ratio >= 6);
}

const inView = (mask, image) => {
  const box = boxOf(mask, image.width);
  if (!box) return false;
  const [left, top] = imagePoint(0, 0);
  const [right, bottom] = imagePoint(view.width, view.height);
  return box[0] < right && box[2] > left && box[1] < bottom && box[3] > top;
};

const pathNow = (mask, image) => pathOf(mask, image.width, view.scale * pixelRatio());

function drawFills(image) {
  context.globalAlpha = 0.25;
  for (const set of styledSets)
    if (setIsOn(set) && (state.colourBy === "set" || set === styledSets.find(setIsOn)))
      for (const bone of bonesOnNow()) {
        const mask = shownLayers[set.key][bone];
        if (!inView(mask, image)) continue;
        context.fillStyle = colourOf(set, bone);
        context.fill(pathNow(mask, image), "evenodd");
      }
  context.globalAlpha = 1;
}

function drawOutlines(image, set) {
  const masks = shownLayers[set.key];
  const thickness = (state.difference ? 1 : 1.6) / view.scale;
  const seen = bonesOnNow().filter((bone) => inView(masks[bone], image));
  context.lineJoin = "round";
  // A dark edge keeps a line visible on bright bone.
  context.setLineDash([]);
  context.strokeStyle = "rgb(0 0 0 / 45%)";
  context.lineWidth = thickness + 1.6 / view.scale;
  for (const bone of seen) context.stroke(pathNow(masks[bone], image));
  context.setLineDash(set.dash.map((length) => length / view.scale));
  context.lineWidth = thickness;
  for (const bone of seen) {
    context.strokeStyle = colourOf(set, bone);
    context.stroke(pathNow(masks[bone], image));
  }
  context.setLineDash([]);
}

// The bone that is selected and those under the pointer: thick, and filled so that an overlap shows twice.
function drawMarked(image) {
  const marked = new Map(state.hovered.map(({ bone, set }) => [`${bone} ${set.position}`, { bone, set }]));
  if (state.selected >= 0)
    for (const set of styledSets)
      if (setIsOn(set)) marked.set(`${state.selected} ${set.position}`, { bone: state.selected, set });
  for (const { bone, set } of marked.values()) {
    const mask = shownLayers[set.key][bone];
    if (!mask.starts.length) continue;
    const path = pathNow(mask, image);
    if (state.hovered.some((hit) => hit.bone === bone)) {
      context.globalAlpha = 0.18;
      context.fillStyle = colourOf(set, bone);
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
    }
    context.setLineDash(set.dash.map((length) => (1.5 * length) / view.scale));
    context.strokeStyle = colourOf(set, bone);
    context.lineWidth = 3 / view.scale;
    context.stroke(path);
    context.setLineDash([]);
  }
}

// {missed, extra} masks of a bone: of the compared set against the reference, made once an image.
function differencesOf(bone) {
  const drawn = shownLayers[state.compared]?.[bone];
  const right = reference && shownLayers[reference.key]?.[bone];
  if (!drawn || !right) return null;
  drawn.against ??= { missed: subtract(right, drawn), extra: subtract(drawn, right) };
  return drawn.against;
}

function drawDifferences(image) {
  hatches ??= { missed: hatch("missed"), extra: hatch("extra") };
  for (const bone of bonesOnNow()) {
    const masks = differencesOf(bone);
    for (const kind of masks ? ["missed", "extra"] : []) {
      if (!masks[kind].starts.length || !inView(masks[kind], image)) continue;
      const path = exactPath(masks[kind], image.width);
      context.globalAlpha = 0.6;
      context.fillStyle = DIFFERENCE[kind];
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
      hatches[kind].setTransform(new DOMMatrix().scale(1 / view.scale));
      context.fillStyle = hatches[kind];
      context.fill(path, "evenodd");
    }
  }
}

// Lines that rise for what is missed, that fall for what is extra: told apart without colour.
function hatch(kind) {
  const side = 8;
  const tile = make("canvas", { width: side, height: side });
  const pen = tile.getContext("2d");
  pen.strokeStyle = kind === "missed" ? "#d7ecff" : "#ffe3d6";
  pen.lineWidth = 1.4;
  pen.beginPath();
  for (const shift of [-side, 0, side]) {
    pen.moveTo(shift, kind === "missed" ? side : 0);
    pen.lineTo(shift + side, kind === "missed" ? 0 : side);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

function drawNames(image, ratio) {
  const set = styledSets.find(setIsOn);
  if (!set) return;
  context.save();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.fillStyle = "#fff";
  // The selected bone first, then the large ones: a name that would lie on another is left out until there is room.
  const order = bonesOnNow().sort(
    (a, b) =>
      (b === state.selected) - (a === state.selected) ||
      areaOf(shownLayers[set.key][b]) - areaOf(shownLayers[set.key][a]),
  );
  const taken = [];
  for (const bone of order) {
    const mask = shownLayers[set.key][bone];
    if (!mask.starts.length || !inView(mask, image)) continue;
    mask.centre ??= centreOf(mask, image.width);
    const [x, y] = [view.x + mask.centre[0] * view.scale, view.y + mask.centre[1] * view.scale];
    const half = context.measureText(bones[bone]).width / 2 + 2;
    if (taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 14)) continue;
    taken.push({ x, y, half });
    context.strokeText(bones[bone], x, y);
    context.fillText(bones[bone], x, y);
  }
  context.restore();
}
