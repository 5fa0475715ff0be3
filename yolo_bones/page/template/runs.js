// Masks as runs: packed bytes -> 29 masks, and what is asked of one (area, box, pixel, difference, outline, row text).
// A mask is {starts, ends}: row-major, 0-based, half-open, as in yolo_bones.rle.

class Varints {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }
  // Multiplied, not shifted: a pixel index times two may pass 2^31.
  next() {
    let value = 0;
    let unit = 1;
    for (;;) {
      if (this.at >= this.bytes.length) throw new Error("packed runs end too early");
      const byte = this.bytes[this.at++];
      value += (byte & 127) * unit;
      if (byte < 128) return value;
      unit *= 128;
    }
  }
  nextSigned() {
    const value = this.next();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }
}

function unpackMasks(bytes, width) {
  const numbers = new Varints(bytes);
  const masks = allBones.map(() => {
    const runs = numbers.next();
    return { starts: new Float64Array(runs), ends: new Float64Array(runs) };
  });
  for (const { starts } of masks)
    for (let run = 0; run < starts.length; run++)
      starts[run] = run ? numbers.nextSigned() + starts[run - 1] + width : numbers.next();
  for (const { starts, ends } of masks) {
    let length = 0;
    for (let run = 0; run < starts.length; run++) {
      length = run ? length + numbers.nextSigned() : numbers.next();
      ends[run] = starts[run] + length;
    }
  }
  if (numbers.at !== bytes.length) throw new Error("packed runs hold more than 29 masks");
  return masks;
}

function areaOf(mask) {
  mask.area ??= mask.ends.reduce((sum, end, run) => sum + end - mask.starts[run], 0);
  return mask.area;
}

function holds(mask, pixel) {
  let low = 0;
  let high = mask.starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mask.ends[middle] <= pixel) low = middle + 1;
    else high = middle;
  }
  return low < mask.starts.length && mask.starts[low] <= pixel;
}

// What lies in a and not in b.
function subtract(a, b) {
  const starts = [];
  const ends = [];
  let other = 0;
  for (let run = 0; run < a.starts.length; run++) {
    let start = a.starts[run];
    const end = a.ends[run];
    while (other < b.starts.length && b.ends[other] <= start) other++;
    for (let next = other; next < b.starts.length && b.starts[next] < end; next++) {
      if (b.starts[next] > start) {
        starts.push(start);
        ends.push(b.starts[next]);
      }
      start = Math.max(start, b.ends[next]);
    }
    if (start < end) {
      starts.push(start);
      ends.push(end);
    }
  }
  return { starts, ends };
}

// Runs cut at the ends of rows: [[y, [x0, x1, x0, x1, ...]], ...]; runs that touch in a row become one.
function rowsOf(mask, width) {
  const rows = [];
  for (let run = 0; run < mask.starts.length; run++) {
    for (let start = mask.starts[run]; start < mask.ends[run];) {
      const y = Math.floor(start / width);
      const end = Math.min(mask.ends[run], (y + 1) * width);
      let last = rows.at(-1);
      if (last?.[0] !== y) rows.push((last = [y, []]));
      const edges = last[1];
      if (edges.at(-1) === start - y * width) edges.pop();
      else edges.push(start - y * width);
      edges.push(end - y * width);
      start = end;
    }
  }
  return rows;
}

// [left, top, right, bottom] of the mask's pixels, null for an empty one.
function boxOf(mask, width) {
  if (mask.box !== undefined) return mask.box;
  const rows = rowsOf(mask, width);
  mask.box = rows.length
    ? [
        rows.reduce((left, [, edges]) => Math.min(left, edges[0]), width),
        rows[0][0],
        rows.reduce((right, [, edges]) => Math.max(right, edges.at(-1)), 0),
        rows.at(-1)[0] + 1,
      ]
    : null;
  return mask.box;
}

function centreOf(mask, width) {
  let [x, y] = [0, 0];
  for (const [row, edges] of rowsOf(mask, width))
    for (let edge = 0; edge < edges.length; edge += 2) {
      const length = edges[edge + 1] - edges[edge];
      x += (length * (edges[edge] + edges[edge + 1])) / 2;
      y += length * (row + 0.5);
    }
  return [x / areaOf(mask), y / areaOf(mask)];
}

// The submission's text of a mask: `start length start length ...`, starts counted from 1.
function rowText(mask) {
  const parts = [];
  for (let run = 0; run < mask.starts.length; run++)
    parts.push(mask.starts[run] + 1, mask.ends[run] - mask.starts[run]);
  return parts.join(" ");
}
