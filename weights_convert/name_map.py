"""A map of names as a file that people read, correct and keep (YAML).

    pairs:                       # name in the source: name in the target
      conv1.weight: stem.conv.weight
      fc.weight: {to: head.weight, transposed: true, sure: 0.7, why: "the only matrix of 19x512"}
      bn.gamma: "?"              # not decided: several fit; `hints` lists them
    dropped:                     # of the source, left out on purpose, and why
      bn.num_batches_tracked: a counter
    modules:                     # of submodules without parameters, for `parity_tests compare`
      relu1: act1

A file that is nothing but `name: name` lines is read as `pairs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError, WeightsError
from core.files import write_text
from core.settings import parse_text

UNDECIDED = "?"


@dataclass(frozen=True)
class Pair:
    """Where a tensor goes. transposed: its two axes are swapped there. sure: 0 to 1, and why, where it was proposed."""

    to: str
    transposed: bool = False
    sure: float = 1.0
    why: str = ""
    hints: tuple[str, ...] = ()


@dataclass
class NameMap:
    """See the module's text."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)

    @property
    def undecided(self) -> list[str]:
        return [name for name, pair in self.pairs.items() if pair.to == UNDECIDED]


def read_map(path: Path) -> NameMap:
    """Raises WeightsError for a file that is no map of names, or gives two names one target."""
    try:
        values = parse_text(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    except ConfigError as error:
        raise WeightsError(str(error)) from error
    if not {"pairs", "dropped", "modules"} & set(values):
        values = {"pairs": values}
    unknown = set(values) - {"pairs", "dropped", "modules"}
    if unknown:
        raise WeightsError(f"{path}: {sorted(map(str, unknown))[0]!r} is none of pairs, dropped, modules")
    found = NameMap(
        {str(name): _pair(path, str(name), value) for name, value in _section(path, values, "pairs").items()},
        {str(name): str(why) for name, why in _section(path, values, "dropped").items()},
        {str(name): str(to) for name, to in _section(path, values, "modules").items()},
    )
    taken: dict[str, str] = {}
    for name, pair in found.pairs.items():
        if pair.to != UNDECIDED and pair.to in taken:
            raise WeightsError(f"{path}: {taken[pair.to]!r} and {name!r} both become {pair.to!r}")
        taken[pair.to] = name
    both = set(found.pairs) & set(found.dropped)
    if both:
        raise WeightsError(f"{path}: {sorted(both)[0]!r} is both among the pairs and dropped")
    return found


def _section(path: Path, values: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    section = values.get(name) or {}
    if not isinstance(section, Mapping):
        raise WeightsError(f"{path}: {name} is no mapping of names")
    return section


def _pair(path: Path, name: str, value: Any) -> Pair:
    if isinstance(value, str):
        return Pair(value)
    if value is None:
        return Pair(UNDECIDED)
    if not isinstance(value, Mapping) or not isinstance(value.get("to"), str):
        raise WeightsError(f"{path}: {name}: expected a name, or a mapping such as {{to: NAME, transposed: true}}")
    unknown = set(value) - {"to", "transposed", "sure", "why", "hints"}
    if unknown:
        raise WeightsError(f"{path}: {name}: unknown key {sorted(map(str, unknown))[0]!r}")
    return Pair(value["to"], bool(value.get("transposed", False)))


def write_map(path: Path, found: NameMap, head: str = "") -> None:
    write_text(path, map_text(found, head))


def map_text(found: NameMap, head: str = "") -> str:
    """As YAML; `head`: comment lines in front."""
    pairs: dict[str, Any] = {}
    for name, pair in found.pairs.items():
        said: dict[str, Any] = {"to": pair.to}
        said |= {"transposed": True} if pair.transposed else {}
        said |= {"sure": round(pair.sure, 2)} if pair.sure < 1 else {}
        said |= {"why": pair.why} if pair.why and pair.sure < 1 else {}
        said |= {"hints": list(pair.hints)} if pair.hints else {}
        pairs[name] = said if len(said) > 1 else pair.to
    values = {"pairs": pairs, "dropped": found.dropped, "modules": found.modules}
    body = yaml.safe_dump({k: v for k, v in values.items() if v or k == "pairs"}, sort_keys=False, width=118)
    return "".join(f"# {line}\n" for line in head.splitlines()) + body
