"""What a data set says of its published archives: which of their members are wanted, under which name, and changed how.

Archives are not told by their names: every archive, and every file of an unpacked folder, under --from is looked
through for members whose paths end as a `Take` or an `Expand` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Member(Protocol):
    """A file in an archive or a folder."""

    @property
    def path(self) -> str:
        """In the archive or below the folder, parts parted by "/"."""

    @property
    def origin(self) -> str:
        """The archive, as it is called below --from, and the folders in it."""

    @property
    def where(self) -> str:
        """Archive and path, for errors."""

    def read(self) -> bytes: ...

    def on_disk(self) -> Path:
        """The file itself, or a copy of it that lasts until everything is prepared."""


@dataclass(frozen=True)
class Job:
    """One file to make: `target` below --to, and its bytes. `where` is what errors name."""

    target: str
    make: Callable[[], bytes]
    where: str


Convert = Callable[[bytes, str], bytes]  # a member's bytes, and what errors name


@dataclass(frozen=True)
class Take:
    """Members that become one file each.

    pattern: a regular expression for the whole path, before which folders may stand.
    target: where the file goes below --to, with the pattern's groups as in `re.Match.expand`.
    convert: what becomes of the bytes; nothing where it is None.
    archive: a regular expression for a part of the archive's name and the folders before the file, where the path alone
        does not tell.
    """

    pattern: str
    target: str
    convert: Convert | None = None
    archive: str = ""

    def target_of(self, member: Member) -> str | None:
        """Where a member goes; None where it is not meant."""
        match = matches(self.pattern, member.path)
        if match is None or not re.search(self.archive, member.origin):
            return None
        return match.expand(self.target)

    def jobs(self, member: Member) -> Sequence[Job]:
        target = self.target_of(member)
        assert target is not None
        convert = self.convert
        if convert is None:
            return [Job(target, member.read, member.where)]
        return [Job(target, lambda: convert(member.read(), member.where), member.where)]


@dataclass(frozen=True)
class Expand:
    """A member that holds many files: a .mat with all pictures, a JSON with all annotations."""

    pattern: str
    expand: Callable[[Member], Sequence[Job]]

    def target_of(self, member: Member) -> str | None:
        return "" if matches(self.pattern, member.path) else None

    def jobs(self, member: Member) -> Sequence[Job]:
        return self.expand(member)


Step = Take | Expand


def matches(pattern: str, path: str) -> re.Match[str] | None:
    return re.fullmatch(f"(?:.*/)?{pattern}", path)
