"""`-` among the inputs or as the output of `predict`: standard input as a file, a video to standard output."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import ConfigError, DataError, OutputError
from core.files import naming

PIPE = Path("-")
# How files begin that are no videos; OpenCV tells videos by their content, so that any ending does for them.
PICTURES = {b"\x89PNG\r\n": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}


def check_pipes(inputs: Sequence[Path], out: Path) -> None:
    """Raises ConfigError for a `-` that cannot be meant."""
    if list(inputs).count(PIPE) > 1:
        raise ConfigError("INPUT -: standard input can be read once; give - once")
    if out == PIPE and len(inputs) != 1:
        raise ConfigError("--out -: standard output takes one overlay video; give one video, or - , as INPUT")


@contextlib.contextmanager
def from_pipe(inputs: Sequence[Path]) -> Iterator[list[Path]]:
    """The inputs, in place of `-` a file with what standard input held, while the block lasts.

    A container's index may stand at its end, so that a video is read whole before its first frame.
    """
    if PIPE not in inputs:
        yield list(inputs)
        return
    with tempfile.TemporaryDirectory(prefix="segparity-stdin-") as folder:
        raw = Path(folder) / "stdin"
        with naming(raw), raw.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        with raw.open("rb") as file:
            head = file.read(8)
        if not head:
            raise DataError("INPUT -: standard input is empty; pipe a picture or a video into the command")
        ending = next((ending for start, ending in PICTURES.items() if head.startswith(start)), ".mp4")
        yield [raw.rename(raw.with_suffix(ending)) if path == PIPE else path for path in inputs]


@contextlib.contextmanager
def to_pipe(out: Path) -> Iterator[Path]:
    """Where results go: for `-` a folder whose one video follows to standard output when the block has ended well.

    What the block prints goes to standard error then. Raises DataError where there is no video, OutputError where the
    reader has gone.
    """
    if out != PIPE:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="segparity-stdout-") as folder:
        with contextlib.redirect_stdout(sys.stderr):
            yield Path(folder)
        videos = list(Path(folder).glob("*_overlay.mp4"))
        if len(videos) != 1:
            raise DataError("--out -: standard output takes a video, and INPUT is none; give a folder as --out")
        try:
            with videos[0].open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise OutputError("--out -: who reads standard output has gone before the video was whole") from error
