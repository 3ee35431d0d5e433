"""The HTTP interface.

    GET  /                the page
    GET  /api/models      weights, protocols, frameworks, samples, limits
    GET  /api/samples/N   a picture to try
    POST /api/segment     picture in (the body, or the part `file` of a form), answer out:
                          ?model=NAME&backend=NAME&protocol=NAME&format=label|color|overlay|rle|raw
    GET  /health          200 where at least one framework can answer, else 503
    GET  /metrics         Prometheus' text format

Errors are `{"error": sentence}`. Bytes, pixels, time and the pixels in work at once are bounded; what is beyond waits,
and is told to come again (503) where it would wait too long.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anyio import fail_after
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from backends.serve.engine import Engine, Result, Unavailable, Unsuitable
from backends.serve.models import PROTOCOLS, Model, encode, run_lengths
from backends.serve.uploads import Refused, decode, inspect
from core.data.datasets.images import colorize
from core.visualize import overlay

PAGE = Path(__file__).with_name("page.html")
FORMATS = ("label", "color", "overlay", "rle", "raw")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Limits:
    """What a client may ask for. Seconds are of the upload, of a batch, and of the whole answer."""

    megabytes: float = 16
    pixels: int = 1 << 23
    upload_seconds: float = 30
    seconds: float = 60
    batch: int = 8
    uploads: int = 64  # at a time
    pixels_at_work: int = 1 << 25

    @property
    def bytes(self) -> int:
        return int(self.megabytes * (1 << 20))


class Budget:
    """So many units may be taken at once; whoever wants more waits in turn."""

    def __init__(self, units: int) -> None:
        self._free, self._all = units, units
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def take(self, units: int) -> AsyncIterator[None]:
        units = min(units, self._all)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= units)
            self._free -= units
        try:
            yield
        finally:
            async with self._changed:
                self._free += units
                self._changed.notify_all()


class Service:
    """The engines, the models and what was counted."""

    def __init__(
        self, models: list[Model], engines: dict[str, Any], samples: list[tuple[str, np.ndarray]], limits: Limits
    ) -> None:
        self.models = {model.name: model for model in models}
        self.engines, self.limits = engines, limits
        self.samples = [(name, encode(picture, ".png")) for name, picture in samples]
        self.uploads, self.pixels = Budget(limits.uploads), Budget(limits.pixels_at_work)
        self.answers: Counter[tuple[str, int]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @classmethod
    def start(
        cls, models: list[Model], backends: list[str], samples: list[tuple[str, np.ndarray]], limits: Limits
    ) -> Service:
        engines = {name: Engine(name, limits.seconds, limits.batch, limits.pixels) for name in backends}
        return cls(models, engines, samples, limits)

    def close(self) -> None:
        for engine in self.engines.values():
            engine.close()

    async def read(self, request: Request) -> bytes:
        """The picture's bytes. Raises Refused for too many, too slow, or none."""
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > self.limits.bytes + 4096:
            raise self._too_large()
        try:
            with fail_after(self.limits.upload_seconds):
                body = bytearray()
                async for piece in request.stream():
                    body += piece
                    if len(body) > self.limits.bytes + 4096:
                        raise self._too_large()
        except TimeoutError:
            raise Refused(f"the upload took more than {self.limits.upload_seconds:g} s", 408) from None
        kind = request.headers.get("content-type", "")
        data = form_part(bytes(body), kind) if kind.lower().startswith("multipart/form-data") else bytes(body)
        if len(data) > self.limits.bytes:
            raise self._too_large()
        return data

    def _too_large(self) -> Refused:
        return Refused(f"the upload is larger than {self.limits.megabytes:g} MiB, the most taken", 413)

    async def segment(self, request: Request) -> Response:
        """One picture by one framework."""
        model = _chosen("model", request, self.models)
        backend = _chosen("backend", request, self.engines)
        protocol = _chosen("protocol", request, dict.fromkeys(PROTOCOLS))
        form = _chosen("format", request, dict.fromkeys(FORMATS))
        async with self.uploads.take(1):
            upload = inspect(await self.read(request), self.limits.pixels)
            async with self.pixels.take(upload.height * upload.width):
                picture = await asyncio.to_thread(decode, upload)
                order = self.engines[backend].segment(picture, self.models[model].order(), protocol)
                result: Result = await asyncio.wrap_future(order)
                return await asyncio.to_thread(_answer, form, picture, result, self.models[model])

    def health(self) -> tuple[int, dict[str, Any]]:
        states = {name: engine.state for name, engine in self.engines.items()}
        able = [name for name, engine in self.engines.items() if not engine.problem]
        status = "ok" if len(able) == len(states) else "degraded" if able else "unavailable"
        return 200 if able else 503, {"status": status, "backends": states}

    def metrics(self) -> str:
        """What was counted, in Prometheus' text format."""
        lines = ["# TYPE segparity_requests_total counter"]
        lines += [
            f'segparity_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.answers.items())
        ]
        lines.append("# TYPE segparity_request_seconds_total counter")
        lines += [
            f'segparity_request_seconds_total{{path="{path}"}} {total:.6f}'
            for path, total in sorted(self.seconds.items())
        ]
        kinds = [("pictures_total", "pictures", "counter"), ("batches_total", "batches", "counter")]
        kinds += [("worker_starts_total", "starts", "counter"), ("waiting", "waiting", "gauge")]
        for name, attribute, kind in kinds:
            lines.append(f"# TYPE segparity_{name} {kind}")
            lines += [
                f'segparity_{name}{{backend="{backend}"}} {getattr(engine, attribute)}'
                for backend, engine in self.engines.items()
            ]
        lines.append("# TYPE segparity_backend_up gauge")
        lines += [f'segparity_backend_up{{backend="{b}"}} {int(not e.problem)}' for b, e in self.engines.items()]
        return "\n".join(lines) + "\n"

    def describe(self) -> dict[str, Any]:
        """For the page."""
        return {
            "models": [model.describe() for model in self.models.values()],
            "protocols": list(PROTOCOLS),
            "backends": [
                {"name": name, "title": engine.title, "state": engine.state} for name, engine in self.engines.items()
            ],
            "samples": [name for name, _ in self.samples],
            "limits": {"megabytes": self.limits.megabytes, "pixels": self.limits.pixels},
        }


def _chosen(name: str, request: Request, known: dict[str, Any]) -> str:
    """The query's value, the first one known by default. Raises Refused for another."""
    value = request.query_params.get(name, next(iter(known), ""))
    if value not in known:
        raise Refused(f"{name}={value[:60]!r} is not known here; choose {', '.join(known)}", 404)
    return value


def form_part(body: bytes, content_type: str) -> bytes:
    """The content of the first part of a multipart form that is a file. Raises Refused where there is none."""
    _, _, rest = content_type.partition("boundary=")
    boundary = rest.split(";")[0].strip().strip('"').encode("latin-1", "replace")
    if not 1 <= len(boundary) <= 70:
        raise Refused("the form has no boundary; send the picture's bytes as the body")
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, found, content = part.partition(b"\r\n\r\n")
        if found and b"filename" in head.lower():
            return content
    raise Refused("the form holds no file; send the picture as the part `file`, or its bytes as the body")


def _answer(form: str, picture: np.ndarray, result: Result, model: Model) -> Response:
    """The label map in the form asked for."""
    labels = result.labels
    height, width = labels.shape
    told = {
        "X-Height": str(height), "X-Width": str(width),
        "X-Milliseconds": f"{result.milliseconds:.1f}", "X-Batch": str(result.batch),
    }  # fmt: skip
    if form == "raw":
        return Response(labels.tobytes(), media_type="application/octet-stream", headers=told)
    if form == "rle":
        segments = [
            {
                "class": value,
                "name": model.classes[value],
                "share": round(float((labels == value).mean()), 6),
                "rle": {"size": [height, width], "counts": counts},
            }
            for value, counts in run_lengths(labels).items()
        ]
        return JSONResponse({"height": height, "width": width, "segments": segments}, headers=told)
    if form == "label":
        drawn = labels
    elif form == "color":
        drawn = colorize(labels, model.palette)
    else:
        drawn = overlay(picture, labels, model.palette)
    return Response(encode(drawn, ".png"), media_type="image/png", headers=told)


def build_app(service: Service) -> FastAPI:
    """The application; `service` is closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    # No generated documentation: its page would be fetched from the network.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    page = PAGE.read_text(encoding="utf-8")

    async def guarded(path: str, answer: Callable[[], Any]) -> Response:
        start = time.perf_counter()
        response = await _told(answer)
        service.answers[path, response.status_code] += 1
        service.seconds[path] += time.perf_counter() - start
        response.headers.update(HEADERS)
        return response

    @app.get("/")
    async def index() -> Response:
        return HTMLResponse(page, headers=HEADERS)

    @app.get("/api/models")
    async def models() -> Response:
        return JSONResponse(service.describe(), headers=HEADERS)

    @app.get("/api/samples/{number}")
    async def sample(number: str) -> Response:
        if not number.isdigit() or int(number[:6]) >= len(service.samples):
            return JSONResponse({"error": f"there are samples 0 to {len(service.samples) - 1}"}, 404, HEADERS)
        return Response(service.samples[int(number[:6])][1], media_type="image/png", headers=HEADERS)

    @app.post("/api/segment")
    async def segment(request: Request) -> Response:
        async def bounded() -> Response:
            with fail_after(service.limits.upload_seconds + 2 * service.limits.seconds):
                return await service.segment(request)

        return await guarded("/api/segment", bounded)

    @app.get("/health")
    async def health() -> Response:
        status, told = service.health()
        return JSONResponse(told, status, HEADERS)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics(), headers=HEADERS)

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        words = {404: "there is nothing here", 405: "not by this method"}.get(error.status_code, "not possible")
        return JSONResponse({"error": words}, error.status_code, HEADERS)

    return app


async def _told(answer: Callable[[], Any]) -> Response:
    """The answer, or what is wrong in one sentence; never a path or a trace of this machine."""
    try:
        response: Response = await answer()
        return response
    except Refused as error:
        return JSONResponse({"error": str(error)}, error.status)
    except Unsuitable as error:
        return JSONResponse({"error": str(error)}, 422)
    except Unavailable as error:
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "2"})
    except TimeoutError:
        return JSONResponse({"error": "there is too much to do; come again later"}, 503, {"Retry-After": "10"})
    except Exception:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        return JSONResponse({"error": "something went wrong here; the server's log says more"}, 500)
