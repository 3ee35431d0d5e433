"""How far two correct implementations of a network may differ: the largest |difference| over the largest |reference|.

Two computations of one network differ by rounding alone, and how much that is amplified is a property of the network.
It was measured on the originals: each golden file's notes (or the table of its repository) say what changing nothing but
the order of summation, or float32 for float64, does to the original's own outputs. An agreement is asked for within
FACTOR times that floor. The figures below are those notes' largest of eval and train, not what happens to pass.
"""

from __future__ import annotations

from core.errors import SpecError

FACTOR = 5.0
FLOAT64 = 1e-5  # references recorded in float64 (and stored as float32), compared in float64

# preset -> the original's own float32 rounding.
FLOORS: dict[str, float] = {
    # GALD-Net and Fast_Seg: another summation order, eval / train.
    "pspnet_resnet50_gald": 2e-4,
    "pspnet_resnet101_gald": 8e-4,
    "dgcnet_resnet50_gald": 2e-4,
    "dgcnet_resnet101_gald": 8e-4,
    "fast_scnn": 1e-5,
    "fast_scnn_aux": 1e-5,
    # ESPNet: the authors' and Fast_Seg's, all depths.
    "espnet_p2_q8": 1e-6,
    "espnet_p2_q5": 1e-6,
    "espnet_p2_q3": 1e-6,
    "espnet_p2_q8_skip16": 1e-6,
    "espnet_p2_q5_skip16": 1e-6,
    "espnet_p2_q3_skip16": 1e-6,
    "espnet_c_p2_q8": 1e-6,
    "espnet_c_p2_q5": 1e-6,
    "espnet_c_p2_q3": 1e-6,
    # SemSegPaddle: float32 against float64.
    "pspnet_resnet50_semsegpaddle": 1e-4,
    "pspnet_resnet101_semsegpaddle": 5.2e-4,
    # MXNetSeg: float32 against the recorded float64. ResNet-18, -34: as FCN on that backbone; 152: as 101.
    "pspnet_resnet18_mxnetseg": 7e-6,
    "pspnet_resnet34_mxnetseg": 7e-6,
    "pspnet_resnet50_mxnetseg": 1.7e-4,
    "pspnet_resnet101_mxnetseg": 6.9e-4,
    "pspnet_resnet152_mxnetseg": 6.9e-4,
    "setr_naive_mxnetseg": 3.4e-6,
    "setr_pup_mxnetseg": 6.2e-6,
    "setr_mla_mxnetseg": 4.1e-6,
    # mmseg: 3e-4 is the most any of its files differs from its float64 recomputation, and that is the ResNet-50's. For
    # the light nets, which the files say nothing about, the floors of the same networks from the other repositories.
    "pspnet_resnet50_mmseg": 3e-4,
    "fast_scnn_mmseg": 1e-5,
    "setr_naive_mmseg": 3.4e-6,
    "setr_pup_mmseg": 6.2e-6,
    "setr_mla_mmseg": 4.1e-6,
    # PaddleSeg: float32 against float64.
    "pspnet_resnet50_vd_paddleseg": 1e-4,
    "fast_scnn_paddleseg": 9.9e-6,
    "setr_naive_paddleseg": 1.6e-6,
}


def golden_tolerance(preset: str, *, recorded_in_float64: bool, dtype: str) -> float:
    """The bound for outputs of `preset` computed in `dtype`. Raises SpecError for a network without a known floor."""
    if recorded_in_float64 and dtype == "float64":
        return FLOAT64
    if preset not in FLOORS:
        raise SpecError(f"parity_tests/tolerances.py has no floor for {preset}: add the original's own rounding")
    return FACTOR * FLOORS[preset]
