"""The service's worker: a backend's networks in inference mode, asked through `core.process`."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from backends.jobs.door import load_backend
from backends.jobs.weights import load_for
from backends.serve.models import protocol_of
from backends.worker.serving import Answer, Arrays, Worker, operation, serve
from core.arch import Spec
from core.backend import Predictor
from core.config import Config, load_config
from core.errors import SegParityError
from core.evaluation.segmenting import label_map

OPEN = 4  # networks that are kept at a time


@dataclass(frozen=True)
class _Network:
    config: Config
    spec: Spec
    predictor: Predictor


class Segmenter(Worker):
    """Opens weights when they are first asked for, and segments batches."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.found = load_backend(backend)
        self.networks: OrderedDict[str, _Network] = OrderedDict()

    @operation
    def segment(self, request: dict[str, Any], arrays: Arrays) -> Answer:
        """Pictures `x` uint8 [N, H, W, 3] -> `labels` uint8 [N, H, W]; `refused` says why there are none."""
        try:
            network = self._network(request["model"])
        except SegParityError as error:  # it names files of this machine
            print(f"{request['model']['name']}: {error}", file=sys.stderr, flush=True)
            return {"refused": "these weights do not open in this framework; the server's log says why"}, {}
        try:
            start = time.perf_counter()
            labels = np.stack(list(_label_maps(network, arrays["x"], request["protocol"])))
        except SegParityError as error:
            return {"refused": str(error)}, {}
        return {"milliseconds": 1000 * (time.perf_counter() - start)}, {"labels": labels}

    def _network(self, order: dict[str, Any]) -> _Network:
        """The network of that name; the one used longest ago makes room."""
        network = self.networks.pop(order["name"], None)
        if network is None:
            config = load_config(None, text=order["config"], where=order["name"])
            spec = config.spec(config.label_space().num_classes).for_inference()
            config, state = load_for(config, spec, Path(order["weights"]), order["origin"])
            network = _Network(config, spec, self.found.predictor(spec, state, order.get("device", "auto")))
        self.networks[order["name"]] = network
        if len(self.networks) > OPEN:
            self.networks.popitem(last=False)
        return network


def _label_maps(network: _Network, pictures: np.ndarray, name: str) -> Iterator[np.ndarray]:
    """One after the other, or together where the protocol is a single run of the whole picture."""
    protocol = protocol_of(name, network.config)
    transform, spec = network.config.eval_transform(), network.spec
    images = [transform(picture)[0] for picture in pictures]
    height, width = images[0].shape[1:]
    protocol.check_size(height, width, spec)
    if protocol.is_plain and protocol.padded(height, width, spec) == (height, width):
        yield from network.predictor.labels(np.stack(images), (height, width))
        return
    for image, picture in zip(images, pictures):
        labels: np.ndarray = label_map(image, network.predictor, protocol, spec)
        if labels.shape != picture.shape[:2]:
            labels = cv2.resize(labels, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        yield labels


if __name__ == "__main__":
    sys.exit(serve(Segmenter, sys.argv[1]))
