// The panel of an image: findings, measurements, facts.

const plainKind = (kind) => kind.replaceAll("_", " ");

function findingButton(finding) {
  const evidence = Object.entries(finding.evidence ?? {}).map(
    ([name, value]) => `${name.replaceAll("_", " ")} ${brief(value)}`,
  );
  const isError = finding.severity === "error";
  const bone = boneOf.get(finding.bone);
  return make(
    "button",
    {
      type: "button",
      class: `finding ${isError ? "error" : "note"}`,
      data: { bone: bone ?? -1 },
      title: bone === undefined ? "show the whole image" : `go to ${finding.bone}`,
      on: { click: () => (bone === undefined ? fit() : goToBone(bone)) },
    },
    make("span", { class: `badge ${isError ? "error" : "note"}` }, isError ? "▲ error" : "● note"),
    make("span", { class: "what" }, make("b", {}, finding.bone || "image"), ` ${plainKind(finding.kind)}`),
    finding.proposal ? make("span", { class: "proposal" }, `→ ${finding.proposal}`) : null,
    evidence.length ? make("span", { class: "evidence", title: evidence.join(" · ") }, evidence.join(" · ")) : null,
  );
}

// Errors first, in the order of the bones.
const orderedFindings = (image) =>
  [...image.findings].sort(
    (a, b) =>
      (a.severity !== "error") - (b.severity !== "error") || (boneOf.get(a.bone) ?? 99) - (boneOf.get(b.bone) ?? 99),
  );

function nextFinding() {
  const found = orderedFindings(currentImage()).filter(({ bone }) => boneOf.has(bone));
  if (!found.length) {
    announce("No finding of a bone in this image");
    return;
  }
  const place = found.findIndex(({ bone }) => boneOf.get(bone) === state.selected);
  goToBone(boneOf.get(found[(place + 1) % found.length].bone));
}

// A measure that most bones have is a column; what is measured once (spaces, angles of the hand) is a row of its own.
function measurementTables(image) {
  const kinds = new Map();
  for (const measurement of image.measurements) {
    const key = `${measurement.name} ${measurement.unit}`;
    kinds.set(key, [...(kinds.get(key) ?? []), measurement]);
  }
  const columns = [...kinds].filter(([, found]) => new Set(found.map(({ bone }) => bone).filter(Boolean)).size > 5);
  const single = [...kinds].filter((kind) => !columns.includes(kind)).flatMap(([, found]) => found);
  const shown = [];
  if (single.length)
    shown.push(
      sortableTable(
        "hand",
        "Measures of the hand",
        [
          {
            key: "label",
            label: "Measure",
            head: true,
            value: ({ bone, label }) => (bone && !label.includes(bone) ? `${label}, ${bone}` : label),
          },
          {
            key: "value",
            label: "Value",
            numeric: true,
            value: ({ value }) => value,
            cell: ({ value, unit }) => measureText(value, unit),
          },
          { key: "unit", label: "Unit", value: ({ unit }) => unitText(unit) },
        ],
        single,
      ),
    );
  if (columns.length) {
    const valueOf = (found) => new Map(found.map(({ bone, value }) => [boneOf.get(bone), value]));
    const measured = columns.map(([key, found]) => ({
      key,
      label: `${found[0].label} ${unitText(found[0].unit)}`,
      unit: found[0].unit,
      numeric: true,
      values: valueOf(found),
    }));
    shown.push(
      sortableTable(
        "measures",
        "Measures of each bone",
        [
          { key: "bone", label: "Bone", head: true, value: (bone) => bone, cell: (bone) => bones[bone] },
          ...measured.map((column) => ({
            ...column,
            value: (bone) => column.values.get(bone) ?? null,
            cell: (bone) => measureText(column.values.get(bone), column.unit),
          })),
        ],
        allBones.filter((bone) => measured.some(({ values }) => values.has(bone))),
      ),
    );
  }
  return shown.map((table, place) =>
    scroller(place || !single.length ? "Measures of each bone" : "Measures of the hand", table),
  );
}

const DIGITS = { px: 1, px2: 0, mm: 2, mm2: 1, deg: 1, ratio: 3 };
const measureText = (value, unit) => (unit === "px2" ? whole(value) : fixed(value, DIGITS[unit] ?? 2));
const unitText = (unit) => ({ px2: "px²", mm2: "mm²", deg: "°", ratio: "" })[unit] ?? unit;

function factList(image) {
  const stored = image.picture && (image.picture_width !== image.width || image.picture_height !== image.height);
  const pairs = [
    image.patient && ["patient", image.patient],
    !image.facts.size && ["size", `${image.width} × ${image.height} px`],
    stored && ["picture stored", `${image.picture_width} × ${image.picture_height} px`],
    ...Object.entries(image.facts),
  ].filter(Boolean);
  return make(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

function showPanel(image) {
  byId("findings-section").hidden = !image.findings.length;
  byId("findings-count").textContent = image.findings.length;
  byId("findings").replaceChildren(...orderedFindings(image).map((finding) => make("li", {}, findingButton(finding))));
  byId("measures-section").hidden = !image.measurements.length;
  showMeasures();
  byId("facts").replaceChildren(factList(image));
}

// Some hundred rows: made only for who looks.
function showMeasures() {
  const isOpen = byId("measures").closest("details").open;
  byId("measures").replaceChildren(...(isOpen ? measurementTables(currentImage()) : []));
}

byId("measures").closest("details").addEventListener("toggle", showMeasures);
when("image", showPanel);
