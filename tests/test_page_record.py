"""What a page is made from, its pictures and files, findings read from audits; tiny and never square."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import annotation_files, edit_json
from tests.rectangle_hands import hand_masks, hand_planes
from yolo_bones.annotations import read_outlines
from yolo_bones.audit.corrections import corrected_record
from yolo_bones.audit.findings import Correction, Finding
from yolo_bones.audit.norms import DrawnImage, unwatched
from yolo_bones.bones import BONE_COUNT, BONES, CLASS_IDS
from yolo_bones.errors import InputError, InputErrors, RefusedError
from yolo_bones.image_files import read_grey
from yolo_bones.page.annotation_sources import (
    annotation_sources,
    corrected_outlines,
    fill_outlines,
    worst_first,
)
from yolo_bones.page.given_findings import joined, read_audit
from yolo_bones.page.hand_facts import hand_facts
from yolo_bones.page.layers import unpack_layers
from yolo_bones.page.page_files import check_page_place, pictures_beside, write_page
from yolo_bones.page.pictures import encode_picture
from yolo_bones.page.record import (
    REPORT,
    LayerSet,
    PageFigure,
    PageFinding,
    PageHead,
    PageImage,
    page_record,
    plain,
)
from yolo_bones.page.shown_images import PageSource, ShownImage, ShowSettings, runs_of, show_image
from yolo_bones.rle import ImageSize, encode

HEAD = PageHead("pred.csv", REPORT, [("images", "1")], [LayerSet("prediction", "pred.csv", "prediction")])
SETTINGS = ShowSettings(longest_px=128)


def read_record(html: Path) -> dict[str, Any]:
    """The record inside a page."""
    found = re.search(
        r'<script type="application/json" id="record">(.*?)</script>', html.read_text(encoding="utf-8"), re.S
    )
    assert found is not None
    record: dict[str, Any] = json.loads(found[1])
    return record


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (200, 160)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8))
    return path


def source_of(image: Path, **more: Any) -> PageSource:
    size = ImageSize(*read_grey(image)[0].shape)
    planes = np.zeros((BONE_COUNT, size.height, size.width), dtype=bool)
    planes[3, 5:9, 6:16] = True
    return PageSource(image.name, "ID001", image, size, {"prediction": runs_of(encode(planes))}, **more)


def write_tiny(
    html: Path, *images: Path, embed_bytes: int = 10_000_000, workers: int = 1, head: PageHead = HEAD
) -> int:
    sources = [source_of(image) for image in images]
    return write_page(
        html,
        head,
        sources,
        SETTINGS,
        embed_bytes=embed_bytes,
        total=len(sources),
        workers=workers,
        watch=unwatched,
    )


# ----------------------------------------------------------------------------------------------------------- the record


def test_every_bone_is_in_one_group_and_sets_are_named() -> None:
    record = page_record(HEAD, [], [])
    assert record["format"] == 1
    assert sorted(bone for group in record["groups"] for bone in group["bones"]) == list(range(BONE_COUNT))
    assert [group["key"] for group in record["groups"]] == [
        *("thumb", "index", "middle", "ring", "little", "carpals", "forearm")
    ]
    assert record["groups"][-1] == {"key": "forearm", "label": "Forearm", "bones": [27, 28]}
    assert record["bones"] == list(BONES)
    assert (record["score"], record["comparison"], record["slices"], record["figures"]) == (None, None, [], [])


def test_what_is_not_known_is_null_and_numbers_keep_six_decimals() -> None:
    image = PageImage("a.png", "", 3, 2, {}, score=float("nan"), dice={"prediction": np.array([1 / 3, np.nan, np.inf])})
    record = page_record(HEAD, [image], [None])["images"][0]
    assert record["score"] is None
    assert record["dice"] == {"prediction": [0.333333, None, None]}
    assert (record["expected"], record["picture"], record["patient"]) == (None, None, "")
    assert plain((np.float64(2.5), True, "x", 7)) == [2.5, True, "x", 7]


def test_a_picture_is_shrunk_to_its_longer_side_and_never_enlarged() -> None:
    grey = np.tile(np.linspace(10, 240, 90).astype(np.uint8), (60, 1))
    small, whole = encode_picture(grey, 45), encode_picture(grey, 2048)
    assert (small.width, small.height, whole.width, whole.height) == (45, 30, 90, 60)
    for picture in (small, whole):
        decoded = cv2.imdecode(np.frombuffer(picture.content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        assert decoded.shape == (picture.height, picture.width)
        assert np.abs(decoded[:, 4].astype(float) - 10 - 4 * 230 / picture.width).max() < 8


@pytest.mark.parametrize(("tilt", "left"), [(-24.0, True), (0.0, False), (12.0, True)])
def test_facts_of_the_hand_are_read_from_its_masks(tilt: float, left: bool) -> None:
    facts = hand_facts(hand_masks(tilt, left))
    assert facts["wrist"] == ("bent" if abs(tilt) > 15 else "straight")
    assert facts["side"] == ("thumb-left" if left else "thumb-right")
    assert float(facts["tilt"].removesuffix("°")) == pytest.approx(tilt, abs=1.0)
    assert facts["size"] == "500 x 560"


def test_masks_that_make_no_hand_have_no_tilt() -> None:
    planes = hand_planes()
    planes[2:] = False
    assert hand_facts(encode(planes)) == {"wrist": "unknown", "side": "unknown", "size": "500 x 560"}


def test_an_image_is_shown_with_exact_layers_and_measurements_in_mm(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png", size=(560, 500))
    masks = hand_masks(20.0)
    source = PageSource("a.png", "", image, masks.size, {"prediction": runs_of(masks)}, facts={"age": "24"})
    shown = {}
    for spacing in (None, 0.5):
        found = show_image(ShowSettings(100, spacing), source)
        assert isinstance(found, ShownImage)
        shown[spacing] = found
    image_shown = shown[None].image
    assert unpack_layers(image_shown.layers["prediction"], masks.size).equals(masks)
    assert list(image_shown.facts) == ["wrist", "side", "tilt", "size", "age"]
    areas = [
        next(one["value"] for one in found.image.measurements if (one["name"], one["bone"]) == ("area", "Capitate"))
        for found in shown.values()
    ]
    assert areas[1] == pytest.approx(areas[0] * 0.25, abs=1e-3)
    assert {one["unit"] for one in shown[0.5].image.measurements} <= {"mm", "mm2", "ratio", "deg"}
    assert all(one["label"] == one["name"].replace("_", " ") for one in image_shown.measurements)


# ------------------------------------------------------------------------------------------------------------ the files


def test_pictures_lie_inside_below_the_limit_and_in_a_folder_above_it(tmp_path: Path) -> None:
    images = [write_image(tmp_path / "in" / f"{number}.png", number) for number in range(3)]
    html = tmp_path / "out" / "a page.html"
    assert write_tiny(html, *images, embed_bytes=0) == 3
    beside = pictures_beside(html)
    assert sorted(path.name for path in beside.iterdir()) == ["0001.jpg", "0002.jpg", "0003.jpg", "README.txt"]
    apart = read_record(html)
    assert [one["picture"] for one in apart["images"]] == [f"a%20page_files/000{number}.jpg" for number in (1, 2, 3)]
    assert (apart["images"][0]["picture_width"], apart["images"][0]["picture_height"]) == (102, 128)
    contents = [(beside / f"000{number}.jpg").read_bytes() for number in (1, 2, 3)]
    assert write_tiny(html, *images) == 0
    whole = read_record(html)
    assert not beside.exists()
    for one, content in zip(whole["images"], contents, strict=True):
        assert one.pop("picture") == f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    for one in apart["images"]:
        one.pop("picture")
    assert whole == apart
    assert sorted(path.name for path in html.parent.iterdir()) == ["a page.html"]


def test_fewer_pictures_leave_none_of_the_earlier_page(tmp_path: Path) -> None:
    images = [write_image(tmp_path / "in" / f"{number}.png", number) for number in range(3)]
    html = tmp_path / "page.html"
    assert write_tiny(html, *images, embed_bytes=0) == 3
    assert write_tiny(html, images[2], embed_bytes=0) == 1
    assert sorted(path.name for path in pictures_beside(html).iterdir()) == ["0001.jpg", "README.txt"]


def test_the_page_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    images = [write_image(tmp_path / "in" / f"{number}.png", number) for number in range(5)]
    pages = []
    for workers in (1, 2):
        html = tmp_path / str(workers) / "page.html"
        write_tiny(html, *images, workers=workers)
        pages.append(html.read_bytes())
    assert pages[0] == pages[1]


def test_figures_are_named_beside_the_page_or_lie_inside(tmp_path: Path) -> None:
    image = write_image(tmp_path / "in" / "a.png")
    figure = write_image(tmp_path / "areas.png", 7, (40, 30))
    head = PageHead("raw", REPORT, [], HEAD.sets, figures=[PageFigure("Areas", "of bones", "areas.png", 30, 40)])
    html = tmp_path / "page.html"
    write_tiny(html, image, embed_bytes=0, head=head)
    assert read_record(html)["figures"][0]["picture"] == "areas.png"
    write_tiny(html, image, head=head)
    inside = read_record(html)["figures"][0]["picture"]
    assert inside == f"data:image/png;base64,{base64.b64encode(figure.read_bytes()).decode()}"


def test_a_failed_run_leaves_the_earlier_page_as_it_was(tmp_path: Path) -> None:
    images = [write_image(tmp_path / "in" / f"{number}.png", number) for number in range(2)]
    html = tmp_path / "page.html"
    write_tiny(html, *images, embed_bytes=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupted() -> Iterator[PageSource]:
        yield source_of(images[1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_page(
            html,
            HEAD,
            interrupted(),
            SETTINGS,
            embed_bytes=0,
            total=2,
            workers=1,
            watch=unwatched,
        )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_all_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    images = [write_image(tmp_path / f"{number}.png", number) for number in range(3)]
    sources = [source_of(image) for image in images]
    for image in (images[0], images[2]):
        image.write_bytes(image.read_bytes()[:300])
    with pytest.raises(InputErrors) as caught:
        write_page(
            tmp_path / "page.html",
            HEAD,
            sources,
            SETTINGS,
            embed_bytes=0,
            total=3,
            workers=1,
            watch=unwatched,
        )
    assert [name in str(caught.value) for name in ("0.png", "1.png", "2.png")] == [True, False, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "1.png", "2.png"]


def test_a_place_that_would_do_harm_is_refused(tmp_path: Path) -> None:
    html, beside = tmp_path / "page.html", tmp_path / "page_files"
    with pytest.raises(InputError, match=r"ending in \.html"):
        check_page_place(tmp_path / "page.png", [], overwrite=False)
    with pytest.raises(RefusedError, match="is an input"):
        check_page_place(html, [html], overwrite=True)
    with pytest.raises(RefusedError, match="lies where the page's pictures go"):
        check_page_place(html, [beside / "0001.jpg"], overwrite=True)
    with pytest.raises(RefusedError, match="taken for radiographs"):
        check_page_place(html, [], overwrite=False, images=tmp_path)
    beside.mkdir()
    (beside / "0001.jpg").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="no page's pictures"):
        check_page_place(html, [], overwrite=True)
    assert (beside / "0001.jpg").read_bytes() == b"mine"


def test_what_an_interrupted_run_left_is_replaced_and_a_whole_page_is_not(tmp_path: Path) -> None:
    image, html = write_image(tmp_path / "in" / "a.png"), tmp_path / "page.html"
    write_tiny(html, image, embed_bytes=0)
    with pytest.raises(RefusedError, match="give --overwrite"):
        check_page_place(html, [], overwrite=False)
    html.unlink()
    check_page_place(html, [], overwrite=False)
    assert write_tiny(html, image, embed_bytes=0) == 1


# --------------------------------------------------------------------------------------------------------------- audits


def finding(image: str = "a.png", bone: str = "Capitate", **more: Any) -> dict[str, Any]:
    return {"image": image, "patient": "ID001", "bone": bone, "kind": "doubled", "severity": "error", **more}


def test_both_audits_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    points = {"findings": [finding(evidence={"gain": 2.5, "with": "Hamate", "count": 3}, proposal="remove it")]}
    path.write_text(json.dumps({**points, "images": [{"image": "b.png", "side": "", "wrist_angle_deg": None}]}))
    audit = read_audit(path)
    told = PageFinding("Capitate", "doubled", "error", {"gain": 2.5, "with": "Hamate", "count": 3}, "remove it")
    assert dict(audit.findings) == {"a.png": [told]}
    assert audit.images == {"a.png", "b.png"}
    assert not audit.expected
    bones = dict.fromkeys(BONES, 0.5) | {"Ulna": 1.0}
    path.write_text(json.dumps({"findings": [], "images": [{"image": "b.png", "score": 0.51, "bones": bones}]}))
    expected = read_audit(path).expected["b.png"]
    assert (expected[0], expected[CLASS_IDS["Ulna"]], len(expected)) == (0.5, 1.0, BONE_COUNT)


def test_all_faults_of_an_audits_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    wrong = [finding(bone="thumb"), {**finding(), "severity": "bad"}, {"image": "a.png"}]
    path.write_text(json.dumps({"findings": wrong}))
    with pytest.raises(InputErrors) as caught:
        read_audit(path)
    told = str(caught.value)
    assert "findings[1].severity: expected Input should be 'error' or 'note', got 'bad'" in told
    assert "findings[2].bone: expected a key" in told
    path.write_text(json.dumps({"findings": wrong[:1], "images": [{"image": "b.png", "bones": {"Ulna": 1.0}}]}))
    with pytest.raises(InputErrors) as caught:
        read_audit(path)
    assert "findings[0].bone: expected one of the 29 bone names, or empty, got thumb" in str(caught.value)
    assert "images[0].bones: expected the 29 bones, got 1 names" in str(caught.value)
    path.write_text("[]")
    with pytest.raises(InputErrors, match=r"audit\.json: expected an object"):
        read_audit(path)


def test_a_given_finding_is_not_told_twice() -> None:
    given, same, other = (
        PageFinding(bone, "doubled", severity, {})
        for bone, severity in (("Ulna", "note"), ("Ulna", "error"), ("", "note"))
    )
    assert joined([given], [same, other]) == [given, other]


def test_a_proposal_is_what_the_corrected_copy_would_hold(raw: Path) -> None:
    path = annotation_files(raw)[0]
    size = ImageSize(320, 256)
    before = read_outlines(path, size)[0]
    corrections = [
        Correction("relabel", 0, "finger-2"),
        Correction("relabel", 1, "finger-1"),
        Correction("remove", 5),
        Correction("redraw", 6),
        Correction("replace", 7, points=((10, 10), (30, 12), (20, 40))),
        Correction("draw"),
    ]
    after = fill_outlines(corrected_outlines(before, corrections), size)
    edit_json(path, lambda record: record.update(corrected_record(record, corrections)))
    assert after.equals(fill_outlines(read_outlines(path, size)[0], size))
    assert not after.equals(fill_outlines(before, size))
    assert after.areas()[[5, 6]].tolist() == [0, 0]


def test_of_a_bone_drawn_twice_both_outlines_are_shown(raw: Path) -> None:
    path = annotation_files(raw)[0]
    size = ImageSize(320, 256)
    square = [[2, 3], [5, 3], [5, 4], [2, 4]]
    alone = fill_outlines(read_outlines(path, size)[0], size).areas()[0]
    edit_json(path, lambda record: record["annotations"].append({"label": "finger-1", "points": square}))
    assert fill_outlines(read_outlines(path, size)[0], size).areas()[0] == alone + 8


def test_images_come_by_errors_and_only_a_changed_one_has_a_proposal(raw: Path) -> None:
    paths = annotation_files(raw)
    size = ImageSize(320, 256)
    drawn = [DrawnImage(path.stem, "ID001", size, tuple(read_outlines(path, size)[0])) for path in paths]
    about = [
        (3, "error", Correction("leave_out")),
        (2, "error", Correction("relabel", 0, "finger-2")),
        (2, "error", None),
        (1, "note", Correction("remove", 0)),
    ]
    findings = [Finding(drawn[place].name, "ID001", "", "kind", severity, {}, "", c) for place, severity, c in about]
    audited = worst_first(drawn, paths, findings)
    assert [one.drawn.name for one in audited] == [drawn[place].name for place in (2, 3, 1, 0)]
    sources = list(annotation_sources(audited))
    assert [list(one.layers) for one in sources] == [["annotation", "proposal"], *[["annotation"]] * 3]
    assert [len(one.findings) for one in sources] == [2, 1, 1, 0]


def test_the_automatic_window_holds_nearly_all_grey_levels_of_a_picture() -> None:
    grey = np.full((50, 40), 30, np.uint8)
    grey[:2] = 200  # four of a hundred
    grey[0, 0] = 255  # one of two thousand is left out
    assert encode_picture(grey, 100).window == (30, 200)
