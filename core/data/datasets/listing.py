"""Finding the files of a data set: the pictures of a folder, and lists written by hand or on other machines."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.errors import DataError

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")

_UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE does


def is_picture_name(path: Path) -> bool:
    """Whether a file is a picture by its extension, and none of the `._NAME` files that macOS lays beside each."""
    return path.suffix.lower() in IMAGE_EXTENSIONS and not is_macos_companion(path)


def is_macos_companion(path: Path) -> bool:
    """Whether a file is one of those in which macOS keeps what other file systems do not: `._NAME` beside NAME."""
    return path.name.startswith("._")


def pictures_by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """The pictures among `paths` by name without extension, in alphabetical order."""
    found: dict[str, list[Path]] = {}
    for path in sorted(filter(is_picture_name, paths)):
        found.setdefault(path.stem, []).append(path)
    return found


def choose(found: list[Path], wanted: str | None = None) -> Path:
    """The file called `wanted`, else the only one. Raises DataError where several differ by extension alone."""
    for path in found:
        if path.name == wanted:
            return path
    if len(found) > 1:
        raise DataError(f"{' and '.join(map(str, found))}: differ by extension alone; keep one, or rename the other")
    return found[0]


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a list file with their numbers, without blank ones; UTF-8, with any line ends.

    A byte-order mark is dropped. Raises DataError for other encodings.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if data.startswith(_UTF_16_OR_32) or b"\0" in data:
        raise DataError(f"{path}: is encoded as UTF-16 or UTF-32, not as UTF-8; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = len(re.split(rb"\r\n|\r|\n", data[: error.start]))
        raise DataError(
            f"{path}:{number}: is not encoded as UTF-8 (perhaps as GBK, Shift-JIS or Latin-1); save the file as UTF-8"
        ) from None
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)  # not splitlines, which splits names that hold U+2028
    return [(number, line.strip()) for number, line in lines if line.strip()]


def columns(line: str) -> Iterator[tuple[str, str | None]]:
    """The ways to read a line as one path or two, where names may hold blanks: at a tab, at each blank, as one path."""
    for separator in ("\t", " "):
        for match in re.finditer(f"{separator}+", line):
            yield line[: match.start()].strip(), line[match.end() :].strip()
    yield line, None
