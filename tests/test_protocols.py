"""The originals' evaluation protocols by name."""

from __future__ import annotations

import numpy as np
import pytest

from core.arch import build
from core.data.normalization import NORMALIZATIONS
from core.errors import ConfigError
from core.evaluation.protocol import EvaluationProtocol
from core.evaluation.protocols import PROTOCOLS, Circumstances, named_protocol
from core.evaluation.segmenting import merged_scores, segment

AT = Circumstances("cityscapes", NORMALIZATIONS["imagenet"])


def logits_of(batch: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A network of three classes: the channels, and not the same for a mirrored picture."""
    ramp = np.linspace(0, 1, batch.shape[3], dtype=np.float32)
    return np.ascontiguousarray(batch * (1 + ramp))


@pytest.mark.parametrize("dataset", ["cityscapes", "camvid", "voc"])
@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_is_one_and_scores_a_picture(name: str, dataset: str) -> None:
    protocol = named_protocol(name, Circumstances(dataset, NORMALIZATIONS["imagenet"]))
    assert EvaluationProtocol(**protocol.to_dict()) == protocol
    image = np.random.default_rng(0).standard_normal((3, 60, 80)).astype(np.float32)
    if len(protocol.scales) == 1 and protocol.input_size(60, 80)[1] < 700:
        labels = segment(image, protocol, logits_of, build("fast_scnn_tiny", 3))
        assert labels.shape == (60, 80)
    for scale in protocol.scales:
        assert all(side > 0 for side in protocol.input_size(1024, 2048, scale))


def test_the_facts_of_the_originals() -> None:
    ms = named_protocol("mxnetseg-ms", AT)
    assert ms.scales == (0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25)
    assert (ms.flip, ms.combine, ms.window, ms.stride_pixels()) == (True, "exp_logits", (768, 768), (512, 512))
    np.testing.assert_allclose(ms.pad_value, [-2.1179, -2.0357, -1.8044], atol=1e-4)
    assert ms.input_size(1024, 2048, 0.75) == (768, 1536)
    other = named_protocol("mxnetseg-ms", Circumstances("voc", NORMALIZATIONS["imagenet"]))
    assert other.scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    assert other.input_size(375, 500)[1] == 520
    assert named_protocol("semsegpaddle-ms", AT).scales == (0.5, 0.75, 1.0, 1.25, 1.35, 1.5, 1.75, 2.0, 2.2)
    assert named_protocol("semsegpaddle", AT).stride_pixels() == (512, 512)
    assert named_protocol("dabnet-camvid", AT).resize == (768, 960)
    assert named_protocol("espnet", AT).resize == (512, 1024)


def test_the_fault_of_semsegpaddle_is_off_and_counts_scales_of_one_window_twice() -> None:
    assert not named_protocol("semsegpaddle-ms", AT).flip_adds
    image = np.random.default_rng(0).standard_normal((3, 40, 50)).astype(np.float32)
    settings = {"scales": (1.0, 2.0), "flip": True, "window": (64, 64), "edge": "pad"}
    right, wrong = (EvaluationProtocol(**settings, flip_adds=fault) for fault in (False, True))
    single = EvaluationProtocol(flip=True, window=(64, 64), edge="pad")
    spec = build("fast_scnn_tiny", 3)
    once = merged_scores(image, single, logits_of, spec)
    difference = 2 * (merged_scores(image, wrong, logits_of, spec) - merged_scores(image, right, logits_of, spec))
    np.testing.assert_allclose(difference, once, atol=1e-5)  # of two scales, the one of a single window once more


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"--protocol mxnetsegms: unknown.*mxnetseg"):
        named_protocol("mxnetsegms", AT)
