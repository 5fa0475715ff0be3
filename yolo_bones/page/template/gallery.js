// Figures and contact sheets, small in a gallery, large in a dialog.

function buildGallery() {
  const figures = record.figures ?? [];
  byId("gallery").replaceChildren(
    ...figures.map((figure) => {
      const title = figure.title || "Figure";
      const picture = make("img", {
        src: figure.picture,
        alt: "",
        loading: "lazy",
        decoding: "async",
        width: figure.width,
        height: figure.height,
      });
      return make(
        "figure",
        { class: "card" },
        make(
          "button",
          { type: "button", class: "enlarge", "aria-label": `${title}, larger`, on: { click: () => enlarge(figure) } },
          picture,
        ),
        make("figcaption", {}, make("b", {}, title), figure.about ? ` ${figure.about}` : ""),
      );
    }),
  );
}

function enlarge(figure) {
  byId("large-title").textContent = figure.title;
  byId("large-about").textContent = figure.about ?? "";
  byId("large-picture").src = figure.picture;
  byId("large-picture").alt = [figure.title, figure.about].filter(Boolean).join(". ");
  byId("large").showModal();
}
