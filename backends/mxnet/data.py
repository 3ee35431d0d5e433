"""The native loader over the shared samples."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import parent_process

import cv2
import numpy as np
from mxnet.gluon.data import DataLoader, Dataset

from core.backend import Batch
from core.data.handover import Handover, received
from core.data.pipeline import TrainingSamples, from_loader


class MXNetSamples(Dataset):
    """TrainingSamples as a map-style Gluon data set."""

    def __init__(self, samples: TrainingSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if parent_process() is not None:
            cv2.setNumThreads(0)  # the workers are the parallelism; Gluon calls nothing when one starts
        return self.samples[index]


def load_batches(samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches in the order of `samples`, as numpy arrays, the same for any number of workers."""
    handover = Handover()
    loader = DataLoader(
        MXNetSamples(samples),
        batch_size=batch_size,
        shuffle=False,
        last_batch="keep",
        batchify_fn=handover,  # Gluon would send arrays through a pipe
        num_workers=workers,
        pin_memory=False,
    )
    try:
        yield from map(received, from_loader(loader))
    finally:
        handover.close()
