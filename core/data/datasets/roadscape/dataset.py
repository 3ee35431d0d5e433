"""Roadscape, the embedded data set: drawn street scenes with CamVid's eleven classes. Nothing is stored or downloaded.

A scene is a function of (seed, split, index) alone and can be drawn at any size. Streets, buildings, vehicles,
people, light and weather vary; bins, bonnets and the borders of near things belong to no class, as in photographs
labelled by hand.
"""

from pathlib import Path
from typing import Annotated

import numpy as np

from core.data.datasets.base import Dataset, Sample
from core.data.datasets.camvid import SPACE
from core.data.datasets.roadscape.drawing.compose import compose
from core.ranges import Range

_CACHE_LIMIT = 512 * 2**20  # bytes
_SPLIT_NUMBERS = {"train": 0, "val": 1, "test": 2}

Side = Annotated[int, Range(16)]
Count = Annotated[int, Range(1)]


class Roadscape(Dataset):
    """Drawn street scenes.

    Args:
        split: train, val or test.
        root: not used; there are no files.
        size: height and width of the pictures, at least 16 each.
        train, val, test: the number of scenes in each split.
        seed: another seed is another data set.
        cache: keep the scenes in memory once drawn, as long as the split takes no more than 512 MB.
    """

    name = "roadscape"
    space = SPACE
    splits = ("train", "val", "test")

    def __init__(
        self,
        split: str,
        root: str | Path | None = None,
        *,
        size: tuple[Side, Side] = (180, 240),
        train: Count = 256,
        val: Count = 32,
        test: Count = 32,
        seed: Annotated[int, Range(0)] = 0,
        cache: bool = True,
    ) -> None:
        super().__init__(split)
        self.size = (int(size[0]), int(size[1]))
        self.seed = seed
        self._length = {"train": train, "val": val, "test": test}[split]
        self._cache: dict[int, Sample] | None = None
        if cache and self._length * self.size[0] * self.size[1] * 4 <= _CACHE_LIMIT:
            self._cache = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        self._check_index(index)
        if self._cache is None:
            return self._draw(index)
        if index not in self._cache:
            self._cache[index] = self._draw(index)
        return self._cache[index]

    def _draw(self, index: int) -> Sample:
        seeds = np.random.SeedSequence((self.seed, _SPLIT_NUMBERS[self.split], index))
        scene = compose(np.random.Generator(np.random.PCG64(seeds)))
        image, label = scene.draw(*self.size)
        image.setflags(write=False)  # the arrays may be handed out again
        label.setflags(write=False)
        return Sample(image, label, self.name_of(index))

    def __getstate__(self) -> dict[str, object]:
        """Without the drawn scenes: a worker draws its own."""
        return {**self.__dict__, "_cache": None if self._cache is None else {}}

    def name_of(self, index: int) -> str:
        return f"{self.split}_{index:05d}"
