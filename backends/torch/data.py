"""The native loader over the shared samples."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from core.backend import Batch
from core.data.pipeline import TrainingSamples, collate


class TorchSamples(Dataset):
    """TrainingSamples as a map-style torch data set."""

    def __init__(self, samples: TrainingSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.samples[index]


def _collate(items: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = collate(items)
    return torch.from_numpy(images), torch.from_numpy(labels)


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # the workers are the parallelism


def load_batches(samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches in the order of `samples`, as numpy arrays, the same for any number of workers."""
    loader = DataLoader(
        TorchSamples(samples),
        batch_size=batch_size,
        shuffle=False,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        pin_memory=False,
        drop_last=False,
    )
    for images, labels in loader:
        yield images.numpy(), labels.numpy()
