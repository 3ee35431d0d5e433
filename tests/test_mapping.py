"""Maps of names between networks that nobody here knows: proposed, kept as a file, applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from core.arch import build
from core.errors import WeightsError
from core.initialize import initial_state
from tests.shared_paths import require_shared
from weights_convert.__main__ import main
from weights_convert.convert import write_native
from weights_convert.formats import read, write
from weights_convert.load import import_weights
from weights_convert.mapping import read_names
from weights_convert.propose import propose


def shapes(state: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in state.items()}


@pytest.mark.parametrize("preset", ["pspnet_tiny", "fcn_mobilenet_v2_tiny", "setr_mla_tiny", "espnet_tiny"])
@pytest.mark.parametrize("extension", ["pdparams", "params"])
def test_a_network_is_mapped_onto_its_own_names_in_another_framework(
    tmp_path: Path, preset: str, extension: str
) -> None:
    spec = build(preset, 5)
    state = initial_state(spec.parameters(), 0)
    write_native(tmp_path / f"w.{extension}", spec, state, {})
    native = read(tmp_path / f"w.{extension}")
    found = propose({name: tuple(a.shape) for name, a in native.items()}, shapes(state))
    assert not found.unfilled
    assert not found.names.undecided
    expected = {
        origin.name: name
        for name, origin in import_weights(tmp_path / f"w.{extension}", preset=preset).fit.origins.items()
    }
    assert {name: pair.to for name, pair in found.names.pairs.items()} == expected


def test_a_published_network_onto_the_presets_names() -> None:
    """ESPNet as its authors name it, onto this project's names: by structure alone, against the explicit rules."""
    path = require_shared("checkpoints/espnet/espnet_p_2_q_8_camvid.pth")
    imported = import_weights(path)
    truth = {origin.name: name for name, origin in imported.fit.origins.items()}
    found = propose(shapes(dict(read(path))), shapes(imported.state))
    pairs = found.names.pairs
    right = [truth.get(name) == pair.to for name, pair in pairs.items() if name in truth]
    certain = [truth[name] == pair.to for name, pair in pairs.items() if name in truth and pair.sure >= 1]
    assert all(certain)
    assert len(certain) > 10
    assert sum(right) >= 0.9 * len(right)


RENAMED = {
    "stem.0.weight": "conv1.weight",
    "stem.1.gamma": "bn1.weight",
    "stem.1.beta": "bn1.bias",
    "stem.1.moving_mean": "bn1.running_mean",
    "stem.1.moving_var": "bn1.running_var",
    "body.a.weight": "layer1.conv.weight",
    "body.b.weight": "layer2.conv.weight",
    "out.weight": "fc.weight",
    "out.bias": "fc.bias",
}
SIDES = {"conv1": (4, 3, 3, 3), "bn1": (4,), "layer": (4, 4, 3, 3), "fc.weight": (5, 4), "fc.bias": (5,)}


def network() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Under its source's names, [in, out] for its matrix, and under its target's."""
    rng = np.random.default_rng(0)
    target = {
        to: rng.standard_normal(next(s for key, s in SIDES.items() if to.startswith(key))).astype(np.float32)
        for to in RENAMED.values()
    }
    source = {name: target[to].T if name == "out.weight" else target[to] for name, to in RENAMED.items()}
    return source | {"stem.1.num_batches_tracked": np.array(3)}, target


def test_propose_correct_and_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = network()
    write(tmp_path / "w.npz", source)
    (tmp_path / "names.txt").write_text(
        "".join(f"{name} {' '.join(map(str, a.shape))}\n" for name, a in target.items())
    )
    file = tmp_path / "map.yaml"
    assert main(["map", str(tmp_path / "w.npz"), "--onto", str(tmp_path / "names.txt"), "--out", str(file)]) == 0
    said = yaml.safe_load(file.read_text())
    assert said["pairs"]["out.weight"] == {"to": "fc.weight", "transposed": True} | {
        key: said["pairs"]["out.weight"][key] for key in ("sure", "why") if key in said["pairs"]["out.weight"]
    }
    assert set(said["dropped"]) == {"stem.1.num_batches_tracked"}
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "out.pth"), "--map", str(file)]) == 0
    got = read(tmp_path / "out.pth")
    assert set(got) == set(target)
    assert all(np.array_equal(got[name], array) for name, array in target.items())
    said["pairs"]["body.a.weight"] = "?"
    file.write_text(yaml.safe_dump(said))
    capsys.readouterr()
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "x.pth"), "--map", str(file)]) == 2
    assert "not decided yet" in capsys.readouterr().err
    del said["pairs"]["body.a.weight"]
    file.write_text(yaml.safe_dump(said))
    assert main([str(tmp_path / "w.npz"), str(tmp_path / "x.pth"), "--map", str(file)]) == 2
    assert "neither maps nor drops: body.a.weight" in capsys.readouterr().err


def test_what_several_fit_is_said_and_a_hint_decides() -> None:
    source = {f"{path}.weight": (4, 4, 3, 3) for path in ("left", "right")}
    target = {f"{path}.weight": (4, 4, 3, 3) for path in ("p", "q")}
    found = propose(source, target)
    assert all(pair.sure < 1 for pair in found.names.pairs.values())
    hinted = propose(source, target, {"left": "q"})
    assert {name: pair.to for name, pair in hinted.names.pairs.items()} == {
        "left.weight": "q.weight",
        "right.weight": "p.weight",
    }
    with pytest.raises(WeightsError, match="no scope 'middle'"):
        propose(source, target, {"middle": "q"})


def test_more_layers_than_the_target_has_are_undecided() -> None:
    source = {f"l{i}.weight": (4, 4, 3, 3) for i in range(3)} | {"new.weight": (7, 7)}
    found = propose(source, {f"m{i}.weight": (4, 4, 3, 3) for i in range(2)} | {"gone.weight": (9,)})
    assert len(found.names.undecided) == 2
    assert "new.weight" in found.names.undecided
    assert found.unfilled == ["gone.weight"]
    assert set(found.names.pairs) == set(source)


def test_lists_of_names(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("# comment\na.weight 2 3\nb.weight (4, 5)\nc.weight torch.Size([6])\nd.weight: 7x8\ne.scalar\n")
    assert read_names(path) == {
        "a.weight": (2, 3),
        "b.weight": (4, 5),
        "c.weight": (6,),
        "d.weight": (7, 8),
        "e.scalar": (),
    }
    for text, message in (("a 1\na 2\n", "stands there twice"), ("a b c\n", "line 1"), ("# nothing\n", "no names")):
        path.write_text(text)
        with pytest.raises(WeightsError, match=message):
            read_names(path)


def test_an_unknown_networks_error_tells_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = initial_state(build("espnet_tiny", 5).parameters(), 0)
    write(tmp_path / "w.pth", {f"unheard_of_{i}": array for i, array in enumerate(state.values())})
    assert main([str(tmp_path / "w.pth"), str(tmp_path / "x.pth")]) == 2
    error = capsys.readouterr().err
    assert "--as-is" in error
    assert "map SRC --onto NAMES" in error
    assert "Nearest by its shapes: preset espnet" in error
    assert main(["inspect", str(tmp_path / "w.pth")]) == 0
