"""Makes a data set's layout from its archives, and looks whether the result is what was published.

Every file is written under another name and renamed when it is whole, so that what is there is whole: after a kill the
same command goes on with what is missing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event, Lock, Semaphore

from core.data.datasets.base import Dataset
from core.data.prepare.picture_size import refuse_huge
from core.data.prepare.recipe import Job, Step
from core.data.prepare.sources import ArchiveMember, members, weigh
from core.errors import CheckpointError, DataError, OutputError
from core.files import PARTIAL, naming
from core.lock import locked

LOCK = ".prepare.lock"
_SCRATCH = ".prepare.scratch."

Progress = Callable[[int, float], None]  # how many files are done, and the share of the archives that is read


@dataclass
class Made:
    """How many files were written, and how many were there already."""

    written: int = 0
    kept: int = 0


class Destination:
    """The folder that files are written below. Nothing leads out of it: no `..`, no link that was there before."""

    def __init__(self, root: Path) -> None:
        with naming(root):
            root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self._folders: set[Path] = set()

    def place(self, target: str, where: str) -> Path:
        """The path of a target. Raises DataError for one that leads out of the folder."""
        parts = PurePosixPath(target).parts
        if (
            not parts
            or target.startswith("/")
            or any(part in ("..", ".") or set(part) & set("\\:\0") for part in parts)
        ):
            raise DataError(f"{where}: would be written to {target!r}, which is no sensible name")
        return self.root.joinpath(*parts)

    def write(self, path: Path, data: bytes, where: str) -> None:
        """The file, whole or not at all. Raises OutputError for a full disk, a missing right and the like."""
        if path.parent not in self._folders:
            with naming(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.resolve().is_relative_to(self.root):
                raise DataError(f"{path.parent}: is a link out of {self.root}; {where} is not written through it")
            self._folders.add(path.parent)
        partial = path.with_name(f".{path.name}{PARTIAL}")
        with naming(path):
            try:
                partial.unlink(missing_ok=True)
                with open(partial, "xb") as file:
                    file.write(data)
                os.replace(partial, path)
            except OSError:
                partial.unlink(missing_ok=True)
                raise

    def clear(self) -> None:
        """Removes what a killed run left half-written."""
        for folder in self.root.glob(f"{_SCRATCH}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for path in self.root.rglob(f".*{PARTIAL}"):
            path.unlink(missing_ok=True)


def make(
    dataset: type[Dataset],
    sources: Sequence[Path],
    root: Path,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress = lambda done, share: None,
) -> Made:
    """Write the layout of `dataset` below `root`.

    Args:
        sources: archives, or folders that hold archives or unpacked files.
        workers: how many files are made at once.
        overwrite: write files anew that are there already.
        progress: told the number of files done and the share of the archives read, each time a file is done.

    Raises:
        DataError: an archive that is damaged, not trusted or not this data set's.
        OutputError: a file that cannot be written.
    """
    for source in sources:
        if not source.exists():
            raise DataError(f"{source}: there is no such file or folder (--from)")
    destination = Destination(root)
    try:
        with ExitStack() as stack:
            stack.enter_context(locked(destination.root / LOCK, f"{root}: another process prepares a data set there"))
            destination.clear()
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=destination.root)))
            made = _make_all(_jobs(dataset, sources, destination, scratch, overwrite), destination, workers, progress)
    except CheckpointError as error:
        raise OutputError(str(error)) from None
    (destination.root / LOCK).unlink(missing_ok=True)
    if made.written + made.kept == 0:
        archives = dataset.facts.archives if dataset.facts else ()
        raise DataError(
            f"{', '.join(map(str, sources))}: holds no file of data set {dataset.name!r}"
            + (f"; it is published as {', '.join(archives)}" if archives else "")
        )
    return made


@dataclass(frozen=True)
class _Planned:
    job: Job
    path: Path
    there: bool
    share: float  # of the sources' bytes, up to this file


def _jobs(
    dataset: type[Dataset], sources: Sequence[Path], destination: Destination, scratch: Path, overwrite: bool
) -> Iterator[_Planned]:
    """What is to be made, each target once: of several members for one target the first counts."""
    seen: set[str] = set()

    def step_of(member: ArchiveMember) -> tuple[Step, str] | None:
        for step in dataset.recipe:
            target = step.target_of(member)
            if target is not None:
                return step, target
        return None

    def wanted(member: ArchiveMember) -> bool:
        if member.file is not None and member.file.resolve().is_relative_to(destination.root):
            return False  # --to lies within --from
        return step_of(member) is not None

    total, passed = max(sum(map(weigh, sources)), 1), 0
    for source in sources:
        base = source if source.is_dir() else source.parent
        for member in members(source, base, scratch, wanted):
            found = step_of(member)
            assert found is not None
            jobs = found[0].jobs(member)
            for number, job in enumerate(jobs, 1):
                if job.target in seen:
                    continue
                seen.add(job.target)
                path = destination.place(job.target, job.where)
                there = not overwrite and path.is_file() and path.stat().st_size > 0
                yield _Planned(job, path, there, (passed + member.share * number / len(jobs)) / total)
            passed += member.share


def _make_all(planned: Iterator[_Planned], destination: Destination, workers: int, progress: Progress) -> Made:
    made = Made()
    failed = Event()
    places = Semaphore(4 * workers)  # so that no more than these wait with their bytes in memory
    counting = Lock()
    errors: list[BaseException] = []

    def count(item: _Planned) -> None:
        with counting:
            made.kept += item.there
            made.written += not item.there
            progress(made.written + made.kept, item.share)

    def run(item: _Planned) -> None:
        try:
            if not failed.is_set():
                data = item.job.make()
                refuse_huge(data, item.job.where)
                destination.write(item.path, data, item.job.where)
                count(item)
        except BaseException as error:
            errors.append(error)
            failed.set()
        finally:
            places.release()

    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in planned:
                if failed.is_set():
                    break
                if item.there:
                    count(item)
                    continue
                places.acquire()
                pool.submit(run, item)
        except BaseException:
            failed.set()
            raise
    if errors:
        raise errors[0]
    return made
