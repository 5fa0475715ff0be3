// Runs and pictures, read when they are wanted and a little before.

const canUnpack = typeof DecompressionStream === "function";
const NEIGHBOURS = [1, -1, 2];
const recentLayers = new Recent(16);
const recentPictures = new Recent(8);

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpackLayers(image) {
  const layers = {};
  await Promise.all(
    Object.entries(image.layers).map(async ([key, text]) => {
      layers[key] = unpackMasks(await inflate(text), image.width);
    }),
  );
  return layers;
}

// {set: 29 masks} of an image; a promise, so that two who ask share the work.
function layersOf(index) {
  return recentLayers.fetch(index, () => {
    const layers = canUnpack ? unpackLayers(images[index]) : Promise.resolve({});
    layers.catch(() => recentLayers.forget(index));
    return layers;
  });
}

// The decoded picture, null where the page has none. Decoding happens off the main thread.
function pictureOf(index) {
  return recentPictures.fetch(index, () => {
    const { picture } = images[index];
    if (!picture) return Promise.resolve(null);
    const loaded = new Image();
    loaded.decoding = "async";
    loaded.draggable = false;
    loaded.alt = "";
    loaded.src = picture;
    const decoded = loaded.decode().then(() => loaded);
    decoded.catch(() => recentPictures.forget(index));
    return decoded;
  });
}

function preloadNeighbours() {
  const place = state.shown.indexOf(state.index);
  for (const step of NEIGHBOURS) {
    const index = state.shown[place + step];
    if (place < 0 || index === undefined) continue;
    pictureOf(index).catch(() => {});
    layersOf(index)
      .then((layers) => traceAhead(images[index], layers))
      .catch(() => {});
  }
}

// Outlines too, a set at a time, while the browser has nothing to do.
const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work, 30));
function traceAhead(image, layers) {
  for (const set of styledSets)
    if (state.setsOn[set.key] && layers[set.key])
      whenIdle(() => {
        for (const mask of layers[set.key]) softPath(mask, image.width);
      });
}

// Grey levels [low, high] that hold nearly all of the picture: the record's, else measured here. A picture that lies
// beside a page opened from disk cannot be read by a script; then there is none.
function usualWindow(index, picture) {
  const image = images[index];
  if (image.window) return image.window;
  if (!picture) return null;
  const side = 256;
  const canvas = make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, side, side);
  let pixels;
  try {
    pixels = context.getImageData(0, 0, side, side).data;
  } catch {
    return null;
  }
  const greys = new Uint8Array(side * side);
  for (let pixel = 0; pixel < greys.length; pixel++) greys[pixel] = pixels[4 * pixel];
  greys.sort();
  return [quantile(greys, 0.02), quantile(greys, 0.998)];
}
