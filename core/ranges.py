"""What a field may hold, said where the field is declared and held to wherever a value comes from.

    @dataclass(frozen=True)
    class OptimizerConfig(Checked):
        name: Literal["sgd", "adam"] = "sgd"
        lr: Annotated[float, Range(above=0)] = 0.01
        momentum: Annotated[float, Range(0, below=1), When("name", "sgd")] = 0.9
        betas: tuple[Annotated[float, Range(0, below=1)], ...] = (0.9, 0.999)

core.schema checks the values of YAML and the command line, and names the file and the key; `Checked` checks what is
constructed in Python. `When` says which setting decides whether the field is read at all (core.config).
"""

from __future__ import annotations

import functools
import itertools
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from core.errors import ConfigError


class Constraint:
    """Something that holds of a value, or does not; values it is not about (None, names) pass. `str` says it."""

    def allows(self, value: Any) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class Range(Constraint):
    """A finite number from `low` (or above `above`) to `high` (or below `below`); `Range()` is any finite number."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: Any) -> bool:
        return not _is_number(value) or (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        least = "" if self.low is None else f"at least {self.low}"
        least = least if self.above is None else f"above {self.above}"
        most = "" if self.high is None else f"at most {self.high}"
        most = most if self.below is None else f"below {self.below}"
        return " and ".join(part for part in (least, most) if part) or "a finite number"


@dataclass(frozen=True)
class Length(Constraint):
    """A list of at least `low` items."""

    low: int

    def allows(self, value: Any) -> bool:
        return not isinstance(value, (tuple, list)) or len(value) >= self.low

    def __str__(self) -> str:
        return f"at least {self.low} value{'s' if self.low > 1 else ''}"


@dataclass(frozen=True)
class Increasing(Constraint):
    """A list whose items grow; `strictly`, or may repeat."""

    strictly: bool = True

    def allows(self, value: Any) -> bool:
        if not isinstance(value, (tuple, list)):
            return True
        return all(a < b if self.strictly else a <= b for a, b in itertools.pairwise(value))

    def __str__(self) -> str:
        return "increasing values" if self.strictly else "values in order"


@dataclass(frozen=True, init=False)
class When:
    """The field is read only where one of its neighbours `fields` is one of `values` (or, without values, is set).

    Set means other than 0, False, None and empty.
    """

    fields: tuple[str, ...]
    values: tuple[Any, ...]

    def __init__(self, fields: str | tuple[str, ...], *values: Any) -> None:
        object.__setattr__(self, "fields", (fields,) if isinstance(fields, str) else fields)
        object.__setattr__(self, "values", values)

    def holds(self, instance: Any) -> bool:
        found = [getattr(instance, name) for name in self.fields]
        return any(value in self.values for value in found) if self.values else any(found)

    def describe(self, path: str) -> str:
        """`optimizer.name is sgd`, for fields that stand under `path`."""
        names = " or ".join(f"{path}.{name}" if path else name for name in self.fields)
        if not self.values:
            return f"{names} is set"
        return f"{names} is {' or '.join('empty' if value in ((), None) else str(value) for value in self.values)}"


@dataclass(frozen=True)
class Adjustable:
    """A resumed run may change this setting (core.resume)."""


def field_hints(kind: Any) -> Mapping[str, Any]:
    """The annotations of a dataclass's fields, with their constraints."""
    return _cached_hints(kind)


@functools.cache
def _cached_hints(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def condition(hint: Any) -> When | None:
    """The `When` of an annotation."""
    return next((item for item in getattr(hint, "__metadata__", ()) if isinstance(item, When)), None)


class Checked:
    """Base of dataclasses whose fields keep to their annotations' ranges however they are made; ConfigError if not.

    The fields are checked before a subclass's own `__post_init__`, which need not call this one.
    """

    def __post_init__(self) -> None:
        require_ranges(self)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")
        if own is not None:

            @functools.wraps(own)
            def check_first(self: Any) -> None:
                require_ranges(self)
                own(self)

            cls.__post_init__ = check_first  # type: ignore[method-assign]


def require_ranges(instance: Any) -> None:
    """Raises ConfigError naming the first field of a dataclass `instance` that is outside its range."""
    for name, hint in field_hints(type(instance)).items():
        for message in violations(getattr(instance, name, None), hint, name):
            raise ConfigError(f"{type(instance).__name__}.{message}")


def outside(where: str, value: Any, constraint: Constraint) -> str:
    return f"{where}: {value if _is_number(value) else list(value)} is out of range: {constraint}"


def violations(value: Any, hint: Any, path: str) -> Iterator[str]:
    """A sentence for all that `value` has outside the choices, lengths and ranges of the annotation `hint`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, *items = arguments
        yield from violations(value, inner, path)
        yield from (outside(path, value, item) for item in constraints(items) if not item.allows(value))
    elif origin in (typing.Union, types.UnionType):
        fitting = [argument for argument in arguments if _fits(value, argument)]
        yield from violations(value, fitting[0], path) if fitting else ()
    elif origin is Literal and value not in arguments:
        yield f"{path}: {value!r} is not one of {', '.join(repr(item) for item in arguments)}"
    elif origin is tuple and isinstance(value, (tuple, list)):
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            yield f"{path}: expected {len(arguments)} values, got {len(value)}"
            return
        hints = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        for index, (item, item_hint) in enumerate(zip(value, hints)):
            yield from violations(item, item_hint, f"{path}[{index}]")


def constraints(items: Iterable[Any]) -> list[Constraint]:
    return [item for item in items if isinstance(item, Constraint)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is of the kind of one member of a union: a list, a number, or neither."""
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        return isinstance(value, (tuple, list))
    return _is_number(value) and hint in (int, float)
