"""What scenes look like: their settings, and presets of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

import msgspec

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair


@dataclass(frozen=True)
class SceneSettings:
    """What a scene looks like.

    size: (height, width) of the canvas, pixels. digits: (fewest, most). scale: (least, most) magnification, uniform
    in its logarithm. rotate: degrees, either way. overlap: share of the smaller of two boxes that may lie within the
    other. clutter: (fewest, most) fragments of digits that belong to the background. fragment: side of a fragment,
    pixels. noise: standard deviation of what is added to every pixel, where white is 1. ink: share of a pixel that a
    digit must cover to own it.

    A digit that fits nowhere is left out, so a crowded scene may have fewer than `digits` asks for.
    """

    size: Pair = (64, 84)
    digits: Pair = (1, 3)
    scale: tuple[float, float] = (1.0, 1.0)
    rotate: float = 0.0
    overlap: float = 0.0
    clutter: Pair = (0, 0)
    fragment: int = 8
    noise: float = 0.0
    ink: float = 0.5

    def __post_init__(self) -> None:
        for name, low, high in (
            ("size", 8, 4096),
            ("digits", 0, 200),
            ("scale", 0.2, 50),
            ("rotate", 0, 180),
            ("overlap", 0, 1),
            ("clutter", 0, 1000),
            ("fragment", 1, 28),
            ("noise", 0, 1),
            ("ink", 0.01, 1),
        ):
            value = getattr(self, name)
            given = value if isinstance(value, tuple | list) else (value,)
            if not all(low <= number <= high for number in given):
                raise PellucidError(f"scenes: {name} = {value}: expected {low} .. {high}")
            if name in {"digits", "scale", "clutter"} and given[0] > given[-1]:
                raise PellucidError(f"scenes: {name} = {value}: expected (least, most)")


PRESETS = {
    "m2nist": SceneSettings(),
    "detection": SceneSettings(
        (128, 128), (1, 10), (0.7, 2.5), rotate=15.0, overlap=0.15, clutter=(4, 10), noise=0.08
    ),
}


@checked
def scene_settings(preset: str = "m2nist", **changes: Any) -> SceneSettings:
    """A preset with some settings changed.

    preset: "m2nist", "detection" and the like. changes: of its settings, by name; see SceneSettings.
    Raises PellucidError for an unknown preset or setting.

    >>> pl.data.scene_settings("detection").size
    (128, 128)
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise PellucidError(f"unknown scenes {preset!r}: expected one of {', '.join(PRESETS)}")
    known = [field.name for field in fields(SceneSettings)]
    for name in changes:
        if name not in known:
            near = difflib.get_close_matches(name[:100], known, 1)
            hint = f" (nearest: {near[0]})" if near else ""
            raise PellucidError(f"scenes: unknown setting {name!r}{hint}: expected one of {', '.join(known)}")
    hints = get_type_hints(SceneSettings)
    try:
        given = {name: msgspec.convert(value, hints[name]) for name, value in changes.items()}
    except msgspec.ValidationError as error:
        raise PellucidError(f"scenes: {error}: {changes}") from None
    return replace(PRESETS[preset], **given)
