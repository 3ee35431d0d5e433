"""Several files that belong together: a folder or a tar archive, looked into for the weights.

What may be there: a cloud training job's artefact, weights in several files with their index, a Paddle program with
its parameters, a folder with one file per parameter, or one weight file beside files of other sorts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import WeightsError
from core.files import map_file
from core.tensors import Limits, Tensors, listing
from weights_convert.formats import cloud_artefact, mxnet_symbol, paddle_program, paddle_tensors, sharded
from weights_convert.formats.tar_archive import TarArchive

# Of one network in several formats, as hubs keep them, the safe ones first.
WEIGHTS = (".safetensors", ".pdparams", ".params", ".pth", ".pt", ".ckpt", ".bin", ".npz", ".tar")
HUB = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin")
MOST_FILES = 100_000
Read = Callable[[Path, memoryview], Tensors]  # of one file: its path, for messages, and its bytes


@dataclass(frozen=True)
class Bundle:
    """Files by name; `open` gives the bytes of one. `where` is what errors name."""

    where: Path
    names: tuple[str, ...]
    open: Callable[[str], memoryview]

    def under(self, folder: str) -> Bundle:
        """The files below one of the folders."""
        inside = tuple(name.removeprefix(folder) for name in self.names if name.startswith(folder))
        return replace(self, where=self.where / folder.rstrip("/"), names=inside, open=lambda n: self.open(folder + n))

    def noting(self, opened: dict[Path, None]) -> Bundle:
        """The same files; the paths of those that are opened become keys of `opened`."""

        def open_(name: str) -> memoryview:
            opened[self.where / name] = None
            return self.open(name)

        return replace(self, open=open_)

    def error(self, text: str) -> WeightsError:
        return WeightsError(f"{self.where}: {text}")


def of_folder(path: Path, deep: bool = False) -> Bundle:
    """The files of a folder; with `deep` those below its folders too (Paddle 1.x has parameters named like paths)."""
    names = []
    try:
        for folder, inner, files in os.walk(path, onerror=_raise):
            inner[:] = sorted(name for name in inner if deep and not name.startswith("."))
            at = Path(folder)
            names += [
                (at / f).relative_to(path).as_posix() for f in files if not f.startswith(".") and (at / f).is_file()
            ]
            if len(names) > MOST_FILES:
                raise WeightsError(f"{path}: a folder of more than {MOST_FILES} files")
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    return Bundle(path, tuple(sorted(names)), lambda name: map_file(path / name))


def _raise(error: OSError) -> None:
    raise error


def of_siblings(path: Path) -> Bundle | None:
    """The files that a file is read with: an index with its shards, a program or its parameters with each other.

    None where the file stands for itself.
    """
    folder = of_folder(path.parent) if sharded.is_index(path) or _of_program(path) else None
    if folder is None:
        return None
    if sharded.is_index(path):
        return replace(folder, names=tuple(n for n in folder.names if not sharded.is_index(Path(n)) or n == path.name))
    stem = {path.with_suffix(suffix).name for suffix in (".pdmodel", ".pdiparams")}
    stem.add(path.with_suffix(".pdiparams").name + paddle_tensors.INFO)
    own = {name for name in folder.names if name in stem}
    if path.suffix in (".pdmodel", ".pdiparams") and not any(name.endswith(".pdmodel") for name in own):
        return None
    return replace(folder, names=tuple(sorted(own))) if path.suffix in (".pdmodel", ".pdiparams") else folder


def _of_program(path: Path) -> bool:
    known = (paddle_program.MODEL, paddle_program.PARAMS)
    return path.suffix in (".pdmodel", ".pdiparams") or (path.name in known and (path.parent / known[0]).exists())


def of_archive(path: Path, data: memoryview, limits: Limits) -> Bundle:
    """The files of an archive, without those that macOS and editors leave; a folder around all is taken off."""
    members = TarArchive(path, data, limits).members
    names = tuple(name for name in members if not name.rpartition("/")[2].startswith("."))
    bundle = Bundle(path, names, lambda name: members[name])
    while bundle.names and len({name.partition("/")[0] for name in bundle.names}) == 1 and "/" in bundle.names[0]:
        bundle = bundle.under(bundle.names[0].partition("/")[0] + "/")
    return bundle


def read(bundle: Bundle, limits: Limits, read_file: Read) -> Tensors:
    """The weights among the files.

    Raises:
        WeightsError: if there are none, or several that could be meant, which are listed.
    """

    def beside(name: str) -> Tensors:
        return read_file(bundle.where / name, bundle.open(name))

    names = bundle.names
    if cloud_artefact.HYPERPARAMETERS in names:
        network = cloud_artefact.network_in(str(bundle.where), names)
        symbols = [name for name in names if name.endswith(mxnet_symbol.SUFFIX)]
        symbol = symbols[0] if len(symbols) == 1 else None  # whatever it is called: the artefact holds one network
        tensors = _with_symbol(bundle, network, beside(network), limits, symbol)
        return cloud_artefact.read(str(bundle.where), names, bundle.open, network, tensors)
    indexes = [name for name in names if sharded.is_index(Path(name))]
    if len(indexes) == 1:
        shards = {name: (lambda name=name: beside(name)) for name in names}
        return sharded.read(bundle.where / indexes[0], bundle.open(indexes[0]), limits, shards)
    programs = paddle_program.pairs(names)
    if len(programs) == 1:
        program, parameters = programs[0]
        return paddle_tensors.of_program(bundle.where, program, parameters, names, bundle.open, limits)
    if len(programs) > 1:
        raise bundle.error(f"holds several Paddle programs: {listing([p for p, _ in programs], 5)}; give one of them")
    return _single(bundle, limits, beside)


def _single(bundle: Bundle, limits: Limits, beside: Callable[[str], Tensors]) -> Tensors:
    """The one weight file there is, or one file per parameter."""
    names = bundle.names
    found = [name for name in names if Path(name).suffix.lower() in WEIGHTS and "/" not in name]
    found = found or [name for name in names if Path(name).suffix.lower() in WEIGHTS]
    hub = next((name for name in HUB if name in found), None)
    if len(found) == 1 or hub:
        chosen = hub or found[0]
        others = [name for name in names if name != chosen]
        tensors = _with_symbol(bundle, chosen, beside(chosen), limits)
        note = f"read from {chosen!r} of {bundle.where.name}" + (f"; beside it: {listing(others, 5)}" if others else "")
        return replace(tensors, notes=[note, *tensors.notes])
    if len(found) > 1:
        raise bundle.error(f"holds several weight files: {listing(found, 10)}; give the one that is meant")
    if names and any(paddle_tensors.begins(bundle.open(name)) for name in names):
        return paddle_tensors.of_files(str(bundle.where), names, bundle.open, limits)
    if {"sys_info", "pickle", "tensors", "storages"} & set(names):
        raise bundle.error("a tar archive as torch before 0.1.10 wrote it: load and save it with an old torch")
    what = "not a regular file but a folder, which" if bundle.where.is_dir() else "an archive that"
    raise bundle.error(
        f"{what} holds no weight file ({listing(list(names), 5) or 'nothing'}); known are {', '.join(WEIGHTS)}, "
        "folders of Paddle parameters, and the artefacts of cloud training jobs"
    )


def _with_symbol(
    bundle: Bundle, parameters: str, tensors: Tensors, limits: Limits, symbol: str | None = None
) -> Tensors:
    """With what the symbol beside a file of MXNet's parameters says of them, where there is one.

    symbol: its name, where it is not called like the parameters.
    """
    symbol = symbol or mxnet_symbol.name_beside(parameters)
    if tensors.format != "params" or symbol not in bundle.names:
        return tensors
    return mxnet_symbol.apply(tensors, mxnet_symbol.read(bundle.where / symbol, bundle.open(symbol), limits), symbol)
