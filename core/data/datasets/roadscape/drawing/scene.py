"""A street scene, and drawing it: sky, shadows, ground, then everything that stands there from far to near."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from core.data.datasets.roadscape.drawing.canvas import Camera, Canvas, Light
from core.data.datasets.roadscape.drawing.ground import Ground
from core.data.datasets.roadscape.drawing.noise import TILE, grain
from core.data.datasets.roadscape.drawing.scene_classes import VOID
from core.data.datasets.roadscape.drawing.sky import Sky


class Thing(Protocol):
    """Something that stands in the street."""

    @property
    def far(self) -> float: ...

    def cast(self, canvas: Canvas) -> None: ...

    def draw(self, canvas: Canvas) -> None: ...


@dataclass(frozen=True)
class Scene:
    """A street with everything in it, independent of the size it is drawn at."""

    light: Light
    ground: Ground
    sky: Sky
    things: tuple[Thing, ...]  # far to near
    camera: tuple[
        float, float, float, float, float, float
    ]  # x, y, curve, focal / height, centre / width, horizon / height
    hood: tuple[float, np.ndarray] | None  # of the car the camera is in: share of the height, colour
    mirrored: bool  # traffic keeps to the left
    exposure: float
    grain: tuple[float, int, int]  # strength and offset into the tile

    def draw(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """The picture uint8 [H, W, 3] RGB and its labels uint8 [H, W]."""
        x, y, curve, focal, center, horizon = self.camera
        camera = Camera((height, width), focal * height, center * width, horizon * height, x, y, curve)
        canvas = Canvas(camera, self.light)
        self.sky.draw(canvas)
        for thing in self.things:
            thing.cast(canvas)
        blur = max(1, height // 180) * 2 + 1
        canvas.shadow = cv2.blur(canvas.shadow, (blur, blur))
        self.ground.draw(canvas)
        for thing in self.things:
            thing.draw(canvas)
        if self.hood is not None:
            _draw_hood(canvas, *self.hood)
        image = _develop(canvas.image, self.exposure, self.grain)
        if self.mirrored:
            return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(canvas.label[:, ::-1])
        return image, canvas.label


def _draw_hood(canvas: Canvas, share: float, paint: np.ndarray) -> None:
    """The bonnet of the camera's own car: belongs to no class."""
    height, width = canvas.camera.size
    turn = np.linspace(0, np.pi, 33)
    up = np.array([0.0, 1.0, 0.0])
    for scale, tone in ((1.0, 0.55), (0.86, 0.85), (0.6, 1.0)):
        arc = np.column_stack(
            [width * (0.5 + 0.58 * np.cos(turn)), height * (1.0 + 0.01 - share * scale * np.sin(turn) ** 0.5)]
        )
        sheen = canvas.light.shade(paint * 0.75, up) * tone + canvas.light.sky_horizon * 0.12 * tone
        canvas.polygons(arc[None], sheen, VOID)


def _develop(image: np.ndarray, exposure: float, noise: tuple[float, int, int]) -> np.ndarray:
    """Exposure, vignette and the sensor's noise."""
    height, width = image.shape[:2]
    strength, top, left = noise
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    gain = np.float32(exposure) * (1 - 0.09 * (rows + columns))
    y, x = (np.arange(height) + top) & (TILE - 1), (np.arange(width) + left) & (TILE - 1)
    speckle = grain()[y[:, None], x] * np.float32(strength)
    out = image * gain[..., None]
    out += speckle[..., None]
    return np.clip(out, 0, 255, out=out).astype(np.uint8)
