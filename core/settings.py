"""Settings as people write them: YAML files with at most one `base:`, `key.path=value`, and where each value came from.

YAML here has two rules of its own: a key given twice in one mapping is an error (YAML itself keeps the last and says
nothing), and a mapping tagged `!replace` takes the place of the one it meets instead of being merged into it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.errors import ConfigError
from core.ranges import condition, field_hints
from core.schema import Replacement, at, merged


@dataclass(frozen=True)
class Layer:
    """Values that one file or option sets; `where` names it in errors."""

    where: str
    values: Mapping[str, Any]


class Origins:
    """Which of several layers set a key, by the key's path (`train.batch_size`); later layers win."""

    def __init__(self, layers: Sequence[Layer], otherwise: str) -> None:
        self.layers, self.otherwise = layers, otherwise
        self.paths: dict[str, int] = {}
        for number, layer in enumerate(layers):
            for path in leaves(layer.values):
                self.paths[path] = number

    def number(self, path: str) -> int:
        """The layer that set `path`, something in it, or what it stands in; -1 for none: the default."""
        found = [n for known, n in self.paths.items() if f"{known}.".startswith(f"{path}.") or not path]
        while not found and path:
            path = path.rpartition(".")[0]
            found = [self.paths[path]] if path in self.paths else []
        return max(found, default=-1)

    def __call__(self, path: str) -> str:
        number = self.number(path.partition("[")[0])
        return self.otherwise if number < 0 else self.layers[number].where


def leaves(values: Any, path: str = "") -> Iterator[str]:
    """The paths of all values in nested mappings; an empty mapping counts as a value."""
    if not isinstance(values, Mapping) or (not values and path):
        yield path
        return
    for key, value in values.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def read_layers(path: Path) -> list[Layer]:
    """The file, after its base if it has one; a base has none of its own. Raises ConfigError."""
    values = _read(path)
    base = values.pop("base", None)
    if base is None:
        return [Layer(str(path), values)]
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: expected the path of a YAML file, got {base!r}")
    base_path = path.parent / Path(base).expanduser()
    base_values = _read(base_path)
    if "base" in base_values:
        raise ConfigError(f"{base_path}: is the base of {path} and may not have a base of its own")
    return [Layer(str(base_path), base_values), Layer(str(path), values)]


def parse_text(text: str, where: str) -> dict[str, Any]:
    """The mapping that YAML `text` holds; empty for an empty text. Raises ConfigError."""
    values = _load(text, where)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected keys and values at the top level")
    return values


def parse_setting(text: str, example: str = "train.batch_size=4", option: str = "--set") -> Layer:
    """`key.path=value`, the value YAML, as nested mappings. Raises ConfigError, which names the `option`."""
    where = f"{option} {text}"
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"{where}: expected key.path=value, such as {example}")
    nested: Any = _load(value, where) if value else None
    for part in reversed(parts):
        nested = {part: nested}
    return Layer(where, nested)


def merge_layers(layers: Sequence[Layer]) -> dict[str, Any]:
    """All layers in one; a later one changes the earlier."""
    values: dict[str, Any] = {}
    for layer in layers:
        values = merged(values, layer.values)
    return values


def settle_unread(instance: Any, origins: Origins, path: str = "") -> Any:
    """The dataclass `instance`, made of the layers of `origins`, without settings that nothing reads.

    Those are fields for another choice (`When`) than the one made. They are an error, unless the choice was made later
    (in a later file or option) than they were set: then they went with the choice before and are at their defaults
    again. A value equal to the default is never an error: it changes nothing, and the resolved configuration that a run
    writes shows them all. Raises ConfigError.
    """
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(instance):
        here, value = f"{path}.{field.name}" if path else field.name, getattr(instance, field.name)
        when = condition(field_hints(type(instance))[field.name])
        if dataclasses.is_dataclass(value):
            changes[field.name] = settle_unread(value, origins, here)
        elif when is not None and not when.holds(instance) and value != field.default:
            chosen = max(origins.number(f"{path}.{other}") for other in when.fields)
            if chosen <= origins.number(here):
                raise ConfigError(f"{at(origins, here)}: nothing reads it: it counts where {when.describe(path)}")
            changes[field.name] = field.default
    return dataclasses.replace(instance, **changes) if changes else instance


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_text(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _load(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except _Twice as error:
        raise ConfigError(f"{where}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not valid YAML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deeply") from None


class _Twice(ValueError):
    pass


class _Loader(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice and knows `!replace`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in lines:
                first = lines[key_node.value]
                raise _Twice(f"line {line}: the key {key_node.value!r} stands in line {first} already; give it once")
            lines[key_node.value] = line
        return super().construct_mapping(node, deep=deep)


def _replace(loader: _Loader, node: yaml.Node) -> Replacement:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, "!replace stands before a mapping", node.start_mark)
    return Replacement(loader.construct_mapping(node, deep=True))


_Loader.add_constructor("!replace", _replace)
