"""MXNet's float32 must not depend on the processor: operators and networks under every DNNL_MAX_CPU_ISA.

Where the processor has no AVX-512, the first case repeats AVX2's.
"""

from __future__ import annotations

import pytest

from core.description import backend_names, descriptions
from parity_tests.onednn import ISAS, LOSS_LIMIT, WIDTHS, Case, failed, network_cases, run_cases

pytestmark = pytest.mark.skipif(
    "mxnet" not in backend_names() or not descriptions()["mxnet"].installed, reason="mxnet is not installed"
)

# Concatenations, slices and splits that networks use, forward and backward, eager and hybridized.
OPERATORS = (
    "layers.concat",
    "layers.concat, two",
    "layers.plain, slice, softmax",
    "F.slice_axis, front",
    "F.slice_axis, back",
    "F.split, channels",
)
# Widths that ended a training on some processor when the gradient of a concatenation came in blocks.
PYRAMIDS: list[Case] = [
    ["network", "fast_scnn_tiny", {"pyramid": {"width": 8}}],
    ["network", "fast_scnn_tiny", {"pyramid": {"width": 12}}],
    ["network", "pspnet_tiny", {"pyramid": {"width": 6}}],
]


@pytest.mark.parametrize("isa", ISAS)
def test_parts_of_any_width(isa: str) -> None:
    results = run_cases([[operator, width] for operator in OPERATORS for width in WIDTHS], isa)
    assert len(results) == len(OPERATORS) * len(WIDTHS)
    assert not [(case, result) for case, result in results if failed(result)]


@pytest.mark.parametrize("isa", ISAS)
def test_pyramids_of_any_width_train(isa: str) -> None:
    results = run_cases(PYRAMIDS, isa)
    assert len(results) == len(PYRAMIDS)
    assert not [(case, result) for case, result in results if failed(result, LOSS_LIMIT)]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ISAS)
def test_tiny_networks_train(isa: str) -> None:
    results = run_cases(network_cases(), isa)
    assert len(results) == len(network_cases()) > 0
    assert not [(case, result) for case, result in results if failed(result, LOSS_LIMIT)]


def test_a_case_that_ends_the_process_is_told_and_the_others_go_on() -> None:
    """F.concat of parts of 12 cannot be done backwards under AVX2; what comes behind it still runs."""
    (broken, sound) = run_cases([["F.concat", 12], ["F.concat", 1]], "AVX2")
    assert broken == (["F.concat", 12], "MXNetError: could not construct a sub-memory")
    assert sound[0] == ["F.concat", 1]
    assert not failed(sound[1])
