"""`python -m weights_convert map SRC --onto NAMES` and `--map FILE`: proposing a map of names, and applying one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from core.errors import WeightsError
from core.files import map_file
from core.tensors import Tensors, listing
from weights_convert.formats import FORMATS, read
from weights_convert.name_map import NameMap, read_map
from weights_convert.propose import Proposal, Shape, propose

LARGEST = 16 << 20
LINE = re.compile(r"(?P<name>\S+?)[:=,]?(?:[\s(\[,x]+(?P<shape>[\d\s,x()\[\]]*))?", re.ASCII)
NATURAL = re.compile(r"(\d+)")


def shapes_of(path: Path, *, ema: bool = False) -> dict[str, Shape]:
    """Names and shapes: of a weight file, folder or archive, or of a list with a name and its extents a line."""
    weights = path.is_dir() or "".join(path.suffixes[-1:]).lower() in (
        *FORMATS,
        ".pdmodel",
        ".pdiparams",
        ".tgz",
        ".gz",
        ".tar",
        ".bin",
    )
    return dict(_ordered(read(path, ema=ema))) if weights else read_names(path)


def _ordered(tensors: Tensors) -> list[tuple[str, Shape]]:
    """In the file's order; files of one parameter each stand in that of the numbers in their names."""
    found = [(name, tuple(array.shape)) for name, array in tensors.items()]
    if tensors.format == "paddle folder":
        found.sort(key=lambda item: [int(p) if p.isdigit() else p for p in NATURAL.split(item[0])])
    return found


def read_names(path: Path) -> dict[str, Shape]:
    """A list as a line of Python in each framework prints it: `name 64 3 7 7`, `name (64, 3, 7, 7)`, `name: 64x3x7x7`.

    Raises WeightsError for a line that is none.
    """
    data = map_file(path)
    if len(data) > LARGEST:
        raise WeightsError(f"{path}: too large for a list of names; a weight file is told by its extension")
    try:
        text = bytes(data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WeightsError(
            f"{path}: no list of names and shapes in UTF-8, and no weight file by its extension"
        ) from error
    found: dict[str, Shape] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().replace("torch.Size", "").replace("\t", " ")
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise WeightsError(
                f"{path}, line {number}: expected a name and its extents, such as 'conv1.weight 64 3 7 7'"
            )
        name = match["name"].strip("'\"")
        if name in found:
            raise WeightsError(f"{path}, line {number}: {name!r} stands there twice")
        found[name] = tuple(int(extent) for extent in re.findall(r"\d+", match["shape"] or ""))
    if not found:
        raise WeightsError(f"{path}: holds no names")
    return found


def propose_map(source: Path, onto: Path, hints: dict[str, str], *, ema: bool = False) -> Proposal:
    """Raises WeightsError where one of the two cannot be read."""
    found = propose(shapes_of(source, ema=ema), shapes_of(onto), hints)
    if not found.names.pairs or all(pair.to == "?" for pair in found.names.pairs.values()):
        raise WeightsError(f"{source}: no tensor has a counterpart of its shape in {onto}: they are different networks")
    return found


def apply_map(
    tensors: Tensors, path: Path, where: str
) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, str], list[str]]:
    """The arrays under the map's names; source name -> name there; what was dropped and why; notes.

    Raises WeightsError unless the map accounts for every tensor.
    """
    names: NameMap = read_map(path)
    undecided = names.undecided
    rest = [name for name in tensors if name not in names.pairs and name not in names.dropped]
    lacking = [name for name in names.pairs if name not in tensors]
    for what, items in (
        ("not decided yet, for which a name or an entry under 'dropped' is needed", undecided),
        (f"tensors of {where} that it neither maps nor drops", rest),
        (f"names that {where} does not have", lacking),
    ):
        if items:
            raise WeightsError(f"{path}: {what}: {listing(items, 10)}")
    arrays, moved, swapped = {}, {}, []
    for name, pair in names.pairs.items():
        array = tensors[name]
        if pair.transposed and array.ndim != 2:
            raise WeightsError(f"{path}: {name}: transposed, and it has {array.ndim} axes instead of two")
        arrays[pair.to], moved[name] = (array.T if pair.transposed else array), pair.to
        swapped += [name] if pair.transposed else []
    notes = [f"named by the map {path.name}"]
    notes += [f"their two axes swapped: {listing(swapped)}"] if swapped else []
    return arrays, moved, {name: why for name, why in names.dropped.items() if name in tensors}, notes
