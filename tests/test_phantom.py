"""The phantom's geometry against volumes computed by hand, and its anatomy against the measured population."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import TINY_SIZE
from yolo_bones import make_phantoms as module
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.make_phantoms import main as make_phantoms
from yolo_bones.phantom.framing import draw_frame
from yolo_bones.phantom.growth import grow_patient
from yolo_bones.phantom.patients import draw_patient, row_texts
from yolo_bones.phantom.pose import draw_pose
from yolo_bones.phantom.projection import cast_shadow
from yolo_bones.phantom.settings import PhantomSettings, Stream, person_of
from yolo_bones.phantom.skeleton import pose_bones
from yolo_bones.phantom.surface import Surface
from yolo_bones.phantom.truth import SESAMOIDS_OF
from yolo_bones.polygons import fill_polygon
from yolo_bones.rle import ImageSize, RunLengthMasks, intersection_areas, row_texts_to_masks

# Mean areas in pixels at 2048 x 2048 over 800 hands of the real data set, in channel order.
REAL_AREA = dict(
    zip(
        BONES,
        (
            *(7926, 16264, 26666, 4950, 9686, 21351, 35311, 5744, 12344, 23814, 32278),
            *(5668, 10897, 20140, 24068, 3895, 6299, 14122, 24435),
            *(9463, 5820, 15578, 11306, 10557, 8352, 7217, 4328, 75128, 39456),
        ),
        strict=True,
    )
)
# Pairs whose mean IoU is above 0.02 and that overlap in at least 100 of those 800 images.
REAL_PAIRS = (
    ("Triquetrum", "Pisiform"),
    ("Trapezoid", "Trapezium"),
    ("Scaphoid", "Capitate"),
    ("Hamate", "Capitate"),
    ("Lunate", "Capitate"),
    ("finger-19", "Hamate"),
    ("Scaphoid", "Trapezium"),
    ("Capitate", "Trapezoid"),
    ("Triquetrum", "Hamate"),
    ("Lunate", "Scaphoid"),
    ("finger-15", "finger-19"),
)


def box_surface(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    """A closed box, outward oriented."""
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))]
    return Surface(corners, np.array(triangles))


def test_path_length_through_a_box() -> None:
    shadow = cast_shadow(box_surface((3.5, 2.5, -1.0), (8.5, 12.5, 6.0)), height=20, width=15)
    assert shadow is not None
    assert (shadow.top, shadow.left) == (3, 4)
    assert shadow.covered.shape == (10, 5)
    assert shadow.covered.all()
    assert shadow.length == pytest.approx(np.full((10, 5), 7.0))


def test_path_length_through_a_turned_box_sums_to_its_volume() -> None:
    surface = box_surface((-20, -12, -7), (20, 12, 7))
    a, b, c = 0.4, 0.7, 1.1
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    placed = Surface(surface.vertices @ turn.T + [40.3, 50.1, 0.0], surface.triangles)
    shadow = cast_shadow(placed, height=100, width=80)
    assert shadow is not None
    assert shadow.length.sum() == pytest.approx(40 * 24 * 14, rel=0.01)


def test_pixel_centres_on_shared_edges_count_once() -> None:
    """Corners at whole pixels put centres exactly on edges, outer and inner: no pixel is doubled or lost."""
    shadow = cast_shadow(box_surface((2, 2, 0), (10, 8, 3)), height=12, width=12)
    assert shadow is not None
    assert shadow.covered.sum() == 8 * 6
    assert set(shadow.length[shadow.covered].tolist()) == {3.0}


def test_nothing_in_the_frame() -> None:
    assert cast_shadow(box_surface((30, 30, 0), (40, 40, 3)), height=12, width=12) is None


@pytest.fixture(scope="module")
def population() -> list[RunLengthMasks]:
    """Truth masks of 40 hands of 20 patients at 1024 x 1024."""
    settings = PhantomSettings(20, 0, seed=11, height=1024, width=1024, bent=0.1)
    size = ImageSize(1024, 1024)
    return [
        row_texts_to_masks([text.encode() for text in row_texts(image, size)], size)
        for number in range(1, 21)
        for image in draw_patient(settings, number)
    ]


def test_every_bone_is_there_and_its_mean_area_is_that_of_real_hands(population: list[RunLengthMasks]) -> None:
    areas = np.stack([masks.areas() for masks in population])
    assert (areas > 0).all()
    for bone, area in zip(BONES, areas.mean(axis=0) * 4, strict=True):
        assert REAL_AREA[bone] / 1.5 < area < REAL_AREA[bone] * 1.5, bone


@pytest.mark.parametrize("pair", REAL_PAIRS)
def test_bones_that_overlap_in_real_hands_do_here(population: list[RunLengthMasks], pair: tuple[str, str]) -> None:
    first, second = (CLASS_IDS[bone] for bone in pair)
    shared = [int(intersection_areas(masks[first], masks[second])[0]) for masks in population]
    assert sum(area > 0 for area in shared) >= 4


def test_radius_and_ulna_reach_the_lower_edge(population: list[RunLengthMasks]) -> None:
    for masks in population:
        for bone in ("Radius", "Ulna"):
            assert masks[CLASS_IDS[bone]].ends[-1] > 1023 * 1024


def test_same_bytes_for_any_number_of_workers_and_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--patients", "2", "--test", "1", "--seed", "3", "--size", "128x96", "--bent", "0.5", "--quiet"]
    options += ["--plant-errors", "3", "--annotator-noise", "0.8", "--dirty-metadata"]
    assert make_phantoms([str(tmp_path / "a"), *options]) == 0
    assert make_phantoms([str(tmp_path / "b"), *options, "--workers", "2"]) == 0
    interrupted = tmp_path / "c"
    write_patient = module.write_patient

    def interrupt_at_second(settings: PhantomSettings, number: int, *rest: object) -> object:
        if number == 2:
            raise KeyboardInterrupt
        return write_patient(settings, number, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_patient", interrupt_at_second)
        assert make_phantoms([str(interrupted), *options]) == 130
    assert not (interrupted / "train_truth.csv").exists()
    assert make_phantoms([str(interrupted), *options, "--seed", "4"]) == 3
    assert make_phantoms([str(interrupted), *options]) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(interrupted)
    assert make_phantoms([str(interrupted), *options]) == 0
    assert make_phantoms([str(interrupted), *options, "--bent", "0.1"]) == 3


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout_and_truth_of_written_phantoms(tiny_hands: Path) -> None:
    images = sorted((tiny_hands / "train" / "DCM").rglob("*.png"))
    assert [path.parent.name for path in images] == ["ID001", "ID001", "ID002", "ID002"]
    pixels = cv2.imread(str(images[0]), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (*TINY_SIZE, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert not (tiny_hands / "test" / "outputs_json").exists()
    assert len((tiny_hands / "test_truth.csv").read_text(encoding="utf-8").splitlines()) == 1 + 2 * 29


def test_outlines_fill_to_what_was_projected() -> None:
    settings = PhantomSettings(1, 0, seed=2, height=300, width=260, bent=0.0)
    image = draw_patient(settings, 1)[0]
    patient = grow_patient(settings.chance(Stream.BONES, 1), person_of(settings, 1))[0]
    pose = draw_pose(settings.chance(Stream.POSE, 1, 0), bent=False)
    bones = pose_bones(patient, pose)
    frame = draw_frame(settings.chance(Stream.FRAME, 1, 0), patient, pose, bones, (300, 260), thumb_left=True)
    for bone in bones[: len(BONES)]:
        shadow = cast_shadow(frame.surface_to_pixels(bone.outer), 300, 260)
        assert shadow is not None
        crop, top, left = fill_polygon(image.outlines[bone.name], ImageSize(300, 260))
        planes = np.zeros((2, 300, 260), bool)
        planes[0][shadow.window] = shadow.covered
        planes[1, top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        if bone.name == SESAMOIDS_OF:
            planes[1] &= planes[0]
        # Only a pixel that hangs on the silhouette by nothing may be lost.
        assert (planes[0] != planes[1]).sum() <= 2, bone.name
