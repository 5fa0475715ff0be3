// The filter's language: words, and `key=value`, `key<number`, `key>=number` of facts, score, patient, finding and bone.

const OPERATORS = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

const wordsOf = (text) => (text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? []).map((word) => word.replaceAll('"', ""));
const quoted = (value) => (/\s/.test(value) ? `"${value}"` : value);

function valuesOf(image, key) {
  if (key === "name") return [image.name];
  if (key === "patient") return [image.patient];
  if (key === "score") return [String(image.score ?? "")];
  if (key === "finding") return image.findings.map((finding) => finding.kind);
  if (key === "bone") return image.findings.map((finding) => finding.bone);
  const fact = Object.keys(image.facts).find((each) => each.toLowerCase() === key);
  return fact === undefined ? [] : [image.facts[fact]];
}

function meets(image, word) {
  const parts = /^([^=<>!]+)(!=|<=|>=|=|<|>)(.+)$/.exec(word);
  if (!parts) return searchTextOf(image).includes(word.toLowerCase());
  const [, key, sign, wanted] = parts;
  const values = valuesOf(image, key.toLowerCase());
  if (sign === "=" || sign === "!=") {
    const found = values.some((value) => value.toLowerCase() === wanted.toLowerCase());
    return found === (sign === "=");
  }
  return values.some((value) => OPERATORS[sign](numberOf(value), Number(wanted)));
}

const searchTexts = new Map();
function searchTextOf(image) {
  if (!searchTexts.has(image)) {
    const findings = image.findings.flatMap((finding) => [finding.kind, finding.bone]);
    searchTexts.set(
      image,
      [image.name, image.patient, ...findings, ...findings.map(plainKind)].join("\n").toLowerCase(),
    );
  }
  return searchTexts.get(image);
}

const FINDING_CHOICES = [
  { value: "", label: "All images", meets: () => true },
  { value: "any", label: "With findings", meets: (image) => image.findings.length > 0 },
  { value: "error", label: "With errors", meets: (image) => errorsOf(image) > 0 },
  { value: "note", label: "With notes", meets: (image) => notesOf(image) > 0 },
  { value: "none", label: "Without findings", meets: (image) => image.findings.length === 0 },
];

const ORDERS = [
  { value: "worst", label: "Worst first", compare: (a, b) => a - b },
  { value: "best", label: "Best first", compare: (a, b) => b - a },
  {
    value: "findings",
    label: "Most findings",
    compare: (a, b) => images[b].findings.length - images[a].findings.length || a - b,
  },
  { value: "name", label: "By name", compare: (a, b) => collator.compare(images[a].name, images[b].name) },
];

// Facts with few values are offered as a choice; the others can be typed.
const MOST_CHOICES = 12;
const offeredFacts = facts.filter((fact) => fact.counts.size > 1 && fact.counts.size <= MOST_CHOICES);
