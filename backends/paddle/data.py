"""The native loader over the shared samples."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from paddle.io import DataLoader, Dataset

from core.backend import Batch
from core.data.handover import Handed, Handover, received
from core.data.pipeline import Item, TrainingSamples, collate_or_error, from_loader, sample_or_error

GRACE = 15.0  # seconds in which Paddle's own look (every five) should have found a dead worker


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


class _Collate:
    """Puts samples together; what is wrong with one, and a batch that waits in shared memory, go in a label's place."""

    def __init__(self, handover: Handover) -> None:
        self.handover = handover

    def __call__(self, items: list[Item | Exception]) -> tuple[np.ndarray, np.ndarray | Handed | Exception]:
        batch = collate_or_error(items, self.handover)
        # The loader takes a batch without any array for the end of the data.
        return batch if isinstance(batch, tuple) else (np.zeros(1), batch)


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # the workers are the parallelism
    gc.freeze()  # a loader abandoned before the fork, collected here, would wait for threads this process lacks


def load_batches(samples: TrainingSamples, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches in the order of `samples`, as numpy arrays, the same for any number of workers."""
    handover = Handover()  # Paddle's own shared memory would be copied out of once more
    loader = DataLoader(
        PaddleSamples(samples),
        batch_size=batch_size,
        shuffle=False,
        drop_last=False,
        num_workers=workers,
        collate_fn=_Collate(handover),
        worker_init_fn=_start_worker,
        use_shared_memory=False,
        return_list=True,
    )
    handler = signal.getsignal(signal.SIGCHLD)
    batches = iter(loader)
    if workers and threading.current_thread() is threading.main_thread():
        # With the handler that the loader sets, a worker's death is an exception wherever the program happens to be, in
        # the middle of a checkpoint too; without it the loader notices by itself where a batch is asked for.
        signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
    done = threading.Event()
    if workers:
        threading.Thread(target=_watch, args=(batches, done), daemon=True).start()
    try:
        for images, labels in from_loader(batches):
            if isinstance(labels, Exception):
                raise labels
            yield received(labels) if isinstance(labels, Handed) else (images.numpy(), labels.numpy())
    finally:
        done.set()
        handover.close()


def _watch(batches: Any, done: threading.Event) -> None:
    """Ends the wait for a worker that was killed while it wrote a batch.

    Paddle looks for dead workers when nothing has arrived for a while; of half a batch it waits for the rest for ever.
    """
    while not done.wait(1.0):
        if any(worker.exitcode for worker in batches._workers):
            if not done.wait(GRACE):
                batches._exit_thread_unexpectedly()  # the batch that is asked for is an error then
            return
