"""The peers of `bench_rle.py`, each in the form its users would write and in its best one.

* the usual snippet: the encoder and decoder that circulate with the data set, on dense masks;
* best dense: the same on bytes, with slices instead of index arrays;
* pycocotools 2.0: COCO's own C code; it knows COCO counts only, so text costs a decoder in Python;
* rlemasklib 0.8: Cython and C on runs; it has no row text, so numbers are parsed by `np.fromstring`, which is as fast
  as our own parser on one text, and written by `str.join`, the fastest of the standard library.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as coco

try:
    from rlemasklib import RLEMask
except ImportError:  # `make bench` installs it
    RLEMask = None

Shape = tuple[int, int]

warnings.filterwarnings("ignore", message=".*__array__ implementation.*")


def usual_decode(text: str, shape: Shape) -> np.ndarray:
    """The decoder that circulates with the data set."""
    numbers = text.split()
    starts, lengths = (np.asarray(part, dtype=int) for part in (numbers[0::2], numbers[1::2]))
    starts -= 1
    mask = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    for start, end in zip(starts, starts + lengths, strict=True):
        mask[start:end] = 1
    return mask.reshape(shape)


def usual_encode(mask: np.ndarray) -> str:
    """The encoder that circulates with the data set."""
    pixels = np.concatenate([[0], mask.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(value) for value in runs)


def dense_encode(mask: np.ndarray) -> str:
    """The same, bytes all along."""
    flat = np.zeros(mask.size + 2, dtype=np.bool_)
    flat[1:-1] = mask.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    edges[1::2] -= edges[0::2]
    edges[0::2] += 1
    return " ".join(map(str, edges.tolist()))


def edges_of(text: str) -> np.ndarray:
    """(2R,) int32 starts and ends, by numpy's own C parser."""
    edges = np.fromstring(text, dtype=np.int32, sep=" ")
    edges[0::2] -= 1
    edges[1::2] += edges[0::2]
    return edges


def dense_decode_into(plane: np.ndarray, text: str) -> np.ndarray:
    """Add a mask to a flat plane of bytes."""
    edges = edges_of(text).tolist()
    for index in range(0, len(edges), 2):
        plane[edges[index] : edges[index + 1]] += 1
    return plane


# Dense mask -> text


def usual_texts(planes: np.ndarray) -> list[str]:
    return [usual_encode(plane) for plane in planes]


def dense_texts(planes: np.ndarray) -> list[str]:
    return [dense_encode(plane) for plane in planes]


def coco_counts(planes: np.ndarray) -> list[str]:
    return [coco.encode(np.asfortranarray(plane))["counts"].decode() for plane in planes]


def coco_counts_turned(planes: np.ndarray) -> list[str]:
    """The same with the copy that it needs made by OpenCV, seven times faster than numpy's."""
    return [coco.encode(cv2.transpose(plane).T)["counts"].decode() for plane in planes]


def rle_texts(planes: np.ndarray) -> list[str]:
    return [rle_text(RLEMask.from_array(plane.T)) for plane in planes]


def rle_text(mask: RLEMask) -> str:
    """Row text of a mask that rlemasklib holds transposed."""
    counts = mask.counts_view.astype(np.int64)
    whole = len(counts) // 2 * 2
    edges = np.cumsum(counts[:whole])
    edges[1::2] = counts[1:whole:2]
    edges[0::2] += 1
    return " ".join(map(str, edges.tolist()))


def rle_of(text: str, shape: Shape, order: str = "F") -> RLEMask:
    """A mask of row text; with order F it is held transposed, which votes and Dice do not mind."""
    edges = edges_of(text)
    counts = np.empty(len(edges) + 1, dtype=np.uint32)
    counts[0] = edges[0] if len(edges) else shape[0] * shape[1]
    np.subtract(edges[1:], edges[:-1], out=counts[1:-1], casting="unsafe")
    if len(edges):
        counts[-1] = shape[0] * shape[1] - edges[-1]
    held = shape if order == "C" else shape[::-1]
    return RLEMask.from_counts(counts, shape=held, order=order, validate_sum=False)


# Row text -> COCO counts and back


def usual_to_coco(texts: Sequence[str], shape: Shape) -> list[str]:
    return [coco.encode(np.asfortranarray(usual_decode(text, shape)))["counts"].decode() for text in texts]


def coco_to_coco(texts: Sequence[str], shape: Shape) -> list[str]:
    """pycocotools with its best detour: decode the transposed mask, turn it by OpenCV, encode."""
    found = []
    for text in texts:
        edges = edges_of(text)
        counts = np.diff(edges, prepend=0, append=shape[0] * shape[1]).tolist()
        transposed = coco.frPyObjects({"size": [shape[1], shape[0]], "counts": counts}, shape[1], shape[0])
        found.append(coco.encode(cv2.transpose(coco.decode(transposed).T).T)["counts"].decode())
    return found


def rle_to_coco(texts: Sequence[str], shape: Shape) -> list[str]:
    return [rle_of(text, shape, "C").to_dict()["counts"].decode() for text in texts]


def usual_from_coco(counts: Sequence[bytes], shape: Shape) -> list[str]:
    return [usual_encode(coco.decode({"size": list(shape), "counts": text})) for text in counts]


def coco_from_coco(counts: Sequence[bytes], shape: Shape) -> list[str]:
    """pycocotools for the decoding, the best dense encoder for the text it cannot write."""
    planes = (cv2.transpose(coco.decode({"size": list(shape), "counts": text}).T) for text in counts)
    return [dense_encode(plane) for plane in planes]


def rle_from_coco(counts: Sequence[bytes], shape: Shape) -> list[str]:
    return [rle_text(RLEMask.from_dict({"size": list(shape), "counts": text}).T) for text in counts]


# Votes and Dice


def usual_vote(groups: Sequence[Sequence[str]], shape: Shape) -> list[str]:
    found = []
    for texts in groups:
        votes = np.sum([usual_decode(text, shape) for text in texts], axis=0)
        found.append(usual_encode((votes > len(texts) / 2).astype(np.uint8)))
    return found


def dense_vote(groups: Sequence[Sequence[str]], shape: Shape) -> list[str]:
    found = []
    for texts in groups:
        plane = np.zeros(shape[0] * shape[1], dtype=np.uint8)
        for text in texts:
            dense_decode_into(plane, text)
        found.append(dense_encode(plane > len(texts) // 2))
    return found


def rle_vote(groups: Sequence[Sequence[str]], shape: Shape) -> list[str]:
    return [
        rle_text(RLEMask.merge_count([rle_of(text, shape) for text in texts], len(texts) // 2 + 1)) for texts in groups
    ]


def usual_dice(pairs: Sequence[Sequence[str]], shape: Shape) -> list[float]:
    found = []
    for text_a, text_b in pairs:
        a, b = usual_decode(text_a, shape).flatten(), usual_decode(text_b, shape).flatten()
        found.append(float((2.0 * np.sum(a * b) + 1e-4) / (np.sum(a) + np.sum(b) + 1e-4)))
    return found


def dense_dice(pairs: Sequence[Sequence[str]], shape: Shape) -> list[float]:
    found = []
    for text_a, text_b in pairs:
        a, b = (dense_decode_into(np.zeros(shape[0] * shape[1], np.uint8), text) for text in (text_a, text_b))
        shared, total = np.count_nonzero(a & b), np.count_nonzero(a) + np.count_nonzero(b)
        found.append((2.0 * shared + 1e-4) / (total + 1e-4))
    return found


def rle_dice(pairs: Sequence[Sequence[str]], shape: Shape) -> list[float]:
    found = []
    for text_a, text_b in pairs:
        a, b = rle_of(text_a, shape), rle_of(text_b, shape)
        found.append((2.0 * (a & b).area() + 1e-4) / (a.area() + b.area() + 1e-4))
    return found
