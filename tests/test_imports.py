"""Imports point one way; heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS: tuple[tuple[str, ...], ...] = (
    ("yolo_bones", "startup", "errors", "bones"),
    (
        "training_recipe",
        "polygons",
        "mask_outlines",
        "rle",
        "candidates",
        "anatomy",
        "hand_fit",
        "bone_shapes",
        "hand_model",
        "hand_labels",
        "outline_model",
        "views",
        "files",
        "strict_json",
        "strict_yaml",
    ),
    (
        "annotation_json",
        "bone_parts",
        "annotations",
        "greys",
        "hand_measures",
        "reference",
        "parallel",
        "claims",
        "watched_files",
        "merge_settings",
        "fused_bones",
        "box_lattice",
        "grey_sense",
        "hand_finding",
        "joint_identity",
        "shared_instances",
        "look_fusion",
        "look_means",
        "logit_crops",
        "tidying",
        "flattened",
        "merger",
        "rle_table",
        "dicom_files",
        "dicom_pixels",
        "image_soundness",
        "image_files",
        "resumable",
        "sub_pixel_outlines",
        "long_axes",
        "joint_spaces",
        "wrist_geometry",
        "bone_measurements",
    ),
    (
        "annotated_hand",
        "contact_sheet",
        "truth_sources",
        "canonical",
        "training_arguments",
        "training_sources",
        "fold_plan",
        "fold_scores",
        "step_ledger",
        "splits",
        "coco",
        "yolo_labels",
        "metrics",
        "calibration",
        "data_set",
        "loss_audit",
        "image_sources",
        "archives",
        "unpacked_archives",
        "manifest",
        "overlays",
        "measured_pictures",
        "measurement_agreement",
        "pixel_spacing",
        "coco_segmentations",
        "coco_results",
        "annotation_records",
        "corrected_coco",
        "corrected_masks",
        "pseudo_labels",
        "conventions",
        "submission_rows",
        "submission_findings",
        "bootstrap",
        "comparison",
        "image_table",
        "patient_names",
        "metadata_cells",
        "metadata_headings",
        "patient_metadata",
        "workbooks",
        "slices",
        "strata",
        "sampling",
        "soft",
        "soft_voting",
        "staple",
        "voting",
        "ballot_files",
        "weight_fitting",
    ),
    ("detector", "training", "phantom", "exploration", "figures", "audit", "page"),
    ("command_line", "look_options", "page_options"),
)
COMMANDS = (
    "audit_points",
    "audit_rle",
    "calibrate_rle",
    "check_rle",
    "compare_rle",
    "convert_table",
    "draw_rle",
    "ensemble_fit",
    "ensemble_rle",
    "evaluate_rle",
    "explore_points",
    "export_rle",
    "fold_run",
    "fold_votes",
    "main",
    "make_phantoms",
    "measure_rle",
    "report_rle",
    "ship_weights",
    "step_runner",
    "train_bones",
    "train_folds",
    "training_progress",
)
COMMAND_MODULES = ("yolo_bones.phantom.statistics",)
"""Commands that live in a room."""
HEAVY = {"torch", "torchvision", "ultralytics", "matplotlib"}
HEAVY_ROOMS = ("detector", "training", "figures")


def floor_of(module: str) -> int:
    """Floor of `yolo_bones.<room>...`; commands and converters are on top."""
    parts = module.split(".")
    if parts[0] == "converters" or module in COMMAND_MODULES:
        return len(FLOORS)
    room = parts[1] if len(parts) > 1 else "yolo_bones"
    if room in COMMANDS:
        return len(FLOORS)
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("yolo_bones", "converters"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def imported(path: Path) -> list[tuple[str, bool]]:
    """(module, at top level) of every import; `from yolo_bones import rle` counts as yolo_bones.rle."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    names: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module in ("yolo_bones", "converters"):
                names += [(member_of(node.module, alias.name), id(node) in top) for alias in node.names]
            else:
                names.append((str(node.module), id(node) in top))
    return names


def member_of(package: str, name: str) -> str:
    """`package.name` when that is a module, else the package itself (`from yolo_bones import __version__`)."""
    is_module = (ROOT / package / f"{name}.py").exists() or (ROOT / package / name).is_dir()
    return f"{package}.{name}" if is_module else package


def test_the_reader_of_imports_sees_members(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("from yolo_bones import export_rle, __version__\nfrom yolo_bones.rle import encode\n")
    assert imported(path) == [("yolo_bones.export_rle", True), ("yolo_bones", True), ("yolo_bones.rle", True)]


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value) if isinstance(value, str) else "")
def test_imports_point_down(module: str, path: Path) -> None:
    for name, _ in imported(path):
        if name.split(".")[0] in ("yolo_bones", "converters"):
            assert floor_of(name) <= floor_of(module), f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value) if isinstance(value, str) else "")
def test_heavy_libraries_stay_in_their_rooms(module: str, path: Path) -> None:
    room = module.split(".")[1] if "." in module else ""
    if room in HEAVY_ROOMS:
        return
    heavy = [name for name, _ in imported(path) if name.split(".")[0] in HEAVY]
    assert not heavy, f"{module} imports {heavy}"
    for name, at_top in imported(path):
        parts = name.split(".")
        if parts[0] == "yolo_bones" and len(parts) > 1 and parts[1] in HEAVY_ROOMS and at_top:
            assert is_type_checking_only(path, name), f"{module} imports {name} at its top"


def is_type_checking_only(path: Path, name: str) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return any(isinstance(node, ast.ImportFrom) and node.module == name for block in blocks for node in block.body)


def test_no_cycles_on_one_floor() -> None:
    graph = {
        module: {name for name, top in imported(path) if top and name.startswith(("yolo_bones.", "converters."))}
        for module, path in modules()
    }

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle {' -> '.join((*trail, module))}"
        for name in graph.get(module, ()):
            visit(name, (*trail, module))

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(
    "module",
    [
        "yolo_bones",
        "yolo_bones.merger",
        "yolo_bones.explore_points",
        "yolo_bones.export_rle",
        "yolo_bones.ensemble_rle",
        "yolo_bones.make_phantoms",
        "yolo_bones.report_rle",
        "converters.points_to_yolo",
    ],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {sorted(HEAVY)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_datasets_is_no_package() -> None:
    assert not list((ROOT / "datasets").glob("*.py"))


def test_the_package_and_its_metadata_name_one_version() -> None:
    """`report.json` carries it, so it must not depend on when the package was installed."""
    from yolo_bones import __version__

    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
