"""The configuration that findings suggest: the settings of a file and of the command line, with theirs put in."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from core.config import Config, load_layers
from core.data.doctor.diagnosis import diagnose
from core.data.doctor.examine import Examination
from core.data.doctor.finding import Finding
from core.settings import Layer, merge_layers, parse_setting, read_layers

_ROUNDS = 4  # mending shows what was hidden: the values of files that could not be read, say


def layers_of(path: Path | None, overrides: Sequence[str]) -> list[Layer]:
    return (read_layers(path) if path is not None else []) + [parse_setting(override) for override in overrides]


def mended(
    layers: Sequence[Layer], first: Examination, findings: Sequence[Finding], look_again: Any
) -> tuple[dict[str, Any], list[Finding], list[Finding]]:
    """Settings after a few rounds of mending.

    Args:
        look_again: from a Config to its Examination.

    Returns:
        the settings, the findings that were mended, those that remain.
    """
    values = copy.deepcopy(merge_layers(layers))
    done: list[Finding] = []
    for _ in range(_ROUNDS):
        mendable = [finding for finding in findings if finding.settings]
        taken: set[str] = set()
        for finding in mendable:
            if taken.isdisjoint(_places(finding.settings)):
                put_in(values, finding.settings)
                taken |= _places(finding.settings)
                done.append(finding)
        if not taken:
            break
        findings = diagnose(look_again(config_of(values)))
    return values, done, list(findings)


def _places(settings: Mapping[str, Any]) -> set[str]:
    """The settings that exclude another finding's; lists of what is left out add up."""
    return {path for path in settings if ".leave_out." not in path} | {
        f"{path}/{name}" for path, names in settings.items() if ".leave_out." in path for name in names
    }


def put_in(values: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Sets key paths in nested mappings; names that are left out are added to those there are."""
    for path, value in settings.items():
        *above, last = path.split(".", 3)
        below = values
        for key in above:
            if not isinstance(below.get(key), dict):
                below[key] = {}
            below = below[key]
        if above[-1:] == ["leave_out"]:
            value = sorted({*below.get(last, []), *value})
        below[last] = value


def config_of(values: Mapping[str, Any]) -> Config:
    """Raises ConfigError."""
    return load_layers([Layer("the mended configuration", values)], "the mended configuration")


def as_yaml(values: Mapping[str, Any], done: Iterable[Finding], remaining: Iterable[Finding], source: str) -> str:
    """The file, with what was changed and what is left at its top."""
    head = [f"# {source}, mended by `python -m core.data.doctor --fix`."]
    head += [f"#   {finding.kind}: {', '.join(finding.settings)}" for finding in done]
    left = [f"#   {finding.kind}: {finding.what}" for finding in remaining if finding.level != "note"]
    if left:
        head += ["# Not mended, for no setting can:", *(line.replace("\n", " ") for line in left)]
    body = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    return "\n".join(head) + "\n" + body


__all__ = ["as_yaml", "config_of", "layers_of", "mended", "put_in"]
