"""The page in a browser: a real report of four tiny hands (320 x 256), from disk in Debian's chromium, offline."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.page_browser import WIDE, Report, Sight, bare_record, looking_at, running_browser
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.page.html import render
from yolo_bones.rle import encode, masks_to_row_texts
from yolo_bones.rle_table import write_rle_table

TABS = ("images", "summary")
HOSTILE = """</script><script>window.hacked=1</script>'"><img src=x onerror="window.hacked=2">\u2028 é.png"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def report(browser: Browser, tiny_hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    assert browser.is_connected()  # no report is made where nobody can look at it
    return Report(tiny_hands, tmp_path_factory.mktemp("page"))


@pytest.fixture
def sight(browser: Browser, report: Report) -> Iterator[Sight]:
    with looking_at(browser, report.html) as opened:
        opened.wait_for(0)
        yield opened


def written(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "page.html"
    path.write_text(render(record), encoding="utf-8")
    return path


# What is shown


def test_a_report_opens_with_its_worst_image(sight: Sight, report: Report) -> None:
    assert sight.texts("#image-name") == [report.names[0]]
    assert sight.names() == report.names
    assert sight.page.locator("#list [aria-selected=true]").count() == 1
    assert sight.ink() > 1000
    assert "4 images" in sight.texts("#subtitle")[0]
    assert sight.page.locator("#notice").is_hidden()


def test_the_same_record_gives_the_same_page_and_its_policy_names_its_own_blocks(report: Report) -> None:
    text = render(report.record)
    assert text == render(json.loads(json.dumps(report.record))) == report.html.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    blocks = [re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("style", "script")]
    for block in blocks:
        assert policy
        assert block
        digest = base64.b64encode(hashlib.sha256(block[1].encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1]
    assert str(report.folder) not in text


def test_every_pixel_of_a_mask_lies_inside_its_outline_and_no_other(browser: Browser, tmp_path: Path) -> None:
    """Holes, pixels that touch by a corner, runs that go on in the next row, masks at the image's edges."""
    planes = np.zeros((29, 9, 13), dtype=bool)
    planes[0] = np.random.default_rng(3).random((9, 13)) < 0.5
    planes[0, 4:6] = True  # one run over two rows
    html = written(tmp_path, bare_record({"prediction": planes}))
    with looking_at(browser, html) as sight:
        sight.wait_for(0)
        sight.press("f")
        pixels = sight.overlay()
        # The widest fit: the image touches none of the stage's sides.
        rows, columns = (np.flatnonzero(pixels[..., 3].any(axis=axis)) for axis in (1, 0))
        assert sight.page.get_by_label("Zoom", exact=True).inner_text().endswith("%")
        scale = float(sight.page.get_by_label("Zoom", exact=True).inner_text()[:-1]) / 100
        top = (pixels.shape[0] - 9 * scale) / 2
        left = (pixels.shape[1] - 13 * scale) / 2
        ys = np.rint(top + (np.arange(9) + 0.5) * scale).astype(int)
        xs = np.rint(left + (np.arange(13) + 0.5) * scale).astype(int)
        assert (pixels[ys[:, None], xs[None], 3] > 0).tolist() == planes[0].tolist()
        assert len(rows) < 9.5 * scale
        assert len(columns) < 13.5 * scale


def test_layers_can_be_switched_alone_in_groups_and_by_set(sight: Sight, report: Report) -> None:
    page, everything = sight.page, sight.ink()
    page.get_by_role("button", name="only Radius").click()
    alone = sight.overlay()[..., 3] > 0
    assert 0 < alone.sum() < everything / 3
    left, top, scale = sight.place()
    name, radius = report.names[0], CLASS_IDS["Radius"]
    drawn = report.masks(report.pred, name)[radius] | report.masks(report.truth, name)[radius]
    rows, columns = np.nonzero(alone)
    x, y = (columns - left) / scale, (rows - top) / scale
    ys, xs = np.nonzero(drawn)
    assert xs.min() - 2 <= x.min() <= xs.min() + 1
    assert ys.min() - 2 <= y.min() <= ys.min() + 1
    assert xs.max() <= x.max() <= xs.max() + 3

    groups = page.locator("#groups input")
    assert groups.evaluate_all("boxes => boxes.map(box => [box.checked, box.indeterminate])") == [
        [False, True],
        *[[False, False]] * 6,
        [False, True],
    ]
    page.get_by_label("show Ulna").check()
    assert page.get_by_label("Forearm").is_checked()
    page.get_by_label("All", exact=True).check()
    assert sight.ink() == everything
    page.get_by_label("Carpals").uncheck()
    assert 0 < sight.ink() < everything

    page.locator("#stage").focus()
    sight.press("9", "t")
    without_truth = sight.ink()
    assert without_truth < everything
    sight.press("o")
    assert sight.ink() > without_truth
    sight.press("p", "o")
    assert sight.ink() == 0
    sight.press("p", "t", " ")
    assert sight.ink() == 0
    sight.press("l")
    assert sight.ink() == everything


def test_sets_differ_by_line_and_colours_can_be_of_bones(sight: Sight) -> None:
    dashes = sight.page.locator("#legend [id^=set-] line").evaluate_all(
        "lines => lines.map(line => line.getAttribute('stroke-dasharray'))"
    )
    assert len(dashes) == len(set(dashes)) == 3
    by_set = sight.overlay()
    sight.press("c")
    assert (sight.overlay() != by_set).any()
    assert sight.page.locator("#bone-table .swatch").first.is_visible()


def test_the_pointer_tells_all_bones_under_it_and_a_click_takes_one_after_the_other(
    sight: Sight, report: Report
) -> None:
    truth = report.masks(report.truth, report.names[0])
    shared = truth[CLASS_IDS["Hamate"]] & truth[CLASS_IDS["Capitate"]]
    others = np.delete(truth, [CLASS_IDS["Hamate"], CLASS_IDS["Capitate"]], axis=0).any(axis=0)
    y, x = next((y, x) for y, x in np.argwhere(shared) if not others[y, x])
    sight.press("p")
    sight.page.mouse.move(*sight.point(x + 0.5, y + 0.5))
    areas = {name: truth[CLASS_IDS[name]].sum() for name in ("Hamate", "Capitate")}
    smaller, larger = sorted(areas, key=lambda name: areas[name])
    assert sight.texts("#tip b") == [smaller, larger]
    assert f"x {x}, y {y}" in sight.texts("#readout")[0]
    chosen = []
    for _ in range(3):
        sight.page.mouse.click(*sight.point(x + 0.5, y + 0.5), delay=10)
        chosen += sight.texts("#bone-table tr.selected th button.bone")
        sight.page.wait_for_timeout(600)  # not a double click
    assert chosen == [smaller, larger, smaller]
    sight.press("Escape")
    assert sight.texts("#bone-table tr.selected") == []


def test_the_difference_counts_and_shows_missed_and_extra_pixels(sight: Sight, report: Report) -> None:
    name, bone = report.names[0], CLASS_IDS["finger-11"]
    drawn, truth = report.masks(report.pred, name)[bone], report.masks(report.truth, name)[bone]
    row = sight.page.locator(f"#bone-table tr[data-bone='{bone}']")
    numbers = [
        int(text.replace(",", "")) for text in row.locator("td").all_inner_texts() if re.fullmatch(r"[\d,]+", text)
    ]
    assert numbers[:2] == [int((truth & ~drawn).sum()), int((drawn & ~truth).sum())]
    sight.page.get_by_role("button", name="only finger-11").click()
    before = sight.overlay()
    sight.press("d")
    after = sight.overlay()
    left, top, scale = sight.place()
    changed = np.zeros(truth.shape, dtype=bool)
    for y, x in np.argwhere(truth ^ drawn):
        at = int(top + (y + 0.5) * scale), int(left + (x + 0.5) * scale)
        changed[y, x] = (before[at] != after[at]).any()
    assert changed.sum() > 0.9 * (truth ^ drawn).sum()
    assert sight.texts("#difference-legend")[0].split() == ["missed", "extra"]


# Moving and windowing


def test_the_wheel_zooms_at_the_pointer(sight: Sight) -> None:
    point = sight.point(100, 200)
    sight.page.mouse.move(*point)  # the wheel's event tells whole pixels only
    before = sight.place()[2]
    sight.page.mouse.wheel(0, -400)
    assert sight.place()[2] > 1.5 * before
    assert sight.point(100, 200) == pytest.approx(point, abs=1)


def test_zoom_has_buttons_keys_fit_and_native_size_and_dragging_moves(sight: Sight) -> None:
    page, fitted = sight.page, sight.place()
    page.get_by_role("button", name="Zoom in").click()
    assert sight.place()[2] == pytest.approx(1.25 * fitted[2])
    sight.press("-")
    assert sight.place()[2] == pytest.approx(fitted[2])
    page.get_by_role("button", name="1:1").click()
    assert sight.place()[2] == 1.0
    sight.press("0")
    assert sight.place() == pytest.approx(fitted)
    sight.press("+", "+")
    before = sight.place()
    start = sight.point(128, 160)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 30, start[1] - 20, steps=4)
    page.mouse.up()
    assert sight.place() == pytest.approx((before[0] + 30, before[1] - 20, before[2]))
    page.get_by_role("button", name="Fit").click()
    assert sight.place() == pytest.approx(fitted)


def test_windowing_changes_the_picture_and_comes_back(sight: Sight) -> None:
    page = sight.page
    sight.press("l")
    plain = sight.picture().astype(int)
    page.get_by_role("button", name="Invert").click()
    left, top = (round(value) for value in sight.place()[:2])
    inside = np.s_[top + 20 : top + 200, left + 20 : left + 200]
    inverted = sight.picture().astype(int)
    assert np.abs(inverted[inside] + plain[inside] - 255).mean() < 2
    assert inverted[5, 5].tolist() == plain[5, 5].tolist(), "what lies beside the picture stays black"
    sight.press("i", "w")
    assert page.locator("#auto").get_attribute("aria-pressed") == "true"
    assert sight.picture().mean() > plain.mean()
    page.locator("#stage").dblclick()
    assert (sight.picture()[inside] == plain[inside]).all()
    page.get_by_label("Level").fill("60")
    page.get_by_label("Width").fill("40")
    assert sight.texts("#level-value, #width-value") == ["60", "40"]
    wanted = np.clip((plain - 40) / 40 * 255, 0, 255)
    assert np.abs(sight.picture() - wanted)[inside].mean() < 3
    start = sight.point(100, 100)
    page.mouse.move(*start)
    page.mouse.down(button="right")
    page.mouse.move(start[0] + 50, start[1] + 50, steps=3)
    page.mouse.up(button="right")
    assert [float(text) for text in sight.texts("#level-value, #width-value")] == [80, 70]


# Finding images


def test_tables_sort_by_a_click_and_unknown_values_stay_last(browser: Browser, report: Report) -> None:
    def lose(record: dict[str, Any]) -> None:
        record["images"][0]["dice"]["prediction"][3] = None

    with looking_at(browser, report.variant("unknown.html", lose)) as sight:
        sight.wait_for(0)
        heading = sight.page.locator("#table-bones th").filter(has_text="pred.csv")
        bones = sight.page.locator("#table-bones button.bone")
        dice = read_dice(report, 0)
        dice[3] = None
        known = [bone for bone in range(29) if dice[bone] is not None]
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "ascending"
        rising = [BONES[bone] for bone in sorted(known, key=lambda bone: (dice[bone], bone))]
        assert bones.all_inner_texts() == [*rising, BONES[3]]
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        falling = [BONES[bone] for bone in sorted(known, key=lambda bone: (-dice[bone], bone))]
        assert bones.all_inner_texts() == [*falling, BONES[3]]
        sight.press("ArrowRight")
        sight.wait_for(1)
        assert heading.get_attribute("aria-sort") == "descending"
        heading.get_by_role("button").click()
        assert bones.all_inner_texts() == list(BONES)


def read_dice(report: Report, index: int) -> list[Any]:
    return list(report.record["images"][index]["dice"]["prediction"])


def test_the_list_is_filtered_by_text_findings_and_facts(sight: Sight, report: Report) -> None:
    page, images = sight.page, report.record["images"]

    def shown() -> list[str]:
        return sight.names()

    page.get_by_label("Filter the images").fill(images[2]["name"][5:])
    assert shown() == [images[2]["name"]]
    page.get_by_label("Filter the images").fill("age=61")
    assert shown() == [image["name"] for image in images if image["facts"]["age"] == "61"]
    assert "2 of 4 images" in sight.texts("#count")
    middle = sorted(image["score"] for image in images)[2]
    page.get_by_label("Filter the images").fill(f"score<{middle} tilt>-90")
    assert shown() == [image["name"] for image in images if image["score"] < middle]
    page.get_by_label("Filter the images").fill("nothing of that kind")
    assert shown() == []
    assert page.get_by_text("No image fits this filter.").is_visible()
    page.get_by_role("button", name="show all").click()
    page.get_by_label("Images by finding").select_option("any")
    found = [image["name"] for image in images if image["findings"]]
    assert 0 < len(found) < 4, "the audit of the fixture must find something, but not everywhere"
    assert shown() == found
    page.get_by_label("Images by finding").select_option("")
    page.get_by_label("Images by fact").select_option("age=24")
    assert shown() == [image["name"] for image in images if image["facts"]["age"] == "24"]
    page.get_by_label("Order of the images").select_option("best")
    assert shown() == [image["name"] for image in images if image["facts"]["age"] == "24"][::-1]


def test_a_finding_leads_to_its_bone(browser: Browser, report: Report) -> None:
    def exchange(record: dict[str, Any]) -> None:
        record["images"][0]["findings"] = [
            {"bone": "", "kind": "whole", "severity": "note", "evidence": {}, "proposal": ""},
            {
                "bone": "Capitate",
                "kind": "off_by_one",
                "severity": "error",
                "evidence": {"px": 3.0},
                "proposal": "mend",
            },
        ]

    with looking_at(browser, report.variant("finding.html", exchange)) as sight:
        sight.wait_for(0)
        assert [text.split("\n")[0:2] for text in sight.texts("#findings button")] == [
            ["▲ error", "Capitate off by one"],
            ["● note", "image whole"],
        ]
        before = sight.place()[2]
        sight.page.get_by_label("show Capitate").uncheck()
        sight.page.locator("#findings button").first.click()
        assert sight.page.get_by_label("show Capitate").is_checked()
        assert sight.texts("#bone-table tr.selected button.bone") == ["Capitate"]
        assert sight.place()[2] > 2 * before
        ys, xs = np.nonzero(report.masks(report.truth, report.names[0])[CLASS_IDS["Capitate"]])
        box = sight.page.locator("#stage").bounding_box()
        assert box
        x, y = sight.point(xs.mean(), ys.mean())
        assert abs(x - box["x"] - box["width"] / 2) < 0.15 * box["width"]
        assert abs(y - box["y"] - box["height"] / 2) < 0.15 * box["height"]
        sight.press("ArrowRight")
        sight.wait_for(1)
        assert sight.place()[2] > 2 * before, "a bone that was gone to is gone to in the next image"


# Keys and address


def test_keys_step_through_the_images_and_stay_out_of_fields(sight: Sight, report: Report) -> None:
    page = sight.page
    for key, index in (("ArrowRight", 1), ("j", 2), ("k", 1), ("ArrowLeft", 0)):
        sight.press(key)
        sight.wait_for(index)
    sight.press("ArrowLeft")
    assert "first image" in sight.texts("#announcer")[0]
    sight.press("/")
    page.keyboard.type("jklfd? image")
    assert page.get_by_label("Filter the images").input_value() == "jklfd? image"
    assert page.locator("#help").is_hidden()
    page.get_by_role("button", name="show all").click()
    page.locator("#list").focus()
    sight.press("End")
    sight.wait_for(3)
    assert sight.texts("#announcer")[0].startswith(f"Image 4 of 4: {report.names[3]}")
    page.get_by_label("Level").focus()
    sight.press("ArrowRight")
    assert sight.texts("#level-value") == ["128"] or sight.texts("#level-value") == ["129"]
    assert sight.texts("#image-name") == [report.names[3]]


def test_the_help_lists_the_keys_and_letters_can_be_switched_off(sight: Sight) -> None:
    page = sight.page
    sight.press("?")
    assert page.get_by_role("dialog").is_visible()
    assert len(sight.texts("#help-keys kbd")) > 20
    ink = sight.ink()
    sight.press("l")
    assert sight.ink() == ink
    page.get_by_label("single letters and digits act as keys").uncheck()
    sight.press("Escape")
    assert page.get_by_role("dialog").is_hidden()
    sight.press("l")
    assert sight.ink() == ink
    page.get_by_role("button", name="Keys ?").click()
    page.get_by_label("single letters and digits act as keys").check()
    page.get_by_role("button", name="Close").click()
    sight.press("l")
    assert sight.ink() == 0


def test_a_link_opens_its_image_and_back_returns(browser: Browser, report: Report) -> None:
    with looking_at(browser, report.html, f"#image={quote(report.names[2])}&tab=images") as sight:
        sight.wait_for(2)
        sight.page.locator("#list [role=option]").nth(0).click()
        sight.wait_for(0)
        sight.page.wait_for_url(re.compile(re.escape(quote(report.names[0]))))
        sight.page.get_by_role("tab", name="Summary").click()
        sight.page.wait_for_url(re.compile("tab=summary"))
        assert sight.page.locator("#summary").is_visible()
        sight.page.reload()
        assert sight.page.locator("#summary").is_visible()
        sight.page.go_back()
        assert sight.page.locator("#stage").is_visible()
        sight.wait_for(0)
        sight.page.go_back()
        sight.wait_for(2)
        assert report.names[2] in sight.page.title()


# Summary


def test_the_summary_leads_to_its_images(sight: Sight, report: Report) -> None:
    page, images = sight.page, report.record["images"]
    sight.press("s")
    histogram = page.locator("svg.chart[aria-label^='Histogram']")
    bars = histogram.get_by_role("button")
    counts = [int(re.search(r": (\d+) image", bar.get_attribute("aria-label") or "")[1]) for bar in bars.all()]  # type: ignore[index]
    assert sum(counts) == 4
    bars.first.click()
    assert page.locator("#stage").is_visible()
    assert sight.names() == [image["name"] for image in images[: counts[0]]]
    page.get_by_role("button", name="show all").click()
    sight.press("s")
    bars.first.focus()
    for _ in range(len(counts) - 1):
        sight.press("ArrowRight")
    sight.press("Enter")
    assert sight.names() == [image["name"] for image in images[4 - counts[-1] :]]
    page.get_by_role("button", name="show all").click()
    sight.press("s")
    page.locator("#summary").get_by_role("button", name="24", exact=True).click()
    assert sight.names() == [image["name"] for image in images if image["facts"]["age"] == "24"]
    page.get_by_role("button", name="show all").click()
    sight.press("s")
    point = page.locator("svg.chart[aria-label*='against tilt'] .mark").nth(2)
    name = (point.get_attribute("aria-label") or "").split(":")[0]
    point.click()
    assert sight.texts("#image-name") == [name]


def test_slices_and_comparison_are_the_record_s(sight: Sight, report: Report) -> None:
    sight.press("s")
    for table in report.record["slices"]:
        rows = sight.page.locator(f"[id='table-slice-{table['by']}'] tbody tr")
        for row, wanted in zip(rows.all(), table["rows"], strict=True):
            cells = row.locator("th, td").all_inner_texts()
            assert cells[:3] == [wanted["value"], str(wanted["images"]), str(wanted["patients"])]
            assert cells[3] == f"{wanted['dice']['prediction']:.4f}"
    rows = sight.page.locator("#table-comparison tbody tr")
    for row, wanted in zip(rows.all(), report.record["comparison"]["rows"], strict=True):
        name, difference = row.locator("th, td").all_inner_texts()[:2]
        assert name == wanted["name"]
        assert float(difference.replace("\u2212", "-")) == pytest.approx(wanted["difference"], abs=6e-5)


def test_figures_are_a_gallery_and_open_large(browser: Browser, report: Report) -> None:
    def add(record: dict[str, Any]) -> None:
        picture = record["images"][0]["picture"]
        record["figures"] = [{"title": "Areas", "about": "Of bones.", "picture": picture, "width": 256, "height": 320}]

    with looking_at(browser, report.variant("figures.html", add)) as sight:
        sight.page.get_by_role("tab", name="Figures").click()
        sight.page.get_by_role("button", name="Areas, larger").click()
        assert sight.page.get_by_role("dialog", name="Areas").get_by_role("img").is_visible()
        assert axe_violations(sight, "#large") == []
        sight.press("Escape")
        assert axe_violations(sight) == []


# Downloads


@pytest.mark.parametrize("key", ["pred", "truth", "other"])
def test_layers_come_down_as_the_table_has_them(sight: Sight, report: Report, key: str) -> None:
    path: Path = getattr(report, key)
    sight.press("ArrowRight")
    sight.wait_for(1)
    header, *lines = path.read_bytes().splitlines(keepends=True)
    name = report.names[1].encode()
    assert sight.download(f"Layers of {path.name}") == b"".join(
        [header, *(line for line in lines if line.startswith(name + b","))]
    )


def test_the_tables_of_bones_measurements_and_images_come_down(sight: Sight, report: Report) -> None:
    image = report.record["images"][0]
    rows = read_csv(sight.download("Table of bones"))
    truth = report.masks(report.truth, image["name"])
    assert [row["bone"] for row in rows] == list(BONES)
    for bone, row in enumerate(rows):
        assert float(row["dice_prediction"]) == image["dice"]["prediction"][bone]
        assert int(row["area_px_truth"]) == truth[bone].sum()
    measured = read_csv(sight.download("Measurements"))
    assert [(row["bone"], row["measurement"], row["unit"]) for row in measured] == [
        (one["bone"], one["name"], one["unit"]) for one in image["measurements"]
    ]
    assert [float(row["value"]) for row in measured if row["value"]] == [
        one["value"] for one in image["measurements"] if one["value"] is not None
    ]
    sight.press("s")
    scores = read_csv(sight.download("Table of all images (CSV)"))
    assert [(row["image_name"], float(row["score"])) for row in scores] == [
        (one["name"], one["score"]) for one in report.record["images"]
    ]
    assert {row["dice_against_Ulna"] for row in scores} == {
        str(one["dice"]["against"][28]) for one in report.record["images"]
    }


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"))))


def test_cells_that_a_spreadsheet_would_run_are_text_and_a_submission_is_left_as_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    planes = np.zeros((29, 4, 6), dtype=bool)
    planes[2, 1:3, 2:5] = True
    planes[28, 3, 5] = True
    name = '=cmd("x"),\u2028-1.png'
    measurement = {"name": "@length", "bone": "Ulna", "label": "length", "value": -1.5, "unit": "px"}
    facts = {"age": "-1", "tilt": "+38.7°", "remark": "-x"}
    record = bare_record({"prediction": planes}, name=name, patient="+1", facts=facts)
    record["images"][0]["measurements"] = [measurement]
    write_rle_table(tmp_path / "want.csv", [(name, [text.decode() for text in masks_to_row_texts(encode(planes))])])
    with looking_at(browser, written(tmp_path, record)) as sight:
        sight.wait_for(0)
        assert sight.download("Layers of prediction") == (tmp_path / "want.csv").read_bytes()
        (row,) = read_csv(sight.download("Measurements"))
        assert row == {
            "image_name": f"'{name}",
            "patient": "'+1",
            "bone": "Ulna",
            "measurement": "'@length",
            "value": "-1.5",
            "unit": "px",
        }
        sight.press("s")
        (row,) = read_csv(sight.download("Table of all images (CSV)"))
        assert (row["image_name"], row["age"], row["tilt"], row["remark"]) == (f"'{name}", "-1", "38.7", "'-x")


# What comes from strangers, and what is missing


def test_hostile_names_are_text(browser: Browser, report: Report) -> None:
    def poison(record: dict[str, Any]) -> None:
        record["title"] = HOSTILE
        record["about"].append([HOSTILE, HOSTILE])
        for shown in record["sets"]:
            shown["label"] = HOSTILE
        for table in record["slices"]:
            table["by"] = HOSTILE
        record["comparison"] |= {"a": HOSTILE, "b": HOSTILE}
        record["figures"] = [
            {"title": HOSTILE, "about": HOSTILE, "picture": "javascript:alert(1)", "width": 9, "height": 9}
        ]
        for number, image in enumerate(record["images"]):
            image["name"] = f"{number}{HOSTILE}"
            image["patient"] = HOSTILE
            image["facts"] = {HOSTILE: HOSTILE, "__proto__": "x", "constructor": "y"}
            image["findings"] = [
                {
                    "bone": HOSTILE,
                    "kind": HOSTILE,
                    "severity": "error",
                    "evidence": {HOSTILE: HOSTILE},
                    "proposal": HOSTILE,
                }
            ]
            image["measurements"] = [{"name": HOSTILE, "bone": HOSTILE, "label": HOSTILE, "value": 1, "unit": HOSTILE}]
        record["images"][1]["picture"] = "javascript:window.hacked=3"

    html = report.variant("hostile.html", poison)
    refused = re.compile("javascript")
    with looking_at(browser, html, may_fail=lambda fault: bool(refused.search(fault))) as sight:
        page = sight.page
        page.on("dialog", lambda _: pytest.fail("a dialog opened"))
        sight.wait_for(0)
        assert sight.texts("#image-name") == [f"0{HOSTILE}".replace("\u2028", "\u2028")]
        page.locator("#measures-section summary").click()
        sight.press("e", "ArrowRight")
        sight.wait_for(1)
        assert "cannot be read" in sight.texts("#notice")[0] or "is not there" in sight.texts("#notice")[0]
        for tab in ("Summary", "Figures"):
            page.get_by_role("tab", name=tab).click()
        page.get_by_role("button", name="larger").click()
        sight.settle()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("tab", name="Images").click()
        assert page.locator("img[src='x'], [onerror], main script").count() == 0
        assert page.evaluate("window.hacked") is None


def test_halves_of_characters_in_a_file_s_name_do_not_stop_the_page(browser: Browser, tmp_path: Path) -> None:
    planes = np.ones((29, 4, 6), dtype=bool)
    record = bare_record({"prediction": planes}, name="caf\udce9.png")
    record["title"] = "caf\udce9.csv"
    with looking_at(browser, written(tmp_path, record)) as sight:
        sight.wait_for(0)
        assert sight.texts("h1") == ["caf\ufffd.csv"]


def test_what_is_missing_is_told(browser: Browser, report: Report) -> None:
    def lose(record: dict[str, Any]) -> None:
        record["images"][0]["picture"] = None
        record["images"][1]["picture"] = "nowhere_files/0001.jpg"
        record["images"][2]["layers"]["truth"] = "AAAA"
        del record["images"][3]["layers"]["prediction"]

    def is_missing(fault: str) -> bool:
        return "ERR_FILE_NOT_FOUND" in fault

    with looking_at(browser, report.variant("missing.html", lose), may_fail=is_missing) as sight:
        sight.wait_for(0)
        assert "no picture" in sight.texts("#notice")[0]
        assert sight.ink() > 1000
        sight.press("j")
        sight.wait_for(1)
        assert "nowhere_files/0001.jpg is not there" in sight.texts("#notice")[0]
        sight.press("j")
        sight.wait_for(2)
        assert "outlines of this image cannot be read" in sight.texts("#notice")[0]
        sight.press("j")
        sight.wait_for(3)
        assert sight.page.locator("#notice").is_hidden()
        assert sight.page.locator("#set-0").get_attribute("class") == "toggle absent"
        assert sight.page.locator("#set-1").get_attribute("class") == "toggle"

    scripts = ["delete window.DecompressionStream;"]
    with looking_at(browser, report.html, scripts=scripts) as sight:
        sight.wait_for(0)
        assert "cannot unpack" in sight.texts("#notice")[0]
        assert len(sight.texts("#bone-table button.bone")) == 29
        assert sight.page.locator("#picture img").is_visible()

    with looking_at(browser, report.html, java_script_enabled=False) as sight:
        assert sight.page.locator("noscript .fault").is_visible()

    with looking_at(browser, report.variant("later.html", lambda record: record.update(format=2))) as sight:
        assert "format 2" in sight.page.get_by_role("alert").inner_text()


def test_pages_without_images_or_with_one_kind_of_set_open(browser: Browser, report: Report, tmp_path: Path) -> None:
    def empty(record: dict[str, Any]) -> None:
        record["images"], record["slices"], record["comparison"] = [], [], None

    with looking_at(browser, report.variant("empty.html", empty)) as sight:
        assert sight.page.locator("#summary").is_visible()
        sight.press("j", "l", "e", "?")
    # Sets that no image has together: nothing to compare.
    record = bare_record({"annotation": np.ones((29, 4, 6), dtype=bool)})
    record["sets"].append({"key": "truth", "label": "test", "role": "truth"})
    with looking_at(browser, written(tmp_path, record)) as sight:
        sight.wait_for(0)
        assert sight.page.get_by_role("button", name="Difference").count() == 0


# For everybody


def axe_violations(sight: Sight, part: str = "html", rules: Sequence[str] = ()) -> list[str]:
    """What axe-core objects to in a part of the page, by all of its rules or by some."""
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    found = Axe().run(sight.page, context=part, options=only)
    return [
        f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "rules"), [("light", []), ("dark", ["color-contrast"])])
def test_axe_finds_nothing(browser: Browser, report: Report, scheme: str, rules: list[str]) -> None:
    """Only colours depend on the scheme."""
    with looking_at(browser, report.html, color_scheme=scheme) as sight:
        sight.wait_for(0)
        page = sight.page
        page.locator("#measures-section summary").click()
        sight.press("d", "c", "n", "e", "2")
        page.get_by_label("Filter the images").fill("age=24")
        assert axe_violations(sight, rules=rules) == []
        page.locator("#stage").focus()
        sight.press("?")
        assert axe_violations(sight, "#help", rules) == []
        sight.press("Escape")
        page.get_by_role("tab", name="Summary").click()
        for details in page.locator("#summary details summary").all():
            details.click()
        assert axe_violations(sight, "#panel-summary", rules) == []


def test_everything_is_reached_by_the_tab_key_and_the_focus_shows(sight: Sight) -> None:
    reached = []
    for _ in range(40):
        sight.press("Tab")
        reached.append(
            sight.page.evaluate(
                """() => { const it = document.activeElement; const style = getComputedStyle(it);
                return [it.id || it.className || it.tagName, style.outlineStyle !== "none" || it.id === "skip"]; }"""
            )
        )
    names = [name for name, _ in reached]
    for wanted in ("skip", "tab-images", "help-open", "filter", "list", "next", "level", "stage", "outlines"):
        assert wanted in names
    assert [name for name, is_seen in reached if not is_seen] == []


@pytest.mark.parametrize("width", [900, 1280, 1920, 2560])
def test_nothing_is_wider_than_its_window(browser: Browser, report: Report, width: int) -> None:
    with looking_at(browser, report.html, viewport={"width": width, "height": 900}) as sight:
        sight.wait_for(0)
        for tab in TABS:
            sight.page.get_by_role("tab", name=tab.capitalize()).click()
            sight.settle()
            wide = sight.page.evaluate(
                """() => [...document.querySelectorAll(
                    "html, body, header, main, .side, .viewer, .bar, .details, .card")]
                .filter(it => it.offsetParent !== null || it === document.documentElement)
                .filter(it => it.scrollWidth > it.clientWidth + 1 || it.getBoundingClientRect().right > innerWidth + 1)
                .map(it => `${it.tagName}.${it.className}#${it.id} ${it.scrollWidth} ${it.clientWidth}`)"""
            )
            assert wide == []


def test_three_hundred_images_with_pictures_in_a_folder_are_listed_and_stepped_through(
    browser: Browser, report: Report, tmp_path: Path
) -> None:
    """The pictures lie beside the page, as those of a large report do; how quick it is tells `make page-bench`."""
    record = json.loads(json.dumps(report.record))
    picture = base64.b64decode(record["images"][0]["picture"].split(",")[1])
    folder = tmp_path / "page_files"
    folder.mkdir()
    images = []
    for number in range(300):
        (folder / f"{number + 1:04}.jpg").write_bytes(picture)
        image = dict(record["images"][number % 4])
        images.append(image | {"name": f"image{number}.png", "picture": f"page_files/{number + 1:04}.jpg"})
    record["images"] = images
    with looking_at(browser, written(tmp_path, record), viewport=WIDE) as sight:
        sight.wait_for(0)
        assert sight.page.locator("#list [role=option]").count() == 300
        for _ in range(39):
            sight.press("ArrowRight")
        sight.wait_for(39)
        assert sight.page.locator("#picture img").count() == 1
        assert sight.page.locator("#picture img").evaluate("it => it.naturalWidth") == 256
        sight.press("w")
        assert sight.page.locator("#auto").get_attribute("aria-pressed") == "true"
        assert sight.texts("#notice") == [""], "the record tells the window of a picture that no script can read"
        sight.page.get_by_label("Filter the images").fill("image29")
        assert len(sight.names()) == 11
        # A burst of keys leaves one entry behind, and the image where it rested.
        sight.page.wait_for_url(re.compile("image39.png"))
