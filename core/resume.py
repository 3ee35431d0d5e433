"""What a resumed run may change. Its config.yaml is the truth; a file or `--set` given with `--resume` adds to it.

A run goes on with its data, network, batches and loss, or it would be another run under the same name. What may change
is marked where the setting is declared (core.ranges.Adjustable): the run's length, its rate and clipping, how often it
reports and saves, and where on this machine its data lies. What was changed is written into config.yaml, so that the
next `--resume`, and everything else that reads the run, finds it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.checkpoint import RunDirectory
from core.config import Config, dump_config, load_layers
from core.errors import ConfigError
from core.files import write_text
from core.ranges import Adjustable, field_hints
from core.schema import to_plain
from core.settings import Layer, leaves, parse_setting, read_layers


def adjustable(kind: Any = Config, path: str = "") -> Iterator[str]:
    """The paths of the settings that a resume may change."""
    for name, hint in field_hints(kind).items():
        here = f"{path}.{name}" if path else name
        if any(isinstance(item, Adjustable) for item in getattr(hint, "__metadata__", ())):
            yield here
        elif isinstance(hint, type) and typing.get_origin(hint) is None and hasattr(hint, "__dataclass_fields__"):
            yield from adjustable(hint, here)


def resumed_config(directory: RunDirectory, cfg: Path | None, overrides: Sequence[str]) -> Config:
    """The run's configuration changed by what the file `cfg` and `overrides` say.

    Raises ConfigError naming every setting that would change and may not.
    """
    own = read_layers(directory.config)
    before = load_layers(own, str(directory.config))
    given: list[Layer] = read_layers(cfg) if cfg is not None else []
    given += [parse_setting(override) for override in overrides]
    after = load_layers([*own, *given], str(directory.config))
    allowed = set(adjustable())
    refused = [line for path, line in changes(before, after).items() if path not in allowed]
    if refused:
        raise ConfigError(
            f"{directory.path}: a resumed run may not change {', '.join(refused)}: it would be another run; leave that "
            f"out, or start one in another directory with --run (what may change: {', '.join(sorted(allowed))})"
        )
    return after


def changes(before: Config, after: Config) -> dict[str, str]:
    """The paths of all settings in which two configurations differ, each with `path (old -> new)`."""
    old, new = to_plain(before), to_plain(after)
    paths = dict.fromkeys([*leaves(old), *leaves(new)])
    paths = {path: None for path in paths if not any(other.startswith(f"{path}.") for other in paths)}
    pairs = {path: (_value(old, path), _value(new, path)) for path in paths}
    return {path: f"{path} ({one} -> {other})" for path, (one, other) in pairs.items() if one != other}


def _value(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values.get(part, "not set") if isinstance(values, Mapping) else "not set"
    return values


def check_length(config: Config, iteration: int, where: object) -> None:
    """Raises ConfigError if the run has already gone further than the configuration lets it."""
    if config.train.iterations < iteration:
        raise ConfigError(
            f"{where}: stands at iteration {iteration}, train.iterations is {config.train.iterations}; set it to "
            f"{iteration} or more"
        )


def store_config(directory: RunDirectory, config: Config) -> None:
    """Puts the configuration into the run's config.yaml, whole or not at all."""
    if not directory.writes:
        return
    text = dump_config(config)
    if directory.config.read_text(encoding="utf-8") != text:
        write_text(directory.config, text)
