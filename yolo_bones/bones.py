"""The 29 bones of a hand radiograph in channel order, and their groups.

This is the only place where the names exist; `bones.yaml` is tested against it. The numbering is the same on both
hands, so a horizontal flip keeps every label.
"""

from __future__ import annotations

from typing import Final

DIGITS: Final[dict[str, tuple[str, ...]]] = {
    "thumb": ("finger-1", "finger-2", "finger-3"),
    "index": ("finger-4", "finger-5", "finger-6", "finger-7"),
    "middle": ("finger-8", "finger-9", "finger-10", "finger-11"),
    "ring": ("finger-12", "finger-13", "finger-14", "finger-15"),
    "little": ("finger-16", "finger-17", "finger-18", "finger-19"),
}
"""Bones of each digit from distal to metacarpal (the thumb has no middle phalanx)."""

FINGER_BONES: Final[tuple[str, ...]] = tuple(bone for digit in DIGITS.values() for bone in digit)
HAND_BONES: Final[tuple[str, ...]] = (
    "Trapezium",
    "Trapezoid",
    "Capitate",
    "Hamate",
    "Scaphoid",
    "Lunate",
    "Triquetrum",
    "Pisiform",
)
ARM_BONES: Final[tuple[str, ...]] = ("Radius", "Ulna")

BONES: Final[tuple[str, ...]] = FINGER_BONES + HAND_BONES + ARM_BONES
"""All names; the position in this tuple is the class id, 0 to 28, and the channel."""

CLASS_IDS: Final[dict[str, int]] = {bone: class_id for class_id, bone in enumerate(BONES)}

KINDS: Final[dict[str, str]] = {
    **dict(zip(HAND_BONES, ("carpal",) * len(HAND_BONES), strict=True)),
    **{bone: bone.lower() for bone in ARM_BONES},
    **{
        bone: kind
        for digit in DIGITS.values()
        for bone, kind in zip(digit[::-1], ("metacarpal", "proximal", "middle", "distal"), strict=False)
    },
    DIGITS["thumb"][0]: "distal",
}
"""What sort of bone each is: distal, middle, proximal (phalanx), metacarpal, carpal, radius or ulna."""

GROUPS: Final[dict[str, tuple[str, ...]]] = {"finger": FINGER_BONES, "hand": HAND_BONES, "arm": ARM_BONES}
"""The groups that scores are reported for."""

BONE_COUNT: Final[int] = len(BONES)
