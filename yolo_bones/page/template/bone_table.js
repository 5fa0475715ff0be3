// Groups and bones of an image: their switches, scores, differences and areas.

const BONE_TABLE = "bones";

// Numbers of one bone, for the table and for its CSV.
function boneColumns(image, layers) {
  const columns = scoredSets.map((set) => ({
    field: `dice_${set.key}`,
    label: "Dice",
    sample: scoredSets.length > 1 ? set : null,
    about: `Dice of ${set.label} against the truth`,
    digits: 3,
    value: (bone) => image.dice[set.key]?.[bone] ?? null,
  }));
  if (scoredSets.length > 1) {
    const [a, b] = columns;
    columns.push({
      field: "dice_difference",
      label: "Δ",
      about: `${scoredSets[0].label} minus ${scoredSets[1].label}`,
      digits: 3,
      signed: true,
      wide: true,
      value: (bone) => (isNumber(a.value(bone)) && isNumber(b.value(bone)) ? Number((a.value(bone) - b.value(bone)).toFixed(6)) : null),
    });
  }
  if (hasExpected)
    columns.push({
      field: "expected_dice",
      label: "Expected",
      about: "Dice expected without any truth",
      wide: scoredSets.length > 1,
      digits: 3,
      value: (bone) => image.expected?.[bone] ?? null,
    });
  const drawn = layers[state.compared];
  const right = reference && layers[reference.key];
  if (drawn && right)
    for (const kind of ["missed", "extra"])
      columns.push({
        field: `${kind}_px`,
        label: againstTruth
          ? kind[0].toUpperCase() + kind.slice(1)
          : kind === "missed"
            ? `Only ${reference.role}`
            : `Only ${styledSets.find((set) => set.key === state.compared).role}`,
        about: `pixels ${kind === "missed" ? MISSED : extraOf(styledSets.find((set) => set.key === state.compared))}`,
        digits: 0,
        value: (bone) =>
          areaOf(
            (drawn[bone].against ??= {
              missed: subtract(right[bone], drawn[bone]),
              extra: subtract(drawn[bone], right[bone]),
            })[kind],
          ),
      });
  return columns;
}

function boneTable(image, layers) {
  const first = styledSets.find((set) => layers[set.key]);
  const shown = boneColumns(image, layers).map((column) => ({
    ...column,
    key: column.field,
    numeric: true,
    cell: (bone) =>
      column.digits === 0
        ? whole(column.value(bone))
        : column.signed
          ? signed(column.value(bone), column.digits)
          : fixed(column.value(bone), column.digits),
  }));
  const columns = [
    {
      key: "on",
      label: "Shown",
      plain: true,
      cell: (bone) =>
        make("input", {
          type: "checkbox",
          "aria-label": `show ${bones[bone]}`,
          data: { bone },
          on: { change: (event) => setBones([bone], event.target.checked) },
        }),
    },
    { key: "bone", label: "Bone", head: true, value: (bone) => bone, cell: boneCell },
    ...shown,
    first && {
      key: "area",
      label: "Area",
      about: `pixels of ${first.label}`,
      numeric: true,
      wide: scoredSets.length > 1,
      value: (bone) => areaOf(layers[first.key][bone]),
      cell: (bone) => whole(areaOf(layers[first.key][bone])),
    },
  ].filter(Boolean);
  const found = new Map(
    image.findings.filter(({ bone }) => bone).map((finding) => [boneOf.get(finding.bone), finding.severity]),
  );
  return sortableTable(BONE_TABLE, `Bones of ${image.name}`, columns, allBones, {
    rowClass: (bone) => found.get(bone) ?? "",
    rowData: (bone) => ({ bone }),
  });
}

function boneCell(bone) {
  const swatch = make("i", { class: "swatch", style: { background: boneColours[bone] } });
  return make(
    "span",
    { class: "bone-cell" },
    make(
      "button",
      { type: "button", class: "bone", title: `go to ${bones[bone]}`, on: { click: () => goToBone(bone) } },
      swatch,
      bones[bone],
    ),
    make(
      "button",
      {
        type: "button",
        class: "only",
        title: `only ${bones[bone]}; again: all`,
        "aria-label": `only ${bones[bone]}`,
        on: { click: () => showOnly(bone) },
      },
      "only",
    ),
  );
}

function groupSwitches() {
  const choice = (label, members, key) => {
    const box = make("input", { type: "checkbox", data: { group: label }, on: { change: () => toggleBones(members) } });
    return make("label", { class: "chip", title: key ? `${label} (${key})` : label }, box, label);
  };
  return [
    choice("All", allBones, "9"),
    ...groups.map((group, position) => choice(group.label, group.bones, String(position + 1))),
  ];
}

function showBones() {
  const image = currentImage();
  byId("bone-table").replaceChildren(scroller("Table of bones", boneTable(image, shownLayers)));
  byId("downloads").replaceChildren(...downloadButtons(image));
  markBones();
}

function markBones() {
  document.documentElement.dataset.colours = state.colourBy;
  for (const box of document.querySelectorAll("#groups input")) {
    const members = groups.find((group) => group.label === box.dataset.group)?.bones ?? allBones;
    const on = switchOf(members);
    box.checked = on === true;
    box.indeterminate = on === null;
  }
  for (const row of document.querySelectorAll("#bone-table tbody tr")) {
    const bone = Number(row.dataset.bone);
    row.querySelector("input").checked = state.bonesOn[bone];
    row.classList.toggle("selected", bone === state.selected);
  }
  for (const button of document.querySelectorAll("#findings .finding"))
    button.classList.toggle("selected", state.selected >= 0 && Number(button.dataset.bone) === state.selected);
}

when("loaded", showBones);
when("layers", markBones);
// Only for a bone picked on the picture: a table must not run away from under a click.
when("picked", (bone) => {
  const row = document.querySelector(`#bone-table tr[data-bone="${bone}"]`);
  row?.scrollIntoView({ block: "nearest" });
});
