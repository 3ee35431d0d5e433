"""Any data set, described in the configuration: where pictures and label maps lie, what the labels mean, the splits.

python -m core.data.describe FOLDER writes a first description; docs/your_own_data.md tells the rest.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from core.data.datasets.base import FileDataset, LabelSpace, Pair
from core.data.datasets.globs import Paired, Pattern, pair_up
from core.data.datasets.images import read_image, read_label
from core.data.datasets.listing import IMAGE_EXTENSIONS, columns, read_lines
from core.data.folder_labels import LabelsAre, Others, described_space, read_painted
from core.data.labels import IGNORE, OUT_OF_RANGE
from core.errors import DataError, SplitMissing
from core.ranges import Range

SPLIT = "{split}"
FRACTIONS = {"train": 0.8, "val": 0.2}

Globs = str | tuple[str, ...]


class Folder(FileDataset):
    """Pictures and label maps found by patterns or lists.

    Args:
        classes: their names, in the order of their numbers.
        images, labels: globs below data.root, or absolute; several as a list. A label map belongs to the picture for
            which the wildcards stand for the same. `{split}` stands for the split's name.
        lists: for each split a text file with a picture, or picture and label map, a line; relative to data.root, to
            the list's own folder, or absolute. Names alone are looked up among the `images`.
        fractions: for each split its share of all pictures, drawn with `seed`; 0.8 for train and 0.2 for val where
            neither lists nor `{split}` part them.
        seed: of that draw, which depends on the names of the files alone.
        labels_are: what label maps hold: `numbers` (palette indices are numbers), `colors`, or numbers in the
            `red channel` of a picture.
        values: for each class the number, or numbers, that files store for it; 0, 1, 2, … if left out.
        zero_means: 0 is the `first class`, or it is `unlabelled`, and the classes are 1, 2, 3, ….
        colors: for each class its colour [R, G, B], by name or in order. With `labels_are: colors` a class may have
            several.
        ignore: stored numbers (with `labels_are: colors`, colours) of pixels that count for no class.
        leave_out: for each split the names of pictures that are no part of it.
        others: what numbers or colours that stand for nothing are: an `error`, `ignored`, or the `nearest` that stands
            for something.
        require_labels: refuse to open a split in which a picture has no label file.
        labelled_only: leave out the pictures that have no label file.
    """

    name = "folder"
    splits: tuple[str, ...] = ("train", "val")

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        classes: tuple[str, ...] = (),
        images: Globs = "images/**/*.*",
        labels: Globs | None = "labels/**/*.*",
        lists: dict[str, str] | None = None,
        fractions: dict[str, float] | None = None,
        seed: Annotated[int, Range(0)] = 0,
        labels_are: LabelsAre = "numbers",
        values: dict[str, Any] | None = None,
        zero_means: Literal["first class", "unlabelled"] = "first class",
        colors: dict[str, Any] | tuple[Any, ...] | None = None,
        ignore: tuple[Any, ...] | None = None,
        others: Others = "error",
        leave_out: dict[str, Any] | None = None,
        require_labels: bool = True,
        labelled_only: bool = False,
    ) -> None:
        described = described_space(classes, labels_are, values, zero_means, colors, ignore)
        self.space, self.painted = described.space, described.painted
        self.labels_are, self.others, self.labelled_only, self.seed = labels_are, others, labelled_only, seed
        self.images = _globs(images, "images")
        self.labels = () if labels is None else _globs(labels, "labels")
        self.lists, self.fractions = _named(lists, "lists"), _shares(fractions)
        left_out = (leave_out or {}).get(split) or []
        self.left_out = {_composed(str(name)) for name in ([left_out] if isinstance(left_out, str) else left_out)}
        by_folder = any(SPLIT in glob for glob in self.images)
        if sum(map(bool, (self.lists, self.fractions, by_folder))) > 1:
            raise DataError("data.options: give lists, fractions, or {split} in images: the splits come from one place")
        if by_folder:
            self.splits = (split,)
        else:
            self.fractions = self.fractions or ({} if self.lists else FRACTIONS)
            self.splits = tuple(self.lists or self.fractions)
        self.orphans: tuple[Path, ...] = ()
        super().__init__(split, root, require_labels=require_labels)

    @classmethod
    def label_space(cls, **options: Any) -> LabelSpace:
        keys = ("classes", "labels_are", "values", "zero_means", "colors", "ignore")
        return described_space(**{key: options[key] for key in keys if key in options}).space

    def list_pairs(self) -> list[Pair]:
        if self.labels_are == "colors" and not self.painted:
            raise DataError("data.options.labels_are is colors: give each class its colour (data.options.colors)")
        found = self._paired()
        if self.lists:
            pairs = _listed(self.root, self.root / self.lists[self.split], found, bool(self.labels))
        else:
            pairs = [Pair(name, image, label) for name, image, label in found.pairs]
            if not pairs:
                raise SplitMissing(
                    f"{self.root}: no picture fits {' or '.join(map(repr, self._filled(self.images)))} "
                    f"(data.options.images; split {self.split!r})"
                )
        if self.labelled_only:
            pairs = [pair for pair in pairs if pair.label is not None]
        pairs = pairs if self.lists or not self.fractions else drawn(pairs, self.fractions, self.seed)[self.split]
        pairs = [pair for pair in pairs if not self.left_out & {pair.name, _composed(pair.image.name)}]
        if not pairs:
            raise SplitMissing(
                f"{self.root}: split {self.split!r} is empty: {len(found.pairs)} pictures are found in all"
            )
        return pairs

    def decode(self, path: Path) -> np.ndarray:
        if self.labels_are == "numbers":
            return read_label(path, deep=True)
        image = read_image(path, lossless=True)
        if self.labels_are == "red channel":
            return np.ascontiguousarray(image[..., 0])
        return read_painted(image, self.painted, self.others, path)

    def label_table(self, path: Path) -> np.ndarray:
        table = self.space.numbering().table
        if self.others == "error" or self.labels_are == "colors":
            return table
        whole = np.full(1 << 16, OUT_OF_RANGE, np.int16)
        whole[: len(table)] = table
        unknown = np.flatnonzero(whole == OUT_OF_RANGE)
        known = np.flatnonzero(whole != OUT_OF_RANGE)
        if self.others == "ignored":
            whole[unknown] = IGNORE
        else:
            after = np.searchsorted(known, unknown).clip(max=len(known) - 1)
            before = (after - 1).clip(min=0)
            closer = np.abs(known[before] - unknown) <= np.abs(known[after] - unknown)
            whole[unknown] = whole[np.where(closer, known[before], known[after])]
        return whole

    def _filled(self, globs: Iterable[str]) -> list[str]:
        return [glob.replace(SPLIT, self.split) for glob in globs]

    def _paired(self) -> Paired:
        images, labels = (
            [Pattern(self.root, glob) for glob in self._filled(globs)] for globs in (self.images, self.labels)
        )
        found = pair_up(images, labels)
        self.orphans = found.orphans
        return found


def drawn(pairs: list[Pair], fractions: Mapping[str, float], seed: int) -> dict[str, list[Pair]]:
    """All pairs parted into splits, each in the pairs' order.

    Which split a pair is in depends on the seed and on the names alone: not on the order of the list, on folders or on
    what numpy draws. A new picture moves few others.
    """
    order = sorted(pairs, key=lambda pair: hashlib.sha256(f"{seed}/{pair.name}".encode()).digest())
    total = sum(fractions.values())
    ends = [round(len(pairs) * end / total) for end in itertools.accumulate(fractions.values())]
    parts, start = {}, 0
    for number, (name, end) in enumerate(zip(fractions, ends)):
        rest = len(fractions) - number - 1
        end = min(max(end, start + 1), max(len(pairs) - rest, start))  # at least one each, where there are enough
        chosen = {pair.name for pair in order[start:end]}
        parts[name] = [pair for pair in pairs if pair.name in chosen]
        start = end
    return parts


def _listed(root: Path, path: Path, found: Paired, labelled: bool) -> list[Pair]:
    """The pairs that a list file names, in its order."""
    if not path.is_file():
        raise SplitMissing(f"{path}: there is no such list (data.options.lists)")
    known = {os.path.abspath(image): (name, label) for name, image, label in found.pairs}
    by_name: dict[str, list[Path]] = {}
    for name, image, _ in found.pairs:
        for alias in {name, _composed(image.stem), _composed(image.name)}:
            by_name.setdefault(alias, []).append(image)
    pairs: list[Pair] = []
    seen: set[str] = set()
    images: set[Path] = set()
    for number, line in read_lines(path):
        if line.startswith("#"):
            continue
        image, label = _files_of(line, root, path, by_name, f"{path}:{number}")
        name, of_pattern = known.get(os.path.abspath(image), (image.stem, None))
        if name in seen and image not in images:
            name = f"{image.parent.name}_{name}"
        if name in seen:
            raise DataError(f"{path}:{number}: {image} is listed twice, or two pictures share its name")
        seen.add(name)
        images.add(image)
        pairs.append(Pair(name, image, label if label is not None else of_pattern))
    return pairs


def _files_of(
    line: str, root: Path, path: Path, by_name: Mapping[str, list[Path]], where: str
) -> tuple[Path, Path | None]:
    """The picture and the label map of a line. Raises DataError where it names no picture."""
    ways = list(columns(line))
    for separator in (",", ";"):
        before, found, after = line.partition(separator)
        ways += [(before.strip(), after.strip())] if found else []
    lacking = None
    for first, second in ways:
        image = _existing(first, root, path)
        if image is None:
            continue
        label = None if second is None else _existing(second, root, path)
        if second is None or label is not None:
            return image, label
        lacking = lacking or (image, second)
    if lacking is not None:
        raise DataError(f"{where}: the label map {lacking[1]!r} of {lacking[0]} is not there")
    name = Path(_composed(line).replace("\\", "/"))
    aliases = (name.as_posix(), name.as_posix().replace("/", "_"), name.name, name.stem)
    images = next(filter(None, map(by_name.get, aliases)), [])
    if len(images) == 1:
        return images[0], None
    if images:
        raise DataError(f"{where}: {line!r} names {' and '.join(map(str, images))}; write the path")
    raise DataError(f"{where}: there is no picture {line!r}, below {root}, beside the list, or as an absolute path")


def _existing(name: str, root: Path, path: Path) -> Path | None:
    """The file that a list names, with its extension."""
    plain = name.strip("\"'").replace("\\", "/")
    if Path(plain).suffix.lower() not in IMAGE_EXTENSIONS:
        return None
    places = (root / plain, path.parent / plain, root / plain.lstrip("/"))
    return next((place for place in places if place.is_file()), None)


def _composed(name: str) -> str:
    """One form of letters with accents, which macOS stores as two characters."""
    return unicodedata.normalize("NFC", name)


def _globs(globs: Globs, key: str) -> tuple[str, ...]:
    found = (globs,) if isinstance(globs, str) else tuple(globs)
    if not found or not all(found):
        raise DataError(f"data.options.{key}: give a pattern such as '{key}/*.png'")
    return found


def _named(lists: Mapping[str, str] | None, key: str) -> dict[str, str]:
    for split, file in (lists or {}).items():
        if not isinstance(file, str):
            raise DataError(f"data.options.{key}.{split}: expected the name of a list file, got {file!r}")
    return {str(split): file for split, file in (lists or {}).items()}


def _shares(fractions: Mapping[str, float] | None) -> dict[str, float]:
    for split, share in (fractions or {}).items():
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise DataError(f"data.options.fractions.{split}: {share!r} is no share of 1, such as 0.8")
    if fractions and sum(fractions.values()) > 1 + 1e-6:
        raise DataError(f"data.options.fractions: {dict(fractions)} are more than all pictures")
    return {str(split): float(share) for split, share in (fractions or {}).items()}
