"""The golden files that presets declare, relative to shared/golden."""

from __future__ import annotations

from core.arch import PRESETS, build
from parity_tests.golden.network import DECLARED

# "source/model" -> the preset that declares it.
PRESET_OF = {f"{source}/{model}": preset for (source, model), (preset, _) in DECLARED.items()}


def _quick(most: float = 2.5e6) -> tuple[str, ...]:
    """Of each architecture the file with most parameters, up to a number with which it takes seconds."""
    largest: dict[str, tuple[int, str]] = {}
    for (source, model), (preset, file) in DECLARED.items():
        count = build(preset, None, file.overrides).parameter_count()
        if count <= most:
            arch = PRESETS[preset].spec.arch
            largest[arch] = max(largest.get(arch, (0, "")), (count, f"{source}/{model}"))
    return tuple(sorted(name for _, name in largest.values()))


QUICK = _quick()
