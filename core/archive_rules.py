"""What no trusted archive has, whoever reads it: weights have readers of their own, data sets are read with Python's.

Each reader says what it refuses in its own words and error; what is refused stands here.
"""

from __future__ import annotations

from collections.abc import Iterable


def leads_out(name: str) -> bool:
    """Whether a member's name would lead out of the folder it were unpacked to, on any system, or is cut by a NUL."""
    path = name.replace("\\", "/")
    return path.startswith("/") or "\0" in path or ".." in path.split("/") or ":" in path[:2]


def overlapping(spans: Iterable[tuple[int, int, str]]) -> tuple[str, str] | None:
    """The names of two members that share bytes, which the densest bombs are made of; None where no two do.

    spans: begin, end and name of each, in any order.
    """
    end, last = 0, ""
    for begin, stop, name in sorted(spans):
        if begin < end:
            return last, name
        end, last = stop, name
    return None
