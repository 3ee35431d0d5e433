"""What Paddle itself writes of a static graph is read here, name by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.conftest import ROOT
from weights_convert.formats import read

SCRIPT = """
import sys, numpy as np, paddle
folder = sys.argv[1]
class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4)
        self.fc = paddle.nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).mean([2, 3]))
net = Net()
net.eval()
np.savez(folder + "/jit.npz", **{name: value.numpy() for name, value in net.state_dict().items()})
paddle.jit.save(net, folder + "/jit/n", input_spec=[paddle.static.InputSpec([None, 3, 8, 8], "float32")])
paddle.enable_static()
program, startup = paddle.static.Program(), paddle.static.Program()
with paddle.static.program_guard(program, startup):
    x = paddle.static.data("x", [None, 3, 8, 8])
    y = paddle.static.nn.batch_norm(paddle.static.nn.conv2d(x, 4, 3), is_test=True)
    executor = paddle.static.Executor()
    executor.run(startup)
    paddle.static.save_inference_model(folder + "/static/m", [x], [y], executor, program=program)
    paddle.static.io.save_vars(executor, folder + "/vars", program, predicate=lambda v: v.persistable)
    scope = paddle.static.global_scope()
    names = [v.name for v in program.list_vars() if v.persistable and v.name not in ("feed", "fetch")]
    np.savez(folder + "/static.npz", **{n: np.array(scope.find_var(n).get_tensor()) for n in names})
"""


def test_programs_and_files_of_one_parameter(backend: str, tmp_path: Path) -> None:
    if backend != "paddle":
        pytest.skip("Paddle's own files")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FLAGS_enable_pir_api": "0"}  # ProgramDesc, as before Paddle 3
    (tmp_path / "vars").mkdir()
    (tmp_path / "write.py").write_text(SCRIPT)  # Paddle reads the source of what it makes a graph of
    command = [sys.executable, str(tmp_path / "write.py"), str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, timeout=300)
    for folder, wanted in (("jit", "jit.npz"), ("static", "static.npz"), ("vars", "static.npz")):
        expected, got = np.load(tmp_path / wanted), read(tmp_path / folder)
        assert set(got) == set(expected.files)
        assert all(np.array_equal(got[name], expected[name]) for name in got)
