// CSV files made in the browser from what the page holds.

// A spreadsheet runs a cell that begins so; an apostrophe makes it text. Numbers of our own stay numbers.
const isFormula = (text) => /^[=+\-@\t\r]/.test(text);

function csvField(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number") return String(value);
  const text = isFormula(value) ? `'${value}` : value;
  return needsQuotes(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A fact that is a number, such as a tilt of "+38.7°", is one in a table too.
function plainFact(text) {
  const [, number] = /^\+?(-?\d+(?:\.\d+)?)°?$/.exec(text ?? "") ?? [];
  return number === undefined ? text : Number(number);
}

const needsQuotes = (text) => /[",\r\n]/.test(text);
const csvText = (rows) => rows.map((row) => `${row.map(csvField).join(",")}\n`).join("");

// As yolo_bones.rle_table writes it, byte for byte; a name is data there and is left as it is.
function layersText(image, masks) {
  const name = needsQuotes(image.name) ? `"${image.name.replaceAll('"', '""')}"` : image.name;
  return `image_name,class,rle\n${masks.map((mask, bone) => `${name},${bones[bone]},${rowText(mask)}\n`).join("")}`;
}

function bonesText(image, layers) {
  const present = styledSets.filter((set) => layers[set.key]);
  const columns = boneColumns(image, layers);
  const header = [
    "image_name",
    "bone",
    ...columns.map(({ field }) => field),
    ...present.map((set) => `area_px_${set.key}`),
  ];
  const rows = allBones.map((bone) => [
    image.name,
    bones[bone],
    ...columns.map(({ value }) => value(bone)),
    ...present.map((set) => areaOf(layers[set.key][bone])),
  ]);
  return csvText([header, ...rows]);
}

function measurementsText(image) {
  const rows = image.measurements.map(({ bone, name, value, unit }) => [
    image.name,
    image.patient,
    bone,
    name,
    value,
    unit,
  ]);
  return csvText([["image_name", "patient", "bone", "measurement", "value", "unit"], ...rows]);
}

function scoresText() {
  const header = ["image_name", "patient", "score", "errors", "notes", ...factKeys];
  const scored = scoredSets.flatMap((set) => allBones.map((bone) => ({ set, bone })));
  const rows = images.map((image) => [
    image.name,
    image.patient,
    image.score,
    errorsOf(image),
    notesOf(image),
    ...factKeys.map((key) => plainFact(image.facts[key])),
    ...scored.map(({ set, bone }) => image.dice[set.key]?.[bone]),
  ]);
  return csvText([[...header, ...scored.map(({ set, bone }) => `dice_${set.key}_${bones[bone]}`)], ...rows]);
}

// A file's name from an image's: nothing that a file system or a person would stumble over.
const fileStem = (name) =>
  name
    .replace(/\.[a-z0-9]{1,5}$/i, "")
    .replace(/[^\p{L}\p{N}._-]+/gu, "_")
    .replace(/^[._-]+/, "") || "image";

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: address, download: name });
  link.click();
  // Not at once: the browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const downloadButton = (label, about, press) =>
  make("button", { type: "button", class: "download", title: about, on: { click: press } }, label);

function downloadButtons(image) {
  const stem = fileStem(image.name);
  const buttons = styledSets
    .filter((set) => image.layers[set.key] && canUnpack)
    .map((set) =>
      downloadButton(`Layers of ${set.label}`, "29 rows: image_name,class,rle", async () => {
        const layers = await layersOf(images.indexOf(image));
        download(`${stem}_${set.key}.csv`, layersText(image, layers[set.key]));
      }),
    );
  buttons.push(
    downloadButton("Table of bones", "what the table of bones shows, and areas", async () => {
      download(`${stem}_bones.csv`, bonesText(image, await layersOf(images.indexOf(image))));
    }),
  );
  if (image.measurements.length)
    buttons.push(
      downloadButton("Measurements", "every measurement of this image", () =>
        download(`${stem}_measurements.csv`, measurementsText(image)),
      ),
    );
  return buttons;
}
