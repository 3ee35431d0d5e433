"""The native loader over the shared samples."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from core.backend import Batch
from core.data.handover import say_slower
from core.data.pipeline import Item, TrainingSamples, collate, collate_or_error, from_loader, sample_or_error


class TorchSamples(Dataset):
    """TrainingSamples as a map-style torch data set.

    What is wrong with a sample is handed on in its place, not raised: the loader would put a worker's traceback before
    the sentence that names the file.
    """

    def __init__(self, samples: TrainingSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item | Exception:
        return sample_or_error(self.samples, index)


def _collate(items: list[Item | Exception]) -> tuple[torch.Tensor, torch.Tensor] | Item | Exception:
    """A batch, which a worker hands over in shared memory; as arrays, which go through a pipe, where that is full."""
    batch = collate_or_error(items, collate)
    if isinstance(batch, Exception):
        return batch
    images, labels = torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
    if get_worker_info() is not None:
        try:  # where the loader would do it by itself, a full /dev/shm is a traceback, and the program waits for ever
            images.share_memory_()
            labels.share_memory_()
        except RuntimeError as error:
            say_slower(str(error).splitlines()[0])
            return batch
    return images, labels


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
        pin_memory=torch.cuda.is_initialized(),  # a GPU in use copies from it while the processor goes on
        drop_last=False,
    )
    handler = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    if workers and threading.current_thread() is threading.main_thread():
        # With the handler that the loader has just set, a worker's death is an exception wherever the program happens
        # to be; without it the loader notices by itself, within five seconds, where a batch is asked for.
        signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
    for batch in from_loader(batches):
        if isinstance(batch, Exception):
            raise batch
        yield np.asarray(batch[0]), np.asarray(batch[1])
