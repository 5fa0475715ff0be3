"""Nothing of an input is run, and nothing is done beyond reading, computing and writing one's outputs."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.cases import CASES, Case, inputs_in, with_inputs
from tests.faults.runs import takes_quiet
from yolo_bones.errors import InputError, RefusedError
from yolo_bones.main import VERBS
from yolo_bones.training_sources import check_model, read_data_file

FORBIDDEN_CALLS = {
    "eval": "runs text",
    "exec": "runs text",
    "compile": "makes code of text",
    "__import__": "loads what a text names",
    "os.system": "runs a program",
    "os.popen": "runs a program",
    "pickle.load": "runs what a file says",
    "pickle.loads": "runs what a file says",
    "yaml.load": "may make any object",
    "yaml.unsafe_load": "may make any object",
    "yaml.full_load": "may make any object",
    "torch.load": "runs what a file says",
    "torch.hub.load": "fetches and runs",
    "marshal.loads": "makes code of bytes",
    "shelve.open": "a pickle",
    "runpy.run_path": "runs a file",
    "np.load": "pickles, unless told not to",
    "numpy.load": "pickles, unless told not to",
    "Image.open": "ultralytics puts one in its place that installs packages",
    "PIL.Image.open": "the same",
}
FORBIDDEN_METHODS = {"extractall": "writes wherever an archive says", "unpack_archive": "the same"}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "joblib", "socket", "urllib", "http", "requests", "ftplib"}
EXCUSED = {
    ("yolo_bones/detector/weights.py", "pickle"): "names the exception of torch's own safe loader",
    ("yolo_bones/parallel.py", "pickle"): "proves that an exception of a helper process can come back",
    ("yolo_bones/parallel.py", "pickle.loads"): "of what it pickled a moment ago",
    ("yolo_bones/step_runner.py", "subprocess"): "starts the trainings of train_folds",
    ("yolo_bones/strict_yaml.py", "yaml.load"): "with a loader that is stricter than the safe one",
    ("yolo_bones/ballot_files.py", "yaml.load"): "with a loader that is stricter than the safe one",
    ("yolo_bones/outline_model.py", "np.load"): "a file of this package",
}
WHY_ALLOWED = {
    ("subprocess.Popen", "ctypes/util.py"): "torch's CUDA libraries are looked for with ldconfig -p",
    ("socket.__new__", "multiprocessing/connection.py"): "a pipe to a helper process is a pair of local sockets",
    ("compile", "jinja2/environment.py"): "the page's template, a file of this package",
    ("exec", "jinja2/environment.py"): "the page's template, a file of this package",
    ("subprocess.Popen", "matplotlib/font_manager.py"): "asks fontconfig for fonts, once, where it has no list of them",
    ("compile", "ultralytics/nn/tasks.py"): "literal_eval of the arguments of layers",
    ("compile", "/typing.py"): "a type hint of torch that is written as text",
    ("compile", "numpy/lib/_format_impl.py"): "literal_eval of the header of an array, a file of this package",
}


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def forbidden_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in FORBIDDEN_METHODS:
                found.add(name)
            if any(word.arg == "shell" and not is_false(word.value) for word in node.keywords):
                found.add("shell=True")
            if any(word.arg == "allow_pickle" and not is_false(word.value) for word in node.keywords):
                found.add("allow_pickle=True")
            if any(word.arg == "weights_only" and is_false(word.value) for word in node.keywords):
                found.add("weights_only=False")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_IMPORTS}
            found |= {"subprocess" for alias in node.names if alias.name == "subprocess"}
        elif isinstance(node, ast.ImportFrom):
            room = "" if node.module == "urllib.parse" else str(node.module).split(".")[0]
            found |= {str(node.module)} if room in FORBIDDEN_IMPORTS | {"subprocess"} else set()
    return found


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_the_reader_of_sources_sees_what_it_should() -> None:
    text = "import pickle\nfrom urllib.request import urlopen\neval('1')\nyaml.load(x)\nzip.extractall()\nf(shell=True)"
    wanted = {"pickle", "urllib.request", "eval", "yaml.load", "zip.extractall", "shell=True"}
    assert forbidden_in(ast.parse(text)) == wanted


def test_no_source_runs_text_or_files_or_reaches_for_the_network() -> None:
    found = set()
    for path in [*(ROOT / "yolo_bones").rglob("*.py"), *(ROOT / "converters").rglob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        found |= {(name, what) for what in forbidden_in(ast.parse(path.read_text(encoding="utf-8")))}
    assert found - EXCUSED.keys() == set()


def test_every_command_is_tried_here() -> None:
    tried = {case.module for case in CASES} | {"yolo_bones.train_bones"}
    assert {module for module, _ in VERBS.values()} - tried == {"yolo_bones.train_folds"}, "which calls these"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inputs_in(tmp_path_factory.mktemp("sealed"))


def unexplained(report: Path) -> list[dict[str, str]]:
    seen = json.loads(report.read_text(encoding="utf-8"))["seen"]
    return [
        one
        for one in seen
        if not any(event == one["event"] and by in one["by"].replace("\\", "/") for event, by in WHY_ALLOWED)
    ]


def run_sealed(work: Path, module: str, arguments: list[str]) -> list[dict[str, str]]:
    """What a command did under the audit hook that no reason is known for."""
    report = work.with_suffix(".json")
    work.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.faults.sealed", str(report), module, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_CURRENT_TEST", None)  # ultralytics writes elsewhere when it thinks that it is tested
    environment["MPLCONFIGDIR"] = str(work.parent / "matplotlib")
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return unexplained(report)


@pytest.mark.parametrize("case", [case for case in CASES if case.is_plain], ids=lambda case: case.name)
def test_a_command_opens_no_socket_starts_no_program_and_writes_nowhere_else(
    case: Case, inputs: Path, tmp_path: Path
) -> None:
    quiet = ["--quiet"] if takes_quiet(case.module) else []
    case.lay_out(tmp_path / "work", inputs)
    assert run_sealed(tmp_path / "work", case.module, [*with_inputs(case.arguments, inputs), *quiet]) == []


def test_a_training_does_neither_with_strange_files_beside_its_images(inputs: Path, tmp_path: Path) -> None:
    """A stock data set would unpickle the cache, and take the array for the image."""
    from converters.points_to_yolo import main as points_to_yolo

    assert points_to_yolo([str(inputs / "raw"), str(tmp_path / "bones"), "--quiet"]) == 0
    (tmp_path / "bones" / "labels" / "train.cache").write_bytes(b"cos\nsystem\n(S'touch /tmp/yolo_bones-owned'\ntR.")
    for image in (tmp_path / "bones" / "images" / "train").iterdir():
        image.with_suffix(".npy").write_bytes(b"no array")
    data = tmp_path / "bones.yaml"
    text = (ROOT / "bones.yaml").read_text(encoding="utf-8")
    data.write_text(text.replace("datasets/bones/", "bones/"), encoding="utf-8")
    arguments = [f"data={data}", "model=yolov8n-seg.yaml", "imgsz=64", "batch=2", "device=cpu", "threads=1", "epochs=1"]
    found = run_sealed(
        tmp_path / "work", "yolo_bones.train_bones", [*arguments, "epoch_images=2", f"project={tmp_path / 'work'}"]
    )
    assert found == []


def test_what_a_data_file_would_run_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data.yaml"
    (tmp_path / "images").mkdir()
    good = "train: images\nval: images\nnames: [a, b]\n"
    data.write_text(good)
    assert read_data_file(data)["names"] == {0: "a", 1: "b"}
    data.write_text(good + "download: |\n  import os\n  os.system('true')\n")
    with pytest.raises(RefusedError, match="download: would be run"):
        read_data_file(data)
    data.write_text(good.replace("images", "http://example.org/a.zip", 1))
    with pytest.raises(InputError, match="train: expected one folder"):
        read_data_file(data)
    data.write_text(good + "augment: x\n")
    with pytest.raises(InputError, match="augment"):
        read_data_file(data)


def test_what_a_model_file_would_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ultralytics

    package = Path(ultralytics.__file__).parent
    stock = (package / "cfg/models/v8/yolov8-seg.yaml").read_text(encoding="utf-8")
    check_model("yolov8n-seg.yaml", package)
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "yolov8-seg.yaml"
    mine.write_text(stock, encoding="utf-8")
    check_model("yolov8n-seg.yaml", package)
    mine.write_text(f"activation: __import__('os').system('true')\n{stock}", encoding="utf-8")
    with pytest.raises(RefusedError, match="activation"):
        check_model("yolov8n-seg.yaml", package)
    mine.write_text(stock.replace("SPPF", "check_requirements"), encoding="utf-8")
    with pytest.raises(RefusedError, match="check_requirements: is no layer"):
        check_model("yolov8n-seg.yaml", package)
    with pytest.raises(RefusedError, match="would be fetched"):
        check_model("https://example.org/yolov8n-seg.yaml", package)
