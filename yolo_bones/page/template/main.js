// Tabs, the address (#image=...&tab=...), and the start.

const TABS = [
  { key: "images", label: "Images", wanted: images.length > 0 },
  { key: "summary", label: "Summary", wanted: true, build: buildSummary },
  { key: "figures", label: "Figures", wanted: (record.figures ?? []).length > 0, build: buildGallery },
].filter(({ wanted }) => wanted);
const KINDS = { report: "Report", audit: "Audit", exploration: "Exploration" };
const REST_MS = 250;
let addressTimer = 0;
let lastAddress = "";

function showTab(key) {
  if (state.tab === key) return;
  state.tab = key;
  for (const tab of TABS) {
    const isShown = tab.key === key;
    byId(`tab-${tab.key}`).setAttribute("aria-selected", isShown);
    byId(`tab-${tab.key}`).setAttribute("tabindex", isShown ? "0" : "-1");
    byId(`panel-${tab.key}`).hidden = !isShown;
    if (isShown && tab.build) {
      tab.build();
      tab.build = null;
    }
  }
  document.documentElement.dataset.tab = key;
  if (key === "images") measureStage();
}

function go(tab) {
  showTab(tab);
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, REST_MS);
}

const addressOf = () => {
  const parts = new URLSearchParams();
  if (currentImage()) parts.set("image", currentImage().name);
  parts.set("tab", state.tab);
  return `#${parts}`;
};

function showTitle() {
  document.title = [state.tab === "images" ? currentImage()?.name : "", record.title, KINDS[record.kind]]
    .filter(Boolean)
    .join(" · ");
}

function writeAddress() {
  showTitle();
  const address = addressOf();
  // The first address of a visit is no step that one could go back from.
  if (!location.hash) location.replace(address);
  else if (location.hash !== address) location.hash = address;
  lastAddress = location.hash;
}

function followAddress() {
  // The browser tells of our own writing too, perhaps when the next image is there already.
  if (location.hash === lastAddress) return;
  readAddress();
}

function readAddress() {
  lastAddress = location.hash;
  clearTimeout(addressTimer);
  const parts = new URLSearchParams(location.hash.slice(1));
  const named = images.findIndex((image) => image.name === parts.get("image"));
  const index = named >= 0 ? named : Math.max(0, state.index);
  const tab = TABS.find(({ key }) => key === parts.get("tab"))?.key ?? TABS[0].key;
  showTab(tab);
  if (images.length && index !== state.index) showImage(index);
  showTitle();
  if (!location.hash) addressTimer = setTimeout(writeAddress, REST_MS);
}

function buildTabs() {
  const buttons = TABS.map(({ key, label }) =>
    make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${key}`,
        "aria-controls": `panel-${key}`,
        "aria-selected": "false",
        on: { click: () => go(key) },
      },
      label,
    ),
  );
  byId("tabs").append(...buttons);
  byId("tabs").addEventListener("keydown", (event) => {
    const at = buttons.indexOf(document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const button = buttons[(next + buttons.length) % buttons.length];
    button.focus();
    button.click();
  });
}

function start() {
  document.documentElement.classList.add("ready");
  if (record.format !== 1) {
    byId("fault").textContent = `This page holds a record of format ${record.format}; its script reads format 1.`;
    byId("fault").hidden = false;
    return;
  }
  byId("subtitle").textContent = [
    KINDS[record.kind] ?? record.kind,
    count(images.length, "image"),
    scores.length ? `mean ${scoreLabel} ${fixed(mean(scores), 4)}` : "",
    hasFindings
      ? count(
          images.reduce((sum, image) => sum + image.findings.length, 0),
          "finding",
        )
      : "",
  ]
    .filter(Boolean)
    .join(" · ");
  buildTabs();
  buildHelp();
  if (images.length) {
    buildBars();
    buildFilter();
    byId("groups").append(...groupSwitches());
    applyFilter();
  }
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    go(TABS[0].key);
    (images.length ? stage : byId("summary")).focus();
  });
  window.addEventListener("hashchange", followAddress);
  readAddress();
}

start();
