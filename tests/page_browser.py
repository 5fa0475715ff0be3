"""A real report of tiny hands, and a browser to look at it with: Debian's chromium, offline."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import TINY_SIZE, read_masks
from yolo_bones.audit_rle import main as audit_rle
from yolo_bones.bones import BONES, CLASS_IDS
from yolo_bones.page.html import render
from yolo_bones.report_rle import main as report_rle
from yolo_bones.rle import ImageSize, RunLengthMasks, decode, encode
from yolo_bones.rle_table import open_rle_table, write_masks

SIZE = ImageSize(*TINY_SIZE)
WIDE = {"width": 1440, "height": 900}
VIOLATIONS = """window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));"""


def chromium() -> str | None:
    """The browser's program; None where there is none and none is required."""
    found = os.environ.get("YOLO_BONES_CHROMIUM") or shutil.which("chromium")
    if found is None and os.environ.get("YOLO_BONES_BROWSER") == "required":
        pytest.fail("YOLO_BONES_BROWSER=required, but there is no chromium: install it or set YOLO_BONES_CHROMIUM")
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium without a window; the test is skipped where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no chromium: install it (apt-get install chromium) or set YOLO_BONES_CHROMIUM")
    with sync_playwright() as playwright:
        # Inside a container chromium's own sandbox cannot be set up.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Sight:
    """A page that is open, and everything that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", lambda message: self.faults.append(f"{message.type}: {message.text}"))

    def wait_for(self, index: int) -> None:
        """Until the image at that place of the page is shown with its outlines."""
        self.page.wait_for_selector(f"html[data-shown='{index}']", state="attached")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def settle(self) -> None:
        """Until what was asked for is drawn: a frame later, and one more."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def overlay(self) -> NDArray[np.uint8]:
        """(H, W, 4) pixels of the canvas over the picture."""
        self.settle()
        width, height, pixels = self.page.evaluate(
            """() => { const canvas = document.getElementById("overlay");
            // A copy is read: reading the canvas itself would make chromium warn of it.
            const copy = new OffscreenCanvas(canvas.width, canvas.height)
              .getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
            let text = ""; for (const value of data) text += String.fromCharCode(value);
            return [canvas.width, canvas.height, btoa(text)]; }"""
        )
        return np.frombuffer(base64.b64decode(pixels), dtype=np.uint8).reshape(height, width, 4)

    def ink(self) -> int:
        """Pixels of the overlay on which anything is drawn."""
        return int(np.count_nonzero(self.overlay()[..., 3]))

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3) BGR pixels of the stage as they are on the screen."""
        import cv2

        self.settle()
        data = np.frombuffer(self.page.locator("#stage").screenshot(), dtype=np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)

    def place(self) -> tuple[float, float, float]:
        """Where the picture lies in the stage: x, y, scale."""
        self.settle()
        style = self.page.locator("#picture img").get_attribute("style") or ""
        found = re.search(r"translate\((\S+)px, (\S+)px\) scale\((\S+)\)", style)
        assert found, style
        return float(found[1]), float(found[2]), float(found[3])

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the image is on the screen."""
        left, top, scale = self.place()
        box = self.page.locator("#stage").bounding_box()
        assert box
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_inner_texts()

    def names(self) -> list[str]:
        """What the list shows; also what is scrolled out of sight, which has no rendered text."""
        return self.page.locator("#list .name").all_text_contents()

    def download(self, button: str) -> bytes:
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=button, exact=True).click()
        return Path(waiting.value.path()).read_bytes()


@contextmanager
def looking_at(browser: Browser, html: Path, address: str = "", **options: Any) -> Iterator[Sight]:
    """Open a page from disk without a network; nothing may go wrong on it, and nothing be asked for elsewhere."""
    scripts: Sequence[str] = options.pop("scripts", ())
    may_fail: Callable[[str], bool] = options.pop("may_fail", lambda _: False)
    context = browser.new_context(**{"viewport": WIDE, "offline": True, "accept_downloads": True, **options})
    try:
        context.set_default_timeout(15000)
        page = context.new_page()
        for script in (VIOLATIONS, *scripts):
            page.add_init_script(script)
        sight = Sight(page)
        page.goto(html.as_uri() + address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html.ready", state="attached")
        yield sight
        if options.get("java_script_enabled", True):
            sight.faults += page.evaluate("window.violations")
        allowed = (html.parent.as_uri(), "data:", "blob:null/")
        sight.faults += [f"request: {url[:200]}" for url in sight.requests if not url.startswith(allowed)]
        faults = [fault for fault in sight.faults if not may_fail(fault)]
        assert not faults, faults
    finally:
        context.close()


class Report:
    """Four tiny hands with a truth, a prediction that errs, another one, findings, facts; the page of them."""

    def __init__(self, raw: Path, folder: Path) -> None:
        self.folder = folder
        self.html = folder / "page.html"
        self.truth = raw / "train_truth.csv"
        self.pred, self.other, self.audit = folder / "pred.csv", folder / "other.csv", folder / "audit.json"
        images, meta = raw / "train" / "DCM", folder / "meta.csv"
        write_masks(self.pred, worn_masks(self.truth, 1))
        write_masks(self.other, worn_masks(self.truth, 2))
        meta.write_text("patient,age\nID001,24\nID002,61\n", encoding="utf-8")
        given = [str(self.pred), "--images", str(images), "--quiet"]
        assert audit_rle([*given, "--json", str(self.audit)]) == 0
        files = ["--truth", str(self.truth), "--against", str(self.other), "--audit", str(self.audit)]
        assert report_rle([*given, *files, "--by", f"{meta}:age", "--html", str(self.html)]) == 0
        self.record = read_record(self.html)

    @property
    def names(self) -> list[str]:
        """Images in page order."""
        return [image["name"] for image in self.record["images"]]

    def masks(self, path: Path, name: str) -> NDArray[np.bool_]:
        """(29, H, W) of one image of a table."""
        return decode(read_masks(path, SIZE)[name])

    def variant(self, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
        """Another page of the same record, changed."""
        record = json.loads(json.dumps(self.record))
        change(record)
        path = self.folder / name
        path.write_text(render(record), encoding="utf-8")
        return path


def worn_masks(truth: Path, shift: int) -> Iterator[tuple[str, RunLengthMasks]]:
    """The truth shifted a little more from image to image; in the last one two bones exchanged and one lost."""
    names = open_rle_table(truth).names()
    for number, (name, masks) in enumerate(sorted(read_masks(truth, SIZE).items())):
        planes = np.roll(decode(masks), (number, shift), axis=(1, 2))
        if number == len(names) - 1:
            one, two = CLASS_IDS["Trapezium"], CLASS_IDS["Trapezoid"]
            planes[[one, two]] = planes[[two, one]]
            planes[CLASS_IDS["Pisiform"]] = False
        yield name, encode(planes)


def read_record(html: Path) -> dict[str, Any]:
    """The record inside a page."""
    found = re.search(r'id="record">(.*?)</script>', html.read_text(encoding="utf-8"), re.S)
    assert found
    record: dict[str, Any] = json.loads(found[1])
    return record


def pack(planes: NDArray[np.bool_]) -> str:
    """29 masks as the page's contract packs them, written a second time from its words."""
    masks = encode(planes)
    stream = bytearray()

    def write(value: int) -> None:
        while value > 127:
            stream.append(value & 127 | 128)
            value >>= 7
        stream.append(value)

    def write_signed(value: int) -> None:
        write(2 * value if value >= 0 else -2 * value - 1)

    runs = [list(zip(mask.starts.tolist(), mask.ends.tolist(), strict=True)) for mask in masks]
    for mask in runs:
        write(len(mask))
    for mask in runs:
        for number, (start, _) in enumerate(mask):
            write_signed(start - mask[number - 1][0] - planes.shape[2]) if number else write(start)
    for mask in runs:
        lengths = [end - start for start, end in mask]
        for number, length in enumerate(lengths):
            write_signed(length - lengths[number - 1]) if number else write(length)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(deflate.compress(bytes(stream)) + deflate.flush()).decode("ascii")


def bare_record(layers: Mapping[str, NDArray[np.bool_]], **image: Any) -> dict[str, Any]:
    """A record of one image that has layers and nothing else."""
    _, height, width = next(iter(layers.values())).shape
    roles = [key if key != "drawn" else "prediction" for key in layers]
    shown = {"name": "one.png", "patient": "", "width": width, "height": height, "picture": None, "score": None}
    shown |= {"picture_width": width, "picture_height": height, "dice": {}, "expected": None, "findings": []}
    shown |= {"facts": {}, "measurements": [], "layers": {key: pack(planes) for key, planes in layers.items()}}
    return {
        "format": 1,
        "generator": "test",
        "title": "test",
        "kind": "report",
        "about": [],
        "bones": list(BONES),
        "groups": [{"key": "all", "label": "Hand", "bones": list(range(len(BONES)))}],
        "score": None,
        "sets": [{"key": key, "label": key, "role": role} for key, role in zip(layers, roles, strict=True)],
        "images": [shown | image],
        "slices": [],
        "comparison": None,
        "figures": [],
    }
