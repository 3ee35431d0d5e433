"""Typed, frozen dataclasses filled from plain mappings (YAML, command line), with errors that help.

Used by the configuration and by the architecture specs: one set of rules for both. Supported field types: int, float,
bool, str, Literal, Optional, tuples (fixed or of any length), dict[str, Any] and nested dataclasses.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from core.errors import ConfigError, SegParityError

T = TypeVar("T")


def nearest(key: str, valid: typing.Iterable[str]) -> str:
    """` Did you mean 'x'? Valid keys: …` for an unknown key."""
    names = list(valid)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Valid: {', '.join(names) if names else 'none'}."


def update(instance: T, values: Mapping[str, Any], where: str, path: str = "") -> T:
    """A copy of the dataclass `instance` with `values` (nested mappings) put in.

    `where` names the file or the option in errors, `path` the position of `instance` in it.
    Raises ConfigError for an unknown key, a wrong type or a wrong value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: {path or 'top level'}: expected a mapping of keys, got {_show(values)}")
    hints = typing.get_type_hints(type(instance))
    names = [field.name for field in dataclasses.fields(instance)]  # type: ignore[arg-type]
    changes = {}
    for key, value in values.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in names:
            raise ConfigError(f"{where}: unknown key {here!r}.{nearest(str(key), names)}")
        changes[key] = convert(value, hints[key], where, here, getattr(instance, key))
    try:
        return dataclasses.replace(instance, **changes)  # type: ignore[type-var]
    except (ValueError, TypeError, SegParityError) as error:
        raise ConfigError(f"{where}: {path or 'top level'}: {error}") from error


def convert(value: Any, hint: Any, where: str, path: str, current: Any = None) -> Any:
    """`value` as the annotated type `hint`; `current` is the present value, which nested mappings change."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where, path, current)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(repr(a) for a in arguments)
            raise ConfigError(f"{where}: {path}: {value!r} is not one of {known}")
        return value
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
            raise ConfigError(f"{where}: {path}: expected a mapping, got {_show(value)}")
        return dict(value)
    if value is None:
        raise ConfigError(f"{where}: {path}: may not be empty")
    return _convert_scalar(value, hint, where, path)


def _build(hint: Any, values: Any, where: str, path: str) -> Any:
    """A new dataclass of `values`, which must name the fields that have no default."""
    required = [
        field.name
        for field in dataclasses.fields(hint)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: {path}: expected a mapping of keys, got {_show(values)}")
    missing = [name for name in required if name not in values]
    if missing:
        raise ConfigError(f"{where}: {path}: lacks {', '.join(missing)}")
    hints = typing.get_type_hints(hint)
    first = {name: convert(values[name], hints[name], where, f"{path}.{name}") for name in required}
    try:
        instance = hint(**first)
    except (ValueError, TypeError, SegParityError) as error:
        raise ConfigError(f"{where}: {path}: {error}") from error
    return update(instance, values, where, path)


def _convert_union(value: Any, arguments: tuple, where: str, path: str, current: Any) -> Any:
    if value is None and type(None) in arguments:
        return None
    error: ConfigError | None = None
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return convert(value, argument, where, path, current)
        except ConfigError as failed:
            fits = dataclasses.is_dataclass(argument) and isinstance(value, Mapping)
            error = failed if fits else error or failed
    assert error is not None
    raise error


def _convert_tuple(value: Any, arguments: tuple, where: str, path: str) -> tuple:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: {path}: expected a list, got {_show(value)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(convert(item, arguments[0], where, f"{path}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise ConfigError(f"{where}: {path}: expected {len(arguments)} values, got {len(value)}")
    return tuple(convert(item, hint, where, f"{path}[{i}]") for i, (item, hint) in enumerate(zip(value, arguments)))


def _convert_scalar(value: Any, hint: Any, where: str, path: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: {path}: expected {hint.__name__}, got {_show(value)}")


def to_plain(value: Any) -> Any:
    """A dataclass, or a value of one, as dictionaries, lists and scalars (YAML and JSON can hold it)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    return value


def _show(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"
