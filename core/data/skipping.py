"""Pictures that cannot be read in the middle of a run: left out on request (`data.unreadable: skip`), and counted.

What is left out is noted in a file, one line each, which the workers of every framework's loader append to: nothing
else passes from all of them to the run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Skipped:
    """The list of what was left out. `path`: the file; None keeps none (a look at the first sample, say)."""

    path: Path | None = None
    said: set[str] = field(default_factory=set)  # by this process

    def note(self, location: str, reason: str) -> None:
        """Once for each location and process. Nothing is raised: a full disk does not end a run that skips."""
        if location in self.said:
            return
        self.said.add(location)
        if self.path is None:
            return
        line = f"{location}\t{reason}".replace("\n", " ") + "\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, line.encode(errors="backslashreplace"))  # one write: lines of workers do not mix
            finally:
                os.close(descriptor)
        except OSError:
            pass

    def all(self) -> dict[str, str]:
        """Reasons by location, of all processes."""
        if self.path is None or not self.path.is_file():
            return {}
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return dict(reversed([line.partition("\t")[::2] for line in lines if line]))
