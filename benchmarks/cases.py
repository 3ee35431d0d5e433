"""What is measured: the jobs, and for each network the backends and the public peers that have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.description import backend_names

REFERENCE = backend_names()[0]  # the candidate that all ratios across frameworks are relative to
NUM_CLASSES = 19
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, AUXILIARY_WEIGHT = 1e-4, 0.9, 5e-4, 0.4  # of the peers' training steps


@dataclass(frozen=True)
class Case:
    """One job on one network. `rounds`: how often each candidate has its turn. `note` stands under the table."""

    name: str
    network: str
    title: str
    mode: str  # "train" or "infer"
    batch: int
    size: tuple[int, int]
    rounds: int
    note: str = ""

    @property
    def shape(self) -> str:
        return f"{self.batch}x3x{self.size[0]}x{self.size[1]}"


@dataclass(frozen=True)
class Candidate:
    """A backend with a preset, or a peer: `module` builds it, in a process of its own.

    build: for a backend the preset; for a peer the key of the module's BUILDERS. peer: the candidate of the same
    framework that the second ratio is relative to. differences: from the first backends' network, for the reader.
    environment: what differs from the other candidates' environment variables.
    """

    name: str
    framework: str
    module: str
    build: str
    peer: str
    differences: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


BATCH_NOTE = (
    "Batch 2, not 1: the pyramid's 1x1 bin would give batch norm a single value per channel, which SegParity and "
    "PyTorch refuse."
)

CEIL_NOTE = (
    "pspnet_resnet50_gald pools its stem in ceil mode: its maps are 33x33, those of all peers (and of PaddleSeg's "
    "network in our backend) 32x32, which is 6 % less work."
)

CASES = (
    Case("pspnet_train", "pspnet", "PSPNet-ResNet-50, training", "train", 2, (256, 256), rounds=4, note=CEIL_NOTE),
    Case("pspnet_infer", "pspnet", "PSPNet-ResNet-50, inference", "infer", 2, (256, 256), rounds=5, note=CEIL_NOTE),
    Case("fast_scnn_train", "fast_scnn", "Fast-SCNN, training", "train", 2, (512, 1024), rounds=5, note=BATCH_NOTE),
    Case("fast_scnn_infer", "fast_scnn", "Fast-SCNN, inference", "infer", 1, (512, 1024), rounds=5),
)

# PaddlePaddle's bundled MKL takes its slowest path on processors that are not Intel's; the Paddle backend switches
# that off, and so must a fair comparison of the code.
FAST_MKL = {"MKL_DEBUG_CPU_TYPE": "5"}
PLAIN = "its own environment: old code path of the bundled MKL"


def _backends(preset: str, peers: Mapping[str, str]) -> list[Candidate]:
    return [Candidate(name, name, f"backends.{name}", preset, peers.get(name, "")) for name in backend_names()]


def _peer(name: str, framework: str, build: str, peer: str, differences: str, **environment: str) -> Candidate:
    return Candidate(name, framework, f"benchmarks.peers_{framework}", build, peer, differences, environment)


PEERS = {"torch": "pytorchcv", "paddle": "paddleseg", "mxnet": "gluoncv"}
_PADDLESEG_PSPNET = (
    "average-pooled shortcuts (ResNet50_vd), pyramid with biases, main head 1024 (not 512) wide, auxiliary head 256; "
    "1.4 times the multiply-adds in inference"
)
_PADDLESEG_FAST = "biases before the norms, no activation inside separable convolutions, 3x3 after the pyramid"

CANDIDATES: dict[str, tuple[Candidate, ...]] = {
    "pspnet": (
        *_backends("pspnet_resnet50_gald", PEERS),
        Candidate(
            "paddle as paddleseg",
            "paddle",
            "backends.paddle",
            "pspnet_resnet50_vd_paddleseg",
            "paddleseg",
            f"PaddleSeg's network in our backend: {_PADDLESEG_PSPNET}",
        ),
        _peer("pytorchcv", "torch", "pytorchcv_pspnet", "pytorchcv", "pspnet_resnetd50b; auxiliary head 256 wide"),
        _peer(
            "smp",
            "torch",
            "smp_pspnet",
            "pytorchcv",
            "a lighter network, 0.6 of the multiply-adds: 7x7 stem, 1x1 (not 3x3) convolution after the pyramid, "
            "3x3 classifier, no auxiliary head; made output stride 8 with encoder.make_dilated",
        ),
        _peer("paddleseg", "paddle", "paddleseg_pspnet", "paddleseg", _PADDLESEG_PSPNET, **FAST_MKL),
        _peer("paddleseg, plain", "paddle", "paddleseg_pspnet", "paddleseg", f"the same; {PLAIN}"),
        _peer("gluoncv", "mxnet", "gluoncv_pspnet", "gluoncv", "PSPNet on resnet50_v1s; auxiliary head 256 wide"),
    ),
    "fast_scnn": (
        *_backends("fast_scnn", PEERS),
        Candidate(
            "paddle as paddleseg",
            "paddle",
            "backends.paddle",
            "fast_scnn_paddleseg",
            "paddleseg",
            f"PaddleSeg's network in our backend, with its auxiliary head in training: {_PADDLESEG_FAST}",
        ),
        _peer("pytorchcv", "torch", "pytorchcv_fast_scnn", "pytorchcv", "fastscnn_cityscapes(aux=False)"),
        _peer(
            "paddleseg",
            "paddle",
            "paddleseg_fast_scnn",
            "paddleseg",
            f"{_PADDLESEG_FAST}; auxiliary head in training",
            **FAST_MKL,
        ),
        _peer("paddleseg, plain", "paddle", "paddleseg_fast_scnn", "paddleseg", f"the same; {PLAIN}"),
        _peer("gluoncv", "mxnet", "gluoncv_fast_scnn", "gluoncv", "get_fastscnn(aux=False)"),
    ),
}


def find_case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def find_candidate(network: str, name: str) -> Candidate:
    return next(candidate for candidate in CANDIDATES[network] if candidate.name == name)


def thread_environment(threads: int | None = None) -> dict[str, str]:
    """The same number of threads for everybody, in every variable the frameworks' libraries read."""
    count = str(threads or len(os.sched_getaffinity(0)))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, count)
