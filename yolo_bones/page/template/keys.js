// The keyboard. Keys never act while somebody types, chooses in a list or reads a dialog, nor with Ctrl, Alt or Meta.

const setsOfKey = (key) => styledSets.filter((set) => set.shortcut === key);
const toggleSetsOf = (key) => () => setsOfKey(key).forEach((set) => toggleSet(set.key));

// [keys, what they do, for the help; the action; where it acts on the images alone]
const KEYS = [
  { keys: ["ArrowRight", "j"], about: "next image", act: () => step(1) },
  { keys: ["ArrowLeft", "k"], about: "previous image", act: () => step(-1) },
  { keys: [" ", "l"], about: "all outlines on or off", act: toggleOutlines },
  ...["p", "t", "o"].flatMap((key) =>
    setsOfKey(key).length
      ? [
          {
            keys: [key],
            about: `${setsOfKey(key)
              .map((set) => `${set.role} (${set.label})`)
              .join(", ")} on or off`,
            act: toggleSetsOf(key),
          },
        ]
      : [],
  ),
  ...groups.map((group, position) => ({
    keys: [String(position + 1)],
    about: `${group.label} on or off`,
    act: () => toggleBones(group.bones),
  })),
  { keys: ["9"], about: "all bones on or off", act: () => toggleBones(allBones) },
  { keys: ["f"], about: "fill", act: () => toggle("fill") },
  { keys: ["n"], about: "names of the bones", act: () => toggle("names") },
  ...(styledSets.length > 1 ? [{ keys: ["c"], about: "colours by bone or by set", act: toggleColours }] : []),
  ...(reference
    ? [
        {
          keys: ["d"],
          about: `difference: pixels ${MISSED} and ${extraOf(comparable[0])}`,
          act: () => toggle("difference"),
        },
      ]
    : []),
  { keys: ["e"], about: "next finding of this image", act: nextFinding },
  { keys: ["+", "="], about: "closer", act: () => zoomAt(1.25) },
  { keys: ["-"], about: "farther", act: () => zoomAt(0.8) },
  { keys: ["0"], about: "fit into the window", act: fit },
  { keys: ["z"], about: "one image pixel a screen pixel", act: zoomToNative },
  { keys: ["i"], about: "invert", act: () => setWindow({ inverted: !windowing.inverted, auto: windowing.auto }) },
  { keys: ["w"], about: "window by the picture's own grey levels", act: autoWindow },
  { keys: ["r"], about: "reset the window", act: resetWindow },
  { keys: ["Escape"], about: "select nothing", act: () => select(-1) },
];
const ANYWHERE = [
  { keys: ["s"], about: "summary and back", act: () => go(state.tab === "summary" ? "images" : "summary") },
  { keys: ["/"], about: "filter the images", act: focusFilter },
  { keys: ["?"], about: "this help", act: () => byId("help").showModal() },
];
const POINTER_HELP = [
  ["Wheel", "zoom at the pointer"],
  ["Drag", "move the picture"],
  ["Right drag, Shift + drag", "window: across the width, down the level"],
  ["Double click", "reset the window"],
  ["Click", "select the bone; again: the next one that overlaps it"],
  ["Shift + arrows", "move the picture"],
];
const SHOWN_KEYS = { ArrowRight: "→", ArrowLeft: "←", " ": "Space", Escape: "Esc", "-": "−" };

function focusFilter() {
  go("images");
  byId("filter").focus();
}

const isTyping = (target) => target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]");
const isPressable = (target) => target.closest?.("button, a, summary, input, [role=tab], [role=button]");
const isListed = (target) => target.closest?.("[role=listbox], [role=tablist], svg.chart");

function pressKey(event) {
  if (
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector("dialog[open]")
  )
    return;
  if (isTyping(event.target)) {
    if (event.key === "Escape" && event.target.id === "filter") stage.focus();
    return;
  }
  if (event.shiftKey && event.key.startsWith("Arrow")) {
    shiftPicture(event);
    return;
  }
  if (!byId("keys-on").checked && event.key.length === 1 && event.key !== "?") return;
  if (event.key === " " && isPressable(event.target)) return;
  if (event.key.startsWith("Arrow") && isListed(event.target) && !event.target.closest("#list")) return;
  const wanted = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const found =
    ANYWHERE.find(({ keys }) => keys.includes(wanted)) ??
    (state.tab === "images" && images.length ? KEYS.find(({ keys }) => keys.includes(wanted)) : undefined);
  if (!found) return;
  event.preventDefault();
  found.act();
}

function shiftPicture(event) {
  const [x, y] = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (state.tab !== "images") return;
  event.preventDefault();
  panBy(x, y);
}

function buildHelp() {
  const rows = [...KEYS, ...ANYWHERE].map(({ keys, about }) =>
    make(
      "div",
      {},
      make(
        "dt",
        {},
        keys.map((key) => make("kbd", {}, SHOWN_KEYS[key] ?? key)),
      ),
      make("dd", {}, about),
    ),
  );
  const mouse = POINTER_HELP.map(([what, about]) => make("div", {}, make("dt", {}, what), make("dd", {}, about)));
  byId("help-keys").replaceChildren(...rows);
  byId("help-pointer").replaceChildren(...mouse);
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    // A click beside the dialog falls on the dialog itself.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  document.addEventListener("keydown", pressKey);
}
