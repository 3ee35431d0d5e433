"""How an origin's parameter names become canonical ones: explicit rules, each a full match with named groups.

    module(r"layer(?P<stage>\\d)\\.(?P<block>\\d+)\\.downsample\\.0", "backbone.layer{stage}.{block}.downsample.conv")

renames `layer1.0.downsample.0.weight` to `backbone.layer1.0.downsample.conv.weight`. Numbers may be shifted:
`{stage-1}`, `{index+1}` and `{5-level}` are the only arithmetic. Nothing is sorted, zipped by position or reshaped.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Protocol

from core.arch import Spec
from core.errors import WeightsError

# Last name components, by the framework an origin is written in, and what they are called here.
TORCH_LEAVES = {"weight": "weight", "bias": "bias", "running_mean": "running_mean", "running_var": "running_var"}
PADDLE_LEAVES = {
    "weight": "weight",
    "bias": "bias",
    "_mean": "running_mean",
    "_variance": "running_var",
    "_weight": "weight",  # PReLU
}
MXNET_LEAVES = {
    "weight": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
    "alpha": "weight",  # PReLU
}

_FIELD = re.compile(r"\{(?:(?P<minuend>\d+)-)?(?P<group>[a-z_]\w*)(?P<shift>[-+]\d+)?\}")


def fill_in(template: str, groups: Mapping[str, str]) -> str:
    """`template` with `{group}`, `{group+1}`, `{group-1}` and `{5-group}` replaced by a match's groups."""

    def value(found: re.Match[str]) -> str:
        text = groups[found["group"]]
        if found["minuend"]:
            return str(int(found["minuend"]) - int(text))
        return str(int(text) + int(found["shift"])) if found["shift"] else text

    return _FIELD.sub(value, template)


_LITERAL = re.compile(r"(?:\\\.|[\w-](?![*+?{]))*", re.ASCII)


@dataclass(frozen=True)
class Pattern:
    """A regular expression that names must match whole.

    Files are tried against the rules of every origin, so most names begin otherwise than the pattern: that is looked at
    first, and the expression compiled when a name first passes.
    """

    text: str

    @cached_property
    def prefix(self) -> str:
        """What every name that matches begins with."""
        found = _LITERAL.match(self.text)
        assert found is not None
        return "" if "|" in re.sub(r"\([^()]*\)", "", self.text) else found[0].replace("\\.", ".")

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.text)

    def match(self, name: str) -> re.Match[str] | None:
        return self._compiled.fullmatch(name) if name.startswith(self.prefix) else None


@dataclass(frozen=True)
class Rule:
    """Names that match `pattern` whole become `targets`; more than one where the original shares a module.

    `transposed`: the origin stores the layer's weight as [in, out].
    """

    pattern: Pattern
    targets: tuple[str, ...]
    whole: bool = False
    transposed: bool = False

    def match(self, name: str, stem: str, leaf: str | None) -> tuple[str, ...] | None:
        """The canonical names of the original's parameter `name`, or None if the rule is not about it.

        stem, leaf: the name but for its last component, and what that is called here; None where it is no leaf.
        """
        if not self.whole and leaf is None:
            return None
        found = self.pattern.match(name if self.whole else stem)
        if found is None:
            return None
        groups, end = found.groupdict(), "" if self.whole else f".{leaf}"
        return tuple(fill_in(target, groups) + end for target in self.targets)


def module(pattern: str, *targets: str) -> Rule:
    """All parameters of a layer: the pattern is its path, without the last component."""
    return Rule(Pattern(pattern), targets)


def linear_in_out(pattern: str, *targets: str) -> Rule:
    """A fully connected layer stored as [in, out] (Paddle's `Linear`)."""
    return Rule(Pattern(pattern), targets, transposed=True)


def tensor(pattern: str, *targets: str) -> Rule:
    """A single parameter by its whole name."""
    return Rule(Pattern(pattern), targets, whole=True)


@dataclass(frozen=True)
class Drop:
    """Parameters left out on purpose: those whose whole name matches, and why."""

    text: str
    reason: str

    @cached_property
    def pattern(self) -> Pattern:
        return Pattern(self.text)


@dataclass(frozen=True)
class Origin:
    """Where a canonical tensor comes from."""

    name: str
    transposed: bool = False

    def shape(self, original: tuple[int, ...]) -> tuple[int, ...]:
        """Of the canonical tensor; a scalar (mmseg's `Scale`) becomes a tensor of one value."""
        return original[::-1] if self.transposed else original or (1,)


@dataclass(frozen=True)
class Assignment:
    """What the rules make of a file's names: canonical name -> origin, what is dropped and why, what no rule knows."""

    origins: dict[str, Origin] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)


class Layout(Protocol):
    """One naming of one family of networks."""

    @property
    def name(self) -> str: ...

    @property
    def presets(self) -> tuple[str, ...]: ...

    @property
    def backbones(self) -> tuple[str, ...]: ...

    def assign(self, names: Iterable[str], spec: Spec) -> Assignment: ...


def dropped_by(drops: Iterable[Drop], name: str) -> str | None:
    """Why `name` is left out, or None if no drop is about it."""
    return next((drop.reason for drop in drops if drop.pattern.match(name)), None)


SAMPLE = 24  # names looked at to see whether a naming is worth trying: files of quite another kind are told by a few


def sampled(names: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the names, from all over the file."""
    return names[:: max(1, len(names) // SAMPLE)]


COUNTER = Drop(r"(.*\.)?num_batches_tracked", "PyTorch's counter of batches; only used when momentum is None")


@dataclass(frozen=True)
class RuleLayout:
    """A naming given by rules; `presets` are the specs its networks have.

    Of a backbone published alone `backbones` are the families instead: any network on one may start from it.
    """

    name: str
    presets: tuple[str, ...]
    rules: tuple[Rule, ...]
    dropped: tuple[Drop, ...] = ()
    leaves: Mapping[str, str] = field(default_factory=lambda: TORCH_LEAVES, hash=False)
    backbones: tuple[str, ...] = ()

    def assign(self, names: Iterable[str], spec: Spec) -> Assignment:
        """Raises WeightsError if two rules claim a name, or two names become the same tensor."""
        return self._assign(tuple(names))

    @lru_cache(maxsize=64)  # noqa: B019 - layouts are constants; the presets of one share its reading of a file
    def _assign(self, names: tuple[str, ...]) -> Assignment:
        result = Assignment()
        if not any(self._read(name)[0] for name in sampled(names)):
            result.unexpected.extend(names)
            return result
        for name in names:
            claims, reason = self._read(name)
            if len(claims) + (reason is not None) > 1:
                raise WeightsError(f"{self.name}: {name!r} is matched by more than one rule of the name map")
            if reason is not None:
                result.dropped[name] = reason
            elif not claims:
                result.unexpected.append(name)
            for rule, targets in claims:
                _enter(result, self.name, Origin(name, rule.transposed and name.endswith(".weight")), targets)
        return result

    def _read(self, name: str) -> tuple[list[tuple[Rule, tuple[str, ...]]], str | None]:
        """The rules that claim `name` with what they make of it, and why it is left out if it is."""
        stem, _, last = name.rpartition(".")
        leaf = self.leaves.get(last)
        claims = [(rule, found) for rule in self.rules if (found := rule.match(name, stem, leaf)) is not None]
        return claims, dropped_by(self.dropped, name)


def _enter(result: Assignment, layout: str, origin: Origin, targets: Iterable[str]) -> None:
    for target in targets:
        if target in result.origins:
            raise WeightsError(f"{layout}: {result.origins[target].name!r} and {origin.name!r} both become {target!r}")
        result.origins[target] = origin


@dataclass(frozen=True)
class Recording:
    """How the golden files of an origin were recorded; `source` is what they call it.

    resizes: the original resizes its logits to the picture itself. in_float64: computed in float64, stored as float32.
    eval, train: which output is which, where it is not the network's outputs in order (core.arch.golden).
    left_out: models that no spec describes, and why.
    """

    source: str
    resizes: bool = False
    in_float64: bool = False
    eval: tuple[str, ...] | None = None
    train: tuple[str, ...] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A published repository or model zoo: where it is, the namings found in its files, and its golden files' facts.

    normalization: how its training normalises pictures (a key of core.data.normalization's), or that by the number of
    the network's outputs, where it differs between data sets, or by the network; None where it is not known.
    """

    name: str
    about: str
    layouts: tuple[Layout, ...]
    recording: Recording | None = None
    normalization: str | Mapping[int, str] | Callable[[Spec], str | None] | None = None

    def normalization_for(self, spec: Spec, outputs: int | None) -> str | None:
        known = self.normalization
        if callable(known):
            return known(spec)
        return known.get(outputs or 0) if isinstance(known, Mapping) else known


def layouts_in(package: str) -> tuple[Layout, ...]:
    """The `LAYOUTS` of all modules of an origin's package: one module a family; modules without hold shared rules."""
    found: list[Layout] = []
    for info in pkgutil.iter_modules(sys.modules[package].__path__):
        found.extend(getattr(importlib.import_module(f"{package}.{info.name}"), "LAYOUTS", ()))
    return tuple(found)
