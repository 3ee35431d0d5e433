"""What was published of the originals, read from core/published.yaml: mIoU as their makers state it, and weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from core.errors import ConfigError
from core.schema import convert

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Figure:
    """An mIoU in percent. `data`: data set and part; `protocol`: how it was measured, empty where not stated."""

    miou: float
    data: str
    protocol: str
    source: str


@dataclass(frozen=True)
class Published:
    """Of one preset. `weights`: where the whole network's are, empty where not known; `licence`: of the weights."""

    figures: tuple[Figure, ...] = ()
    weights: str = ""
    licence: str = ""


@dataclass(frozen=True)
class _Row:
    figures: tuple[tuple[float, str, str], ...] = ()
    weights: str = ""


@dataclass(frozen=True)
class _Source:
    source: str
    presets: dict[str, object] = field(default_factory=dict)
    licence: str = ""


def read_published(path: Path) -> dict[str, Published]:
    """By preset. Raises ConfigError for a file that is not of this form, or that has a preset twice."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no valid YAML: {error}") from error
    found: dict[str, Published] = {}
    for source in convert(values, tuple[_Source, ...], str(path), "sources"):
        for name, row in source.presets.items():
            if name in found:
                raise ConfigError(f"{path}: {name} stands there twice")
            known = convert(row, _Row, str(path), name)
            figures = tuple(Figure(miou, data, how, source.source) for miou, data, how in known.figures)
            found[name] = Published(figures, known.weights, source.licence if known.weights else "")
    return found


@lru_cache(maxsize=1)
def published() -> dict[str, Published]:
    """Preset -> what was published of it; a preset of which nothing is known is absent."""
    return read_published(FILE)
