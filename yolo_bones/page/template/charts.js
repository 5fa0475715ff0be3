// The summary's drawings: SVG with marks that can be clicked, and reached by keys (Tab to a chart, arrows along its marks).

const CHART_WIDTH = 640;
const EDGE = { top: 12, right: 16, bottom: 40, left: 52 };

const scaleOf = (low, high, from, to) => {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  return Object.assign(scale, { low, high });
};

// Round steps: 1, 2 or 5 times a power of ten.
function niceStep(span, most) {
  const raw = span / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
}

function ticksOf(low, high, most, smallest = 0) {
  const step = Math.max(smallest, niceStep(high - low, most));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // A number of steps, so that 0.1 + 0.2 never shows.
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toFixed(digits)));
}

const tickText = (value) => String(value).replace("-", "−");

function axisX(scale, height, title, most = 8) {
  const floor = height - EDGE.bottom;
  return makeSvg(
    "g",
    { class: "axis", "aria-hidden": "true" },
    ticksOf(scale.low, scale.high, most).map((tick) => [
      makeSvg("line", { x1: scale(tick), x2: scale(tick), y1: EDGE.top, y2: floor }),
      makeSvg("text", { x: scale(tick), y: floor + 16, "text-anchor": "middle" }, tickText(tick)),
    ]),
    makeSvg(
      "text",
      { class: "title", x: (scale(scale.low) + scale(scale.high)) / 2, y: height - 6, "text-anchor": "middle" },
      title,
    ),
  );
}

function axisY(scale, title, smallest = 0) {
  return makeSvg(
    "g",
    { class: "axis", "aria-hidden": "true" },
    ticksOf(scale.low, scale.high, 5, smallest).map((tick) => [
      makeSvg("line", { x1: EDGE.left, x2: CHART_WIDTH - EDGE.right, y1: scale(tick), y2: scale(tick) }),
      makeSvg("text", { x: EDGE.left - 8, y: scale(tick) + 4, "text-anchor": "end" }, tickText(tick)),
    ]),
    makeSvg(
      "text",
      {
        class: "title",
        x: -(scale(scale.low) + scale(scale.high)) / 2,
        y: 14,
        transform: "rotate(-90)",
        "text-anchor": "middle",
      },
      title,
    ),
  );
}

// A shape with a name that opens something. Only one mark of a chart is a tab stop; arrow keys go on from there.
function mark(shape, name, press) {
  return makeSvg(
    "g",
    { class: "mark", role: "button", tabindex: "-1", "aria-label": name, on: { click: press } },
    makeSvg("title", {}, name),
    shape,
  );
}

function chart(name, height, ...content) {
  const drawing = makeSvg(
    "svg",
    { class: "chart", viewBox: `0 0 ${CHART_WIDTH} ${height}`, role: "group", "aria-label": name },
    content,
  );
  const marks = [...drawing.querySelectorAll(".mark")];
  marks[0]?.setAttribute("tabindex", "0");
  drawing.addEventListener("keydown", (event) => {
    const at = marks.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") marks[at].dispatchEvent(new MouseEvent("click"));
    else {
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      const next = marks[at + (steps[event.key] ?? 0)];
      if (!(event.key in steps) || !next) return;
      marks[at].setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    }
    event.preventDefault();
  });
  return drawing;
}

// The same numbers as a table, for who cannot or will not read a drawing.
function asTable(caption, header, rows) {
  return make(
    "details",
    { class: "as-table" },
    make("summary", {}, "As a table"),
    scroller(
      caption,
      make(
        "table",
        { class: "data" },
        make("caption", {}, caption),
        make(
          "thead",
          {},
          make(
            "tr",
            {},
            header.map((title, at) => make("th", { scope: "col", class: at ? "number" : null }, title)),
          ),
        ),
        make(
          "tbody",
          {},
          rows.map(([first, ...others]) =>
            make(
              "tr",
              {},
              make("th", { scope: "row" }, first),
              others.map((value) => make("td", { class: "number" }, value)),
            ),
          ),
        ),
      ),
    ),
  );
}

function card(title, about, ...content) {
  return make(
    "section",
    { class: "card" },
    make("h2", {}, title),
    about ? make("p", { class: "about" }, about) : null,
    ...content,
  );
}

// Which colour and shape a set has in the charts; `chart-` colours follow the scheme, the viewer's do not.
const setClass = (set) => `series role-${ROLES[set.role] ? set.role : "other"} place-${set.position}`;

function chartLegend(shownSets) {
  if (shownSets.length < 2) return null;
  return make(
    "p",
    { class: "chart-legend" },
    shownSets.map((set) =>
      make(
        "span",
        {},
        makeSvg(
          "svg",
          { class: "chart", viewBox: "0 0 18 12", width: 18, height: 12, "aria-hidden": "true" },
          makeSvg("rect", { class: `box ${setClass(set)}`, x: 1, y: 1, width: 16, height: 10 }),
        ),
        ` ${set.label}`,
      ),
    ),
  );
}
