"""The image chain of the phantom: physics by hand, what must not move, and what a picture holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from yolo_bones.bones import BONES
from yolo_bones.phantom.ageing import Ageing, age_bones, growth_plate
from yolo_bones.phantom.attenuation import add_scatter, transmitted
from yolo_bones.phantom.bone_density import TISSUES, Trabeculae, mineral_mm, tissue_kind
from yolo_bones.phantom.chance import SHARES
from yolo_bones.phantom.detector import TYPICAL_DETECTOR, TYPICAL_TONE, develop, tone_table
from yolo_bones.phantom.exposure import Exposure, draw_exposure
from yolo_bones.phantom.film import Film, Marker, cover_edges, lay_marker
from yolo_bones.phantom.foreign_bodies import Implant, NailArt, Ring
from yolo_bones.phantom.framing import Frame
from yolo_bones.phantom.metalwork import add_band, add_disc, add_rod
from yolo_bones.phantom.people import Person
from yolo_bones.phantom.projection import Shadow
from yolo_bones.phantom.radiograph import render
from yolo_bones.phantom.skeleton import PosedBone
from yolo_bones.phantom.soft_tissue import Flesh, build_flesh
from yolo_bones.phantom.surface import Surface
from yolo_bones.phantom.trabeculae import draw_trabeculae, lay_along
from yolo_bones.phantom.weathering import Weathering, weather

ADULT = Person(sex="female", age_years=35, height_cm=160.0, weight_kg=59.4, stature_score=0.0)
SIZE = (400, 330)
Plane = NDArray[np.float32]


def box_surface(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(corners, np.array([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))]))


def box_bone(name: str, middle: tuple[float, float], half: tuple[float, float, float]) -> PosedBone:
    """A box around `middle` (x, y), upright, its marrow half as large."""
    x, y = middle
    u, v, w = half
    axis = np.linspace((x, y - v, 0.0), (x, y + v, 0.0), 12)
    outer = box_surface((x - u, y - v, -w), (x + u, y + v, w))
    marrow = box_surface((x - u / 2, y - v / 2, -w / 2), (x + u / 2, y + v / 2, w / 2))
    return PosedBone(name, outer, marrow, axis, u, 1.0)


def stick_hand() -> list[PosedBone]:
    """29 boxes about where a hand's bones are, the hand upright."""
    bones: dict[str, PosedBone] = {}
    for column, x in enumerate((0.9, 0.4, 0.05, -0.25, -0.6)):
        names = BONES[0:3] if column == 0 else BONES[3 + 4 * (column - 1) : 7 + 4 * (column - 1)]
        starts = (0.7, 0.2, -0.3) if column == 0 else (1.75, 1.4, 0.85, 0.15)
        for name, y in zip(names, starts, strict=True):
            long = name == names[-1] and column > 0
            bones[name] = box_bone(name, (x, y + 0.2), (0.07, 0.30 if long else 0.15, 0.06))
    for k, name in enumerate(BONES[19:27]):
        bones[name] = box_bone(name, (0.25 - 0.2 * (k % 4), -0.05 - 0.2 * (k // 4)), (0.08, 0.08, 0.1))
    bones["Radius"] = box_bone("Radius", (0.1, -1.4), (0.15, 1.0, 0.12))
    bones["Ulna"] = box_bone("Ulna", (-0.3, -1.4), (0.1, 1.0, 0.1))
    return [bones[name] for name in BONES]


def frame_of(size: tuple[int, int]) -> Frame:
    height, width = size
    return Frame(height, width, height / 4.3, True, 0.0, (0.5 * width, 0.62 * height))


def exposure_of(seed: int = 0, person: Person = ADULT, spread: float = 1.0) -> Exposure:
    return draw_exposure(np.random.default_rng(seed), person, spread)


def plain(exposure: Exposure) -> Exposure:
    """Nothing in the picture but the hand, nothing on the film, no noise."""
    return replace(
        exposure,
        film=Film("", 0.0, (0.0, 0.0, 0.0), 0, 0),
        weathering=Weathering((), 1.0),
        detector=replace(TYPICAL_DETECTOR, noise=0.0),
        tone=TYPICAL_TONE,
        marker=None,
        rings=(),
        nail_art=None,
        implants=(),
    )


def test_a_centimetre_of_flesh_and_of_bone() -> None:
    soft, bone = (np.array([[10.0, 10.0]], np.float32), np.array([[0.0, 4.0]], np.float32))
    # Half exp(-0.402) + exp(-0.285); with 4 mm of the flesh bone: minus 4 (0.2154, 0.0993) in the exponents
    assert transmitted(soft, bone) == pytest.approx(np.array([[0.71050, 0.39407]]), abs=2e-5)


def test_thick_bone_hardens_the_beam() -> None:
    bone = np.array([[0.0, 5.0, 10.0]], np.float32)
    logs = -np.log(transmitted(np.zeros((1, 3), np.float32), bone))[0]
    # The first 5 mm cost 0.7451, the next 0.6683.
    assert np.diff(logs) == pytest.approx([0.7451, 0.6683], abs=2e-4)


def test_scatter_keeps_the_light_and_softens_the_shade() -> None:
    light = np.ones((120, 90), np.float32)
    assert add_scatter(light, 0.2, 12.0) == pytest.approx(light, abs=1e-5)
    light[:, 30:60] = 0.0
    scattered = add_scatter(light, 0.2, 12.0)
    assert scattered.mean() == pytest.approx(light.mean(), rel=0.01)
    assert 0.02 < scattered[60, 45] < 0.2
    assert 0.9 < scattered[60, 3] <= 1.0


def test_mineral_of_a_box_with_a_marrow_box() -> None:
    """Path through the middle: 0.2 units of bone, 0.1 of them core."""
    bone, frame = box_bone("Capitate", (0.0, 0.0), (0.1, 0.2, 0.1)), Frame(200, 160, 100.0, True, 0.0, (80.0, 100.0))
    shadows = (
        Shadow(80, 70, np.full((40, 20), 0.2, np.float32), np.ones((40, 20), bool)),
        Shadow(90, 75, np.full((20, 10), 0.1, np.float32), np.ones((20, 10), bool)),
    )
    ageing = Ageing(cortex=1.0, core=0.5, skeletal_years=40.0, sex="male")
    even = Trabeculae(np.zeros((512, 512), np.float32), np.zeros(2), 1.0)
    found = mineral_mm(bone, frame, shadows, ageing, even)
    tissue = TISSUES["carpal"]
    assert found[0, 0] == pytest.approx(65.0 * 0.2 * tissue.cortex)
    assert found[20, 10] == pytest.approx(65.0 * (0.1 * tissue.cortex + 0.1 * 0.5 * tissue.ends))


def test_kinds_of_bones() -> None:
    kinds = [tissue_kind(bone) for bone in (*BONES[:7], "Hamate", "Radius", "Ulna", "sesamoid")]
    fingers = ["distal", "proximal", "metacarpal", "distal", "middle", "proximal", "metacarpal"]
    assert kinds == [*fingers, "carpal", "radius", "ulna", "sesamoid"]


def test_growth_plates_open_in_a_child_leave_a_scar_and_go() -> None:
    def ageing(years: float) -> Ageing:
        return Ageing(1.0, 1.0, years, "female")

    child, closing, scarred = (growth_plate(ageing(years), "Radius") for years in (13.0, 16.5, 18.0))
    assert child is not None
    assert closing is not None
    assert scarred is not None
    assert (child.openness, child.at_base) == (1.0, False)
    assert closing.openness == pytest.approx(0.5)
    assert (scarred.openness, scarred.scar > 0.5) == (0.0, True)
    assert growth_plate(ageing(25.0), "Radius") is None
    assert growth_plate(ageing(13.0), "Lunate") is None
    index_metacarpal, thumb_metacarpal = growth_plate(ageing(12.0), "finger-7"), growth_plate(ageing(12.0), "finger-3")
    assert index_metacarpal is not None
    assert thumb_metacarpal is not None
    assert (index_metacarpal.at_base, thumb_metacarpal.at_base) == (False, True)


def test_bones_lose_density_with_age() -> None:
    young, old = (age_bones(replace(ADULT, age_years=years), spread=0.0) for years in (30, 80))
    assert old.core < 0.8 * young.core
    assert old.cortex < young.cortex
    assert age_bones(ADULT) == age_bones(ADULT)
    assert age_bones(ADULT) != age_bones(replace(ADULT, weight_kg=60.0))


def test_trabeculae_run_along_the_bone_and_repeat_without_a_seam() -> None:
    tile = draw_trabeculae(np.random.default_rng(0))
    assert tile.mean() == pytest.approx(0.0, abs=1e-4)
    assert tile.std() == pytest.approx(1.0, abs=1e-3)

    def likeness(plane: Plane, axis: int, by: int = 4) -> float:
        return float((plane * np.roll(plane, by, axis)).mean())

    assert likeness(tile, 0) > likeness(tile, 1) + 0.2
    seam = np.abs(tile[0] - tile[-1]).mean() / np.abs(np.diff(tile, axis=0)).mean()
    assert seam == pytest.approx(1.0, abs=0.25)
    lying = lay_along(tile, (300, 200), np.array([1.0, 0.0]), (7.0, 9.0), 1.0)
    assert likeness(lying, 1) > likeness(lying, 0) + 0.2


def test_tone_keeps_black_rises_and_ends_below_white() -> None:
    table = tone_table(replace(TYPICAL_TONE, black=17.0, gamma=1.4)).astype(int)
    assert table[2000] == 17  # attenuation 0
    assert (np.diff(table) >= 0).all()
    assert 240 < table[-1] <= 252


def test_even_light_without_noise_is_the_black_level() -> None:
    light = np.ones(SIZE, np.float32)
    image = develop(light, replace(TYPICAL_DETECTOR, noise=0.0), TYPICAL_TONE, 0.2, np.random.default_rng(0))
    assert set(np.unique(image).tolist()) == {round(TYPICAL_TONE.black)}


def test_enhancement_draws_a_dark_line_outside_an_edge_and_a_bright_one_inside() -> None:
    light = np.ones((300, 260), np.float32)
    light[:, 130:] = 0.3
    image = develop(light, replace(TYPICAL_DETECTOR, noise=0.0), TYPICAL_TONE, 1.0, np.random.default_rng(0))
    row = image[150].astype(int)
    assert row[122] < row[60] - 1
    assert row[138] > row[200] + 5


def test_thickness_of_flesh_on_a_coarse_grid() -> None:
    """Half 0.2 units thick, half of the square fat, which counts for 0.75: 26 mm (0.75 + 0.25 / sqrt(2))."""
    square = np.full((5, 6), 0.04, np.float32)
    flesh = Flesh(step=4, square=square, skin=0.5 * square, height=18, width=23)
    assert flesh.thickness_mm() == pytest.approx(np.full((18, 23), 24.0962), abs=1e-3)


def test_flesh_covers_every_bone_and_grows_with_bulk() -> None:
    frame, mottle = frame_of((430, 390)), np.zeros((40, 40), np.float32)
    bones = stick_hand()
    slim, stout = (build_flesh(bones, frame, bulk, mottle).thickness_mm() for bulk in (0.8, 1.3))
    assert (stout > 0).sum() > 1.1 * (slim > 0).sum()
    usual = build_flesh(bones, frame, 1.0, mottle).thickness_mm()
    for bone in bones:
        x, y = np.rint(frame.to_pixels(bone.axis)[:, :2]).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < frame.width) & (y < frame.height)
        assert (usual[y[inside], x[inside]] > 5.0).all(), bone.name
    assert usual[:20].max() == 0.0


@pytest.mark.parametrize("size", [(300, 261), (151, 200), (2048, 640)])
@pytest.mark.parametrize("factor", [0.971, 1.029])
def test_weathering_moves_nothing(size: tuple[int, int], factor: float) -> None:
    rng = np.random.default_rng(4)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, size).astype(np.float32), (0, 0), 4.0)
    picture = cv2.normalize(picture, None, 10, 240, cv2.NORM_MINMAX).astype(np.uint8)
    found = weather(picture, Weathering((71, 60, 90), factor))
    # Least squares: for a small shift the difference is the gradient times the shift.
    difference = (found.astype(np.float64) - picture)[4:-4, 4:-4]
    for axis in (0, 1):
        slope = np.gradient(picture.astype(np.float64), axis=axis)[4:-4, 4:-4]
        assert abs((difference * slope).sum() / (slope * slope).sum()) < 0.03
    assert not np.array_equal(found, picture)


def test_no_weathering_is_no_change() -> None:
    picture = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert weather(picture, Weathering((), 1.0)) is picture


@pytest.mark.parametrize("shutter", ["dark", "white"])
@pytest.mark.parametrize("turn", [-6.0, 0.0, 7.5])
def test_borders_and_bands_never_cover_the_hand(shutter: str, turn: float) -> None:
    image, hand = np.full((400, 300), 90, np.uint8), (70.0, 60.0, 200.0, 400.0)
    cover_edges(image, Film(shutter, turn, (0.9, 0.9, 0.9), 500, 500), hand, 0.2)  # type: ignore[arg-type]
    assert (image[60:400, 70:200] == 90).all()
    assert (image[:50] == 250).all()
    assert (image[:, :60] == 250).all()
    assert (image == {"dark": 3, "white": 250}[shutter])[:, 240:].any()


MARKER = Marker(False, "PA", 0, 75.0, 0.15, 20.0, True, True, 0.1, ((0.2, 0.2), (0.75, 0.8)))


def test_marker_keeps_clear_of_the_hand() -> None:
    flesh = np.zeros((100, 80), bool)
    flesh[:50] = True
    plane = np.zeros((800, 640), np.float32)
    lay_marker(plane, MARKER, flesh, True, 0.4)
    assert plane[:400].max() == 0.0
    assert plane[400:].max() == pytest.approx(0.1 * 130.0, rel=0.02)
    lay_marker(nowhere := np.zeros((800, 640), np.float32), MARKER, np.ones((10, 8), bool), True, 0.4)
    assert nowhere.max() == 0.0


def test_letter_is_that_of_the_hand_unless_it_is_wrong() -> None:
    """Palm down, a right hand's thumb points left; an R has more ink than an L."""
    nothing, ink = np.zeros((10, 8), bool), {}
    for thumb_left in (True, False):
        for wrong in (False, True):
            plane = np.zeros((800, 640), np.float32)
            marker = replace(MARKER, wrong_side=wrong, framed=False, small_text="")
            lay_marker(plane, marker, nothing, thumb_left, 0.4)
            ink[thumb_left, wrong] = float(plane.sum())
    assert ink[True, False] == ink[False, True] > 1.3 * ink[False, False]
    assert ink[False, False] == ink[True, True]


def test_solids_have_their_volumes() -> None:
    plane = np.zeros((200, 240), np.float32)
    add_disc(plane, np.array([100.0, 90.0]), 20.0, 3.0)
    assert plane.sum() == pytest.approx(3.0 * np.pi * 20.0**2, rel=0.02)
    plane[:] = 0.0
    add_rod(plane, np.array([60.0, 100.0]), np.array([160.0, 100.0]), 10.0, 2.0)
    assert plane[100, 110] == pytest.approx(2.0 * 20.0, rel=0.01)
    assert plane.sum() == pytest.approx(2.0 * (np.pi * 10.0**2 * 100.0 + 4 / 3 * np.pi * 10.0**3), rel=0.02)
    plane[:] = 0.0
    along = np.array([np.cos(0.5), np.sin(0.5)])
    add_band(plane, np.array([120.0, 100.0]), along, (40.0, 6.0, 16.0), 8.0, 0.5)
    assert plane.sum() == pytest.approx(0.5 * np.pi * (46.0**2 - 40.0**2) * 16.0, rel=0.02)
    edge = np.zeros((50, 50), np.float32)
    add_disc(edge, np.array([-100.0, 20.0]), 5.0, 1.0)
    assert edge.max() == 0.0


def test_exposures_are_drawn_alike_and_hold_what_they_say() -> None:
    assert exposure_of(3) == exposure_of(3)
    assert exposure_of(3) != exposure_of(4)
    bare = plain(exposure_of(0))
    assert bare.holds == ()
    ring = Ring("finger-14", "gold", 0.4, 4.0, 1.5, 3.0, 0.0)
    dressed = replace(
        bare,
        rings=(ring, replace(ring, bone="Radius")),
        implants=(Implant("wire", "finger-7", "steel", 0.5, 0.5, 1.2),),
    )
    assert dressed.holds == ("bangle", "ring", "wire")
    child = draw_exposure(np.random.default_rng(0), replace(ADULT, age_years=13))
    assert "growth plates" in child.holds


def test_what_is_rare_is_rare_and_twice_as_likely_in_a_wide_set() -> None:
    rng, number = np.random.default_rng(8), 1500
    usual = [draw_exposure(rng, ADULT).holds for _ in range(number)]
    wide = [draw_exposure(rng, ADULT, 2.0).holds for _ in range(number)]

    def share(drawn: list[tuple[str, ...]], *names: str) -> float:
        return sum(any(name in holds for name in names) for holds in drawn) / number

    for names in (("ring",), ("nail art",), ("wire", "plate"), ("bangle",)):
        wanted = SHARES[names[0] if len(names) == 1 else "implant"]
        assert share(usual, *names) == pytest.approx(wanted, abs=4 * (wanted / number) ** 0.5)
        assert share(wide, *names) == pytest.approx(2 * wanted, abs=4 * (2 * wanted / number) ** 0.5)
    assert share(usual, "growth plates") == 0.0


DRESS: dict[str, Callable[[Exposure], Exposure]] = {
    "ring": lambda e: replace(e, rings=(Ring("finger-14", "gold", 0.4, 4.0, 1.5, 3.0, 5.0),)),
    "bangle": lambda e: replace(e, rings=(Ring("Radius", "silver", 0.8, 4.0, 1.5, 3.0, 0.0),)),
    "nails": lambda e: replace(e, nail_art=NailArt("stones", ("finger-4",), ((0.5, 0.5, 1.0),) * 9)),
    "wire": lambda e: replace(e, implants=(Implant("wire", "finger-7", "steel", 0.5, 0.4, 1.4),)),
    "plate": lambda e: replace(e, implants=(Implant("plate", "Radius", "titanium", 0.5, 0.5, 1.3),)),
    "marker": lambda e: replace(e, marker=replace(MARKER, places=((0.9, 0.2),))),
}


@pytest.mark.parametrize("what", DRESS)
def test_foreign_bodies_show_and_never_change_the_truth(what: str) -> None:
    bones, frame, bare = stick_hand(), frame_of(SIZE), plain(exposure_of(0))
    without, shadows = render(bones, frame, bare, np.random.default_rng(1))
    image, dressed_shadows = render(bones, frame, DRESS[what](bare), np.random.default_rng(1))
    assert image.max() > without.max() or (image.astype(int) - without).max() > 25
    for before, after in zip(shadows, dressed_shadows, strict=True):
        assert before is not None
        assert after is not None
        assert np.array_equal(before.covered, after.covered)
        assert before.window == after.window


def test_render_is_seeded_and_uses_the_same_chance_at_any_size() -> None:
    bones, exposure = stick_hand(), exposure_of(1)
    images, next_numbers = [], []
    for size in (SIZE, SIZE, (201, 230)):
        rng = np.random.default_rng(5)
        image, shadows = render(bones, frame_of(size), exposure, rng)
        images.append(image)
        next_numbers.append(rng.random())
        assert image.shape == size
        assert image.dtype == np.uint8
        assert len(shadows) == 29
    assert np.array_equal(images[0], images[1])
    assert len(set(next_numbers)) == 1


def test_bone_is_brighter_than_flesh_and_flesh_than_background() -> None:
    bones, frame = stick_hand(), frame_of(SIZE)
    image, shadows = render(bones, frame, plain(exposure_of(2)), np.random.default_rng(0))
    shadow = shadows[BONES.index("Radius")]
    assert shadow is not None
    radius = image[shadow.window][shadow.covered].mean()
    beside = image[shadow.top + 20 : shadow.top + 60, shadow.left + shadow.covered.shape[1] + 3].mean()
    assert radius > beside + 30 > image[:30].mean() + 50


def test_open_plates_are_dark_bands_in_the_picture() -> None:
    bones, frame, adult = stick_hand(), frame_of((800, 640)), plain(exposure_of(2))
    child = replace(adult, ageing=replace(adult.ageing, skeletal_years=12.0))
    pictures = [render(bones, frame, exposure, np.random.default_rng(0))[0].astype(int) for exposure in (adult, child)]
    x, y = frame.to_pixels(np.array([[0.1, -0.4 - 0.125, 0.0]]))[0, :2].astype(int)
    darker = pictures[0] - pictures[1]
    assert darker[y - 3 : y + 4, x].max() > 25
    assert np.abs(darker[y + 40 : y + 100, x]).max() <= 2
