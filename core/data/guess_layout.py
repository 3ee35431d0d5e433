"""Which files of a folder are pictures, which are their label maps, and how the splits are laid out."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from core.data.datasets.containers import lossy_format, png_palette
from core.data.datasets.globs import Pattern, pair_up
from core.data.datasets.images import read_image
from core.data.datasets.listing import is_picture_name, read_lines
from core.errors import DataError

_SPLIT = re.compile(
    r"^(training|train|validation|valid|val|testing|test)((?:[^a-z]|annot|label|mask|image|img|gt|seg).*)?$",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"label|mask|annot|gtfine|gtcoarse|semantic|ground|(?<![a-z])(gt|seg|lbl|ann|y)(?![a-z])|truth|segment|(?<=[a-z])(gt|annot)$",
    re.IGNORECASE,
)
_OTHERS = re.compile(r"instance|colou?r|depth|panoptic|overlay|polygon|parts|visual", re.IGNORECASE)
_LISTS = re.compile(r"^(train|training|val|valid|validation|test|testing|trainval)\.(txt|csv|lst)$", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """`images`, `labels`: patterns of data set `folder`; `splits`: what {split} in them stands for; `lists`: by split.
    `pairs`: all that the patterns pair; `size`: height and width of the smallest of a few pictures."""

    images: str
    labels: str
    splits: tuple[str, ...]
    lists: dict[str, str]
    pairs: tuple[tuple[Path, Path], ...]
    unlabelled: int
    size: tuple[int, int]


@dataclass
class _Group:
    """Files of folders that differ in the split's name, or in folders below, alone. `folder`: with {split} and **."""

    folder: str
    files: list[str] = field(default_factory=list)
    splits: set[str] = field(default_factory=set)


def find_layout(root: Path) -> Layout:
    """Raises DataError where no pictures with label maps are found."""
    files = sorted(_pictures(root))
    if not files:
        raise DataError(f"{root}: holds no pictures ({', '.join(('.png', '.jpg', '.tif', '…'))})")
    groups = _grouped(files)
    best = max(_candidates(root, groups), key=lambda found: found[0], default=None)
    if best is None:
        raise DataError(
            f"{root}: holds {len(files)} pictures, and no two groups of files with names that go together, as pictures "
            "and label maps do (images/a.jpg and labels/a.png, or a.jpg and a_mask.png)"
        )
    _, images, labels, splits = best
    splits, pairs, unlabelled = _paired(root, images, labels, splits)
    lists = {} if splits else _found_lists(root)
    sizes = [read_image(image).shape[:2] for image, _ in _few(pairs)]
    smallest = (min(height for height, _ in sizes), min(width for _, width in sizes))
    return Layout(images, labels, splits, lists, pairs, unlabelled, smallest)


def _few(pairs: tuple[tuple[Path, Path], ...], count: int = 12) -> list[tuple[Path, Path]]:
    """Pairs spread over all, whose picture can be read."""
    readable = []
    for place in np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), count)).astype(int)):
        try:
            read_image(pairs[place][0])
        except DataError:
            continue
        readable.append(pairs[place])
    if not readable:
        raise DataError(f"{pairs[0][0]}: can not be read, and no other picture of a few tried")
    return readable


def _pictures(root: Path) -> Iterator[str]:
    for here, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        for name in names:
            if is_picture_name(Path(name)):
                yield (Path(here) / name).relative_to(root).as_posix()


def _grouped(files: Iterable[str]) -> list[_Group]:
    """Files by their folder, with the split's name and what lies below replaced."""
    groups: dict[tuple[str, str], _Group] = {}
    below: dict[str, set[str]] = defaultdict(set)
    for file in files:
        path = PurePosixPath(file)
        split, folder, rest = _parted(path.parts[:-1])
        name = "/".join(folder)
        for extension in ("", path.suffix.lower()):  # all of a folder, and those of one extension: a.jpg beside a.png
            group = groups.setdefault((name, extension), _Group(name))
            group.files.append(file)
            group.splits |= {split} - {""}
        below[name].add("/".join(rest))
    for (name, _), group in groups.items():
        if below[name] != {""}:
            group.folder = f"{name}/**" if name else "**"
    alike = [key for key in groups if key[1] and len(groups[key].files) == len(groups[key[0], ""].files)]
    return [group for key, group in groups.items() if key not in alike]


def _parted(parts: tuple[str, ...]) -> tuple[str, list[str], list[str]]:
    """The split that a folder's path names, the path with {split} for it, and what lies below the folder of a kind."""
    split, last = "", 0
    folder: list[str] = []
    for number, part in enumerate(parts):
        match = _SPLIT.match(part)
        if match and not split:
            split = match[1]
            part = "{split}" + (match[2] or "")
        folder.append(part)
        if part.startswith("{split}") or _is_kind(part):
            last = number + 1
    last = last or len(parts)
    return split, folder[:last], folder[last:]


def _is_kind(part: str) -> bool:
    """Whether a folder's name says pictures or label maps."""
    return bool(_WORDS.search(part)) or part.lower().startswith(("im", "pic", "jpeg", "photo", "rgb", "left"))


_Candidate = tuple[tuple[float, ...], str, str, tuple[str, ...]]


def _candidates(root: Path, groups: list[_Group]) -> Iterator[_Candidate]:
    """Ways to pair two groups, or one with itself: (score, images, labels, splits). The higher score, the likelier."""
    ways = [
        (_in_common(images, labels, ends), images, labels, ends)
        for images in groups
        for labels in groups
        if bool(images.splits) == bool(labels.splits) and (not images.splits or images.splits & labels.splits)
        for ends in _ends(images, labels)
    ]
    most = max((way[0] for way in ways), default=0)
    ways.sort(key=lambda way: -way[0])
    for count, images, labels, (image_end, label_end) in ways[:60]:
        image_glob, label_glob = _glob(images, image_end), _glob(labels, label_end)
        splits = tuple(sorted(images.splits & labels.splits, key=_order))
        if image_glob == label_glob or 3 * count < most:
            continue
        try:
            splits, pairs, _ = _paired(root, image_glob, label_glob, splits)
        except DataError:
            continue
        if not pairs:
            continue
        words = bool(_WORDS.search(label_glob)) - bool(_WORDS.search(image_glob))
        photographs = _looks([image for image, _ in pairs])
        likeness = words + _looks([label for _, label in pairs]) - photographs - bool(_OTHERS.search(label_glob)) / 2
        if likeness > 0:
            share = len(pairs) * (2 if images is labels else 1) / len(images.files)
            first = (-float(bool(_WORDS.search(image_glob))), -float(round(2 * photographs)), round(share, 2))
            last = (float(len(pairs)), likeness, -float(len(image_glob) + len(label_glob)))
            yield first + last, image_glob, label_glob, splits


def _in_common(images: _Group, labels: _Group, ends: tuple[tuple[str, str], tuple[str, str]]) -> int:
    """How many names without their ends both have."""
    keys = []
    for group, (before, after) in zip((images, labels), ends):
        stems = [PurePosixPath(file).stem for file in group.files]
        keys.append(
            {
                stem[len(before) : len(stem) - len(after)]
                for stem in stems
                if stem.startswith(before) and stem.endswith(after)
            }
        )
    return len(keys[0] & keys[1])


def _order(split: str) -> int:
    return ["tr", "va", "te"].index(split[:2].lower())


def _looks(files: list[Path], count: int = 4) -> float:
    """From 0, photographs, to 1, label maps: how few different colours neighbours have."""
    votes = []
    for place in np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)):
        votes.append(_looks_like_label(files[place]))
    return float(np.mean(votes))


_known: dict[tuple[Path, int, int], float] = {}


def _looks_like_label(path: Path) -> float:
    status = path.stat()
    key = (path, status.st_mtime_ns, status.st_size)
    if key not in _known:
        try:
            data = path.read_bytes()
            image = read_image(path)
        except (DataError, OSError):
            return 0.5
        if png_palette(data) is not None:
            _known[key] = 1.0
        else:
            flat = float((image[:, 1:] == image[:, :-1]).all(2).mean()) if image.shape[1] > 1 else 0.0
            colors = len(np.unique(image.reshape(-1, 3)[:20000], axis=0))
            _known[key] = flat * (1.0 if colors <= 256 else 0.5) * (0.6 if lossy_format(data) else 1.0)
    return _known[key]


def _ends(images: _Group, labels: _Group) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """What stands before and after the part of the names that both share: (before, after) of images and of labels."""
    found: Counter[tuple[tuple[str, str], tuple[str, str]]] = Counter()
    ours = [PurePosixPath(file).stem for file in images.files]
    theirs = [PurePosixPath(file).stem for file in labels.files]
    if images is not labels and set(ours) & set(theirs):
        found[("", ""), ("", "")] += len(set(ours) & set(theirs))
    if images is labels and len(set(ours)) < len(ours):
        found[("", ""), ("", "")] += len(ours) - len(set(ours))  # a.jpg beside a.png
    for stem in ours[:: max(1, len(ours) // 6)]:
        for other in theirs[:400]:
            if stem == other:
                continue
            start = _shared(stem, other)
            end = _shared(stem[start:][::-1], other[start:][::-1])
            while start and stem[start - 1] in "_-. ":  # separators belong to what differs
                start -= 1
            if start and not end:
                found[("", stem[start:]), ("", other[start:])] += 1
            elif end and not start:
                found[(stem[: len(stem) - end], ""), (other[: len(other) - end], "")] += 1
            elif start and stem[start : len(stem) - end].strip("_-.") and (digits := re.search(r"\d.*", stem)):
                before, core = stem[: digits.start()], digits.group()
                if core in other:
                    found[(before, ""), (other[: other.index(core)], other[other.index(core) + len(core) :])] += 1
    return [ends for ends, _ in found.most_common(12)]


def _shared(first: str, second: str) -> int:
    """How many letters both begin with."""
    return next((n for n, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))


def _glob(group: _Group, ends: tuple[str, str]) -> str:
    before, after = ends
    names = [PurePosixPath(file) for file in group.files]
    extensions = {path.suffix for path in names if path.stem.startswith(before) and path.stem.endswith(after)}
    lower = {extension.lower() for extension in extensions}
    extension = next(iter(lower)) if len(lower) == 1 else ".*"
    return f"{group.folder}/{before}*{after}{extension}".lstrip("/")


def _paired(
    root: Path, images: str, labels: str, splits: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[tuple[Path, Path], ...], int]:
    """The splits that have pairs, all pairs, and how many pictures of these splits have no label map."""
    kept, pairs, unlabelled = [], [], 0
    for split in splits or ("",):
        found = pair_up(
            [Pattern(root, images.replace("{split}", split))], [Pattern(root, labels.replace("{split}", split))]
        )
        here = [(image, label) for _, image, label in found.pairs if label is not None]
        if here:
            kept.append(split)
            pairs += here
            unlabelled += len(found.pairs) - len(here)
    return tuple(filter(None, kept)), tuple(pairs), unlabelled


def _found_lists(root: Path) -> dict[str, str]:
    """Lists of the splits in the folder, or in a folder of lists: by split."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        match = _LISTS.match(path.name)
        if match and len(path.relative_to(root).parts) <= 4 and match[1].lower() != "trainval":
            try:
                if read_lines(path):
                    found.setdefault(match[1].lower(), path.relative_to(root).as_posix())
            except DataError:
                continue
    return dict(sorted(found.items(), key=lambda item: _order(item[0]))) if len(found) > 1 else {}
