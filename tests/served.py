"""A service without frameworks, on a port of its own: engines that are functions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed (extra serve): the service is not tested")
uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed (extra serve): the service is not tested")

from backends.serve.app import Limits, Service, build_app  # noqa: E402
from backends.serve.engine import Result  # noqa: E402
from backends.serve.models import Model  # noqa: E402
from core.config import load_config  # noqa: E402

Function = Callable[[np.ndarray], np.ndarray]


class FakeEngine:
    """A framework that is a function of the picture."""

    def __init__(self, title: str, function: Function) -> None:
        self.title, self._function, self._pool = title, function, ThreadPoolExecutor(1)
        self.problem = ""
        self.batches = self.starts = self.waiting = 0
        self.pictures = 0
        self.most = 0

    @property
    def state(self) -> str:
        return self.problem or "ready"

    def segment(self, picture: np.ndarray, model: dict[str, Any], protocol: str) -> Future[Result]:
        self.pictures += 1
        return self._pool.submit(lambda: Result(self._function(picture), 1.5, 1))

    def close(self) -> None:
        self._pool.shutdown(wait=False)


def bands(picture: np.ndarray) -> np.ndarray:
    """Classes by brightness: 0 to 3."""
    return (picture.mean(axis=2) // 64).astype(np.uint8)


def model(name: str = "drawn") -> Model:
    from pathlib import Path

    return Model(name, load_config(None, ["model.preset=fast_scnn_tiny"]), Path("/secret/place/weights.pth"))


@contextmanager
def running(engines: dict[str, Any], limits: Limits | None = None, models: list[Model] | None = None) -> Iterator[str]:
    """The service's address."""
    rng = np.random.default_rng(0)
    pictures = [(f"sample {i}", rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)) for i in range(2)]
    service = Service(models or [model()], engines, pictures, limits or Limits())
    server = uvicorn.Server(uvicorn.Config(build_app(service), "127.0.0.1", 0, log_level="error", server_header=False))
    socket = server.config.bind_socket()
    thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        socket.close()
