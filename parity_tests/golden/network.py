"""Which preset a golden file is, and which of the network's outputs each recorded output is.

A preset that declares the file is tried first; a file that no preset declares is recognised by its names and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arch import PRESETS
from core.arch.golden import GoldenFile, Output
from core.errors import WeightsError
from parity_tests.golden.files import Golden
from weights_convert.matching import Fit, SeveralFit, identify
from weights_convert.sources import RECORDED, Recording, Source

# (source, model) -> the preset that declares the file, and how.
DECLARED: dict[tuple[str, str], tuple[str, GoldenFile]] = {
    (file.source, file.model): (preset.name, file) for preset in PRESETS.values() for file in preset.golden
}
_STRIDE = re.compile(r"output stride (?:of )?(\d+)|\bos(\d+)\b|_os(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Network:
    """The network of a golden file. `recording`: how its origin records; `file`: the declaration, if there is one.

    `rivals`: networks that fit as well, where nothing in the file tells them from this one; `note`: how it was told.
    """

    fit: Fit
    recording: Recording
    file: GoldenFile | None = None
    rivals: tuple[Fit, ...] = ()
    note: str = ""

    def outputs(self, mode: str, recorded: int) -> list[Output]:
        """What the recorded outputs are, by the declaration, the origin, or the order."""
        words = (self.file and getattr(self.file, mode)) or getattr(self.recording, mode)
        if words is None:
            resized = "@picture" if self.recording.resizes else ""
            words = [f"{name}{resized}" for name in output_names(recorded)]
        return [Output.read(word) for word in words[:recorded]]


def output_names(count: int) -> list[str]:
    """What a network returns, in words."""
    return ["main", *(f"auxiliary.{i}" for i in range(count - 1))][:count]


def origin_of(golden: Golden) -> Source:
    """Raises WeightsError for a source that is no known origin, and for models left out."""
    if golden.source not in RECORDED:
        raise WeightsError(f"{golden.path}: source {golden.source!r} is no known origin: {', '.join(RECORDED)}")
    source = RECORDED[golden.source]
    assert source.recording is not None
    if golden.model in source.recording.left_out:
        raise WeightsError(f"{golden.path}: left out: {source.recording.left_out[golden.model]}")
    return source


def find_network(golden: Golden, preset: str | None = None) -> Network:
    """The network of the file, `preset` if it is given. Raises WeightsError if none fits, with all that was tried."""
    source = origin_of(golden)
    assert source.recording is not None
    shapes = {name: np.broadcast_to(np.float32(0), shape) for name, shape in golden.parameters}
    where = str(golden.path)
    problems: list[str] = []
    for name, file in _attempts(golden, preset):
        try:
            overrides = file.overrides if file else None
            fit, _ = identify(shapes, where, origin=source.name, preset=name, overrides=overrides)
        except SeveralFit as error:
            told = _told(error.fits, golden)
            words = file or _related(told[0].preset, golden.source)
            others = ", ".join(fit.preset for fit in error.fits if fit is not told[0])
            note = "" if len(told) > 1 else f"told from {others} by the stride in the file's notes"
            return Network(told[0], source.recording, words, tuple(told[1:]), note)
        except WeightsError as error:
            problems.append(str(error))
            continue
        return Network(fit, source.recording, file or _related(fit.preset, golden.source))
    raise WeightsError("\n".join(dict.fromkeys(problems)))


def _attempts(golden: Golden, preset: str | None) -> Iterator[tuple[str | None, GoldenFile | None]]:
    """Presets and declarations to try, the likeliest first."""
    declared = DECLARED.get((golden.source, golden.model))
    if declared and preset in (None, declared[0]):
        yield declared
        if declared[1].overrides:  # the same model in its published size
            yield declared[0], replace(declared[1], overrides={})
    yield preset, None
    for name, file in DECLARED.values():  # another file of a network whose numbers the shapes do not show
        if file.source == golden.source and file.overrides and (name, file) != declared and preset in (None, name):
            yield name, file


def _related(preset: str, source: str) -> GoldenFile | None:
    """A declaration of that preset for another file of the source: its outputs mean the same."""
    return next((file for file in PRESETS[preset].golden if file.source == source), None)


def _told(fits: Sequence[Fit], golden: Golden) -> list[Fit]:
    """Those of the networks that have the output stride of the model's name, its call or its notes."""
    for text in (golden.model, golden.call, golden.notes):
        strides = {int(next(filter(None, found))) for found in _STRIDE.findall(text)}
        told = [fit for fit in fits if _stride(fit) in strides]
        if len(strides) == 1 and told:
            return told
    return list(fits)


def _stride(fit: Fit) -> int | None:
    """The stride of the backbone's last map."""
    backbone = getattr(fit.spec, "backbone", None)
    if backbone is None:
        return None
    stride: int = backbone.stride(backbone.stages()[-1])
    return stride
