"""`python -m backends.serve --run A [--run B]`: the service and its page, for this machine alone."""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections.abc import Sequence

from backends.jobs.cli import run
from backends.jobs.options import file_path, real, whole
from backends.serve.models import find_models, samples
from core.description import backend_names, descriptions
from core.errors import ConfigError
from core.ranges import Range


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(
        prog="python -m backends.serve",
        description="Answer pictures over HTTP with label maps, in every framework; a page shows them side by side.",
    )
    command.add_argument(
        "--run", action="append", default=[], type=file_path, metavar="DIR", help="offer this run's weights; repeatable"
    )
    command.add_argument(
        "--weights", action="append", default=[], type=file_path, metavar="FILE", help="offer these; repeatable"
    )
    command.add_argument("--cfg", type=file_path, metavar="FILE", help="the configuration of --weights, if not inside")
    command.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change a setting"
    )
    command.add_argument(
        "--backends",
        default=" ".join(backend_names()),
        help="names, separated by blanks or commas (default: %(default)s)",
    )
    command.add_argument(
        "--host", default="127.0.0.1", help="where to listen (default: %(default)s, this machine alone)"
    )
    command.add_argument(
        "--port", type=whole(Range(0, 65535)), default=8000, help="default: %(default)s; 0: any free one"
    )
    command.add_argument("--max-megabytes", type=real(Range(0.01, 1024)), default=16, help="of an upload")
    command.add_argument("--max-pixels", type=whole(Range(1, 1 << 28)), default=1 << 23, help="of a picture")
    command.add_argument("--timeout", type=real(Range(0.1, 3600)), default=60, metavar="SECONDS", help="of a batch")
    command.add_argument("--batch", type=whole(Range(1, 64)), default=8, help="pictures of one size run together")
    return command


def serve(options: argparse.Namespace) -> None:
    """Raises ConfigError for what cannot be offered, before anything listens."""
    try:
        import uvicorn

        from backends.serve.app import Limits, Service, build_app
    except ImportError as error:
        raise ConfigError(f'the service needs {error.name}: pip install -e ".[serve]"') from error
    wanted = options.backends.replace(",", " ").split()
    unknown = [name for name in wanted if name not in descriptions()]
    if unknown or not wanted:
        raise ConfigError(f"--backends {options.backends!r}: choose from {', '.join(backend_names())}")
    models = find_models(options.run, options.weights, options.cfg, options.overrides)
    limits = Limits(
        megabytes=options.max_megabytes, pixels=options.max_pixels, seconds=options.timeout, batch=options.batch,
        pixels_at_work=max(1 << 25, options.max_pixels),
    )  # fmt: skip
    if not _is_loopback(options.host):
        print(f"WARNING: {options.host} is reached from other machines; there is no password", file=sys.stderr)
    app = build_app(Service.start(models, wanted, samples(models), limits))
    server = uvicorn.Server(
        uvicorn.Config(app, options.host, options.port, log_level="warning", server_header=False, timeout_keep_alive=10)
    )
    server.config.load()
    print(f"offering {', '.join(model.name for model in models)} in {', '.join(wanted)}", flush=True)
    sockets = [server.config.bind_socket()]
    host, port = sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}/ (Ctrl+C ends it)", flush=True)
    server.run(sockets)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return run(lambda: serve(options))


if __name__ == "__main__":
    sys.exit(main())
