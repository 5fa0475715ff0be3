// Parts of the summary that are tables first: findings by kind, slices, the comparison, groups of bones.

function findingsCard() {
  if (!hasFindings) return null;
  const kinds = new Map();
  for (const image of images)
    for (const { kind, severity } of image.findings) {
      const entry = kinds.get(kind) ?? { kind, errors: 0, notes: 0, images: new Set() };
      entry[severity === "error" ? "errors" : "notes"]++;
      entry.images.add(image);
      kinds.set(kind, entry);
    }
  const rows = [...kinds.values()].sort((a, b) => b.errors - a.errors || b.notes - a.notes);
  const most = Math.max(...rows.map((row) => row.images.size));
  const table = sortableTable(
    "findings",
    "Findings of each kind",
    [
      {
        key: "kind",
        label: "Finding",
        head: true,
        value: ({ kind }) => kind,
        cell: ({ kind }) =>
          make(
            "button",
            {
              type: "button",
              class: "link",
              title: "show these images",
              on: { click: () => filterBy(`finding=${quoted(kind)}`) },
            },
            plainKind(kind),
          ),
      },
      { key: "errors", label: "Errors", numeric: true, value: ({ errors }) => errors },
      { key: "notes", label: "Notes", numeric: true, value: ({ notes }) => notes },
      {
        key: "images",
        label: "Images",
        numeric: true,
        value: (row) => row.images.size,
        cell: (row) => barCell(row.images.size, row.images.size / most, whole(row.images.size)),
      },
    ],
    rows,
  );
  return card("Findings", "A click on a kind lists its images.", scroller("Findings of each kind", table));
}

function slicesCards() {
  return (record.slices ?? []).map(({ by, rows }) => {
    const scored = scoredSets.filter((set) => rows.some((row) => isNumber(row.dice[set.key])));
    const all = rows.flatMap((row) => scored.map((set) => row.dice[set.key])).filter(isNumber);
    const floor = Math.max(0, Math.floor(Math.min(...all, 1) * 20 - 0.5) / 20);
    const fact = facts.find(({ key }) => key === by);
    const table = sortableTable(
      `slice-${by}`,
      `Dice by ${by}`,
      [
        {
          key: "value",
          label: by,
          head: true,
          value: ({ value }) => value,
          // Quartiles of a number are no values of a fact: nothing to filter by.
          cell: ({ value }) =>
            fact?.counts.has(value)
              ? make(
                  "button",
                  {
                    type: "button",
                    class: "link",
                    title: "show these images",
                    on: { click: () => filterBy(`${by}=${quoted(value)}`) },
                  },
                  value,
                )
              : value,
        },
        { key: "images", label: "Images", numeric: true, value: ({ images }) => images },
        { key: "patients", label: "Patients", numeric: true, value: ({ patients }) => patients },
        ...scored.map((set) => ({
          key: set.key,
          label: set.label,
          numeric: true,
          value: (row) => row.dice[set.key] ?? null,
          cell: (row) =>
            barCell(row.dice[set.key], (row.dice[set.key] - floor) / (1 - floor), fixed(row.dice[set.key], 4)),
        })),
      ],
      rows,
    );
    return card(`Dice by ${by}`, `Bars begin at ${fixed(floor, 2)}.`, scroller(`Dice by ${by}`, table));
  });
}

function intervalSvg(row, low, high) {
  const x = scaleOf(low, high, 4, 96);
  const shown = [row.low, row.high].every(isNumber);
  return makeSvg(
    "svg",
    { class: `chart interval ${row.verdict}`, viewBox: "0 0 100 16", width: 100, height: 16, "aria-hidden": "true" },
    makeSvg("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: 16 }),
    shown ? makeSvg("line", { class: "whisker", x1: x(row.low), x2: x(row.high), y1: 8, y2: 8 }) : null,
    isNumber(row.difference)
      ? makeSvg("rect", {
          class: "estimate",
          x: x(row.difference) - 3.5,
          y: 4.5,
          width: 7,
          height: 7,
          transform: `rotate(45 ${x(row.difference)} 8)`,
        })
      : null,
  );
}

function comparisonCard() {
  if (!record.comparison) return null;
  const { a, b, rows } = record.comparison;
  const ends = rows.flatMap((row) => [row.low, row.high, row.difference]).filter(isNumber);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const table = sortableTable(
    "comparison",
    `${b} minus ${a}`,
    [
      { key: "name", label: "Bone or group", head: true, value: ({ name }) => name },
      {
        key: "difference",
        label: "Difference",
        numeric: true,
        value: (row) => row.difference,
        cell: (row) => signed(row.difference, 4),
      },
      { key: "interval", label: "Interval", plain: true, cell: (row) => intervalSvg(row, low, high) },
      {
        key: "low",
        label: "95 % interval",
        numeric: true,
        value: (row) => row.low,
        cell: (row) => (isNumber(row.low) ? `${signed(row.low, 4)} to ${signed(row.high, 4)}` : "–"),
      },
      {
        key: "p",
        label: "p",
        numeric: true,
        value: (row) => row.p,
        cell: (row) => (isNumber(row.p) ? (row.p < 0.001 ? "< 0.001" : fixed(row.p, 3)) : "–"),
      },
      {
        key: "verdict",
        label: "Verdict",
        value: (row) => row.verdict,
        cell: (row) =>
          row.verdict
            ? make(
                "span",
                { class: `verdict ${row.verdict}` },
                row.verdict === "better" ? "▲ better" : row.verdict === "worse" ? "▼ worse" : row.verdict,
              )
            : "–",
      },
    ],
    rows,
  );
  return card(
    `${b} against ${a}`,
    `Difference of Dice, ${b} minus ${a}, with 95 % intervals; right of the line ${b} is better. p of the 29 bones is corrected for their number (Holm), that of all and of groups is not.`,
    scroller("Comparison", table),
  );
}

// Means over groups of bones, from the images themselves.
function groupsCard() {
  if (!scoredSets.length) return null;
  const rows = [{ label: "All bones", bones: allBones }, ...groups];
  const meanOf = (row, set) =>
    mean(images.flatMap((image) => row.bones.map((bone) => image.dice[set.key]?.[bone])).filter(isNumber));
  const means = rows.map((row) => scoredSets.map((set) => meanOf(row, set)));
  const floor = Math.max(0, Math.floor(Math.min(...means.flat().filter(isNumber), 1) * 20 - 0.5) / 20);
  const table = sortableTable(
    "groups",
    "Mean Dice of each group",
    [
      { key: "group", label: "Group", head: true, value: (place) => place, cell: (place) => rows[place].label },
      { key: "bones", label: "Bones", numeric: true, value: (place) => rows[place].bones.length },
      ...scoredSets.map((set, at) => ({
        key: set.key,
        label: set.label,
        numeric: true,
        value: (place) => means[place][at],
        cell: (place) =>
          barCell(means[place][at], (means[place][at] - floor) / (1 - floor), fixed(means[place][at], 4)),
      })),
    ],
    rows.map((_, place) => place),
  );
  return card("Dice of groups", `Bars begin at ${fixed(floor, 2)}.`, scroller("Mean Dice of each group", table));
}
