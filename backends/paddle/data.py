"""The native loader over the shared samples."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import cv2
import numpy as np
from paddle.io import DataLoader, Dataset

from core.backend import Batch
from core.data.pipeline import Item, TrainingSamples, collate_or_error, from_loader, sample_or_error


class PaddleSamples(Dataset):
    """TrainingSamples as a map-style Paddle data set.

    What is wrong with a sample is handed on in its place, not raised: Paddle's loader reads in a thread of its own, and
    an exception in it leaves the program waiting for ever (without workers) or becomes a SystemError without the cause.
    """

    def __init__(self, samples: TrainingSamples) -> None:
        super().__init__()
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item | Exception:
        return sample_or_error(self.samples, index)


def _collate(items: list[Item | Exception]) -> tuple[np.ndarray, np.ndarray | Exception]:
    batch = collate_or_error(items)
    # The loader takes a batch without any array for the end of the data.
    return (np.zeros(1), batch) if isinstance(batch, Exception) else batch


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # the workers are the parallelism
    gc.freeze()  # a loader abandoned before the fork, collected here, would wait for threads this process lacks


def load_batches(samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches in the order of `samples`, as numpy arrays, the same for any number of workers."""
    loader = DataLoader(
        PaddleSamples(samples),
        batch_size=batch_size,
        shuffle=False,
        drop_last=False,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        use_shared_memory=False,
        return_list=True,
    )
    for images, labels in from_loader(loader):
        if isinstance(labels, Exception):
            raise labels
        yield images.numpy(), labels.numpy()
