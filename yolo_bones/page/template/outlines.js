// The outline of a mask along the edges of its pixels, as closed loops.

// A corner is where an edge between two rows begins or ends. Its two partners: the other end of that edge, and the other
// end of the column's edge that starts or stops there. Where two pixels touch by a corner, edges simply cross.
function cornersOf(mask, width) {
  const corners = { x: [], y: [], across: [], along: [] };
  const begun = new Map();
  let before = [];
  let last = -2;
  for (const [y, edges] of rowsOf(mask, width)) {
    if (y !== last + 1) {
      addBoundary(corners, begun, last + 1, before, []);
      before = [];
    }
    addBoundary(corners, begun, y, before, edges);
    before = edges;
    last = y;
  }
  addBoundary(corners, begun, last + 1, before, []);
  return corners;
}

function addBoundary(corners, begun, y, above, below) {
  let [i, j, open] = [0, 0, -1];
  while (i < above.length || j < below.length) {
    const up = above[i] ?? Infinity;
    const down = below[j] ?? Infinity;
    if (up === down) {
      i++;
      j++;
      continue;
    }
    const corner = corners.x.length;
    corners.x.push(Math.min(up, down));
    corners.y.push(y);
    corners.along.push(-1);
    corners.across.push(open);
    if (down < up) {
      begun.set(down, corner);
      j++;
    } else {
      const other = begun.get(up);
      corners.along[corner] = other;
      corners.along[other] = corner;
      i++;
    }
    if (open < 0) open = corner;
    else {
      corners.across[open] = corner;
      open = -1;
    }
  }
}

// Loops of [x0, y0, x1, y1, ...], first and last corner different.
function loopsOf(mask, width) {
  const { x, y, across, along } = cornersOf(mask, width);
  const seen = new Uint8Array(x.length);
  const loops = [];
  for (let first = 0; first < x.length; first++) {
    if (seen[first]) continue;
    const loop = [];
    let corner = first;
    do {
      const partner = across[corner];
      seen[corner] = seen[partner] = 1;
      loop.push(x[corner], y[corner], x[partner], y[partner]);
      corner = along[partner];
    } while (corner !== first);
    loops.push(loop);
  }
  return loops;
}

function pathThrough(loops) {
  const path = new Path2D();
  for (const loop of loops) {
    path.moveTo(loop[0], loop[1]);
    for (let at = 2; at < loop.length; at += 2) path.lineTo(loop[at], loop[at + 1]);
    path.closePath();
  }
  return path;
}

// Stairs of less than half a screen pixel cost time and show nothing: the line through the middles of the steps, thinned
// to what turns, stays within a pixel of the edge.
const MOST_SKIPPED = 24;
const MOST_OFF = 0.35;

function softened(loop) {
  const middles = [];
  for (let at = 0; at < loop.length; at += 2) {
    const next = (at + 2) % loop.length;
    middles.push([(loop[at] + loop[next]) / 2, (loop[at + 1] + loop[next + 1]) / 2]);
  }
  if (middles.length < 12) return loop;
  const kept = [];
  let from = 0;
  while (from < middles.length) {
    kept.push(...middles[from]);
    let to = from + 2;
    while (to < middles.length && to - from <= MOST_SKIPPED && isStraight(middles, from, to)) to++;
    from = to - 1;
  }
  return kept;
}

function isStraight(points, from, to) {
  const [x, y] = points[from];
  const [alongX, alongY] = [points[to][0] - x, points[to][1] - y];
  const most = MOST_OFF * Math.hypot(alongX, alongY);
  for (let at = from + 1; at < to; at++)
    if (Math.abs((points[at][0] - x) * alongY - (points[at][1] - y) * alongX) > most) return false;
  return true;
}

const exactPath = (mask, width) => (mask.exactPath ??= pathThrough((mask.loops ??= loopsOf(mask, width))));
const softPath = (mask, width) => (mask.softPath ??= pathThrough((mask.loops ??= loopsOf(mask, width)).map(softened)));
// Half a screen pixel is the most that the softened line may be off.
const pathOf = (mask, width, scale) => (scale > 0.75 ? exactPath : softPath)(mask, width);
