"""The frameworks' own files are read bit for bit, and the frameworks' own loaders read what is written.

Each framework runs in a process of its own: torch, paddle and mxnet in one process can crash each other. Arrays travel
through numpy's `.npz`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from weights_convert import import_weights
from weights_convert.formats import Tensors, read, write


def run(framework: str, snippet: str, folder: Path) -> str:
    """Run a snippet that needs `framework` in its own interpreter, in `folder`; fails with its error output."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    # mxnet 1.9 uses an alias that numpy removed in 1.24.
    head = "import numpy as np\n" + ("np.bool = bool\n" if framework == "mxnet" else "") + f"import {framework}\n"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(snippet)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_same(got: Tensors, expected: dict[str, np.ndarray]) -> None:
    """Same names in the same order, same shapes and types, same bits."""
    assert list(got) == list(expected)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype, name
        assert got[name].shape == array.shape, name
        assert got[name].tobytes() == array.tobytes(), name


def loaded(folder: Path, file: str) -> dict[str, np.ndarray]:
    with np.load(folder / file) as archive:
        return {name: archive[name] for name in archive.files}


def sample(types: list[str], scalars: bool = True) -> dict[str, np.ndarray]:
    """One array of each type, a strided one, and a scalar and an empty one where the format has them."""
    rng = np.random.default_rng(0)
    arrays = {f"layer.{t}": (rng.standard_normal((3, 4)) * 50).astype(t) for t in types}
    arrays["strided"] = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    arrays["größe.weight"] = np.ones((1, 300), np.float32)
    if scalars:
        arrays |= {"num_batches_tracked": np.array(7, np.int64), "empty": np.zeros((0, 3), np.float32)}
    return arrays


# PyTorch

TORCH_TYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
TORCH_TYPES += ["complex64", "complex128", "uint16", "uint32", "uint64"]

TORCH_FILES = """
    import collections
    g = torch.Generator().manual_seed(0)
    base = torch.randn(4, 5, 6, generator=g)
    state = collections.OrderedDict()
    state['plain'] = base
    state['transposed'] = base.transpose(0, 2)
    state['slice'] = base[1:3, ::2, 1]
    state['expanded'] = torch.ones(1).expand(10)
    state['channels_last'] = torch.randn(2, 3, 4, 4, generator=g).to(memory_format=torch.channels_last)
    state['parameter'] = torch.nn.Parameter(torch.randn(3, generator=g))
    state['scalar'] = torch.tensor(5)
    state['empty'] = torch.zeros(0, 3)
    for dtype in (torch.float64, torch.float16, torch.int32, torch.int16, torch.int8, torch.uint8, torch.complex64):
        state[str(dtype)] = (torch.randn(3, 2, generator=g) * 20).to(dtype)
    state['bool'] = torch.tensor([True, False, True])
    state['bfloat16'] = torch.randn(2, 7, generator=g).to(torch.bfloat16).t()
    state['bfloat16.scalar'] = torch.tensor(1.5, dtype=torch.bfloat16)

    def expect(file, state):
        arrays = {k: (v.float() if v.dtype == torch.bfloat16 else v).detach().numpy() for k, v in state.items()}
        np.savez(file, **arrays)

    expect('state.npz', state)
    group = {'lr': 0.1, 'betas': (0.9, 0.999), 'params': [0]}
    optimizer = {'state': {0: {'exp_avg': torch.ones(3)}}, 'param_groups': [group]}
    roots = {
        'flat': state,
        'wrapped': {'epoch': 3, 'best': np.float64(0.5), 'arch': 'net', 'state_dict': state},
        'trained': {'optimizer': optimizer, 'model': state, 'log': 'y' * 5000},
    }
    for name, root in roots.items():
        torch.save(root, name + '.zip.pth')
        torch.save(root, name + '.legacy.pth', _use_new_zipfile_serialization=False)

    torch.serialization.set_crc32_options(False)
    torch.save(state, 'unchecked.zip.pth')
    torch.serialization.set_crc32_options(True)

    w = torch.randn(50, 40)
    torch.save({'a': w, 'tied': w, 'view': w[10:20].t()}, 'shared.pth')

    net = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)))
    module = net.state_dict()
    assert module._metadata
    module['attributed'] = torch.nn.Parameter(torch.ones(2))
    module['attributed'].note = 'an attribute'
    torch.save(module, 'parallel.pth')
    expect('parallel.npz', module)

    net = torch.nn.Linear(2, 2)
    torch.save(net, 'module.pth')
    torch.save(net, 'module_legacy.pth', _use_new_zipfile_serialization=False)
    torch.jit.script(net).save('script.pt')
    torch.save({'a': torch.eye(3).to_sparse()}, 'sparse.pth')
    torch.save({'a': torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}, 'quantized.pth')
    torch.save({'a': torch.ones(3).to(torch.float8_e4m3fn)}, 'float8.pth')
"""


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files made by torch.save, and what they hold as `.npz`."""
    folder = tmp_path_factory.mktemp("torch")
    run("torch", TORCH_FILES, folder)
    return folder


@pytest.mark.parametrize("container", ["zip", "legacy"])
@pytest.mark.parametrize(("root", "wrapping"), [("flat", ()), ("wrapped", ("state_dict",)), ("trained", ("model",))])
def test_reads_torch_save(torch_files: Path, container: str, root: str, wrapping: tuple[str, ...]) -> None:
    got = read(torch_files / f"{root}.{container}.pth")
    assert_same(got, loaded(torch_files, "state.npz"))
    assert got.format == "pth"
    assert got.wrapping == wrapping
    assert any("bfloat16" in note for note in got.notes)
    assert any("left out" in note for note in got.notes) == bool(wrapping)


def test_reads_files_saved_without_checksums(torch_files: Path) -> None:
    got = read(torch_files / "unchecked.zip.pth")
    assert_same(got, loaded(torch_files, "state.npz"))
    assert any("checksum" in note for note in got.notes)
    assert not any("checksum" in note for note in read(torch_files / "flat.zip.pth").notes)


def test_reads_shared_storages_as_one_memory(torch_files: Path, tmp_path: Path) -> None:
    got = read(torch_files / "shared.pth")
    assert np.shares_memory(got["a"], got["tied"])
    assert np.shares_memory(got["a"], got["view"])
    np.testing.assert_array_equal(got["view"], got["a"][10:20].T)
    # Tied weights stay tied: the file written is not larger than the one read.
    write(tmp_path / "b.pth", Tensors({"a": got["a"], "tied": got["tied"]}))
    assert (tmp_path / "b.pth").stat().st_size < 50 * 40 * 4 + 3000
    again = read(tmp_path / "b.pth")
    assert np.shares_memory(again["a"], again["tied"])


def test_reads_the_state_of_a_module_with_metadata_and_attributes(torch_files: Path) -> None:
    got = read(torch_files / "parallel.pth")
    assert_same(got, loaded(torch_files, "parallel.npz"))
    assert next(iter(got.strip_prefix("module."))) == "0.weight"


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("module.pth", "torch.nn.modules.linear.Linear"),
        ("module_legacy.pth", "torch.nn.modules.linear.Linear"),
        ("script.pt", "TorchScript"),
        ("sparse.pth", "torch._utils._rebuild_sparse_tensor"),
        ("quantized.pth", "torch._utils._rebuild_qtensor"),
        ("float8.pth", "float8_e4m3fn"),
    ],
)
def test_refuses_what_is_no_state_dictionary_by_name(torch_files: Path, file: str, named: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(named)):
        read(torch_files / file)


def test_torch_loads_what_is_written(tmp_path: Path) -> None:
    arrays = sample(TORCH_TYPES)
    write(tmp_path / "a.pth", arrays, {"arch": "a test"})
    run(
        "torch",
        """
        s = torch.load('a.pth', weights_only=True)
        assert type(s).__name__ == 'OrderedDict'
        np.savez('loaded.npz', **{k: v.numpy() for k, v in s.items()})
        m = torch.load('a.pth', weights_only=True, mmap=True)
        assert all(torch.equal(m[k], s[k]) for k in s)
        torch.nn.Linear(300, 1, bias=False).load_state_dict({'weight': s['größe.weight']}, strict=True)
        """,
        tmp_path,
    )
    assert_same(Tensors(loaded(tmp_path, "loaded.npz")), arrays)
    again = read(tmp_path / "a.pth")
    assert_same(again, arrays)
    assert again.metadata == {"arch": "a test"}


def test_published_legacy_checkpoints_equal_torch_load(tmp_path: Path, shared: Path) -> None:
    files = sorted((shared / "checkpoints" / "espnet").glob("*.pth"))
    if not files:
        pytest.skip("no published checkpoints")
    names = [str(file) for file in files]
    run(
        "torch",
        f"""
        for i, file in enumerate({names!r}):
            s = torch.load(file, weights_only=True, map_location='cpu')
            np.savez(f'{{i}}.npz', **{{k: v.numpy() for k, v in s.items()}})
        """,
        tmp_path,
    )
    for index, file in enumerate(files):
        assert_same(read(file), loaded(tmp_path, f"{index}.npz"))


# Paddle

PADDLE_TYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
PADDLE_TYPES += ["complex64", "complex128"]


PADDLE_FILES = f"""
    import inspect
    import paddle.framework.io as io
    import paddle.framework.io_utils as utils

    paddle.seed(0)
    net = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(300, 20))
    rate = paddle.optimizer.lr.PolynomialDecay(0.1, 9)
    adam = paddle.optimizer.Adam(parameters=net.parameters(), learning_rate=rate)
    net[0](paddle.ones([1, 3, 8, 8])).sum().backward()
    adam.step()
    state = net.state_dict()
    state['bf16'] = paddle.ones([3]).astype('bfloat16') * 1.5
    for t in {PADDLE_TYPES!r}:
        state['t.' + t] = paddle.to_tensor(np.arange(6).reshape(2, 3).astype(t))
    np.savez('state.npz', **{{k: v.astype('float32').numpy() if k == 'bf16' else v.numpy() for k, v in state.items()}})
    np.savez('names.npz', **{{k: np.array(v.name) for k, v in state.items()}})
    for protocol in (2, 3, 4):
        paddle.save(state, f'flat{{protocol}}.pdparams', protocol=protocol)
        nested = {{'model': state, 'optimizer': adam.state_dict(), 'epoch': 3}}
        paddle.save(nested, f'nested{{protocol}}.pdparams', protocol=protocol)
        paddle.save(adam.state_dict(), f'adam{{protocol}}.pdopt', protocol=protocol)

    # Paddle's own cutting of large arrays, with 1 KiB for its limit of 1 GiB.
    source = inspect.getsource(utils._unpack_saved_dict).replace('2**30', '2**10')
    assert '2**10' in source
    scope = dict(utils.__dict__)
    exec(source, scope)
    io._unpack_saved_dict = scope['_unpack_saved_dict']
    state = {{'small': paddle.ones([3]), 'large': paddle.rand([33, 50]), 'tail': paddle.zeros([2])}}
    np.savez('sliced.npz', **{{k: v.numpy() for k, v in state.items()}})
    for protocol in (2, 3):
        paddle.save(state, f'sliced{{protocol}}.pdparams', protocol=protocol)
        assert b'large@@.1' in open(f'sliced{{protocol}}.pdparams', 'rb').read()
"""


@pytest.fixture(scope="module")
def paddle_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files made by paddle.save, and what they hold as `.npz`."""
    folder = tmp_path_factory.mktemp("paddle")
    run("paddle", PADDLE_FILES, folder)
    return folder


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_paddle_save(paddle_files: Path, protocol: int) -> None:
    expected = loaded(paddle_files, "state.npz")
    names = {name: str(value) for name, value in loaded(paddle_files, "names.npz").items()}
    flat, nested = (read(paddle_files / f"{kind}{protocol}.pdparams") for kind in ("flat", "nested"))
    assert_same(flat, expected)
    assert flat.name_table == names
    assert any("bfloat16" in note for note in flat.notes)
    assert_same(nested, expected)
    assert nested.wrapping == ("model",)
    assert nested.name_table == names
    moments = read(paddle_files / f"adam{protocol}.pdopt")
    assert any("moment1" in name for name in moments)
    assert any("LR_Scheduler" in note for note in moments.notes)


@pytest.mark.parametrize("protocol", [2, 3])
def test_reads_arrays_that_paddle_cut_into_slices(paddle_files: Path, protocol: int) -> None:
    got, expected = read(paddle_files / f"sliced{protocol}.pdparams"), loaded(paddle_files, "sliced.npz")
    assert set(got) == set(expected)
    assert_same(got, {name: expected[name] for name in got})


def test_paddle_loads_what_is_written(tmp_path: Path) -> None:
    arrays = sample(PADDLE_TYPES)
    write(tmp_path / "a.pdparams", arrays)
    run(
        "paddle",
        """
        s = paddle.load('a.pdparams')
        assert all(isinstance(v, paddle.Tensor) for v in s.values()), [type(v) for v in s.values()]
        np.savez('loaded.npz', **{k: v.numpy() for k, v in s.items()})
        net = paddle.nn.Linear(1, 300, bias_attr=False)
        missing, unexpected = net.set_state_dict({'weight': s['größe.weight']})
        assert not missing and not unexpected
        assert paddle.load('a.pdparams', keep_name_table=True)['StructuredToParameterName@@']['strided'] == 'strided'
        """,
        tmp_path,
    )
    assert_same(Tensors(loaded(tmp_path, "loaded.npz")), arrays)
    assert_same(read(tmp_path / "a.pdparams"), arrays)


# MXNet

MXNET_TYPES = ["float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool"]


def test_reads_mxnet_save(tmp_path: Path) -> None:
    run(
        "mxnet",
        f"""
        mx = mxnet
        nd = {{t: mx.nd.array(np.arange(6).reshape(2, 3), dtype=t) for t in {MXNET_TYPES!r}}}
        mx.nd.save('types.params', nd)
        np.savez('types.npz', **{{k: v.asnumpy() for k, v in nd.items()}})
        net = mx.gluon.nn.HybridSequential()
        net.add(mx.gluon.nn.Conv2D(4, 3, in_channels=3), mx.gluon.nn.BatchNorm(in_channels=4))
        net.initialize(mx.init.Xavier()); net.hybridize()
        net(mx.nd.ones((1, 3, 8, 8)))
        net.save_parameters('gluon.params')
        np.savez('gluon.npz', **{{k: v.data().asnumpy() for k, v in net._collect_params_with_prefix().items()}})
        net.export('symbol')
        np.savez('symbol.npz', **{{k[4:]: v.asnumpy() for k, v in mx.nd.load('symbol-0000.params').items()}})
        mx.nd.save('list.params', [mx.nd.ones((2,)), mx.nd.zeros((3,))])
        mx.nd.save('sparse.params', {{'a': mx.nd.sparse.row_sparse_array(([[1., 2.]], [1]), shape=(3, 2))}})
        with mx.util.np_shape(True):
            mx.nd.save('shapes.params', {{'s': mx.nd.ones(()), 'e': mx.nd.ones((0, 3))}})
        """,
        tmp_path,
    )
    assert_same(read(tmp_path / "types.params"), loaded(tmp_path, "types.npz"))
    gluon, expected = read(tmp_path / "gluon.params"), loaded(tmp_path, "gluon.npz")
    assert set(gluon) == set(expected) == {"0.weight", "0.bias", *(f"1.{n}" for n in NORM)}
    assert_same(gluon, {name: expected[name] for name in gluon})
    symbol, expected = read(tmp_path / "symbol-0000.params"), loaded(tmp_path, "symbol.npz")
    assert_same(symbol, {name: expected[name] for name in symbol})
    assert symbol.wrapping == ("arg:", "aux:")
    assert {name.split("_")[-1] for name, role in symbol.roles.items() if role == "aux"} == {"mean", "var"}
    assert list(read(tmp_path / "list.params")) == ["0", "1"]
    shapes = read(tmp_path / "shapes.params")
    assert shapes["s"].shape == ()
    assert shapes["e"].shape == (0, 3)
    with pytest.raises(WeightsError, match="row_sparse"):
        read(tmp_path / "sparse.params")


NORM = ("gamma", "beta", "running_mean", "running_var")


def test_mxnet_loads_what_is_written(tmp_path: Path) -> None:
    arrays = sample(MXNET_TYPES, scalars=False)
    write(tmp_path / "a.params", arrays)
    rng = np.random.default_rng(1)
    gluon = {"0.weight": rng.random((4, 3, 3, 3), np.float32), "0.bias": rng.random(4, np.float32)}
    gluon |= {f"1.{name}": rng.random(4, np.float32) for name in NORM}
    write(tmp_path / "gluon.params", gluon)
    symbol = Tensors({"w": np.ones(2, np.float32), "m": np.zeros(2, np.float32)}, roles={"w": "arg", "m": "aux"})
    write(tmp_path / "symbol.params", symbol)
    run(
        "mxnet",
        """
        mx = mxnet
        np.savez('loaded.npz', **{k: v.asnumpy() for k, v in mx.nd.load('a.params').items()})
        net = mx.gluon.nn.HybridSequential()
        net.add(mx.gluon.nn.Conv2D(4, 3, in_channels=3), mx.gluon.nn.BatchNorm(in_channels=4))
        net.load_parameters('gluon.params')
        np.savez('gluon.npz', **{k: v.data().asnumpy() for k, v in net._collect_params_with_prefix().items()})
        assert sorted(mx.nd.load('symbol.params')) == ['arg:w', 'aux:m']
        """,
        tmp_path,
    )
    got = loaded(tmp_path, "loaded.npz")
    assert_same(Tensors({name: got[name] for name in arrays}), arrays)
    back = loaded(tmp_path, "gluon.npz")
    assert_same(Tensors({name: back[name] for name in gluon}), gluon)
    assert_same(read(tmp_path / "a.params"), arrays)
    assert read(tmp_path / "symbol.params").roles == symbol.roles


# safetensors, whose own package needs no framework


def test_the_safetensors_package_agrees(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    types = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    arrays = sample([*types, "uint16", "uint32", "uint64"])
    write(tmp_path / "a.safetensors", arrays, {"arch": "ä test"})
    got = package.load_file(tmp_path / "a.safetensors")
    assert_same(Tensors({name: got[name] for name in arrays}), arrays)
    package.save_file({k: v.copy(order="C") for k, v in arrays.items()}, tmp_path / "b.safetensors", {"k": "v"})
    back = read(tmp_path / "b.safetensors")
    assert back.metadata == {"k": "v"}
    assert_same(Tensors({name: back[name] for name in arrays}), arrays)


EXPORTED = """
    import sys
    sys.path.insert(0, {root!r})
    from backends.mxnet.models import build_model
    from core.arch import PRESETS, build
    from weights_convert.native_names import native_name
    from weights_convert.sources.segparity import EXPORTED, NOT_TOLD_BY_NUMBERS

    tiny = sorted(name for name in PRESETS if name.endswith("_tiny"))
    untold = set()
    for name in tiny:
        spec = build(name, 5)
        named = build_model(spec)._collect_params_with_prefix()
        paths = {{parameter.name: path for path, parameter in named.items()}}
        origins = EXPORTED[0].assign(list(paths), spec).origins
        found = {{canonical: paths[origin.name] for canonical, origin in origins.items()}}
        if found != {{p.name: native_name(p, "mxnet").name for p in spec.parameters()}}:
            untold.add(spec.arch)
    assert untold == NOT_TOLD_BY_NUMBERS, untold ^ NOT_TOLD_BY_NUMBERS

    network = build_model(build(tiny[0], 5))
    network(mxnet.nd.random.uniform(shape=(1, 3, 96, 96)))
    network.export("exported")
    network.save_parameters("saved.params")
"""


def test_reads_gluon_export(tmp_path: Path) -> None:
    """Networks that make their layers in the inventory's order are told by export()'s running numbers, no others."""
    run("mxnet", EXPORTED.format(root=str(Path(__file__).resolve().parents[1])), tmp_path)
    saved = import_weights(tmp_path / "saved.params")
    exported = import_weights(tmp_path / "exported-0000.params", preset=saved.fit.preset, overrides=saved.fit.overrides)
    assert "export()" in exported.fit.label
    assert list(exported.state) == list(saved.state)
    for name, array in saved.state.items():
        assert exported.state[name].tobytes() == array.tobytes(), name
