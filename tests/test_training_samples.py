"""What the network is shown in training, and the labels of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from yolo_bones.anatomy import HandFrame
from yolo_bones.annotated_hand import area_centroid
from yolo_bones.errors import InputError
from yolo_bones.rle import ImageSize
from yolo_bones.training.bone_data import KindSampler, input_size
from yolo_bones.training.draws import LookKind, PlainChanges, draw_sample
from yolo_bones.training.grey_changes import change_greys
from yolo_bones.training.labelled import LabelledBone, LabelledImage, find_labelled, outward_normals
from yolo_bones.training.regions import draw_region
from yolo_bones.training.restyle import restyled
from yolo_bones.training_recipe import Recipe, recipe_from_values

SQUARE = np.array([[10.0, 8.0], [30.0, 8.0], [30.0, 24.0], [10.0, 24.0]])


def test_a_square_covers_exactly_its_pixels() -> None:
    """Edges at 10.5 and 30.5, 8.25 and 24.25: halves and quarters of pixels at the border, nothing wider."""
    drawn_inside = SQUARE + 0.125 * np.sign(np.array([20.0, 16.0]) - SQUARE)  # filling paints half a fine pixel more
    region = draw_region(3, drawn_inside + np.array([0.5, 0.25]), ImageSize(64, 48), 0.0)
    assert region is not None
    assert region.class_id == 3
    first_row, first_column = region.top * 4, region.left * 4
    whole = np.zeros((64, 48))
    whole[first_row : first_row + region.cover.shape[0], first_column : first_column + region.cover.shape[1]] = (
        region.cover
    )
    assert whole.sum() / 255 == pytest.approx(20.0 * 16.0, rel=0.02)
    assert whole[16, 20] == 255
    assert whole[16, 10] == pytest.approx(127.5, abs=1)
    assert whole[16, 30] == pytest.approx(127.5, abs=1)
    np.testing.assert_allclose(region.box_xyxy, [10.5, 8.25, 30.5, 24.25], atol=0.26)


def test_a_region_is_the_widened_box_in_whole_cells_inside_the_input() -> None:
    region = draw_region(0, SQUARE, ImageSize(64, 48), 0.25)
    assert region is not None
    # 20 wide: 5 + 2 pixels on either side, 3 to 37 -> cells 0 to 10; 16 high: 4 + 2, 2 to 30 -> cells 0 to 8.
    assert (region.left, region.top) == (0, 0)
    assert region.cover.shape == (32, 40)


def test_what_is_out_of_sight_is_left_out() -> None:
    size = ImageSize(64, 48)
    assert draw_region(0, SQUARE + np.array([100.0, 0.0]), size, 0.25) is None
    assert draw_region(0, SQUARE + np.array([37.0, 0.0]), size, 0.25) is None  # one column of twenty
    half = draw_region(0, SQUARE + np.array([28.0, 0.0]), size, 0.25)
    assert half is not None
    np.testing.assert_allclose(half.box_xyxy, [38.0, 8.0, 48.0, 24.25], atol=0.3)


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1]])
def test_normals_point_outwards(points: np.ndarray) -> None:
    normals = outward_normals(points)
    np.testing.assert_allclose(np.hypot(*normals.T), 1.0)
    assert ((points - [20.0, 16.0]) * normals > 0.0).all()


def test_the_centroid_of_an_outline_is_that_of_its_area() -> None:
    many_points_on_one_side = np.concatenate([SQUARE[:1], np.linspace([10.0, 8.0], [30.0, 8.0], 30)[1:], SQUARE[2:]])
    np.testing.assert_allclose(area_centroid(many_points_on_one_side), [20.0, 16.0], atol=1e-4)


def bright_bone(size: ImageSize) -> LabelledImage:
    """One bright ellipse, drawn and outlined."""
    angle = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    points = np.column_stack([150 + 70 * np.cos(angle), 190 + 40 * np.sin(angle)])
    y, x = np.mgrid[: size.height, : size.width]
    inside = ((x - 150) / 70.5) ** 2 + ((y - 190) / 40.5) ** 2 <= 1.0
    grey = np.where(inside, 230, 20).astype(np.uint8)
    frame = HandFrame(np.array([150.0, 230.0]), np.array([-1.0, 0.0]), np.array([0.0, -1.0]), 90.0)
    return LabelledImage(Path("x.png"), grey, (LabelledBone(5, points, outward_normals(points)),), frame)


@pytest.mark.parametrize("kind", list(LookKind))
@pytest.mark.parametrize("elastic", [0.0, 1.5])
def test_labels_lie_on_what_is_drawn(kind: LookKind, elastic: float) -> None:
    """In any view pixels wholly inside are bright, those wholly outside dark, but for 0.02 of the bone."""
    image = bright_bone(ImageSize(height=400, width=300))
    recipe = Recipe(canonical=0.5, closeup=0.2, elastic=elastic, photometric=0.0)
    plain = PlainChanges(degrees=40.0, translate=0.05, scale=0.2, shear=5.0, fliplr=0.5)
    size = ImageSize(256, 192)
    compared = 0
    for number in range(6):
        sample = draw_sample(image, kind, size, recipe, plain, np.random.default_rng([number, 7]))
        if not sample.regions:
            continue
        (region,) = sample.regions
        row, column = region.top * 4, region.left * 4
        patch = sample.grey[row : row + region.cover.shape[0], column : column + region.cover.shape[1]]
        # The padding has a grey of its own; compare where the image is.
        bright = np.clip((patch.astype(float) - 20.0) / 210.0, 0.0, 1.0)
        known = np.abs(patch.astype(float) - 114.0) > 0.0
        cover = region.cover / 255.0
        wrong = np.abs(bright - cover)[known & ((cover > 0.98) | (cover < 0.02))]
        assert (wrong > 0.6).sum() <= 0.02 * cover.sum() + 2
        compared += 1
    assert compared >= 4


def test_a_label_is_neither_too_wide_nor_too_narrow() -> None:
    """Sum of cover equals sum of brightness of an unchanged view within half a percent."""
    image = bright_bone(ImageSize(height=400, width=300))
    sample = draw_sample(
        image, LookKind.PLAIN, ImageSize(200, 160), Recipe(photometric=0.0), PlainChanges(), np.random.default_rng(0)
    )
    (region,) = sample.regions
    inside = sample.grey[:, 6:-6].astype(float)
    bright = ((inside - 20.0) / 210.0)[inside != 114.0].clip(0.0, 1.0).sum()
    assert region.cover.sum() / 255.0 == pytest.approx(bright, rel=0.012)


def test_the_same_chance_draws_the_same_sample() -> None:
    image = bright_bone(ImageSize(height=400, width=300))
    recipe = Recipe(canonical=1.0, elastic=1.0, restyle=0.5)
    one, two, other = (
        draw_sample(image, LookKind.CANONICAL, ImageSize(128, 96), recipe, PlainChanges(), np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.grey, two.grey)
    np.testing.assert_array_equal(one.regions[0].cover, two.regions[0].cover)
    assert not np.array_equal(one.grey, other.grey)


def test_a_restyled_bone_is_bright_where_its_outline_says() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    ellipse = np.column_stack([60 + 20 * np.cos(angle), 70 + 34 * np.sin(angle)])
    outlines, grey = restyled([(4, ellipse)], ImageSize(140, 120), np.random.default_rng(3))
    region = draw_region(*outlines[0], ImageSize(140, 120), 0.0)
    assert region is not None
    whole = np.zeros((140, 120))
    row, column = region.top * 4, region.left * 4
    whole[row : row + region.cover.shape[0], column : column + region.cover.shape[1]] = region.cover
    assert grey[whole > 250].mean() > grey[whole == 0].mean() + 15
    assert np.abs(outlines[0][1].mean(axis=0) - ellipse.mean(axis=0)).max() < 8


def test_no_strength_changes_no_grey() -> None:
    grey = np.arange(35 * 20, dtype=np.uint8).reshape(35, 20)
    assert change_greys(grey, np.random.default_rng(0), 0.0) is grey
    changed = change_greys(grey, np.random.default_rng(0), 1.0)
    assert changed.shape == grey.shape
    assert not np.array_equal(changed, grey)


def test_kinds_have_their_shares_and_are_mixed_within_batches() -> None:
    sampler = KindSampler(50, 4, Recipe(canonical=0.5, closeup=0.25, epoch_images=162), seed=3)
    assert len(sampler) == 160
    draws = list(sampler)
    kinds = [draw.kind for draw in draws]
    assert abs(kinds.count(LookKind.CANONICAL) - 80) <= 1
    assert abs(kinds.count(LookKind.CLOSEUP) - 40) <= 1
    assert sum(len(set(kinds[start : start + 4])) > 1 for start in range(0, 160, 4)) > 30
    assert {draw.index for draw in draws} == set(range(50))
    assert draws == list(sampler)
    sampler.epoch = 1
    assert draws != list(sampler)


def test_the_input_is_as_large_as_the_canonical_view() -> None:
    assert input_size(512, Recipe(canonical=0.5)) == ImageSize(512, 384)
    assert input_size(640, Recipe()) == ImageSize(640, 640)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"canonical": 1.5}, "canonical"),
        ({"canonical": 0.7, "closeup": 0.5}, "closeup"),
        ({"positives": 0}, "positives"),
        ({"epoch_images": 2.5}, "epoch_images"),
        ({"dice": "much"}, "dice"),
        ({"elastic": -1.0}, "elastic"),
        ({"boundary": True}, "boundary"),
        ({"boundary": float("nan")}, "boundary"),
    ],
)
def test_a_bad_recipe_is_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe_from_values(values, "run.yaml")
    assert f"run.yaml: {field}" in str(caught.value)


def test_a_sampling_list_draws_an_image_as_often_as_it_names_it(tmp_path: Path) -> None:
    for folder, suffix in (("images", ".png"), ("labels", ".txt")):
        (tmp_path / folder / "train").mkdir(parents=True)
        for name in "abc":
            (tmp_path / folder / "train" / f"{name}{suffix}").touch()
    listed = tmp_path / "train_balanced.txt"
    listed.write_text("./images/train/c.png\n./images/train/a.png\n./images/train/c.png\n")
    assert [image.stem for image, _ in find_labelled(listed)] == ["a", "c", "c"]
    assert [label.name for _, label in find_labelled(listed)] == ["a.txt", "c.txt", "c.txt"]
    assert [image.stem for image, _ in find_labelled(tmp_path / "images" / "train")] == ["a", "b", "c"]
    listed.write_text("./images/train/a.png\n./elsewhere/d.png\n")
    with pytest.raises(InputError, match="images in a folder images/<subset>"):
        find_labelled(listed)
    listed.write_text("\n")
    with pytest.raises(InputError, match="at least one image"):
        find_labelled(listed)
