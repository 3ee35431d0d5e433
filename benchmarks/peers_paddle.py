"""Networks of PaddleSeg."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from benchmarks.cases import AUXILIARY_WEIGHT, LEARNING_RATE, MOMENTUM, NUM_CLASSES, WEIGHT_DECAY

PACKAGES = {"paddleseg": "paddleseg"}
Size = tuple[int, int]


def import_package(build: str) -> None:
    """Imports PaddleSeg, with stand-ins for what only its training and evaluation scripts use."""
    sklearn, metrics, visualdl = (types.ModuleType(name) for name in ("sklearn", "sklearn.metrics", "visualdl"))
    sklearn.metrics = metrics  # type: ignore[attr-defined]
    visualdl.LogWriter = None  # type: ignore[attr-defined]
    sys.modules.update({"sklearn": sklearn, "sklearn.metrics": metrics, "visualdl": visualdl})
    import paddleseg.models  # noqa: F401


def paddleseg_pspnet(train: bool) -> nn.Layer:
    from paddleseg.models import PSPNet, ResNet50_vd

    return PSPNet(NUM_CLASSES, ResNet50_vd(output_stride=8), enable_auxiliary_loss=train)


def paddleseg_fast_scnn(train: bool) -> nn.Layer:
    from paddleseg.models import FastSCNN

    return FastSCNN(NUM_CLASSES, enable_auxiliary_loss=train)


BUILDERS: dict[str, Callable[[bool], nn.Layer]] = {
    "paddleseg_pspnet": paddleseg_pspnet,
    "paddleseg_fast_scnn": paddleseg_fast_scnn,
}


def build_step(build: str, mode: str, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], None], int]:
    """One iteration with results on the host, and the number of learnable scalars. Images [N, 3, H, W]."""
    model = BUILDERS[build](mode == "train")
    parameters = sum(int(np.prod(p.shape)) for p in model.parameters() if not p.stop_gradient)
    if mode == "infer":
        model.eval()

        def infer() -> None:
            with paddle.no_grad():
                model(paddle.to_tensor(images))[0].argmax(axis=1).astype("uint8").numpy()

        return infer, parameters
    model.train()
    optimizer = paddle.optimizer.Momentum(
        LEARNING_RATE, MOMENTUM, parameters=model.parameters(), weight_decay=WEIGHT_DECAY
    )

    def train() -> None:
        y = paddle.to_tensor(labels)
        main, *auxiliary = model(paddle.to_tensor(images))
        loss = F.cross_entropy(main, y, axis=1)
        for logits in auxiliary:
            loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(logits, y, axis=1)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        float(loss)

    return train, parameters
