"""What the backends' loaders read: map-style sequences that give the same arrays to every framework.

A backend wraps these in its framework's own loader, in order and without shuffling: the order is decided here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from core.data.datasets.base import Dataset
from core.data.mixing import cut_and_mix, paste_classes
from core.data.sampler import Sampling, Visit, epoch_visits, partner_generator, sample_generator
from core.data.skipping import Skipped
from core.data.transforms import EvalTransform, TrainTransform
from core.errors import DataError, SegParityError, TrainingError
from core.shard import SINGLE, Shard

Item = tuple[np.ndarray, np.ndarray]  # image float32 [3, H, W], label int64 [H, W]; or batches of them
T = TypeVar("T")
B = TypeVar("B")
EACH = Sampling()
SKIPS = 100  # unreadable samples in a row, after which something else is wrong


class TrainingSamples(Sequence[tuple[np.ndarray, np.ndarray]]):
    """The samples of a whole training run, one after the other, as a sequence.

    Item i is sample `start_iteration * batch_size + i` of the run. Every epoch visits each sample once, in an order
    of its own; a batch may span two epochs. The transform's randomness depends on (seed, epoch, sample) alone, so the
    items from an iteration on are the same whether the run was interrupted or not. Items are (image float32 [3, H,
    W], label int64 [H, W]).

    Args:
        dataset: must have labels.
        transform: turns one sample into arrays of one size.
        seed: the run's seed, not negative.
        batch_size: samples per iteration, over all devices and accumulation steps.
        iterations: the last iteration of the run (exclusive).
        start_iteration: the first iteration to give, for resuming.
        shard, parts: of each of the `parts` of every batch, this process's share alone.
        skipped: where samples are noted that cannot be read, and that the next one of the data set then stands for;
            None: such a sample is an error.
        sampling, counts: which samples an epoch shows, and what `count_pixels` gives where that depends on classes.
    """

    def __init__(
        self,
        dataset: Dataset,
        transform: TrainTransform,
        seed: int,
        batch_size: int,
        iterations: int,
        start_iteration: int = 0,
        shard: Shard = SINGLE,
        parts: int = 1,
        sampling: Sampling = EACH,
        counts: np.ndarray | None = None,
        skipped: Skipped | None = None,
    ) -> None:
        if batch_size < 1 or not 0 <= start_iteration <= iterations or seed < 0:
            raise DataError(
                f"batch size {batch_size} must be at least 1, seed {seed} not negative, and the first iteration "
                f"{start_iteration} between 0 and {iterations}"
            )
        self.dataset = dataset
        self.transform = transform
        self.seed = seed
        self.batch_size = batch_size
        self.iterations = iterations
        self.start_iteration = start_iteration
        self.part_size = batch_size // parts
        self.share = shard.share(self.part_size)
        self.sampling = sampling
        self.counts = counts
        self.skipped = skipped
        self._order: tuple[int, list[Visit]] | None = None  # the epoch last asked for and its samples

    def __len__(self) -> int:
        return (self.iterations - self.start_iteration) * (self.batch_size // self.part_size) * len(self.share)

    def __getitem__(self, item: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        part, place = divmod(item, len(self.share))
        position = self.start_iteration * self.batch_size + part * self.part_size + self.share[place]
        visit = self.visit(position)
        sample = self._readable(visit.index, visit)
        for number, (probability, mix) in enumerate(
            ((self.transform.cutmix, cut_and_mix), (self.transform.copy_paste, paste_classes))
        ):
            rng = partner_generator(self.seed, visit, number)
            u = rng.random(2)
            if u[0] < probability:
                mix(sample, self._readable(int(u[1] * len(self.dataset)), visit, rng), rng)
        return sample

    def _readable(self, first: int, visit: Visit, rng: np.random.Generator | None = None) -> Item:
        """Sample `first`; where it cannot be read and may be skipped, the first one after it that can.

        Which that is, and its randomness (`rng`, or the visit's own), depend on the data set and the visit alone.
        """
        size = len(self.dataset)
        for further in range(min(size, SKIPS)):
            index = (first + further) % size
            if rng is None or further:
                drawn = sample_generator(self.seed, visit.epoch, index, visit.repeat)
            else:
                drawn = rng
            try:
                return self._sample(index, drawn, visit.focus if rng is None and further == 0 else None)
            except DataError as error:
                if self.skipped is None:
                    raise
                self.skipped.note(self.dataset.location(index), str(error))
                last = error
        raise DataError(f"{min(size, SKIPS)} pictures in a row cannot be read, the last: {last}") from last

    def _sample(self, index: int, rng: np.random.Generator, focus: int | None) -> Item:
        picture, label = self.dataset.open_sample(index)
        if label is None:
            raise DataError(f"{self.dataset.location(index)}: has no label to train on")
        try:
            return self.transform(picture, label, rng, focus=focus)
        except Exception as error:
            said, location = str(error), self.dataset.location(index)
            raise DataError(said if location in said else f"{location}: {said}") from error

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_order": None}

    def locate(self, position: int) -> tuple[int, int]:
        """The epoch and the index in the data set of the run's sample number `position`, counted from iteration 0."""
        visit = self.visit(position)
        return visit.epoch, visit.index

    def visit(self, position: int) -> Visit:
        """The run's sample number `position`, counted from iteration 0."""
        epoch, place = divmod(position, len(self.dataset))
        if self._order is None or self._order[0] != epoch:
            visits = epoch_visits(len(self.dataset), self.seed, epoch, self.sampling, self.counts)
            self._order = (epoch, visits)
        return self._order[1][place]

    def batch_names(self, iteration: int) -> list[str]:
        """Where the samples of an iteration come from (files, or names), to name a batch in an error."""
        first = iteration * self.batch_size
        return [self.dataset.location(self.locate(first + i)[1]) for i in range(self.batch_size)]


def readable_label(dataset: Dataset, index: int, skips: bool) -> np.ndarray | None:
    """A sample's label map; with `skips`, None for one that cannot be read."""
    try:
        return dataset.label_of(index)
    except DataError:
        if not skips:
            raise
        return None


def count_pixels(dataset: Dataset, indices: Sequence[int], skips: bool = False) -> np.ndarray:
    """int64 [N, C]: how many pixels of each class the label maps of these samples have."""

    def count(index: int) -> np.ndarray:
        label = readable_label(dataset, index, skips)
        found = np.zeros(256, np.int64) if label is None else np.bincount(label.ravel(), minlength=256)
        return found[: dataset.num_classes]

    with ThreadPoolExecutor() as readers:
        return np.stack([np.zeros(dataset.num_classes, np.int64), *readers.map(count, indices)])[1:]


class EvaluationSamples(Sequence[tuple[np.ndarray, np.ndarray]]):
    """Every sample of a split once, in order: (image float32 [3, H, W], label int64 [h, w]); sizes may differ."""

    def __init__(self, dataset: Dataset, transform: EvalTransform) -> None:
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        sample = self.dataset[index]
        if sample.label is None:
            raise DataError(f"{self.dataset.location(index)}: has no label to evaluate against")
        try:
            image, label = self.transform(sample.image, sample.label)
        except Exception as error:
            raise DataError(f"{self.dataset.location(index)}: {error}") from error
        assert label is not None
        return image, label


def collate(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Stack samples of one size: images float32 [N, 3, H, W], labels int64 [N, H, W].

    Raises:
        DataError: the samples differ in size.
    """
    for kind, arrays in (("images", [s[0] for s in samples]), ("labels", [s[1] for s in samples])):
        shapes = {array.shape for array in arrays}
        if len(shapes) != 1:
            raise DataError(
                f"the {kind} of a batch must have one size, these have {sorted(shapes)}: "
                f"set a crop or a resize, or take batches of 1"
            )
    return np.stack([image for image, _ in samples]), np.stack([label for _, label in samples])


def sample_or_error(samples: TrainingSamples, index: int) -> Item | Exception:
    """A sample, or what is wrong with it, for loaders that lose or bury what their workers raise."""
    try:
        return samples[index]
    except Exception as error:
        return error


def collate_or_error(items: Sequence[Item | Exception], together: Callable[[Sequence[Item]], B]) -> B | Exception:
    """A batch, or the first error among its samples or in putting them `together`."""
    good: list[Item] = []
    for item in items:
        if isinstance(item, Exception):
            return item
        good.append(item)
    try:
        return together(good)
    except DataError as error:
        return error


def from_loader(batches: Iterable[T]) -> Iterator[T]:
    """What a framework's loader gives. Raises TrainingError where the loader itself fails: a worker that died, say."""
    source = iter(batches)
    while True:
        try:
            batch = next(source)
        except StopIteration:
            return
        except (SegParityError, KeyboardInterrupt):
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise TrainingError(
                f"the data loader failed: {reason} (a worker that was killed, for want of memory perhaps, looks like "
                "this; data.workers=0 reads without workers)"
            ) from error
        yield batch
