"""`points_to_yolo --dry-run` over very many images: time and memory, on one core.

    python -m tests.many_images --images 100000 --size 256

The tree is made of hard links below TMPDIR and removed in the end. A file system caps the links of one file, so there
are as many source files as that takes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from tests.bad_inputs.good import annotation_of, grey_image

LINKS_OF_ONE = 20_000
"""ext4 allows 65,000."""
IMAGES_OF_PATIENT = 2
MOST_S, MOST_MB = 300.0, 300.0


def make_tree(folder: Path, images: int, size: int) -> None:
    """DCM and outputs_json of so many images, two a patient."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    for number in range(images):
        kind = number // LINKS_OF_ONE
        picture, record = sources / f"{kind}.png", sources / f"{kind}.json"
        if not picture.exists():
            grey = grey_image(size, size - 16, kind)
            cv2.imwrite(str(picture), np.asarray(grey))
            record.write_text(json.dumps(annotation_of(size, size - 16)))
        patient, stem = f"ID{number // IMAGES_OF_PATIENT:06d}", f"image{number:07d}"
        for place, source, suffix in (("DCM", picture, "png"), ("outputs_json", record, "json")):
            target = folder / "raw" / place / patient
            target.mkdir(parents=True, exist_ok=True)
            os.link(source, target / f"{stem}.{suffix}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="many-images-") as place:
        folder = Path(place)
        make_tree(folder, arguments.images, arguments.size)
        command = [sys.executable, "-m", "converters.points_to_yolo", folder / "raw", folder / "out", "--dry-run"]
        began = time.perf_counter()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        done = subprocess.run([*map(str, command), "--quiet"], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        megabytes, processor_s = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
        report = json.loads((folder / "out" / "report.json").read_text()) if done.returncode == 0 else {}
    print(
        f"{report.get('images')} images of {arguments.size} x {arguments.size - 16}: {seconds:.0f} s, "
        f"{processor_s:.0f} s of them computing, {megabytes:.0f} MB, exit {done.returncode}"
    )
    good = done.returncode == 0 and report["images"] == arguments.images
    return 0 if good and processor_s <= MOST_S and megabytes <= MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
