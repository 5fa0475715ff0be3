// Tables sorted by a click on a heading. The order chosen stays when the table is made anew for another image.

const sortings = new Map();

// columns: {key, label, about, numeric, value(row), cell(row), head, wide, plain}; `plain` ones have no sorting, `head`
// is the column that names its row. Rows keep the order they came in where nothing was chosen.
function sortableTable(name, caption, columns, rows, { rowClass = () => "", rowData = () => ({}) } = {}) {
  const body = make("tbody");
  const entries = rows.map((row) => ({
    row,
    line: make(
      "tr",
      { class: rowClass(row) || null, data: rowData(row) },
      columns.map((column) => tableCell(column, row)),
    ),
  }));
  const headings = columns.map((column) =>
    heading(name, column, () => arrange(name, columns, entries, body, headings)),
  );
  arrange(name, columns, entries, body, headings);
  return make(
    "table",
    { class: "data", id: `table-${name}` },
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, headings)),
    body,
  );
}

function tableCell(column, row) {
  const content = column.cell ? column.cell(row) : String(column.value(row) ?? "");
  const classes = [column.numeric && "number", column.wide && "wide-column"].filter(Boolean).join(" ") || null;
  return column.head ? make("th", { scope: "row", class: classes }, content) : make("td", { class: classes }, content);
}

function heading(name, column, rearrange) {
  const classes = [column.numeric && "number", column.wide && "wide-column"].filter(Boolean).join(" ") || null;
  if (column.plain) return make("td", { class: classes }, unseen(column.label));
  const press = () => {
    const { key, down } = sortings.get(name) ?? {};
    // Worst first is what one looks for: numbers rise at the first click, and so do names.
    if (key === column.key && down) sortings.delete(name);
    else sortings.set(name, { key: column.key, down: key === column.key });
    rearrange();
  };
  return make(
    "th",
    { scope: "col", class: classes, data: { key: column.key }, "aria-sort": "none" },
    make(
      "button",
      { type: "button", title: column.about ?? null, on: { click: press } },
      column.label,
      column.sample ? [lineSample(column.sample), unseen(column.sample.label)] : null,
      make("span", { class: "arrow", "aria-hidden": "true" }),
    ),
  );
}

function arrange(name, columns, entries, body, headings) {
  const { key, down } = sortings.get(name) ?? {};
  const column = columns.find((each) => each.key === key);
  const ordered = column
    ? [...entries].sort((a, b) => compare(column.value(a.row), column.value(b.row), down))
    : entries;
  body.replaceChildren(...ordered.map(({ line }) => line));
  for (const cell of headings)
    if (cell.dataset.key)
      cell.setAttribute("aria-sort", cell.dataset.key !== key ? "none" : down ? "descending" : "ascending");
}

const collator = new Intl.Collator("en", { numeric: true });

// What is not known comes last in both directions.
function compare(a, b, down) {
  const unknown = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);
  if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
  const order = typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
  return down ? -order : order;
}

// A number with a bar behind it.
function barCell(value, share, text) {
  return make(
    "span",
    { class: "barred" },
    make("i", { class: "bar", style: { width: percent(Math.max(0, Math.min(1, share || 0))) } }),
    isNumber(value) ? text : "–",
  );
}

const scroller = (label, ...content) =>
  make("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label }, ...content);
