// The pointer on the stage: what lies under it, drag to pan, right drag to window, wheel and pinch to zoom, click to select.

const tip = byId("tip");
const pointers = new Map();
const CLICK_PX = 4;
let gesture = null;
let pinchSpan = 0;

const stagePoint = (event) => {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

// [{bone, set}] whose mask holds that pixel, the smallest bone first: the one that is hard to hit otherwise.
function bonesAt(x, y) {
  const image = currentImage();
  const [column, row] = imagePoint(x, y).map(Math.floor);
  if (!image || !state.outlines || column < 0 || row < 0 || column >= image.width || row >= image.height) return [];
  const hits = [];
  for (const set of styledSets)
    if (setIsOn(set))
      for (const bone of bonesOnNow()) {
        const mask = shownLayers[set.key][bone];
        if (holds(mask, row * image.width + column)) hits.push({ bone, set, area: areaOf(mask) });
      }
  return hits.sort((a, b) => a.area - b.area);
}

const setsByBone = (hits) => {
  const found = new Map();
  for (const { bone, set } of hits) found.set(bone, [...(found.get(bone) ?? []), set]);
  return found;
};

function hover(x, y) {
  const hits = bonesAt(x, y);
  const signature = (list) => list.map(({ bone, set }) => `${bone} ${set.key}`).join();
  const changed = signature(hits) !== signature(state.hovered);
  state.hovered = hits;
  if (changed) redraw();
  showTip(x, y, hits, changed);
  showReadout(x, y, hits);
}

function showTip(x, y, hits, changed) {
  tip.hidden = !hits.length || gesture !== null;
  if (tip.hidden) return;
  if (changed || !tip.childElementCount) {
    const rows = [...setsByBone(hits)].map(([bone, found]) =>
      make(
        "li",
        {},
        make("i", { class: "swatch", style: { background: boneColours[bone] } }),
        make("b", {}, bones[bone]),
        styledSets.length > 1 ? make("span", {}, found.map((set) => set.label).join(", ")) : null,
      ),
    );
    tip.replaceChildren(...rows);
  }
  const roomX = view.width - tip.offsetWidth - 4;
  const below = y + 18 + tip.offsetHeight < view.height;
  tip.style.transform = `translate(${Math.max(4, Math.min(roomX, x + 16))}px, ${below ? y + 18 : Math.max(4, y - tip.offsetHeight - 12)}px)`;
}

function showReadout(x, y, hits) {
  const [column, row] = imagePoint(x, y).map(Math.floor);
  const names = [...setsByBone(hits)].map(([bone, found]) =>
    styledSets.length > 1 ? `${bones[bone]} (${found.map((set) => set.role).join(", ")})` : bones[bone],
  );
  byId("readout").textContent = `x ${column}, y ${row}${names.length ? ` · ${names.join(" · ")}` : ""}`;
}

function leave() {
  tip.hidden = true;
  byId("readout").textContent = "";
  if (!state.hovered.length) return;
  state.hovered = [];
  redraw();
}

// A click takes the smallest bone under it; another click at the same place takes the next of those that overlap.
function selectAt(x, y) {
  const under = [...setsByBone(bonesAt(x, y)).keys()];
  const next = under.length ? under[(under.indexOf(state.selected) + 1) % under.length] : -1;
  select(next === state.selected ? -1 : next);
  tell("picked", state.selected);
}

function startGesture(event) {
  if (event.target.closest("button")) return;
  stage.setPointerCapture(event.pointerId);
  const [x, y] = stagePoint(event);
  pointers.set(event.pointerId, [x, y]);
  const windows = event.button === 2 || event.shiftKey;
  gesture = { x, y, moved: false, kind: pointers.size > 1 ? "pinch" : windows ? "window" : "pan", ...windowing };
  if (pointers.size === 2) pinchSpan = spanOf(pointers);
}

const spanOf = (touching) => {
  const [[ax, ay], [bx, by]] = touching.values();
  return Math.hypot(ax - bx, ay - by);
};

function movePointer(event) {
  const [x, y] = stagePoint(event);
  if (!gesture) {
    hover(x, y);
    return;
  }
  const [oldX, oldY] = pointers.get(event.pointerId) ?? [x, y];
  pointers.set(event.pointerId, [x, y]);
  if (!gesture.moved && Math.hypot(x - gesture.x, y - gesture.y) < CLICK_PX) return;
  if (!gesture.moved) leave();
  gesture.moved = true;
  stage.classList.add(gesture.kind);
  if (gesture.kind === "pan") panBy(x - oldX, y - oldY);
  else if (gesture.kind === "window")
    setWindow({ width: gesture.width + (x - gesture.x) * 0.6, level: gesture.level + (y - gesture.y) * 0.4 });
  else if (pointers.size === 2) {
    const span = spanOf(pointers);
    const [[ax, ay], [bx, by]] = pointers.values();
    zoomAt(span / pinchSpan, (ax + bx) / 2, (ay + by) / 2);
    pinchSpan = span;
  }
}

function endGesture(event) {
  pointers.delete(event.pointerId);
  if (!gesture || pointers.size) return;
  const { kind, moved, x, y } = gesture;
  gesture = null;
  stage.classList.remove("pan", "window", "pinch");
  if (event.type === "pointerup" && kind === "pan" && !moved) selectAt(x, y);
}

function turnWheel(event) {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? view.height : 1;
  zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...stagePoint(event));
  hover(...stagePoint(event));
}

stage.addEventListener("pointerdown", startGesture);
stage.addEventListener("pointermove", movePointer);
stage.addEventListener("pointerup", endGesture);
stage.addEventListener("pointercancel", endGesture);
stage.addEventListener("pointerleave", leave);
stage.addEventListener("wheel", turnWheel, { passive: false });
stage.addEventListener("dblclick", resetWindow);
stage.addEventListener("contextmenu", (event) => event.preventDefault());
