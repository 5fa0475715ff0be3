// The record of the page (its format is told in yolo_bones/page/record.py) and what is derived from it once.

const record = JSON.parse(byId("record").textContent);
const { bones, groups, images, sets } = record;
const allBones = bones.map((_, bone) => bone);
const boneOf = new Map(bones.map((name, bone) => [name, bone]));
const groupOf = allBones.map((bone) => groups.findIndex((group) => group.bones.includes(bone)));

// Colour by role, line by position, so that no two sets of a page ever share a line.
const ROLES = {
  prediction: { colour: "#ffb32c", key: "p" },
  annotation: { colour: "#ffb32c", key: "t" },
  truth: { colour: "#58c7ff", key: "t" },
  against: { colour: "#ff92dc", key: "o" },
  proposal: { colour: "#6ff09a", key: "p" },
};
const SPARE_COLOURS = ["#d9f25a", "#c7b3ff", "#ffffff"];
const LINES = [
  { dash: [], line: "solid" },
  { dash: [6, 4], line: "dashed" },
  { dash: [1.5, 3], line: "dotted" },
  { dash: [9, 3, 2, 3], line: "dash-dotted" },
];

function setStyles() {
  const taken = new Set();
  const spare = [...SPARE_COLOURS];
  return sets.map((set, position) => {
    const role = ROLES[set.role] ?? { colour: SPARE_COLOURS[0], key: "" };
    const colour = taken.has(role.colour) ? (spare.shift() ?? "#ffffff") : role.colour;
    taken.add(colour);
    return { ...set, colour, shortcut: role.key, ...LINES[Math.min(position, LINES.length - 1)], position };
  });
}
const styledSets = setStyles();
const scoredSets = styledSets.filter((set) => images.some((image) => image.dice?.[set.key]));
const hasExpected = images.some((image) => image.expected);
const hasFindings = images.some((image) => image.findings.length);

// What a set is compared with: the truth, else what a person drew, else the second set; none where no image has both.
const togetherWith = (set) =>
  styledSets.filter((other) => other !== set && images.some(({ layers }) => layers[set.key] && layers[other.key]));
const reference =
  ["truth", "annotation"]
    .map((role) => styledSets.find((set) => set.role === role))
    .find((set) => set && togetherWith(set).length) ??
  styledSets.slice(1).find((set) => togetherWith(set).length) ??
  null;
const comparable = reference ? togetherWith(reference) : [];
const againstTruth = reference?.role === "truth";
const MISSED = againstTruth ? "missed" : `only in “${reference?.label}”`;
const extraOf = (set) => (againstTruth ? "extra" : `only in “${set.label}”`);

// Neighbours in the channel order lie far apart in hue.
const boneColours = allBones.map(
  (bone) => `hsl(${Math.round((bone * 0.381966 * 360) % 360)} 90% ${bone % 2 ? 66 : 58}%)`,
);

const errorsOf = (image) => image.findings.filter((finding) => finding.severity === "error").length;
const notesOf = (image) => image.findings.length - errorsOf(image);
const scoreLabel = record.score?.label ?? "score";
const scores = images.map((image) => image.score).filter(isNumber);

// Bars of scores begin a little below the worst one: near 1 all bars from 0 would look the same.
const scoreFloor = scores.length ? Math.max(0, Math.floor(Math.min(...scores) * 20 - 0.5) / 20) : 0;
const scoreShare = (score) => Math.max(0, Math.min(1, (score - scoreFloor) / (1 - scoreFloor || 1)));

// Facts by key: their values with how many images have each, numbers where most values are numbers.
const factKeys = [...new Set(images.flatMap((image) => Object.keys(image.facts)))];
// "-12.5°", "24", "3 mm": a number and perhaps its unit.
function numberOf(text) {
  const parts = /^\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*[°%a-zµ²]{0,4}\s*$/i.exec((text ?? "").replace("−", "-"));
  return parts ? Number(parts[1]) : NaN;
}
const facts = factKeys.map((key) => {
  const values = images.map((image) => image.facts[key]).filter((value) => value !== undefined && value !== "");
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const numbers = values.map(numberOf).filter(Number.isFinite);
  return { key, counts, numeric: values.length > 0 && numbers.length >= 0.8 * values.length };
});

// What the page shows now. Everything that a key, a click or a link can change is here.
const state = {
  index: -1,
  tab: "",
  shown: images.map((_, index) => index),
  bonesOn: bones.map(() => true),
  setsOn: Object.fromEntries(styledSets.map((set, position) => [set.key, position < 2])),
  outlines: true,
  fill: false,
  names: false,
  difference: false,
  compared: comparable[0]?.key ?? null,
  colourBy: styledSets.length > 1 ? "set" : "bone",
  selected: -1,
  hovered: [],
};
const currentImage = () => images[state.index];
const scoreText = (image) => (isNumber(image.score) ? fixed(image.score, 4) : "–");
