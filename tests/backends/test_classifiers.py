"""A published classifier finds a bird in a picture of one, equally in every backend: its backbone is read rightly."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import cv2
import numpy as np

from core.arch import PRESETS
from core.data.normalization import NORMALIZATIONS
from tests.shared_paths import require_shared
from weights_convert.load import load_weights

# ImageNet's classes coucal, kite and magpie, and what PyTorch's float32 gives them.
BIRDS = {91: 6.49276, 21: 6.36509, 18: 6.09040}


def test_efficientnet_lite0_finds_a_bird(module: Callable[[str], ModuleType]) -> None:
    weights = require_shared("checkpoints/efficientnet_lite0_imagenet/efficientnet-lite0-57934424.pth")
    picture = cv2.imread(str(require_shared("checkpoints/deeplabv3_mobilenetv2_voc/bird_segmentation.bmp")))
    picture = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), (224, 224), interpolation=cv2.INTER_AREA)
    spec = PRESETS["efficientnet_lite0_classifier"].spec
    predictor = module("inference").Predictor(spec, load_weights(weights, spec).state, "cpu")
    logits = predictor.logits(NORMALIZATIONS["half"](picture)[None], (1, 1)).ravel()
    assert logits.argsort()[::-1][:3].tolist() == list(BIRDS)
    np.testing.assert_allclose(logits[list(BIRDS)], list(BIRDS.values()), atol=1e-4)
