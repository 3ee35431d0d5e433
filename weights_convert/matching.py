"""Which origin, naming and preset tensors belong to: everything accounted for, or an error that says what is not."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from core.arch import PRESETS, Spec, build
from core.arch.backbones.base import BackboneSpec
from core.errors import ConfigError, SpecError, WeightsError
from core.schema import merged, nearest, update
from core.tensors import listing
from weights_convert.sources import SOURCES, Layout, Origin, Source, find_source

SHOWN = 12
WAY_OUT = (
    "to move it between formats without knowing the network, names and layouts kept: "
    "`python -m weights_convert SRC DST --as-is`; to give it another network's names: "
    "`python -m weights_convert map SRC --onto NAMES`"
)


@dataclass(frozen=True)
class Fit:
    """Tensors read with one naming, against one network. It fits if nothing is missing, unexpected or misshapen."""

    source: Source
    layout: Layout
    preset: str
    overrides: dict[str, Any]
    spec: Spec
    origins: dict[str, Origin]
    dropped: dict[str, str]
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    @property
    def problems(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)

    @property
    def label(self) -> str:
        return f"origin {self.source.name} ({self.layout.name}), preset {self.preset}"

    def same_state(self, other: Fit) -> bool:
        """Whether both readings give the same network the same tensors."""
        return self.spec == other.spec and self.origins == other.origins

    def explain(self) -> str:
        """The problems, listed."""
        lines = []
        for title, items in (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshapen),
        ):
            if items:
                more = [f"… and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
                lines.append(f"  {len(items)} {title}:")
                lines += [f"    {item}" for item in [*items[:SHOWN], *more]]
        return "\n".join(lines)


class SeveralFit(WeightsError):
    """Several networks fit that differ in what names and shapes do not show; `fits` are the readings."""

    def __init__(self, message: str, fits: list[Fit]) -> None:
        super().__init__(message)
        self.fits = fits


class NoFit(WeightsError):
    """No network fits; `matched` tensors belong to the nearest one."""

    def __init__(self, message: str, matched: int) -> None:
        super().__init__(message)
        self.matched = matched


def compare(
    source: Source,
    layout: Layout,
    preset: str,
    overrides: dict[str, Any],
    spec: Spec,
    shapes: Mapping[str, tuple[int, ...]],
) -> Fit:
    """The tensors of these shapes, read with `layout`, against the network of `spec`."""
    assignment = layout.assign(shapes, spec)
    wanted = {parameter.name: parameter.shape for parameter in spec.parameters()}
    fit = Fit(
        source,
        layout,
        preset,
        overrides,
        spec,
        {name: origin for name, origin in assignment.origins.items() if name in wanted},
        assignment.dropped,
    )
    fit.missing.extend(f"{name} {shape}" for name, shape in wanted.items() if name not in assignment.origins)
    fit.unexpected.extend(f"{name} {shapes[name]}" for name in assignment.unexpected)
    for name, origin in assignment.origins.items():
        shape = origin.shape(shapes[origin.name])
        if name not in wanted:
            renamed = "" if name == origin.name else f" (here {name})"
            fit.unexpected.append(f"{origin.name}{renamed} {shapes[origin.name]}")
        elif shape != wanted[name]:
            renamed = "" if name == origin.name else f" (here {name})"
            fit.misshapen.append(f"{origin.name}{renamed} is {shape}, expected {wanted[name]}")
    return fit


def identify(
    tensors: Mapping[str, np.ndarray],
    where: str,
    *,
    origin: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Fit, list[Fit]]:
    """The reading of `tensors` that fits, and others that give the very same state.

    Raises WeightsError if none fits (listing what is wrong with the nearest), SeveralFit if several do that disagree.
    """
    shapes = {name: tuple(array.shape) for name, array in tensors.items()}
    sources = [find_source(origin)] if origin else list(SOURCES.values())
    if preset is not None and preset not in PRESETS:
        raise WeightsError(f"unknown preset {preset!r}.{nearest(preset, PRESETS)}")
    fits = list(_readings(sources, shapes, preset, overrides or {}))
    if not fits:
        known = sorted({name for source in sources for layout in source.layouts for name in layout.presets})
        what = f"preset {preset} is none of origin {origin}" if origin and preset else "no preset takes these overrides"
        raise WeightsError(f"{where}: {what}; it has {', '.join(known)}")
    good = [fit for fit in fits if fit.problems == 0]
    if not good:
        near = _no_fit(where, fits, shapes)
        raise NoFit(f"{near}\n{WAY_OUT}", near.matched)
    best = [fit for fit in good if _changes(fit) == min(_changes(other) for other in good if _rival(fit, other))]
    different = [fit for fit in best if not fit.same_state(best[0])]
    if different:
        names = "\n".join(f"  {fit.label}" for fit in [best[0], *different])
        raise SeveralFit(
            f"{where}: its names and shapes fit several networks that differ in what shapes do not show:\n{names}\n"
            "say which with --from ORIGIN or --arch PRESET",
            [best[0], *different],
        )
    return best[0], best[1:]


def _rival(fit: Fit, other: Fit) -> bool:
    """Readings with one naming compete for the fewest overrides."""
    return fit.source is other.source and fit.layout is other.layout


def _changes(fit: Fit) -> int:
    """How many fields the shapes had to change in the preset."""
    return _leaves(fit.overrides)


def _leaves(value: Any) -> int:
    return sum(_leaves(item) for item in value.values()) if isinstance(value, Mapping) else 1


def _readings(
    sources: Iterable[Source], shapes: Mapping[str, tuple[int, ...]], preset: str | None, overrides: Mapping[str, Any]
) -> Iterator[Fit]:
    """The tensors read in every way that takes at least half as many of them as the best one does.

    Of one origin's namings for the same preset only those that take most.
    """
    candidates = []
    taken: dict[tuple[str, str], int] = {}
    for source in sources:
        for layout in source.layouts:
            for name in layout.presets if preset is None else [p for p in layout.presets if p == preset]:
                try:
                    base = build(name, None, overrides)
                    origins = layout.assign(shapes, base).origins
                except (ConfigError, SpecError):
                    continue  # these overrides do not suit that preset
                candidates.append((source, layout, name, base, origins))
                taken[source.name, name] = max(len(origins), taken.get((source.name, name), 0))
    most = max(taken.values(), default=0)
    for source, layout, name, base, origins in candidates:
        if 2 * len(origins) >= most and len(origins) == taken[source.name, name]:
            fit = _read_as(source, layout, name, base, origins, overrides, shapes)
            if fit is not None:
                yield fit


def _read_as(
    source: Source,
    layout: Layout,
    preset: str,
    base: Spec,
    origins: Mapping[str, Origin],
    overrides: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
) -> Fit | None:
    """The reading with `preset`, changed by what the shapes show; None if the preset cannot be changed so."""
    canonical = {name: origin.shape(shapes[origin.name]) for name, origin in origins.items()}
    # What the caller says stands; what the shapes show is added.
    changes = merged(base.infer(canonical), overrides)
    try:
        spec = build(preset, base.infer_classes(canonical), changes)
        return compare(source, layout, preset, changes, spec, shapes)
    except (ConfigError, SpecError):
        return None


@cache
def _shapes_of_presets() -> dict[str, Counter[tuple[int, ...]]]:
    """Of each preset how often it has which shape, the sides in order of size."""
    return {
        name: Counter(tuple(sorted(parameter.shape)) for parameter in preset.spec.parameters())
        for name, preset in PRESETS.items()
    }


def _nearest_by_shape(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Of a file whose names say nothing: the preset with whose tensors it shares most shapes, and what is missing."""
    here = Counter(tuple(sorted(shape)) for shape in shapes.values())
    best, most = ("", 0.0), list[str]()
    for name, wanted in _shapes_of_presets().items():
        shared = 2 * (wanted & here).total() / (wanted.total() + len(shapes))
        if shared > best[1]:
            best = (name, shared)
    if not best[0]:
        return "No preset has a tensor of one of its shapes."
    for parameter in PRESETS[best[0]].spec.parameters():
        key = tuple(sorted(parameter.shape))
        here[key] -= 1
        if here[key] < 0:
            most.append(f"{parameter.name} {parameter.shape}")
    what = f"; without a counterpart: {len(most)} of its tensors, {listing(most, 5)}" if most else ""
    return f"Nearest by its shapes: preset {best[0]}, {best[1]:.0%} of all tensors shared{what}"


def _no_fit(where: str, fits: list[Fit], shapes: Mapping[str, tuple[int, ...]]) -> NoFit:
    count = len(shapes)
    near = min(fits, key=lambda fit: (fit.problems, -len(fit.origins)))
    if not near.origins:
        tried = dict.fromkeys(fit.source.name for fit in fits)
        return NoFit(
            f"{where}: its names are those of no network of {'origin' if len(tried) == 1 else 'any known origin:'} "
            f"{', '.join(tried)}; `python -m weights_convert inspect` lists them\n{_nearest_by_shape(shapes)}",
            0,
        )
    matched = len({origin.name for origin in near.origins.values()}) - len(near.misshapen)
    return NoFit(
        f"{where}: fits no known network completely. Nearest: {near.label}, which takes {matched} of the {count} "
        f"tensors\n{near.explain()}",
        matched,
    )


def fit_to(
    tensors: Mapping[str, np.ndarray], spec: Spec, where: str, *, origin: str | None = None, fine_tune: bool = False
) -> tuple[Fit, list[str]]:
    """The reading of `tensors` that fits the given network, and the canonical names left out because classes differ.

    Auxiliary heads that the network lacks are dropped by name. With `fine_tune`, tensors whose shape differs only
    because the file has another number of classes are left out, and auxiliary heads may be missing.
    Raises WeightsError if none fits or several do that disagree.
    """
    shapes = {name: tuple(array.shape) for name, array in tensors.items()}
    sources = [find_source(origin)] if origin else list(SOURCES.values())
    readings = []
    for source in sources:
        for layout in source.layouts:
            if any(PRESETS[preset].spec.arch == spec.arch for preset in layout.presets):
                readings.append(_against(source, layout, spec, shapes, fine_tune))
            if fine_tune and backbone_of(spec) in layout.backbones:
                readings.append((_backbone_alone(source, layout, spec, shapes), []))
    if not readings:
        raise WeightsError(f"{where}: origin {origin} has no {spec.arch}")
    good = [reading for reading in readings if reading[0].problems == 0]
    if not good:
        near = _no_fit(where, [fit for fit, _ in readings], shapes)
        fitting = _presets_on_backbone(sources, spec, shapes) if fine_tune else []
        overrides = _overrides_for_backbone(sources, spec, shapes) if fine_tune and not fitting else None
        if fitting:
            near = NoFit(f"{near}\nit is a backbone that fits preset {listing(fitting, 5)}", near.matched)
        elif overrides is not None:
            said = json.dumps(overrides)
            near = NoFit(f"{near}\nit is a backbone that fits with `--set 'model.overrides={said}'`", near.matched)
        raise near
    different = [fit for fit, _ in good if not fit.same_state(good[0][0])]
    if different:
        names = "\n".join(f"  {fit.label}" for fit in [good[0][0], *different])
        raise WeightsError(f"{where}: fits in several ways that disagree:\n{names}\nsay which with --from ORIGIN")
    return good[0]


def _presets_on_backbone(sources: Iterable[Source], spec: Spec, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Presets of the same architecture whose backbone the tensors are: another stem, depth or width."""
    found = []
    for name, preset in PRESETS.items():
        family = backbone_of(preset.spec)
        if preset.spec.arch != spec.arch or family is None:
            continue
        alone = [
            _backbone_alone(source, layout, preset.spec, shapes)
            for source in sources
            for layout in source.layouts
            if family in layout.backbones
        ]
        if any(fit.problems == 0 and fit.origins for fit in alone):
            found.append(name)
    return found


def _overrides_for_backbone(
    sources: Iterable[Source], spec: Spec, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any] | None:
    """What to change in the network's backbone so that the tensors are its, where their shapes tell that."""
    backbone = getattr(spec, "backbone", None)
    if not isinstance(backbone, BackboneSpec):
        return None
    for source, layout in [(s, layout) for s in sources for layout in s.layouts if backbone.family in layout.backbones]:
        origins = layout.assign(shapes, spec).origins
        found = backbone.infer({name: origin.shape(shapes[origin.name]) for name, origin in origins.items()})
        try:
            changed = update(spec, {"backbone": found}, "model.overrides")
            if found and _backbone_alone(source, layout, changed, shapes).problems == 0:
                return {"backbone": found}
        except (ConfigError, SpecError, ValueError):
            continue  # shapes of no backbone of this family
    return None


def backbone_of(spec: Spec) -> str | None:
    """The family of the network's backbone; None for a network without one."""
    backbone = getattr(spec, "backbone", None)
    return backbone.family if isinstance(backbone, BackboneSpec) else None


def _backbone_alone(source: Source, layout: Layout, spec: Spec, shapes: Mapping[str, tuple[int, ...]]) -> Fit:
    """The reading of a published backbone: all that the network's backbone has must be there."""
    fit = compare(source, layout, f"given ({spec.arch}'s backbone)", {}, spec, shapes)
    wanted = {parameter.name for parameter in spec.parameters()}
    beyond = {
        origin.name: "layer behind the last that the network's backbone has"
        for name, origin in layout.assign(shapes, spec).origins.items()
        if name not in wanted
    }
    return dataclasses.replace(
        fit,
        missing=[item for item in fit.missing if item.startswith("backbone.")],
        unexpected=[item for item in fit.unexpected if item.split(" ")[0] not in beyond],
        dropped=fit.dropped | beyond,
    )


def _with_classes(spec: Spec, classes: int) -> Spec:
    """The network with another number of classes, or itself where it cannot have that many."""
    try:
        return dataclasses.replace(spec, num_classes=classes)
    except ValueError:
        return spec


def _against(
    source: Source, layout: Layout, spec: Spec, shapes: Mapping[str, tuple[int, ...]], fine_tune: bool
) -> tuple[Fit, list[str]]:
    assignment = layout.assign(shapes, spec)
    canonical = {name: origin.shape(shapes[origin.name]) for name, origin in assignment.origins.items()}
    wanted = {parameter.name for parameter in spec.parameters()}
    extra = {
        origin.name: "auxiliary head the network does not have"
        for name, origin in assignment.origins.items()
        if name.startswith("auxiliary.") and name not in wanted
    }
    extra |= {
        name: "auxiliary head the network does not have"
        for name in assignment.unexpected
        if source.name == "segparity" and name.startswith("auxiliary.") and not spec.auxiliary
    }
    kept = {name: shape for name, shape in shapes.items() if name not in extra}
    left_out: list[str] = []
    classes = spec.infer_classes(canonical)
    target = spec
    if fine_tune and classes is not None and classes != spec.num_classes:
        target = _with_classes(spec, classes)
        own = {parameter.name: parameter.shape for parameter in spec.parameters()}
        left_out = [parameter.name for parameter in target.parameters() if parameter.shape != own[parameter.name]]
    fit = compare(source, layout, f"given ({spec.arch})", {}, target, kept)
    if fine_tune and not any(name.startswith("auxiliary.") for name in fit.origins):
        fit = dataclasses.replace(fit, missing=[item for item in fit.missing if not item.startswith("auxiliary.")])
    return dataclasses.replace(fit, dropped=fit.dropped | extra), left_out
