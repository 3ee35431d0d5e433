"""Architecture specs: every number that defines a network, without a framework.

    spec = build("pspnet_resnet50_gald", num_classes=11)
    spec.parameters()        # names, shapes, kinds, in canonical order

A preset is a published original under a name of its own; `PRESETS` holds them all. The files of `families` and
`backbones` are found by being there.
"""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from core.arch import backbones, families
from core.arch.spec import Preset, Spec
from core.errors import ConfigError, SpecError
from core.schema import Where, nearest, source, update

__all__ = ["ARCHITECTURES", "PRESETS", "Preset", "Spec", "build"]


def _modules(package: ModuleType) -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [import_module(f"{package.__name__}.{name}") for name in names]


_modules(backbones)  # a configuration may name any of them
PRESETS: dict[str, Preset] = {preset.name: preset for module in _modules(families) for preset in module.PRESETS}
ARCHITECTURES: dict[str, type[Spec]] = {preset.spec.arch: type(preset.spec) for preset in PRESETS.values()}


def build(
    preset: str,
    num_classes: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    where: Where = "model",
) -> Spec:
    """The spec of `preset` for `num_classes`, with fields changed by `overrides` (nested mappings, as in YAML).

    Raises ConfigError for an unknown preset, field or value; `where` names the file in it.
    """
    if preset not in PRESETS:
        raise ConfigError(f"{source(where, 'preset')}: unknown preset {preset!r}.{nearest(preset, sorted(PRESETS))}")
    spec = update(PRESETS[preset].spec, overrides or {}, where, "overrides")
    if num_classes is not None:
        if num_classes < 1:
            raise ConfigError(f"{source(where, 'num_classes')}: num_classes is {num_classes}; at least 1")
        try:
            spec = dataclasses.replace(spec, num_classes=num_classes)
        except ValueError as error:
            raise ConfigError(f"{source(where, 'num_classes')}: {error}") from error
    if overrides:
        try:
            spec.parameters()  # what does not fit together: a tap that names no stage of another backbone, say
        except (SpecError, ValueError) as error:
            raise ConfigError(f"{source(where, 'overrides')}: overrides: {error}") from error
    return spec
