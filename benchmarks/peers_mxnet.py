"""Networks of GluonCV."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import numpy as np

if "bool" not in vars(np):
    np.bool = np.bool_  # type: ignore[attr-defined]  # MXNet 1.9 was written for numpy < 1.24

import mxnet as mx
from mxnet import autograd, gluon

from benchmarks.cases import AUXILIARY_WEIGHT, LEARNING_RATE, MOMENTUM, NUM_CLASSES, WEIGHT_DECAY

PACKAGES = {"gluoncv": "gluoncv"}
Size = tuple[int, int]


def import_package(build: str) -> None:
    """Imports GluonCV, with a stand-in for its check of versions, which refuses to load beside PyTorch 2."""

    def refuse(*versions: str) -> None:
        raise ImportError("GluonCV's PyTorch part is not used")

    check = types.ModuleType("gluoncv.check")
    check._deprecate_python2 = lambda: None  # type: ignore[attr-defined]
    check._require_mxnet_version = lambda *versions: None  # type: ignore[attr-defined]
    check._require_pytorch_version = refuse  # type: ignore[attr-defined]
    sys.modules["gluoncv.check"] = check
    import gluoncv.model_zoo  # noqa: F401


def gluoncv_pspnet(size: Size, train: bool) -> gluon.HybridBlock:
    from gluoncv.model_zoo.pspnet import PSPNet

    height, width = size
    if height != width:
        raise ValueError("GluonCV's PSPNet resizes its pyramid to a square")
    return PSPNet(NUM_CLASSES, "resnet50", aux=train, pretrained_base=False, crop_size=height)


def gluoncv_fast_scnn(size: Size, train: bool) -> gluon.HybridBlock:
    from gluoncv.model_zoo.fastscnn import FastSCNN

    return FastSCNN(NUM_CLASSES, aux=False, height=size[0], width=size[1])


BUILDERS: dict[str, Callable[[Size, bool], gluon.HybridBlock]] = {
    "gluoncv_pspnet": gluoncv_pspnet,
    "gluoncv_fast_scnn": gluoncv_fast_scnn,
}


def build_step(build: str, mode: str, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], None], int]:
    """One iteration with results on the host, and the number of learnable scalars. Images [N, 3, H, W]."""
    model = BUILDERS[build]((images.shape[2], images.shape[3]), mode == "train")
    model.initialize(mx.init.MSRAPrelu(), force_reinit=True)
    model.hybridize(static_alloc=True)
    learnable = [p for p in model.collect_params().values() if p.grad_req != "null"]
    model(mx.nd.array(images))  # completes the shapes that are deferred
    parameters = sum(int(np.prod(p.shape)) for p in learnable)
    if mode == "infer":

        def infer() -> None:
            model(mx.nd.array(images))[0].argmax(axis=1).astype("uint8").asnumpy()

        return infer, parameters
    options = {"learning_rate": LEARNING_RATE, "momentum": MOMENTUM, "wd": WEIGHT_DECAY}
    trainer = gluon.Trainer(model.collect_params(), "sgd", options)
    criterion = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    criterion.hybridize(static_alloc=True)

    def train() -> None:
        x, y = mx.nd.array(images), mx.nd.array(labels)
        with autograd.record():
            main, *auxiliary = model(x)
            loss = criterion(main, y)
            for logits in auxiliary:
                loss = loss + AUXILIARY_WEIGHT * criterion(logits, y)
        loss.backward()
        trainer.step(len(images))
        loss.mean().asscalar()
        mx.nd.waitall()  # the backward pass and the update are queued

    return train, parameters
