"""What label maps hold, as far as their files tell: numbers or colours, which values, which names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from core.data.datasets.containers import is_whole, lossy_format, png_palette
from core.data.datasets.images import read_image, read_label
from core.data.datasets.listing import read_lines
from core.data.labels import IGNORE
from core.errors import DataError

Color = tuple[int, int, int]
_FILES = re.compile(
    r"^(class(es)?(_?names)?|labels?(_?names|map)?|names|categories|codes|obj)\.(txt|json|names|csv)$", re.I
)
_MOST = 256  # colours or values that can be classes


@dataclass
class Labels:
    """`kind`: as data.options.labels_are. `values`, `colors`: in how many label maps each occurs."""

    kind: str = "numbers"
    values: Counter[int] = field(default_factory=Counter)
    colors: Counter[Color] = field(default_factory=Counter)
    palette: dict[int, Color] = field(default_factory=dict)  # of palette files
    palettes_differ: bool = False
    lossy: Path | None = None
    looked_at: int = 0
    held: dict[Path, frozenset[int]] = field(default_factory=dict)  # the values in each label map that holds numbers

    def classes_of(self) -> list[int]:
        """The values that are classes: all but 255, unless there is but one other: 255 is a class of two then."""
        seen = sorted(self.values)
        rest = [value for value in seen if value != IGNORE]
        return rest if len(rest) > 1 else seen

    def lines(self, names: Sequence[str], known_from: str) -> list[str]:
        """The lines of the YAML under data.options."""
        if self.kind == "colors":
            return self._color_lines(names, known_from)
        values = self.classes_of()
        many = f"    # {self.looked_at} label maps hold {_shown(sorted(self.values))}."
        lines = [many, f"    labels_are: {self.kind}"]
        binary = values == [0, IGNORE]
        plain = values == list(range(len(values)))
        chosen = (
            list(names)
            if plain and names
            else [_name(names, value, place, len(values)) for place, value in enumerate(values)]
        )
        if binary and not names:
            chosen = ["background", "foreground"]
        chosen = _unique(chosen)
        lines += [f"    classes: {_flow(chosen)}  # {known_from or 'made up: write their names'}"]
        if not plain:
            pairs = ", ".join(f"{_scalar(name)}: {value}" for name, value in zip(chosen, values))
            lines.append(f"    values: {{{pairs}}}  # stored value of each class")
        ignored = [] if binary else [IGNORE]
        lines.append(
            f"    ignore: {ignored}" + ("  # 255 is a class here" if binary else "  # what counts for no class")
        )
        if values and values[0] == 0 and not binary and plain:
            lines.append("    # If 0 means unlabelled and no class: take its name out of the classes and set")
            lines.append("    # zero_means: unlabelled")
        if self.palette and all(value in self.palette for value in values):
            colors = ", ".join(f"{_scalar(n)}: {list(self.palette[v])}" for n, v in zip(chosen, values))
            lines.append(f"    colors: {{{colors}}}")
        return lines

    def _color_lines(self, names: Sequence[str], known_from: str) -> list[str]:
        colors = sorted(self.colors)
        if len(names) != len(colors):
            names, known_from = [f"color_{bytes(color).hex()}" for color in colors], ""
        reason = "label maps are painted"
        if self.palettes_differ:
            reason = "palettes differ from file to file: colours mean the classes, not numbers"
        pairs = ", ".join(f"{_scalar(name)}: {list(color)}" for name, color in zip(names, colors))
        return [
            f"    # {self.looked_at} label maps hold {len(colors)} colours.",
            f"    labels_are: colors  # {reason}",
            f"    classes: {_flow(names)}  # {known_from or 'made up: write their names here and below'}",
            f"    colors: {{{pairs}}}",
            "    ignore: []  # colours that count for no class go here, not among the classes",
        ]


def look_at_labels(paths: Sequence[Path]) -> Labels:
    """Reads all label maps. Raises DataError where none can be read."""
    found, error, painted, grey = Labels(), None, 0, 0
    palettes: dict[int, Color] = {}
    for path in paths:
        try:
            data = path.read_bytes()
            if lossy_format(data):
                found.lossy = found.lossy or path
                continue
            palette = png_palette(data)
            pixels = (
                cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if is_whole(data) and data else None
            )
            if palette is None and pixels is not None and pixels.ndim == 3:
                image = read_image(path, lossless=True)
                equal = bool((np.ptp(image, axis=2) == 0).all())
                grey, painted = grey + equal, painted + (not equal)
                present = np.unique(image[..., 0]).tolist() if equal else []
                found.colors.update(_colors(image))
            else:
                present = np.unique(read_label(path, deep=True)).tolist()
                if palette is not None:
                    found.colors.update(_colors(read_image(path, lossless=True)))
        except (DataError, OSError) as failed:
            error = error or failed
            continue
        found.looked_at += 1
        found.values.update(present)
        found.held[path] = frozenset(present) - {IGNORE}
        for value in present:
            if palette is not None and len(palette) >= 3 * value + 3:
                color = (palette[3 * value], palette[3 * value + 1], palette[3 * value + 2])
                found.palettes_differ = found.palettes_differ or palettes.setdefault(value, color) != color
    if not found.looked_at:
        raise DataError(str(error) if error else f"{found.lossy}: label maps are stored with loss; export them as PNG")
    found.palette = palettes
    if painted or found.palettes_differ:
        found.kind = "colors"
        if len(found.colors) > _MOST:
            raise DataError(
                f"{paths[0]}: label maps hold {len(found.colors)} colours, as after JPEG or a smooth resize; export "
                "them anew, with the nearest neighbour"
            )
    elif grey:
        found.kind = "red channel"
    if found.kind != "colors" and len(found.values) > _MOST:
        raise DataError(f"{paths[0]}: label maps hold {len(found.values)} values; are they instances, or depths?")
    return found


def _colors(image: np.ndarray) -> list[Color]:
    packed = np.unique(image.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]))
    return [(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in packed[: 4 * _MOST]]


def named_in(root: Path, labels: Labels) -> tuple[list[str], str]:
    """Names of classes from a file of the folder (classes.txt, labelmap.txt, categories.json, …) and where they are
    from, in words; empty for none."""
    for path in sorted(root.rglob("*")):
        if not _FILES.match(path.name) or len(path.relative_to(root).parts) > 2:
            continue
        try:
            names = _names_of(path)
        except (DataError, ValueError, OSError):
            continue
        if names and len(names) >= len(labels.classes_of() if labels.kind != "colors" else labels.colors):
            return names, f"from {path.name}"
    return [], ""


def _names_of(path: Path) -> list[str]:
    if path.suffix == ".json":
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(found, dict):
            found = found.get("categories") or found.get("classes") or found
        items: list[Any] = list(found.values()) if isinstance(found, dict) else list(found)
        return [str(item["name"] if isinstance(item, dict) else item) for item in items]
    lines = [line for _, line in read_lines(path) if not line.startswith("#")]
    names = []
    for line in lines:  # `name`, `name:r,g,b::` (CVAT), `3 name`, `3: name`, `3,name`
        text = line.split(":")[0] if re.search(r":\d+,\d+,\d+", line) else line
        match = re.match(r"^\d+\s*[,:;\t ]\s*(.+)$", text)
        names.append((match[1] if match else text).strip())
    return [name for name in names if name not in ("__ignore__", "_ignore_")]


def _name(names: Sequence[str], value: int, place: int, count: int) -> str:
    """Of a class stored as `value`: by its number, or by its place where there are as many names as values."""
    if len(names) == count:
        return names[place]
    return names[value] if value < len(names) else f"class_{value}"


def _unique(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return out


def _flow(names: Sequence[str]) -> str:
    return "[" + ", ".join(map(_scalar, names)) + "]"


def _scalar(name: str) -> str:
    """A name as YAML reads it back: a string, whatever it looks like."""
    plain = re.fullmatch(r"[A-Za-z][\w ./-]*\w|[A-Za-z]", name) and yaml.safe_load(name) == name
    return name if plain else json.dumps(name, ensure_ascii=False)


def _shown(values: list[int]) -> str:
    return ", ".join(map(str, values[:24])) + (", …" if len(values) > 24 else "")
