"""The native loader over the shared samples."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from multiprocessing import parent_process
from multiprocessing.pool import TERMINATE
from typing import Any

import cv2
import numpy as np
from mxnet.gluon.data import DataLoader, Dataset

from core.backend import Batch
from core.data.handover import Handover, received
from core.data.pipeline import TrainingSamples, from_loader
from core.signals import describe_end


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
    done = threading.Event()
    if workers:
        pool = loader._worker_pool
        threading.Thread(target=_watch, args=(pool, list(pool._pool), done), daemon=True).start()
    try:
        yield from map(received, from_loader(loader))
    finally:
        done.set()
        handover.close()


def _watch(pool: Any, workers: list[Any], done: threading.Event) -> None:
    """Ends the wait for a worker that died: the pool starts another, but what the dead one had taken never comes.

    Gluon would wait two minutes for it. The others go too: the dead one may hold the lock that all read their tasks by,
    for which the pool's own end would wait. No more are started: they would outlive the job, and whoever reads its
    output to the end would wait for them.
    """
    while not done.wait(0.5):
        dead = next((worker for worker in workers if worker.exitcode), None)
        if dead is not None:
            pool._terminate.cancel()
            pool._worker_handler._state = TERMINATE
            pool._change_notifier.put(None)
            pool._worker_handler.join()
            for worker in list(pool._pool):
                worker.kill()
            error = RuntimeError(f"a worker {describe_end(dead.exitcode)}")
            while not done.wait(0.1):
                for result in list(pool._cache.values()):
                    with contextlib.suppress(KeyError):
                        result._set(0, (False, error))
            return
