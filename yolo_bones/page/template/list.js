// The list of images: filtered, ordered, one selected.

const list = byId("list");
const listItems = images.map((image, index) => {
  const errors = errorsOf(image);
  const notes = notesOf(image);
  return make(
    "div",
    { role: "option", id: `image-${index}`, "aria-selected": "false", data: { index }, title: image.name },
    make("span", { class: "name" }, image.name),
    make(
      "span",
      { class: "row" },
      isNumber(image.score)
        ? make(
            "span",
            { class: "score" },
            make("i", { class: "track" }, make("i", { style: { width: percent(scoreShare(image.score)) } })),
            scoreText(image),
          )
        : make("span", { class: "score none" }, image.patient || "no score"),
      make(
        "span",
        { class: "badges" },
        errors
          ? make(
              "span",
              { class: "badge error", title: count(errors, "error") },
              `▲ ${errors}`,
              unseen(errors === 1 ? " error" : " errors"),
            )
          : null,
        notes
          ? make(
              "span",
              { class: "badge note", title: count(notes, "note") },
              `● ${notes}`,
              unseen(notes === 1 ? " note" : " notes"),
            )
          : null,
      ),
    ),
  );
});

function buildFilter() {
  const options = (choices) => choices.map(({ value, label }) => make("option", { value }, label));
  const orders = ORDERS.filter(
    ({ value }) => (value !== "best" || scores.length) && (value !== "findings" || hasFindings),
  );
  byId("order").append(...options(orders));
  if (!scores.length) byId("order").options[0].textContent = "Page order";
  byId("with-findings").append(...options(FINDING_CHOICES));
  byId("with-findings").hidden = !hasFindings;
  byId("with-fact").append(
    make("option", { value: "" }, "Any fact"),
    ...offeredFacts.map(({ key, counts }) =>
      make(
        "optgroup",
        { label: key },
        [...counts]
          .sort(([a], [b]) => compare(a, b))
          .map(([value, images]) =>
            make("option", { value: `${key}=${quoted(value)}` }, `${key} = ${value} (${images})`),
          ),
      ),
    ),
  );
  byId("with-fact").hidden = !offeredFacts.length;
  if (offeredFacts.length)
    byId("filter").placeholder = `Filter, e.g. ${offeredFacts[0].key}=${[...offeredFacts[0].counts.keys()][0]}`;
  byId("filter").addEventListener("input", applyFilter);
  for (const id of ["order", "with-findings", "with-fact"]) byId(id).addEventListener("change", applyFilter);
  byId("clear-filter").addEventListener("click", () => filterBy(""));
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) open(Number(item.dataset.index));
  });
  list.addEventListener("keydown", moveInList);
  list.append(...listItems);
}

function applyFilter() {
  const words = [...wordsOf(byId("filter").value), ...wordsOf(byId("with-fact").value)];
  const choice = FINDING_CHOICES.find(({ value }) => value === byId("with-findings").value);
  const order = ORDERS.find(({ value }) => value === byId("order").value);
  state.shown = images
    .map((_, index) => index)
    .filter((index) => choice.meets(images[index]) && words.every((word) => meets(images[index], word)));
  state.shown.sort(order.compare);
  list.replaceChildren(...state.shown.map((index) => listItems[index]));
  const isFiltered = state.shown.length < images.length;
  byId("count").textContent = isFiltered
    ? `${state.shown.length} of ${count(images.length, "image")}`
    : count(images.length, "image");
  byId("clear-filter").hidden = !isFiltered;
  byId("no-images").hidden = state.shown.length > 0;
  tell("filtered");
}

// From a chart or a table of the summary: those images, the first of them open.
function filterBy(text) {
  byId("filter").value = text;
  byId("with-findings").value = "";
  byId("with-fact").value = "";
  applyFilter();
  if (text && state.shown.length) open(state.shown[0], "images");
}

// Open, but let a burst of keys settle before the address is written (browsers refuse hundreds of entries at once).
function open(index, tab = state.tab) {
  if (index !== state.index) showImage(index);
  go(tab);
}

function step(by) {
  const place = state.shown.indexOf(state.index);
  const next = place < 0 ? state.shown[0] : state.shown[place + by];
  if (next === undefined) announce(by > 0 ? "This is the last image" : "This is the first image");
  else open(next);
}

function moveInList(event) {
  const places = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
  if (!(event.key in places) || event.ctrlKey || event.metaKey || event.altKey || !state.shown.length) return;
  event.preventDefault();
  const place = state.shown.indexOf(state.index) + places[event.key];
  open(state.shown[Math.max(0, Math.min(state.shown.length - 1, place))]);
}

function markInList() {
  for (const item of list.querySelectorAll("[aria-selected=true]")) item.setAttribute("aria-selected", "false");
  const item = listItems[state.index];
  item.setAttribute("aria-selected", "true");
  if (!item.isConnected) {
    list.removeAttribute("aria-activedescendant");
    return;
  }
  list.setAttribute("aria-activedescendant", item.id);
  // Not scrollIntoView: it would move the page as well.
  const [top, bottom] = [item.offsetTop - list.offsetTop, item.offsetTop - list.offsetTop + item.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top - 8;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight + 8;
}

when("image", markInList);
when("filtered", () => {
  if (state.index < 0) return;
  markInList();
  const place = state.shown.indexOf(state.index);
  byId("image-place").textContent = place < 0 ? `of ${images.length}` : `${place + 1} of ${state.shown.length}`;
});
