"""The tool that fits the atlas (`tests/atlas`), and the atlas that it made: what the typical bones measure."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from tests.atlas.calibrate import main as calibrate
from tests.atlas.fit import Problem, fit
from tests.atlas.outlines import as_region, cut_below, measure_polygon, overlap_or_gap, turned
from tests.atlas.parameters import SHIFT, drawn_models, outline_of, parameter_count
from tests.atlas.placing import place, typical_place
from tests.atlas.population import draw_truth, population
from tests.atlas.state import State, Variation, first_state, read_state, write_state
from tests.atlas.targets import BoneTarget, goal_area
from tests.atlas.updates import next_pair, next_target, next_variation
from tests.atlas.write_atlas import as_module, current_tables, install, installed, tables_of
from yolo_bones import reference
from yolo_bones.anatomy import TYPICAL
from yolo_bones.bones import ARM_BONES, BONES, HAND_BONES
from yolo_bones.errors import InputError
from yolo_bones.phantom.agreement import ROUND_BONES
from yolo_bones.phantom.growth import typical_stack, typical_tube
from yolo_bones.phantom.patients import draw_patient
from yolo_bones.phantom.pose import MEAN_DEVIATION_DEG, turn_in_plane
from yolo_bones.phantom.settings import PhantomSettings
from yolo_bones.phantom.shapes import stack_outline, tube_outline

RECTANGLE = np.array([(-0.1, -0.5), (0.1, -0.5), (0.1, 0.5), (-0.1, 0.5)])
"""0.2 wide, 1 long."""
REAL = reference.shape_reference()


@pytest.fixture(scope="module")
def drawn() -> State:
    """The bones as drawn, nothing fitted."""
    return replace(first_state(), parameters={bone: model.start for bone, model in drawn_models().items()})


# Outlines


@pytest.mark.parametrize("points", [RECTANGLE, RECTANGLE[::-1]], ids=["counter-clockwise", "clockwise"])
@pytest.mark.parametrize("angle_deg", [0.0, 30.0, -70.0])
def test_measures_of_a_rectangle(points: np.ndarray, angle_deg: float) -> None:
    measures = measure_polygon(turned(points, angle_deg) + np.array([3.0, -2.0]))
    assert measures.area == pytest.approx(0.2)
    assert measures.centroid == pytest.approx([3.0, -2.0])
    assert measures.angle_deg == pytest.approx(angle_deg, abs=1e-6)
    assert (measures.length, measures.width) == pytest.approx((1.0, 0.2))
    assert measures.slice_widths == pytest.approx(np.full(10, 0.2))


def test_measures_of_a_triangle() -> None:
    """Base 1 at the bottom, 10 high: the middle of slice k is 1 - (k + 0.5) / 10 wide, the centroid a third up."""
    measures = measure_polygon(np.array([(0.0, 0.0), (1.0, 0.0), (0.5, 10.0)]))
    assert measures.area == pytest.approx(5.0)
    assert measures.centroid == pytest.approx([0.5, 10 / 3])
    assert measures.angle_deg == pytest.approx(0.0, abs=1e-9)
    assert measures.slice_widths == pytest.approx([0.95 - 0.1 * k for k in range(10)])


def test_a_positive_turn_leads_to_the_thumb_as_in_the_skeleton() -> None:
    assert turned(np.array([0.0, 1.0]), 90.0) == pytest.approx([1.0, 0.0])
    point = np.array([0.3, -0.7])
    assert turned(point, 25.0) == pytest.approx((turn_in_plane(25.0) @ [*point, 0.0])[:2])


def test_a_forearm_is_cut_below_its_highest_point() -> None:
    kept = cut_below(RECTANGLE, 0.3)
    assert (kept.min(axis=0), kept.max(axis=0)) == (pytest.approx([-0.1, 0.2]), pytest.approx([0.1, 0.5]))


def test_overlap_and_gap() -> None:
    """Two rectangles 0.2 wide share 0.05 x 1 where one is moved by 0.15; half a unit apart they count -0.05 / 2."""
    first = as_region(RECTANGLE)
    assert overlap_or_gap(first, as_region(RECTANGLE + np.array([0.15, 0.0]))) == pytest.approx(0.05)
    assert overlap_or_gap(first, as_region(RECTANGLE + np.array([0.7, 0.0]))) == pytest.approx(-0.025)
    crossed = as_region(np.array([(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]))
    assert crossed.is_valid


# Drawings and their places


def test_drawings_are_one_loop_each_about_as_large_as_the_real_bone() -> None:
    for bone, model in drawn_models().items():
        assert len(model.start) == len(model.give) == parameter_count(bone)
        outline = outline_of(model, model.start)
        assert shapely.Polygon(outline).is_valid, bone
        assert measure_polygon(outline).area == pytest.approx(REAL[bone]["area"][0], rel=0.12), bone


def test_places_in_the_mean_pose_are_the_population_s() -> None:
    for bone, model in drawn_models().items():
        where, angle_deg = typical_place(bone, MEAN_DEVIATION_DEG)
        assert (*where, angle_deg) == pytest.approx(
            (TYPICAL[bone].thumbward, TYPICAL[bone].distalward, TYPICAL[bone].angle_deg)
        )
        centre = place(model, model.start, BoneTarget(), MEAN_DEVIATION_DEG).region.centroid
        assert (centre.x, centre.y) == pytest.approx(tuple(where), abs=1e-9), bone


def test_the_forearm_turns_with_the_wrist_and_the_metacarpals_do_not() -> None:
    for bone, turn in (("Radius", 1.0), ("Lunate", 0.42), ("Pisiform", 0.30), ("Capitate", 0.0), ("finger-7", 0.0)):
        _, straight_deg = typical_place(bone, 0.0)
        _, bent_deg = typical_place(bone, 40.0)
        assert bent_deg - straight_deg == pytest.approx(40.0 * turn)


# The fit


def test_one_step_lowers_the_cost_of_the_drawings(drawn: State) -> None:
    """Of the carpals and one bone of each other kind, to be quick."""
    models = {
        bone: model for bone, model in drawn_models().items() if bone in (*HAND_BONES, "finger-6", "finger-7", "Ulna")
    }
    pairs = {pair: extra for pair, extra in drawn.pairs.items() if set(pair) <= set(models)}
    problem = Problem(models, drawn.targets, pairs)
    before = problem.cost(drawn.parameters)
    costs: list[float] = []
    numbers = fit(problem, drawn.parameters, 1, lambda _, cost: costs.append(cost))
    assert costs == [pytest.approx(problem.cost(numbers))]
    assert costs[0] < 0.5 * before
    for bone, model in problem.models.items():
        assert (np.abs(numbers[bone] - drawn.parameters[bone]) <= model.give * (1 + 1e-9)).all(), bone
    assert (numbers["Capitate"][SHIFT] == 0.0).all()


# What a population teaches


def test_a_population_that_is_right_moves_no_target() -> None:
    target = BoneTarget(np.full(10, 1.1), 0.9, 1.2, np.array([0.01, -0.02]), 3.0)
    for bone in BONES:
        after = next_target(bone, target, REAL[bone], REAL[bone])
        assert after.slices == pytest.approx(target.slices)
        assert (after.length, after.width, after.turn_deg) == pytest.approx((0.9, 1.2, 3.0))
        assert after.shift == pytest.approx(target.shift)


def found_of(bone: str, **changed: tuple[float, float | None]) -> dict[str, tuple[float, float | None]]:
    return {**REAL[bone], **changed}


def test_a_misfit_moves_its_target_by_hand() -> None:
    real = REAL["finger-6"]
    found = found_of(
        "finger-6",
        w3=(real["w3"][0] * 1.1, None),
        w4=(real["w4"][0] * 0.5, None),
        length=(real["length"][0] / 1.05, 0.02),
        thumbward=(real["thumbward"][0] - 0.0537, 0.05),
        distalward=(real["distalward"][0] + 0.0050, 0.03),
        angle_deg=(real["angle_deg"][0] + 2.0, 7.0),
    )
    after = next_target("finger-6", BoneTarget(), found, real)
    assert after.slices[3] == pytest.approx((1 / 1.1) ** 0.8)
    assert after.slices[4] == pytest.approx(1.18**0.8), "twice as wide as found is too much for one round"
    assert after.length == pytest.approx(1.05**0.8)
    # One standard deviation off, of which a fifth is let be; 0.0050 is less than a fifth of 0.0304.
    assert after.shift == pytest.approx([0.8 * 0.8 * 0.0537, 0.0])
    assert after.turn_deg == pytest.approx(-1.6)


@pytest.mark.parametrize("bone", [*ARM_BONES, "Capitate", "finger-11"])
def test_the_frame_and_the_forearm_are_not_shifted(bone: str) -> None:
    found = found_of(bone, thumbward=(0.5, 0.1), distalward=(0.5, 0.1))
    assert (next_target(bone, BoneTarget(), found, REAL[bone]).shift == 0.0).all()


def test_variation_by_hand() -> None:
    """finger-6: wanted are 92 % of the real deviations; 80 % of what the squares lack is added."""
    real = REAL["finger-6"]
    length, width = real["length"], real["width"]
    found = found_of("finger-6", length=(length[0], 0.0), width=(width[0], 10.0 * width[1]), angle_deg=(7.1, 7.10))
    after = next_variation("finger-6", Variation(0.03, 0.04, 0.02, 0.02, 2.0), found, real)
    assert after.length == pytest.approx(np.sqrt(0.03**2 + 0.8 * (0.92 * 0.0234 / 0.6520) ** 2))
    assert after.width == pytest.approx(0.02), "at most halved"
    assert (after.thumbward, after.distalward) == (0.003, 0.003)
    assert after.angle_deg == pytest.approx(1.0), "at most halved"


def test_pairs_by_hand() -> None:
    pair = ("Trapezium", "Trapezoid")
    # IoU 0.18849 in all 800 images, of areas 9463.2 and 5820.0 px; the unit is 447.5 px; 93 % of it is the goal.
    goal = 0.93 * 0.18849 / 1.18849 * (9463.2 + 5820.0) / 447.5**2
    assert goal_area(pair) == pytest.approx(goal)
    assert next_pair(pair, 0.0002, goal) == pytest.approx(0.0002)
    assert next_pair(pair, 0.0, goal + 0.001) == pytest.approx(-0.0006)
    assert next_pair(pair, 0.0, 0.0) == 0.006, "no further in"


# State and tables


def test_state_is_read_as_it_was_written(tmp_path: Path, drawn: State) -> None:
    path = tmp_path / "state.json"
    changed = replace(drawn, rounds=3, targets={**drawn.targets, "Ulna": BoneTarget(shift=np.array([0.1, 1 / 3]))})
    write_state(path, changed)
    back = read_state(path)
    assert back.rounds == 3
    assert (back.targets["Ulna"].shift == [0.1, 1 / 3]).all()
    assert (back.variation, back.pairs) == (changed.variation, changed.pairs)
    assert all((back.parameters[bone] == drawn.parameters[bone]).all() for bone in BONES)
    write_state(path, first_state())
    assert read_state(path).parameters == {}


@pytest.mark.parametrize(
    ("field", "value"), [("slices", [1.0]), ("length", "long"), ("variation", [0, 0, 0, 0, None]), ("parameters", [1])]
)
def test_a_spoilt_state_names_file_and_field(tmp_path: Path, drawn: State, field: str, value: object) -> None:
    path = tmp_path / "state.json"
    write_state(path, drawn)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["bones"]["Lunate"][field] = value
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=rf"state\.json: bones\.Lunate\.{field}: expected a"):
        read_state(path)


def test_what_is_no_state_is_refused(tmp_path: Path, drawn: State) -> None:
    path = tmp_path / "state.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"state\.json: format: expected yolo_bones atlas"):
        read_state(path)
    write_state(path, drawn)
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "bones": [1]}), encoding="utf-8")
    with pytest.raises(InputError, match=r"state\.json: bones: expected an object"):
        read_state(path)


def test_the_written_module_holds_the_tables(tmp_path: Path, drawn: State) -> None:
    path = tmp_path / "atlas.py"
    for tables in (tables_of(drawn), current_tables()):
        path.write_text(as_module(tables), encoding="utf-8")
        assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 120
        held = runpy.run_path(str(path))
        assert held["TUBES"] == tables.tubes
        assert held["STACK_RADII"] == tables.stack_radii
        assert held["REST"] == tables.rest
        assert held["VARIATION"] == tables.variation


def test_phantoms_grow_from_the_tables_laid_under_them(drawn: State) -> None:
    before, outlines = current_tables(), draw_truth(population(1, 3, 0.0, 100), 1, 0)
    with installed(tables_of(drawn)):
        assert typical_tube("finger-6").length == pytest.approx(TYPICAL["finger-6"].length, abs=1e-4)
        other = draw_truth(population(1, 3, 0.0, 100), 1, 0)
    assert current_tables() == before
    assert any(not np.array_equal(other[bone], outlines[bone]) for bone in BONES)
    install(before)
    assert all(
        np.array_equal(again, outlines[bone]) for bone, again in draw_truth(population(1, 3, 0.0, 100), 1, 0).items()
    )


def test_the_population_is_the_phantoms_own() -> None:
    settings = PhantomSettings(1, 0, 9, 120, 100, 0.5)
    for hand, image in enumerate(draw_patient(settings, 1)):
        outlines = draw_truth(settings, 1, hand)
        assert list(outlines) == list(image.outlines)
        assert all(np.array_equal(outlines[bone], image.outlines[bone]) for bone in outlines)


def test_the_command_writes_the_atlas_of_a_state(tmp_path: Path, drawn: State) -> None:
    state, out = tmp_path / "state.json", tmp_path / "atlas.py"
    write_state(state, drawn)
    assert calibrate(["--rounds", "0", "--hands", "0", "--state", str(state), "--out", str(out), "--quiet"]) == 0
    assert out.read_text(encoding="utf-8") == as_module(tables_of(drawn))
    with pytest.raises(SystemExit):
        calibrate(["--hands", "0", "--state", str(state)])


# The shipped atlas


def typical_outline(bone: str) -> np.ndarray:
    if bone in HAND_BONES:
        return stack_outline(typical_stack(bone))
    outline = tube_outline(typical_tube(bone))
    return cut_below(outline, TYPICAL[bone].length) if bone in ARM_BONES else outline


@pytest.mark.parametrize("bone", BONES)
def test_the_shipped_bone_is_as_long_and_wide_as_the_population_s(bone: str) -> None:
    """Not exactly: the atlas is made so that a population of 3-D bones measures right, not its plain outline."""
    measures, typical = measure_polygon(typical_outline(bone)), TYPICAL[bone]
    assert measures.length == pytest.approx(typical.length, rel=0.15)
    assert measures.width == pytest.approx(typical.width, rel=0.15)
    off = np.abs(measures.slice_widths / typical.slice_widths - 1.0)
    # The two end slices are the rounded corners, and hang on where the axis of a round bone happens to point.
    inner, ends = (0.25, 0.6) if bone in ROUND_BONES else (0.2, 0.3) if bone in HAND_BONES else (0.12, 0.3)
    assert off[1:-1].max() < inner
    assert off[[0, -1]].max() < ends
