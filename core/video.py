"""Videos in and out, through OpenCV, which says nothing of a full disk and dies of names that are not UTF-8."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from core.errors import DataError, OutputError
from core.files import PARTIAL, naming


class VideoReader:
    """The frames of a video, uint8 [H, W, 3] RGB; its `rate` (frames per second) and how many frames it `announced`.

    Raises DataError if the file is no video that can be opened.
    """

    def __init__(self, path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / f"video{path.suffix}"  # a plain name: `%` asks OpenCV for a series of pictures
            link.symlink_to(path.absolute())
            self._capture = cv2.VideoCapture(str(link))
        if not self._capture.isOpened():
            raise DataError(f"{path}: the video cannot be opened")
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        self.announced = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        read, frame = self._capture.read()
        if not read:
            raise StopIteration
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


class VideoWriter:
    """An MP4 file that stands at `path` once the block has ended well and all its `frames` can be read from it.

    Raises OutputError where that fails; nothing is left then, and what stood at `path` still does.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self.path, self.frames = path, 0
        self._partial = path.with_name(f".{secrets.token_hex(4)}{PARTIAL}.mp4")
        self._folder = tempfile.TemporaryDirectory()
        link = Path(self._folder.name) / "out"
        link.symlink_to(path.parent.absolute())
        self._file = str(link / self._partial.name)
        self._writer = cv2.VideoWriter(self._file, cv2.VideoWriter.fourcc(*"mp4v"), rate, (size[1], size[0]))

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, picture: np.ndarray) -> None:
        """One frame, uint8 [H, W, 3] RGB, of the size given."""
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        opened = self._writer.isOpened()
        self._writer.release()
        try:
            if kind is not None:
                return
            if not opened or self._readable() != self.frames:
                raise OutputError(f"{self.path}: the video could not be written whole; is the disk full?")
            with naming(self.path):
                os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)
            self._folder.cleanup()

    def _readable(self) -> int:
        """How many frames the written file announces; the encoder writes that last."""
        capture = cv2.VideoCapture(self._file)
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        return count
