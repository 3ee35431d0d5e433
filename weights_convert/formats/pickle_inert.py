"""Which names may lie beside the weights in a pickle: those of objects that are never built.

Training scripts keep their options (argparse.Namespace), dates, paths, and records of classes of their own
(mmengine's HistoryBuffer) in the file with the weights. None of them is needed, so none is built: the machine puts a
stand-in in the object's place, drops its state, and lists its name. Nothing is imported or called for it.

A name that runs code by trade is no bystander: a file that names one is refused, as is one that builds a framework's
own objects, which may be weights in a shape that is not known here.
"""

from __future__ import annotations

import sys

# Of modules that are refused otherwise: classes that only hold values.
HOLD_VALUES = frozenset(
    {
        "argparse.Namespace",
        "types.SimpleNamespace",
        "uuid.UUID",
        "decimal.Decimal",
        "fractions.Fraction",
        "collections.deque",
        "torch.torch_version.TorchVersion",
        "numpy.random.mtrand.RandomState",
    }
)
MODULES_OF_VALUES = frozenset(
    {
        "datetime",
        "pathlib",
        "pathlib._local",
        "numpy.random._pickle",
        "numpy.random._mt19937",
        "numpy.random._pcg64",
    }
)
# What pickle itself writes to make an object of a class; not worth listing.
PLUMBING = frozenset(
    f"{module}.{name}"
    for modules, names in (
        (("copyreg", "copy_reg"), ("_reconstructor",)),
        (("builtins", "__builtin__"), ("object", "complex", "slice", "range")),
    )
    for module in modules
    for name in names
)
FRAMEWORKS = frozenset({"torch", "numpy", "paddle", "mxnet"})
# Beside the standard library of this Python: what other versions of it had, and packages that load or run code.
RUN_CODE = frozenset(
    {"__builtin__", "asyncore", "commands", "copy_reg", "distutils", "imp", "nt", "pipes", "popen2", "posix", "smtpd"}
    | {"IPython", "_pytest", "cloudpickle", "dill", "fsspec", "ipykernel", "joblib", "pip", "pkg_resources", "pytest"}
    | {"setuptools", "telnetlib"}
)


def may_stand_in(module: str, name: str) -> bool:
    """Whether the name may be that of a bystander."""
    full = f"{module}.{name}"
    if full in HOLD_VALUES or full in PLUMBING or module in MODULES_OF_VALUES:
        return True
    root = module.partition(".")[0]
    return root.isidentifier() and not (root in sys.stdlib_module_names or root in RUN_CODE or root in FRAMEWORKS)
