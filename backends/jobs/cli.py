"""What the command lines of the jobs share: options and errors."""

from __future__ import annotations

import argparse
import errno
import faulthandler
import io
import os
import sys
from collections.abc import Callable

from backends.jobs.options import file_path
from core.errors import ConfigError, SegParityError
from core.evaluation.submission import SERVERS
from core.signals import Terminated, ending_on_sigterm

STOPPED = "what was written stands, and a training goes on from its last checkpoint with --resume"


def job_parser(backend: str, job: str, description: str) -> argparse.ArgumentParser:
    """A parser with what all jobs take."""
    command = argparse.ArgumentParser(
        prog=f"python -m backends.{backend}.{job}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Settings are key paths of the configuration: --set data.root=/data/camvid --set train.batch_size=4. "
        "A run's config.yaml shows them all.",
    )
    command.add_argument(
        "--cfg", type=file_path, metavar="FILE", help="configuration (YAML), e.g. configs/camvid/fast_scnn.yaml"
    )
    command.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable"
    )
    command.add_argument("--device", default="auto", help="auto (default: a GPU if there is one), cpu, gpu or gpu:N")
    return command


def add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--run", type=file_path, metavar="DIR", help="take configuration and best weights from this run"
    )
    command.add_argument(
        "--weights", type=file_path, metavar="FILE", help="weights: any format that weights_convert reads"
    )
    command.add_argument(
        "--from", dest="origin", metavar="ORIGIN", help="the repository the weights come from, if not plain"
    )
    command.add_argument("--ema", action="store_true", help="the moving average kept beside the weights (train.ema)")


def run(job: Callable[[], None]) -> int:
    """Runs the job; an expected error becomes one line and exit status 2.

    A job that dies of a fault in native code says of which, and in which line of Python.
    """
    if sys.__stderr__ is not None and not faulthandler.is_enabled():
        faulthandler.enable(sys.__stderr__)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    try:
        with ending_on_sigterm(STOPPED):
            job()
        sys.stdout.flush()
    except SegParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {_explain(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; {STOPPED}", file=sys.stderr)
        return 130
    except Terminated:
        print(f"terminated by SIGTERM; {STOPPED}", file=sys.stderr)
        return 143
    return 0


def _explain(error: OSError) -> str:
    """One sentence of an error of the system that nobody has given a better one."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO):  # every other writer names its file
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again when it ends, and complains
        reason = "was closed" if error.errno == errno.EPIPE else f"takes no more ({error.strerror})"
        return f"standard output {reason} before all was printed"
    return error.strerror or str(error)


def add_server(command: argparse.ArgumentParser) -> None:
    """The option for predictions as a benchmark's server takes them."""
    command.add_argument(
        "--server",
        choices=sorted(SERVERS),
        metavar="NAME",
        help=f"a benchmark's zip file: {', '.join(sorted(SERVERS))}",
    )


def check_server_options(arguments: argparse.Namespace) -> None:
    """Raises ConfigError where --server and --out do not go together."""
    if arguments.server is not None and (arguments.out is None or arguments.out.suffix.lower() != ".zip"):
        raise ConfigError(f"--server {arguments.server}: name the file it goes to, --out FILE.zip")
    if arguments.server is None and arguments.out is not None and arguments.out.suffix.lower() == ".zip":
        raise ConfigError(f"--out {arguments.out}: a zip file is made for a server alone; name it with --server")
