"""Files found by patterns, and pictures paired with label maps by what the wildcards of two patterns stand for.

`images/*.jpg` and `labels/*_mask.png` pair `images/a b.jpg` with `labels/a b_mask.png`: `*` stands for "a b" in both.
`**/` stands for any folders, `?` for one character; the pattern's letters are literal but for the case of its
extension. A wildcard in the extension (`*.*`, `*.jp*g`) takes any and pairs nothing; a pattern without an extension
takes all.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.data.datasets.listing import is_picture_name
from core.errors import DataError

Key = tuple[str, ...]

_WILDCARD = re.compile(r"\*\*/|\*\*|\*|\?")
_SKIPPED = {"__MACOSX", ".git", ".ipynb_checkpoints", "@eaDir"}


@dataclass(frozen=True)
class Pattern:
    """A glob below a folder, or an absolute one."""

    root: Path
    glob: str

    @cached_property
    def _parts(self) -> tuple[Path, str]:
        """The folder in which all that fits lies, and the rest of the pattern."""
        glob = self.glob.replace("\\", "/").removeprefix("./")
        fixed, rest = "", glob
        while "/" in rest and not _WILDCARD.search(rest.partition("/")[0]):
            head, _, rest = rest.partition("/")
            fixed += head + "/"
        return self.root / fixed, rest

    @cached_property
    def expression(self) -> re.Pattern[str]:
        stem, dot, extension = self._parts[1].rpartition(".")
        if not dot or "/" in extension:
            stem, extension = self._parts[1], "*"
        return re.compile(rf"{_translated(stem, grouping=True)}\.(?i:{_translated(extension, grouping=False)})")

    @property
    def wildcards(self) -> int:
        return self.expression.groups

    def found(self) -> dict[Path, Key]:
        """The pictures that fit and what their wildcards stand for, in an order that no file system decides."""
        folder, _ = self._parts
        deep = "/" in self._parts[1]
        files: dict[Path, Key] = {}
        for relative in sorted(_pictures_below(folder, deep)):
            key = self.expression.fullmatch(unicodedata.normalize("NFC", relative))
            if key is not None:
                files[folder / relative] = tuple((part or "").strip("/") for part in key.groups())
        return files


def _translated(glob: str, *, grouping: bool) -> str:
    """A regular expression of a glob without its extension."""
    glob = unicodedata.normalize("NFC", glob)
    pattern, position = "", 0
    for wildcard in _WILDCARD.finditer(glob):
        kinds = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        inner = kinds[wildcard.group()]
        pattern += re.escape(glob[position : wildcard.start()]) + (f"({inner})" if grouping else inner)
        position = wildcard.end()
    return pattern + re.escape(glob[position:])


def _pictures_below(folder: Path, deep: bool) -> Iterable[str]:
    """Paths of pictures relative to `folder`, in any order; links to folders are followed once."""
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [name for name in folders if deep and name not in _SKIPPED and real not in seen]
        if real in seen:
            continue
        seen.add(real)
        for name in files:
            if is_picture_name(Path(name)):
                yield (Path(here) / name).relative_to(folder).as_posix()


@dataclass(frozen=True)
class Paired:
    """What two lists of patterns find. `pairs`: (name, picture, label map or None), by name."""

    pairs: tuple[tuple[str, Path, Path | None], ...]
    orphans: tuple[Path, ...]  # label maps without a picture


def pair_up(images: Iterable[Pattern], labels: Iterable[Pattern]) -> Paired:
    """Pictures and label maps with the same key. Raises DataError where two of either share one."""
    images, labels = list(images), list(labels)
    last_alone = len({pattern.wildcards for pattern in (*images, *labels)}) > 1
    label_files = _by_key(labels, last_alone, skip=frozenset())
    image_files = _by_key(images, last_alone, skip=frozenset(label_files.values()) if labels else frozenset())
    pairs = []
    for key in sorted(image_files):
        name = "_".join(part.replace("/", "_") for part in key if part) or image_files[key].stem
        pairs.append((name, image_files[key], label_files.get(key)))
    return Paired(tuple(pairs), tuple(path for key, path in sorted(label_files.items()) if key not in image_files))


def _by_key(patterns: Iterable[Pattern], last_alone: bool, skip: frozenset[Path]) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for pattern in patterns:
        for path, whole in pattern.found().items():
            if path in skip:
                continue
            key = whole[-1:] if last_alone and whole else whole or (path.stem,)
            other = found.setdefault(key, path)
            if other != path:
                raise DataError(
                    f"{other} and {path}: the pattern {pattern.glob!r} pairs both with the same label map; rename one, "
                    "keep one, or narrow the pattern (data.options.images, data.options.labels)"
                )
    return found
