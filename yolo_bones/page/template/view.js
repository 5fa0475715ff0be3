// Where the image lies in the stage (pixels of the runs -> CSS pixels) and how its grey levels are shown.

const stage = byId("stage");
const frame = byId("picture");
const view = { scale: 1, x: 0, y: 0, fitted: true, followed: -1, width: 1, height: 1 };
const LARGEST = 64;

const pixelRatio = () => window.devicePixelRatio || 1;
const fitScale = (image) => 0.98 * Math.min(view.width / image.width, view.height / image.height);
const smallestScale = (image) => Math.min(fitScale(image), 1) / 2;

function place(scale, x, y, fitted = false) {
  const image = currentImage();
  if (!image) return;
  view.scale = Math.max(smallestScale(image), Math.min(LARGEST, scale));
  // The middle of the stage stays on the image, so that it can never be lost.
  const middle = (size, shift, length) => Math.max(size / 2 - length * view.scale, Math.min(size / 2, shift));
  view.x = middle(view.width, x, image.width);
  view.y = middle(view.height, y, image.height);
  view.fitted = fitted;
  view.followed = -1;
  tell("view");
}

function fit() {
  const image = currentImage();
  if (!image) return;
  const scale = fitScale(image);
  place(scale, (view.width - image.width * scale) / 2, (view.height - image.height * scale) / 2, true);
}

// The point of the image under (x, y) of the stage stays there.
function zoomAt(factor, x = view.width / 2, y = view.height / 2) {
  const image = currentImage();
  if (!image) return;
  const scale = Math.max(smallestScale(image), Math.min(LARGEST, view.scale * factor));
  const share = scale / view.scale;
  place(scale, x - (x - view.x) * share, y - (y - view.y) * share);
}

// One pixel of the image on one pixel of the screen.
const zoomToNative = () => zoomAt(1 / pixelRatio() / view.scale);

function zoomToBox([left, top, right, bottom]) {
  const image = currentImage();
  const room = 0.45;
  const scale = Math.min((view.width * room) / (right - left), (view.height * room) / (bottom - top), 12);
  const atLeast = Math.max(scale, fitScale(image));
  place(atLeast, view.width / 2 - ((left + right) / 2) * atLeast, view.height / 2 - ((top + bottom) / 2) * atLeast);
}

const panBy = (x, y) => place(view.scale, view.x + x, view.y + y);
const imagePoint = (x, y) => [(x - view.x) / view.scale, (y - view.y) / view.scale];

function measureStage() {
  const before = { ...view };
  view.width = Math.max(1, stage.clientWidth);
  view.height = Math.max(1, stage.clientHeight);
  if (view.fitted) fit();
  else place(view.scale, view.x + (view.width - before.width) / 2, view.y + (view.height - before.height) / 2);
}

// Windowing: level and width in grey levels of the picture; what lies outside is black or white.
const FULL = { level: 127.5, width: 255 };
const windowing = { ...FULL, inverted: false, auto: false };
let shownPicture = null;

function applyWindow() {
  const { level, width, inverted } = windowing;
  const slope = (255 / width) * (inverted ? -1 : 1);
  const low = (level - width / 2) / 255;
  const intercept = inverted ? 1 - low * slope : -low * slope;
  for (const channel of document.querySelectorAll("#window feComponentTransfer > *")) {
    channel.setAttribute("slope", slope);
    channel.setAttribute("intercept", intercept);
  }
  // Without a filter the picture is drawn as it is, and quicker.
  frame.classList.toggle("windowed", inverted || level !== FULL.level || width !== FULL.width);
  byId("level").value = level;
  byId("width").value = width;
  byId("level-value").textContent = Math.round(level);
  byId("width-value").textContent = Math.round(width);
  byId("invert").setAttribute("aria-pressed", inverted);
  byId("auto").setAttribute("aria-pressed", windowing.auto);
}

function setWindow(change) {
  Object.assign(windowing, { auto: false }, change);
  windowing.level = Math.max(0, Math.min(255, windowing.level));
  windowing.width = Math.max(1, Math.min(510, windowing.width));
  applyWindow();
}

// Once asked for, every image that follows gets its own.
function autoWindow() {
  const usual = usualWindow(state.index, shownPicture);
  if (!usual) {
    announce("The grey levels of this picture cannot be read here: set level and width by hand.");
    tell("notice", "A picture beside a page opened from disk cannot be measured: set level and width by hand.");
    return;
  }
  const [low, high] = usual;
  setWindow({ level: (low + high) / 2, width: Math.max(2, high - low), auto: true });
}

const resetWindow = () => setWindow({ ...FULL, inverted: false });
