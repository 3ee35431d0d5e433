"""NYU Depth v2's labelled pictures, one MATLAB file of version 7.3 (HDF5) for all 1,449 of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from core.data.label_decoding import encode_png
from core.data.matlab import hdf5_array, is_hdf5, require, smallest_kind
from core.data.prepare.recipe import Job, Member
from core.errors import DataError

_LONGEST = 1 << 14  # of the sides, and the number of pictures


class _Arrays:
    """`images` [N, 3, W, H] and `labels` [N, W, H]: transposed, as MATLAB stores columns first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            if not is_hdf5(file.read(520)):
                raise DataError(f"{path}: no MATLAB file of version 7.3, as NYU Depth v2 is published in")
        h5py = require("h5py", path)
        try:
            file = h5py.File(path, "r")
        except OSError as error:
            raise DataError(f"{path}: not NYU Depth v2's file, or one that is damaged ({error})") from None
        self.images, self.labels = (hdf5_array(file, name, path) for name in ("images", "labels"))
        if (
            self.images.ndim != 4
            or self.images.shape[1] != 3
            or self.labels.shape != (len(self.images), *self.images.shape[2:])
            or max(self.labels.shape) > _LONGEST
        ):
            raise DataError(f"{path}: images {self.images.shape} and labels {self.labels.shape} do not fit together")
        self._lock = Lock()  # the HDF5 library is not made for threads

    def picture(self, index: int) -> bytes:
        image = self._read(self.images, index).transpose(2, 1, 0)  # [3, W, H] -> [H, W, 3]
        done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1], np.uint8))
        assert done
        return data.tobytes()

    def label(self, index: int) -> bytes:
        return encode_png(smallest_kind(self._read(self.labels, index).T, self.path))

    def _read(self, array: Any, index: int) -> np.ndarray:
        try:
            with self._lock:
                return np.asarray(array[index])
        except OSError as error:
            raise DataError(
                f"{self.path}: picture {index + 1} cannot be read ({error}); fetch the file again"
            ) from None


def labelled_pictures(test: Collection[int]) -> Callable[[Member], list[Job]]:
    """Pictures, labels and the lists of the splits; `test` are the places, from 0, of the pictures for testing."""

    def expand(member: Member) -> list[Job]:
        jobs = []
        arrays = _Arrays(member.on_disk())
        count = len(arrays.images)
        for split in ("train", "test"):
            names = [_name(i) for i in range(count) if (i in test) == (split == "test")]
            jobs.append(Job(f"{split}.txt", "".join(f"{name}\n" for name in names).encode, member.where))
        for i in range(count):
            where = f"{member.where}: picture {i + 1}"
            jobs.append(Job(f"images/{_name(i)}.png", partial(arrays.picture, i), where))
            jobs.append(Job(f"labels/{_name(i)}.png", partial(arrays.label, i), where))
        return jobs

    return expand


def _name(index: int) -> str:
    return f"{index + 1:04d}"
