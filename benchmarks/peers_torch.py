"""Networks of public PyTorch packages: pytorchcv, and segmentation-models-pytorch (smp)."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.cases import AUXILIARY_WEIGHT, LEARNING_RATE, MOMENTUM, NUM_CLASSES, WEIGHT_DECAY

PACKAGES = {"pytorchcv": "pytorchcv", "smp": "segmentation-models-pytorch"}
Size = tuple[int, int]


def import_package(build: str) -> None:
    """Imports the package of `build`, so that its own weight in memory is not counted as the network's."""
    if build.startswith("smp"):
        _import_torchvision_models()
        import segmentation_models_pytorch  # noqa: F401
    else:
        import pytorchcv.models.fastscnn
        import pytorchcv.models.pspnet  # noqa: F401


def _import_torchvision_models() -> None:
    import_torchvision()
    import torchvision.models  # noqa: F401


def import_torchvision() -> None:
    """The package torchvision without the package's own initialisation.

    That registers operators of a compiled extension which exists for the CUDA builds of PyTorch only; smp's ResNet
    and the transforms need nothing but Python code.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        raise ModuleNotFoundError("torchvision, which segmentation-models-pytorch needs, is not installed")
    package = types.ModuleType("torchvision")
    package.__path__ = list(spec.submodule_search_locations or [])
    package.disable_beta_transforms_warning = lambda: None  # type: ignore[attr-defined]
    sys.modules["torchvision"] = package


def pytorchcv_pspnet(size: Size, train: bool) -> nn.Module:
    from pytorchcv.models.pspnet import pspnet_resnetd50b_cityscapes

    return pspnet_resnetd50b_cityscapes(num_classes=NUM_CLASSES, aux=train, in_size=size, fixed_size=True)


def pytorchcv_fast_scnn(size: Size, train: bool) -> nn.Module:
    from pytorchcv.models.fastscnn import fastscnn_cityscapes

    return fastscnn_cityscapes(num_classes=NUM_CLASSES, aux=False, in_size=size, fixed_size=True)


def smp_pspnet(size: Size, train: bool) -> nn.Module:
    import segmentation_models_pytorch as smp

    model = smp.PSPNet("resnet50", encoder_weights=None, encoder_depth=5, upsampling=8, classes=NUM_CLASSES)
    model.encoder.make_dilated(output_stride=8)
    return model


BUILDERS: dict[str, Callable[[Size, bool], nn.Module]] = {
    "pytorchcv_pspnet": pytorchcv_pspnet,
    "pytorchcv_fast_scnn": pytorchcv_fast_scnn,
    "smp_pspnet": smp_pspnet,
}


def build_step(build: str, mode: str, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], None], int]:
    """One iteration with results on the host, and the number of learnable scalars. Images [N, 3, H, W]."""
    model = BUILDERS[build]((images.shape[2], images.shape[3]), mode == "train")
    parameters = sum(p.numel() for p in model.parameters())
    if mode == "infer":
        model.eval()

        def infer() -> None:
            with torch.inference_mode():
                heads(model(torch.from_numpy(images)))[0].argmax(dim=1).to(torch.uint8).numpy()

        return infer, parameters
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)

    def train() -> None:
        y = torch.from_numpy(labels)
        optimizer.zero_grad()
        main, *auxiliary = heads(model(torch.from_numpy(images)))
        loss = F.cross_entropy(main, y)
        for logits in auxiliary:
            loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        float(loss.detach())

    return train, parameters


def heads(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
