"""Typed, frozen dataclasses filled from plain mappings (YAML, command line), with errors that help.

Used by the configuration and by the architecture specs: one set of rules for both. Supported field types: int, float,
bool, str, Literal, Optional, tuples (fixed or of any length), dict[str, Any], nested dataclasses, families of
dataclasses told apart by a tag (`Tagged`), and any of these `Annotated` with ranges (core.ranges). Mappings merge at
every depth; lists and single values replace.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from core.errors import ConfigError, SegParityError
from core.ranges import constraints, field_hints, outside

T = TypeVar("T")

Where = str | Callable[[str], str]  # what errors name: one file or option for all keys, or that of each key's path


class Replacement(dict[str, Any]):
    """A mapping that takes the place of the one before instead of changing it: `!replace {…}` in YAML."""


class OutOfRange(ConfigError):
    """A value of the right type outside its range."""


class Tagged:
    """Base of dataclasses of which a field may hold one of several, told apart in YAML by one key.

    The base names the key, each member its value: with `TAG = "family"` in the base and `family = "resnet"` in a
    member, `backbone: {family: resnet, depth: 50}` is that member. Without the key a mapping changes the present
    member; with another member's value it starts from that member's defaults.
    """

    TAG: ClassVar[str]

    @classmethod
    def members(cls) -> dict[str, type]:
        """{tag value: dataclass} of all members at or below this class."""
        found: dict[str, type] = {}
        for member in (cls, *cls.__subclasses__()):
            if member is not cls:
                found |= member.members()
            elif cls.TAG in cls.__dict__:
                found[getattr(cls, cls.TAG)] = cls
        return found


def nearest(key: str, valid: typing.Iterable[str]) -> str:
    """` Did you mean 'x'? Valid keys: …` for an unknown key."""
    names = list(valid)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Valid: {', '.join(names) if names else 'none'}."


def source(where: Where, path: str) -> str:
    """The file or option that `path` was set by."""
    return where if isinstance(where, str) else where(path)


def at(where: Where, path: str) -> str:
    return f"{source(where, path)}: {path or 'top level'}"


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings put together; `changes` wins, lists and single values replace, a `Replacement` replaces all."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        nested = isinstance(value, Mapping) and not isinstance(value, Replacement) and isinstance(below, Mapping)
        result[key] = merged(below, value) if nested else value  # type: ignore[arg-type]
    return result


def update(instance: T, values: Mapping[str, Any], where: Where, path: str = "") -> T:
    """A copy of the dataclass `instance` with `values` (nested mappings) put in.

    `where` names the file or the option in errors, `path` the position of `instance` in it.
    Raises ConfigError for an unknown key, a wrong type or a wrong value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{at(where, path)}: expected a mapping of keys, got {_show(values)}")
    hints = field_hints(type(instance))
    names = [field.name for field in dataclasses.fields(instance)]  # type: ignore[arg-type]
    changes = {}
    for key, value in values.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in names:
            raise ConfigError(f"{source(where, here)}: unknown key {here!r}.{nearest(str(key), names)}")
        changes[key] = convert(value, hints[key], where, here, getattr(instance, key))
    try:
        return dataclasses.replace(instance, **changes)  # type: ignore[type-var]
    except (ValueError, TypeError, SegParityError) as error:
        raise ConfigError(f"{at(where, path)}: {error}") from error


def convert(value: Any, hint: Any, where: Where, path: str, current: Any = None) -> Any:
    """`value` as the annotated type `hint`; `current` is the present value, which nested mappings change."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where, path, current)
    if origin is Annotated:
        value = convert(value, arguments[0], where, path, current)
        for constraint in constraints(arguments[1:]):
            if not constraint.allows(value):
                raise OutOfRange(outside(at(where, path), value, constraint))
        return value
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(repr(a) for a in arguments)
            raise ConfigError(f"{at(where, path)}: {value!r} is not one of {known}")
        return value
    if isinstance(hint, type) and issubclass(hint, Tagged):
        return _convert_tagged(value, hint, where, path, current)
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        if not isinstance(current, hint):  # type: ignore[arg-type]
            return _build(hint, value, where, path)
        return update(current, value, where, path)
    if origin is tuple:
        return _convert_tuple(value, arguments, where, path)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{at(where, path)}: expected a mapping, got {_show(value)}")
        replaces = isinstance(value, Replacement) or not isinstance(current, Mapping)
        return dict(value) if replaces else merged(current, value)
    if value is None:
        raise ConfigError(f"{at(where, path)}: may not be empty")
    return _convert_scalar(value, hint, where, path)


def _convert_tagged(value: Any, hint: type[Tagged], where: Where, path: str, current: Any) -> Any:
    if isinstance(value, hint):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{at(where, path)}: expected a mapping of keys, got {_show(value)}")
    tag, members = hint.TAG, hint.members()
    fields = {key: item for key, item in value.items() if key != tag}
    if tag not in value:
        if isinstance(current, hint):
            return update(current, fields, where, path)
        raise ConfigError(f"{at(where, path)}: lacks {tag!r}, one of {', '.join(sorted(members))}")
    name = value[tag]
    if name not in members:
        raise ConfigError(f"{at(where, f'{path}.{tag}')}: unknown {tag} {name!r}.{nearest(str(name), sorted(members))}")
    if type(current) is members[name]:
        return update(current, fields, where, path)
    return _build(members[name], fields, where, path)


def _build(hint: Any, values: Any, where: Where, path: str) -> Any:
    """A new dataclass of `values`, which must name the fields that have no default."""
    required = [
        field.name
        for field in dataclasses.fields(hint)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if not isinstance(values, Mapping):
        raise ConfigError(f"{at(where, path)}: expected a mapping of keys, got {_show(values)}")
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigError(f"{at(where, path)}: lacks {', '.join(missing)}")
    hints = field_hints(hint)
    first = {name: convert(values[name], hints[name], where, f"{path}.{name}") for name in required}
    try:
        instance = hint(**first)
    except (ValueError, TypeError, SegParityError) as error:
        raise ConfigError(f"{at(where, path)}: {error}") from error
    return update(instance, values, where, path)


def _convert_union(value: Any, arguments: tuple, where: Where, path: str, current: Any) -> Any:
    if value is None and type(None) in arguments:
        return None
    error: ConfigError | None = None
    arguments = tuple(argument for argument in arguments if argument is not type(None))
    if isinstance(value, Mapping) and all(isinstance(a, type) and issubclass(a, Tagged) for a in arguments):
        return _convert_tagged_union(value, arguments, where, path, current)
    for argument in arguments:
        try:
            return convert(value, argument, where, path, current)
        except ConfigError as failed:
            fits = isinstance(failed, OutOfRange) or (dataclasses.is_dataclass(argument) and isinstance(value, Mapping))
            error = failed if fits else error or failed
    assert error is not None
    raise error


def _convert_tagged_union(value: Mapping, arguments: tuple, where: Where, path: str, current: Any) -> Any:
    """One of several tagged dataclasses: by the tag, or the present one; never by which fields happen to fit."""
    tag = arguments[0].TAG
    members = {name: argument for argument in arguments for name in argument.members()}
    if tag in value:
        if value[tag] not in members:
            known = nearest(str(value[tag]), sorted(members))
            raise ConfigError(f"{at(where, f'{path}.{tag}')}: unknown {tag} {value[tag]!r}.{known}")
        return _convert_tagged(value, members[value[tag]], where, path, current)
    present = next((argument for argument in arguments if isinstance(current, argument)), None)
    if present is None:
        raise ConfigError(f"{at(where, path)}: lacks {tag!r}, one of {', '.join(sorted(members))}")
    return _convert_tagged(value, present, where, path, current)


def _convert_tuple(value: Any, arguments: tuple, where: Where, path: str) -> tuple:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{at(where, path)}: expected a list, got {_show(value)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(convert(item, arguments[0], where, f"{path}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise ConfigError(f"{at(where, path)}: expected {len(arguments)} values, got {len(value)}")
    return tuple(convert(item, hint, where, f"{path}[{i}]") for i, (item, hint) in enumerate(zip(value, arguments)))


def _convert_scalar(value: Any, hint: Any, where: Where, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{at(where, path)}: expected {hint.__name__}, got {_show(value)}")


def to_plain(value: Any) -> Any:
    """A dataclass, or a value of one, as dictionaries, lists and scalars (YAML and JSON can hold it)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        tag = {value.TAG: getattr(value, value.TAG)} if isinstance(value, Tagged) else {}
        return tag | {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def _show(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"
