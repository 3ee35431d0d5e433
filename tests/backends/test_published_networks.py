"""Whole networks published elsewhere: their label maps and scores, equally in every backend."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import cv2
import numpy as np
import pytest

from core.data.datasets.cityscapes import Cityscapes
from core.data.normalization import find_normalization
from tests.shared_paths import require_shared
from weights_convert import Imported, import_weights
from weights_convert.load import normalization_of

FOLDER = "checkpoints/deeplabv3_mobilenetv2_voc"


def _logits(module: ModuleType, imported: Imported) -> np.ndarray:
    """float32 [21, 513, 513] of the bird."""
    picture = cv2.imread(str(require_shared(f"{FOLDER}/bird_segmentation.bmp")))
    normalize = find_normalization(normalization_of(imported.fit, imported.tensors) or "auto")
    batch = normalize(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))[None]
    return module.Predictor(imported.spec, imported.state, "cpu").logits(batch, picture.shape[:2])[0]


@pytest.mark.parametrize(("width", "agreement"), [("", 0.978), ("dm05_", 0.968)])
def test_deeplabv3_on_mobilenetv2_labels_the_bird(
    width: str, agreement: float, backend: str, module: Callable[[str], ModuleType]
) -> None:
    """The agreement with the published mask, to a tenth of a percent, is what the files' README measured."""
    imported = import_weights(require_shared(f"{FOLDER}/deeplabv3_mnv2_{width}pascal_dequantised.safetensors"))
    mask = cv2.imread(str(require_shared(f"{FOLDER}/bird_segmentation_mask.bmp")), cv2.IMREAD_UNCHANGED)
    logits = _logits(module("inference"), imported)
    labels = logits.argmax(0)
    assert abs((labels == mask).mean() - agreement) < 0.001
    if backend == "torch":
        return
    pytest.importorskip("torch", reason="the label maps are compared with PyTorch's")
    from backends.torch import inference

    other = _logits(inference, imported)
    # Logits to 20, some sixty layers of float32: classes closer than this are a tie.
    first, second = np.sort(other, axis=0)[[-1, -2]]
    differ = labels != other.argmax(0)
    assert not (differ & (first - second > 1e-3)).any()
    assert differ.sum() <= 5  # of 263,169 pixels


@pytest.mark.slow
def test_espnet_trained_in_paddle_scores_what_its_readme_says(module: Callable[[str], ModuleType]) -> None:
    """Pixel accuracy on both labelled frames at 2048x1024; the README's figures, rounded to four digits."""
    imported = import_weights(require_shared("checkpoints/espnetv1_paddleseg/espnetv1_cityscapes_120k.pdparams"))
    assert imported.fit.preset == "espnet_simuler"
    normalize = find_normalization(normalization_of(imported.fit, imported.tensors) or "auto")
    frames = Cityscapes("val", require_shared("data/cityscapes"), labelled_only=True)
    predictor = module("inference").Predictor(imported.spec, imported.state, "cpu")
    found = {}
    for sample in (frames[index] for index in range(len(frames))):
        assert sample.label is not None
        labels = predictor.logits(normalize(sample.image)[None], sample.image.shape[:2])[0].argmax(0)
        found[sample.name] = (labels == sample.label)[sample.label != 255].mean()
    assert found.keys() == {"frankfurt_000000_002196", "frankfurt_000001_058914"}
    assert abs(found["frankfurt_000000_002196"] - 0.9521) < 1e-4
    assert abs(found["frankfurt_000001_058914"] - 0.9555) < 1e-4
