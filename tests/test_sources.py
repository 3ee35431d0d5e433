"""Origins of weights: every published name accounted for, and errors that say what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from core.arch import PRESETS, build
from core.arch.backbones.base import BackboneSpec
from core.errors import WeightsError
from core.initialize import initial_state
from core.schema import merged
from parity_tests.golden.files import make_parameters, read_golden
from parity_tests.golden.network import DECLARED, find_network
from tests.golden_files import PRESET_OF
from tests.shared_paths import require_shared
from weights_convert import matching
from weights_convert.load import canonical_state, import_weights
from weights_convert.matching import SeveralFit, identify
from weights_convert.sources import RECORDED, SOURCES, Source, find_source
from weights_convert.sources.rules import Pattern, RuleLayout, fill_in, linear_in_out, module, tensor


def golden_path(name: str) -> Path:
    return require_shared(f"golden/{name}.safetensors")


def placeholders(parameters: list[tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """Arrays of these shapes that take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in parameters}


@pytest.mark.parametrize("name", PRESET_OF)
def test_every_name_of_a_golden_file_is_accounted_for(name: str) -> None:
    golden = read_golden(golden_path(name))
    fit = find_network(golden).fit
    assert fit.preset == PRESET_OF[name]
    assert fit.source is RECORDED[golden.source]
    used = {origin.name for origin in fit.origins.values()}
    assert used | set(fit.dropped) == {original for original, _ in golden.parameters}
    assert not used & set(fit.dropped)
    assert list(fit.origins) != []
    assert set(fit.origins) == {p.name for p in fit.spec.parameters()}


# The files in which nothing differs from the preset that shapes would not show.
NOTHING_TO_ADD = [f"{source}/{model}" for (source, model), (_, file) in DECLARED.items() if not file.overrides]


@pytest.mark.parametrize("name", NOTHING_TO_ADD)
def test_the_origin_and_the_preset_are_recognised_by_names_and_shapes_alone(name: str) -> None:
    """Or, where presets have the very same names and shapes (another output stride), they are all named."""
    golden = read_golden(golden_path(name))
    try:
        fit, also = identify(placeholders(golden.parameters), name)
        origins, fits = {fit.source.name, *(other.source.name for other in also)}, [fit]
    except SeveralFit as several:
        origins, fits = {fit.source.name for fit in several.fits}, several.fits
    assert RECORDED[golden.source].name in origins
    assert PRESET_OF[name] in {fit.preset for fit in fits}
    assert all(fit.spec.parameters() == fits[0].spec.parameters() for fit in fits)


def test_networks_two_repositories_share_give_the_same_state() -> None:
    golden = read_golden(golden_path("Fast_Seg/PSPNet_res50"))
    fit, also = identify(placeholders(golden.parameters), "file")
    assert [fit.source.name, *(other.source.name for other in also)] == ["gald-net", "fast_seg"]
    assert fit.same_state(also[0])


@pytest.mark.parametrize(
    ("name", "canonical", "original", "transposed"),
    [
        (
            "SemSegPaddle/pspnet_resnet50",
            "backbone.layer3.1.bn2.running_var",
            "resnet._layer3_2._conv1._bn._variance",
            False,
        ),
        ("SemSegPaddle/pspnet_resnet50", "pyramid.branches.3.conv.weight", "psphead._psp_6_path.conv.weight", False),
        ("MXNetSeg/SETR_mla", "head.levels.0.1.bn.weight", "head.head5.1.bn.gamma", False),
        ("PaddleSeg/setr_naive_vit_base", "backbone.blocks.3.mlp.fc1.weight", "backbone.blocks.3.mlp.fc1.weight", True),
        ("PaddleSeg/setr_naive_vit_base", "norms.2.weight", "head.aux_head_norms.0.weight", False),
        (
            "PaddleSeg/fastscnn",
            "context.pyramid.branches.0.conv.bias",
            "global_feature_extractor.ppm.stages.3.1._conv.bias",
            False,
        ),
        ("mmseg/setr_mla", "head.lateral.0.conv.weight", "neck.mla.channel_proj.3.conv.weight", False),
        ("GALD-Net/DualSeg_res50", "dual.feature.adjacency.conv.weight", "head.dualgcn.conv_adj.weight", False),
        ("ESPNet/ESPNet", "encoder.level2.1.act.weight", "encoder.level2.1.bn.act.weight", False),
    ],
)
def test_names_map_where_they_should(name: str, canonical: str, original: str, transposed: bool) -> None:
    origin = find_network(read_golden(golden_path(name))).fit.origins[canonical]
    assert (origin.name, origin.transposed) == (original, transposed)


def test_what_is_dropped_is_named_with_a_reason() -> None:
    fit = find_network(read_golden(golden_path("SemSegPaddle/pspnet_resnet50"))).fit
    assert set(fit.dropped) == {"resnet.fc.weight", "resnet.fc.bias"}
    assert all("ImageNet" in reason for reason in fit.dropped.values())


def test_transposed_weights_are_turned_round() -> None:
    golden = read_golden(golden_path("PaddleSeg/setr_naive_vit_base"))
    fit, tensors = find_network(golden).fit, make_parameters(golden)
    state = canonical_state(fit, tensors, "file")
    np.testing.assert_array_equal(
        state["backbone.blocks.0.attn.qkv.weight"], tensors["backbone.blocks.0.attn.qkv.weight"].T
    )
    np.testing.assert_array_equal(state["norms.0.bias"], state["norms.1.bias"])


def espnet_shapes() -> dict[str, np.ndarray]:
    return placeholders(read_golden(golden_path("ESPNet/ESPNet")).parameters)


def test_a_missing_parameter_is_listed() -> None:
    arrays = espnet_shapes()
    del arrays["up_l3.0.weight"]
    with pytest.raises(
        WeightsError, match=r"(?s)Nearest: origin espnet .*espnet_p2_q8.*1 missing:\s+decoder\.up3\.weight"
    ):
        identify(arrays, "file")


def test_an_unexpected_parameter_is_listed() -> None:
    arrays = espnet_shapes() | {"encoder.extra.weight": np.zeros((3, 4), np.float32)}
    with pytest.raises(WeightsError, match=r"(?s)1 unexpected:\s+encoder\.extra\.weight \(3, 4\)") as caught:
        identify(arrays, "file")
    assert "missing" not in str(caught.value)


def test_a_wrong_shape_is_listed_with_both_names_and_shapes() -> None:
    arrays = espnet_shapes()
    arrays["encoder.b2.bn.weight"] = np.zeros(7, np.float32)
    with pytest.raises(
        WeightsError, match=r"encoder\.b2\.bn\.weight \(here encoder\.norm2\.bn\.weight\) is \(7,\), expected \(131,\)"
    ):
        identify(arrays, "file")


def test_names_of_nobody_are_said_to_be_so() -> None:
    with pytest.raises(WeightsError, match="no network of any known origin"):
        identify({"model/conv/kernel": np.zeros((3, 3), np.float32)}, "file")


def test_an_unknown_origin_and_an_unknown_preset_get_the_nearest() -> None:
    with pytest.raises(WeightsError, match="Did you mean 'mxnetseg'"):
        find_source("mxnetsegg")
    with pytest.raises(WeightsError, match="Did you mean 'espnet_p2_q8'"):
        identify({"a": np.zeros(1, np.float32)}, "file", preset="espnet_p2_q88")
    with pytest.raises(WeightsError, match="preset espnet_p2_q8 is none of origin mmseg"):
        identify({"a": np.zeros(1, np.float32)}, "file", origin="mmseg", preset="espnet_p2_q8")


def _fake(name: str, swap: bool) -> Source:
    """An origin whose files have canonical names behind `x.`; `swap` exchanges two layers of equal shape."""
    rules = (
        module(r"x\.decoder\.up2", "decoder.up3" if swap else "decoder.up2"),
        module(r"x\.decoder\.up3", "decoder.up2" if swap else "decoder.up3"),
        module(r"x\.(?P<path>(?!decoder\.up[23]).*)", "{path}"),
    )
    return Source(name, "for this test", (RuleLayout(name, ("espnet_tiny",), rules),))


def _fake_file() -> dict[str, np.ndarray]:
    return placeholders([(f"x.{p.name}", p.shape) for p in PRESETS["espnet_tiny"].spec.parameters()])


def test_two_origins_that_disagree_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SOURCES", {"one": _fake("one", False), "two": _fake("two", True)})
    with pytest.raises(WeightsError, match=r"(?s)origin one .*origin two .*--from"):
        identify(_fake_file(), "file")
    with pytest.raises(WeightsError, match=r"(?s)origin one .*origin two .*--from"):
        matching.fit_to(_fake_file(), PRESETS["espnet_tiny"].spec, "file")


def test_two_origins_that_agree_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SOURCES", {"one": _fake("one", False), "two": _fake("two", False)})
    fit, also = identify(_fake_file(), "file")
    assert (fit.source.name, [other.source.name for other in also]) == ("one", ["two"])


def test_rules_do_arithmetic_on_numbers_only_as_written() -> None:
    assert fill_in("a{i}.b{i+1}.c{i-1}.d{5-i}", {"i": "3"}) == "a3.b4.c2.d2"


@pytest.mark.parametrize("name", ["PaddleSeg/fastscnn", "ESPNet/ESPNet", "mmseg/setr_mla"])
def test_what_a_pattern_begins_with_never_hides_a_match(name: str) -> None:
    originals = [original for original, _ in read_golden(golden_path(name)).parameters]
    names = [*originals, *(original.rpartition(".")[0] for original in originals)]
    layouts = [layout for source in SOURCES.values() for layout in source.layouts if isinstance(layout, RuleLayout)]
    for layout in layouts:
        for rule in (*layout.rules, *layout.dropped):
            compiled = re.compile(rule.pattern.text)
            matched = {each for each in names if compiled.fullmatch(each)}
            assert {each for each in names if rule.pattern.match(each)} == matched


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        (r"head\.conv(?P<i>\d)\.bn", "head.conv"),
        (r"a\.b+", "a."),
        (r"ab?c", "a"),
        (r"one|two", ""),
        (r"(one|two)\.x", ""),
        (r"x\.(one|two)", "x."),
        (r"[ab]", ""),
        (r"x_1\.", "x_1."),
    ],
)
def test_what_every_match_of_a_pattern_begins_with(text: str, prefix: str) -> None:
    assert Pattern(text).prefix == prefix


def test_two_rules_on_one_name_are_an_error() -> None:
    layout = RuleLayout("faulty", (), (module(r"a", "x"), tensor(r"a\.weight", "y")))
    with pytest.raises(WeightsError, match="more than one rule"):
        layout.assign(["a.weight"], PRESETS["espnet_tiny"].spec)


def test_two_names_for_one_parameter_are_an_error() -> None:
    layout = RuleLayout("faulty", (), (linear_in_out(r"[ab]", "x"),))
    with pytest.raises(WeightsError, match=r"'a\.weight' both become|both become 'x\.weight'"):
        layout.assign(["a.weight", "b.weight"], PRESETS["espnet_tiny"].spec)


def test_every_layout_names_presets_that_exist_and_of_one_architecture() -> None:
    for source in SOURCES.values():
        for layout in source.layouts:
            assert layout.presets or layout.backbones
            assert set(layout.presets) <= set(PRESETS)
            assert set(layout.backbones) <= set(BackboneSpec.members())
            if source.name != "segparity" and layout.presets:
                assert len({PRESETS[preset].spec.arch for preset in layout.presets}) == 1


def _shapes(preset: str, classes: int, overrides: Mapping[str, object] | None = None) -> dict[str, tuple[int, ...]]:
    return {p.name: p.shape for p in build(preset, classes, overrides).parameters()}


@pytest.mark.parametrize(
    ("preset", "overrides"),
    [
        ("espnet_p2_q8", {"p": 3, "q": 4}),
        ("espnet_p2_q8", {"last_skip": "level1"}),
        ("espnet_p2_q8", {"decoder": False}),
        ("setr_naive_tiny", {"backbone": {"image_size": [96, 96]}}),
        ("pspnet_resnet50_mmseg", {"backbone": {"depth": 101}}),
        ("fast_scnn_aux", {"auxiliary": []}),
        ("pspnet_tiny", {}),
        ("dgcnet_resnet101_gald", {"backbone": {"depth": 50}}),
    ],
)
def test_what_shapes_show_is_inferred(preset: str, overrides: dict[str, object]) -> None:
    shapes = _shapes(preset, 7, overrides)
    assert PRESETS[preset].spec.infer(shapes) == overrides
    assert PRESETS[preset].spec.infer_classes(shapes) == 7


def test_overrides_merge_by_nested_key() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}


def _saved(path: Path, state: Mapping[str, np.ndarray]) -> Path:
    from weights_convert.formats import write

    write(path, state)
    return path


def test_dataparallel_prefixes_are_taken_off(tmp_path: Path) -> None:
    state = initial_state(PRESETS["espnet_tiny"].spec.parameters(), 0)
    path = _saved(tmp_path / "w.pth", {f"module.{name}": array for name, array in state.items()})
    assert import_weights(path, preset="espnet_tiny").fit.source.name == "segparity"


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = initial_state(PRESETS["espnet_tiny"].spec.parameters(), 0)
    name = "encoder.level1.conv.weight"
    broken = state | {name: np.full_like(state[name], np.nan)}
    with pytest.raises(WeightsError, match=r"encoder\.level1\.conv\.weight"):
        import_weights(_saved(tmp_path / "nan.safetensors", broken), preset="espnet_tiny")
    whole = state | {name: np.zeros(state[name].shape, np.int64)}
    with pytest.raises(WeightsError, match=r"encoder\.level1\.conv\.weight has the type int64"):
        import_weights(_saved(tmp_path / "int.safetensors", whole), preset="espnet_tiny")


@pytest.mark.parametrize(
    ("file", "preset", "classes"),
    [
        ("espnet_p_2_q_8_camvid", "espnet_p2_q8", 12),
        ("espnet_p_2_q_8", "espnet_p2_q8_skip16", 20),
        ("espnet_p_2_q_5", "espnet_p2_q5_skip16", 20),
        ("espnet_p_2_q_3", "espnet_p2_q3_skip16", 20),
        ("espnet_c_p_2_q_8", "espnet_c_p2_q8", 20),
        ("espnet_c_p_2_q_3", "espnet_c_p2_q3", 20),
    ],
)
def test_the_published_espnet_weights_are_recognised(file: str, preset: str, classes: int) -> None:
    imported = import_weights(require_shared(f"checkpoints/espnet/{file}.pth"))
    assert (imported.fit.source.name, imported.fit.preset) == ("espnet", preset)
    assert (imported.spec.num_classes, imported.fit.overrides) == (classes, {})


def test_ccnet_of_mmseg_is_recognised_by_its_published_names() -> None:
    """No golden file holds it: backbone and auxiliary head are those of DANet's file, the head's names mmseg's."""
    recorded = read_golden(golden_path("mmseg/danet_r50")).parameters
    shared = [(name, shape) for name, shape in recorded if not name.startswith("decode_head.")]
    norm = ("weight", "bias", "running_mean", "running_var")
    head: list[tuple[str, tuple[int, ...]]] = [("decode_head.cca.gamma.scale", ())]
    for block, channels in (("convs.0", 2048), ("convs.1", 512), ("conv_cat", 2560)):
        head.append((f"decode_head.{block}.conv.weight", (512, channels, 3, 3)))
        head.extend((f"decode_head.{block}.bn.{leaf}", (512,)) for leaf in norm)
    layers = (("cca.query_conv", 64), ("cca.key_conv", 64), ("cca.value_conv", 512), ("conv_seg", 19))
    for layer, width in layers:
        head.extend([(f"decode_head.{layer}.weight", (width, 512, 1, 1)), (f"decode_head.{layer}.bias", (width,))])
    tensors = placeholders([*shared, *head])
    tensors["decode_head.cca.gamma.scale"] = np.array(0.75, np.float32)
    fit, _ = identify(tensors, "ccnet")
    assert fit.preset == "ccnet_resnet50_mmseg"
    assert not fit.missing + fit.unexpected + fit.misshapen
    assert not fit.dropped
    assert canonical_state(fit, tensors, "ccnet")["attention.gamma"].tolist() == [0.75]


@pytest.mark.parametrize("width", ["", "dm05_"])
def test_tensorflows_file_is_the_preset_with_its_batch_norms_folded(width: str) -> None:
    path = require_shared(f"checkpoints/deeplabv3_mobilenetv2_voc/deeplabv3_mnv2_{width}pascal_dequantised.safetensors")
    imported = import_weights(path)
    assert imported.fit.preset == f"deeplabv3_mobilenet_v2_{width}tensorflow"
    assert imported.spec.parameter_count() == {"": 2_097_013, "dm05_": 688_357}[width]  # as the files' README counts
    assert imported.spec.folds() == imported.spec.folded().folds()
    assert not imported.fit.dropped
    told = json.loads(imported.tensors.metadata["operators"])  # of the graph: strides and dilations of all convolutions
    blocks = imported.spec.backbone.blocks()
    depthwise = [facts for name, _, _, facts in told if name.endswith("/depthwise")]
    assert [(block.stride, block.dilation) for block in blocks] == [(facts["s"], facts["d"]) for facts in depthwise]
