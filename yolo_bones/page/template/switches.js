// Which layers are seen: sets, groups, single bones; and which bone is selected.

function toggle(name) {
  state[name] = !state[name];
  // What is asked for is meant to be seen.
  if (state[name]) state.outlines = true;
  tell("layers");
}

function toggleOutlines() {
  state.outlines = !state.outlines;
  announce(state.outlines ? "Outlines on" : "Outlines off");
  tell("layers");
}

function toggleColours() {
  state.colourBy = state.colourBy === "set" ? "bone" : "set";
  tell("layers");
}

function toggleSet(key) {
  state.setsOn[key] = !state.setsOn[key];
  if (state.setsOn[key]) state.outlines = true;
  tell("layers");
}

// true, false, or null when some are on and some are off.
function switchOf(members) {
  const on = members.filter((bone) => state.bonesOn[bone]).length;
  return on === members.length ? true : on ? null : false;
}

function setBones(members, on) {
  for (const bone of members) state.bonesOn[bone] = on;
  if (!on && members.includes(state.selected)) state.selected = -1;
  if (on) state.outlines = true;
  tell("layers");
}

const toggleBones = (members) => setBones(members, switchOf(members) !== true);

// Asked for again, all come back.
function showOnly(bone) {
  const isAlone = state.bonesOn.every((on, other) => on === (other === bone));
  setBones(allBones, isAlone);
  setBones([bone], true);
}

function select(bone) {
  state.selected = bone;
  if (bone >= 0) {
    state.bonesOn[bone] = true;
    state.outlines = true;
    announce(`${bones[bone]} selected`);
  }
  tell("layers");
}

// The box around a bone in every set that has it.
function boxOfBone(bone) {
  const boxes = Object.values(shownLayers)
    .map((masks) => boxOf(masks[bone], currentImage().width))
    .filter(Boolean);
  if (!boxes.length) return null;
  const most = (pick, side) => boxes.reduce((found, box) => pick(found, box[side]), boxes[0][side]);
  return [most(Math.min, 0), most(Math.min, 1), most(Math.max, 2), most(Math.max, 3)];
}

function goToBone(bone) {
  select(bone);
  const box = boxOfBone(bone);
  if (box) {
    zoomToBox(box);
    view.followed = bone;
  } else {
    fit();
    view.followed = bone;
    announce(`${bones[bone]} is in no layer of this image`);
  }
}
