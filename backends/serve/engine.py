"""One framework of the service: a queue, batches, and a worker process that is started anew when it dies."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from core.description import descriptions
from core.process import BackendFailed, BackendMissing, BackendProcess

RETRY = 2.0  # seconds before a worker that died is started again


class Unavailable(Exception):
    """A framework that cannot answer now; the sentence is for the client."""


class Unsuitable(Exception):
    """A picture or weights that this network cannot take; the sentence is for the client."""


@dataclass(frozen=True)
class Result:
    """A label map uint8 [H, W], the milliseconds of its batch and how many pictures were in it."""

    labels: np.ndarray
    milliseconds: float
    batch: int


@dataclass(frozen=True)
class Order:
    """A picture uint8 [H, W, 3] to be segmented."""

    picture: np.ndarray
    model: dict[str, Any]
    protocol: str
    answer: Future[Result] = field(default_factory=Future)

    @property
    def kind(self) -> tuple[str, str, tuple[int, ...]]:
        """Orders of one kind can go together."""
        return self.model["name"], self.protocol, self.picture.shape


class SegmenterProcess(BackendProcess):
    serves: ClassVar = "backends.serve.worker"

    def kill(self) -> None:
        """Ends the worker at once: what waits for it gets BackendFailed."""
        if self._process is not None:
            self._process.kill()


class Engine:
    """Orders in, results out, on a thread of its own. `timeout`: seconds for a batch before the worker is ended."""

    def __init__(self, backend: str, timeout: float, batch: int, batch_pixels: int) -> None:
        self.backend, self.title = backend, descriptions()[backend].title
        self._timeout, self._batch, self._batch_pixels = timeout, batch, batch_pixels
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._held: list[Order] = []  # taken from the queue, of another kind than the batch
        self._process: SegmenterProcess | None = None
        self._died = 0.0
        self.framework = ""
        self.problem = "" if descriptions()[backend].installed else "is not installed"
        self.batches = self.pictures = self.starts = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"engine-{backend}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """ready, starting, or what is wrong."""
        if self.problem:
            return self.problem
        return "ready" if self._process is not None and self._process.alive else "starting"

    @property
    def waiting(self) -> int:
        return self._orders.qsize() + len(self._held)

    def segment(self, picture: np.ndarray, model: dict[str, Any], protocol: str) -> Future[Result]:
        """The answer's future raises Unavailable or Unsuitable."""
        order = Order(picture, model, protocol)
        if self._closed.is_set() or self.problem == "is not installed":
            order.answer.set_exception(Unavailable(f"{self.title} is not installed"))
        else:
            self._orders.put(order)
        return order.answer

    def close(self) -> None:
        self._closed.set()
        self._orders.put(None)
        if self._process is not None:
            self._process.kill()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        if not self.problem:
            try:
                self._started()  # at once: a framework takes seconds to import
            except Exception as error:
                self._report(error)
        while not self._closed.is_set():
            orders = self._collect()
            if not orders:
                continue
            try:
                self._answer(orders)
            except Exception as error:  # the thread must live: whatever happens, every order gets an answer
                self._report(error)
                _fail(orders, Unavailable(f"{self.title} failed; the server's log says more"))
        if self._process is not None:
            self._process.close()

    def _report(self, error: Exception) -> None:
        print(f"{self.backend}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if isinstance(error, BackendMissing):
            self.problem = "is not installed"

    def _collect(self) -> list[Order]:
        """The next order, with those of its kind that wait already."""
        if not self._held:
            order = self._orders.get()
            if order is None:
                return []
            self._held.append(order)
        while len(self._held) < 4 * self._batch:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
            if order is None:
                break
            self._held.append(order)
        self._held = [order for order in self._held if not order.answer.cancelled()]
        if not self._held:
            return []
        first = self._held[0]
        most = max(1, min(self._batch, self._batch_pixels // (first.picture.shape[0] * first.picture.shape[1])))
        chosen = [order for order in self._held if order.kind == first.kind][:most]
        taken = {id(order) for order in chosen}
        self._held = [order for order in self._held if id(order) not in taken]
        return [order for order in chosen if order.answer.set_running_or_notify_cancel()]

    def _answer(self, orders: Sequence[Order]) -> None:
        if not orders:
            return
        try:
            process = self._started()
            pictures = np.stack([order.picture for order in orders])
            watch = threading.Timer(self._timeout, process.kill)
            watch.start()
            try:
                fields, arrays = process.request(
                    "segment", {"x": pictures}, model=orders[0].model, protocol=orders[0].protocol
                )
            finally:
                watch.cancel()
        except BackendMissing as error:
            self._report(error)
            _fail(orders, Unavailable(f"{self.title} is not installed"))
            return
        except BackendFailed as error:
            self._report(error)
            if self._process is not None and not self._process.alive:
                self._end()
            _fail(orders, Unavailable(f"{self.title} failed or took more than {self._timeout:g} s; try again"))
            return
        self.batches, self.pictures = self.batches + 1, self.pictures + len(orders)
        if "refused" in fields:
            _fail(orders, Unsuitable(str(fields["refused"])))
            return
        for order, labels in zip(orders, arrays["labels"]):
            order.answer.set_result(Result(np.array(labels), fields["milliseconds"], len(orders)))

    def _started(self) -> SegmenterProcess:
        if self._process is not None and not self._process.alive:
            self._end()
        if self._process is None:
            if (left := self._died + RETRY - time.monotonic()) > 0 and self.starts:
                self._closed.wait(left)
            process = SegmenterProcess(self.backend)
            self.starts += 1
            process.__enter__()
            self._process, self.framework = process, process.framework
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        self._died = time.monotonic()
        if process is not None:
            process.close()


def _fail(orders: Sequence[Order], error: Exception) -> None:
    for order in orders:
        if not order.answer.done():
            order.answer.set_exception(error)
