"""What the values of options may be: types for argparse, which names the option in its error."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from core.ranges import Range


def file_path(text: str) -> Path:
    """A path; `~` is the home directory (the shell leaves it alone in `--run=~/x` and between quotes)."""
    return Path(text).expanduser()


def whole(allowed: Range) -> Callable[[str], int]:
    """A whole number in a range."""
    return lambda text: int(_number(text, int, "a whole number", allowed))


def real(allowed: Range) -> Callable[[str], float]:
    """A number in a range."""
    return lambda text: _number(text, float, "a number", allowed)


def size(text: str) -> tuple[int, int]:
    """`HxW`, both at least 1."""
    height, cross, width = text.lower().partition("x")
    if not cross:
        raise argparse.ArgumentTypeError(f"{text!r} is not HxW, e.g. 512x1024")
    side = whole(Range(1))
    return side(height), side(width)


def _number(text: str, kind: type[int] | type[float], what: str, allowed: Range) -> float:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
    if not allowed.allows(value):
        raise argparse.ArgumentTypeError(f"{text} is out of range: {allowed}")
    return value
