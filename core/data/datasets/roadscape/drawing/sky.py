"""Sky: gradient, clouds on a plane overhead, and the sun's glow."""

from dataclasses import dataclass

import cv2
import numpy as np

from core.data.datasets.roadscape.drawing.canvas import Canvas
from core.data.datasets.roadscape.drawing.noise import TILE, clouds
from core.data.datasets.roadscape.drawing.scene_classes import BUILDING, SKY, TREE


@dataclass(frozen=True)
class Sky:
    """Where the clouds are, and what stands on the horizon."""

    offset: tuple[float, float]  # into the cloud tile, 0..1
    skyline: np.ndarray  # heights of far roofs in metres [N]
    woods: np.ndarray  # heights of far trees in metres [M]

    def draw(self, canvas: Canvas) -> None:
        camera, light = canvas.camera, canvas.light
        height, width = camera.size
        last = min(int(camera.horizon) + 2, height)
        if last < 1:
            return
        # at half the size: the sky has no edges, and it is the largest surface
        rows = np.linspace(0.5, last - 0.5, (last + 1) // 2, dtype=np.float32)[:, None]
        columns = np.linspace(0.5, width - 0.5, (width + 1) // 2, dtype=np.float32)[None]
        rise = np.maximum(np.float32(camera.horizon) - rows, 0) / np.float32(camera.focal)
        turn = (columns - np.float32(camera.center)) / np.float32(camera.focal)
        blend = np.exp(-rise / 0.16) * np.ones_like(turn)
        tile = TILE * 0.5 / (rise + 0.12)
        places = ((turn * tile + self.offset[0] * TILE) % TILE, (tile * 0.6 + self.offset[1] * TILE + 0 * turn) % TILE)
        density = cv2.remap(clouds(), places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        cover = np.clip((density - (1 - light.clouds)) / 0.35, 0, 1) * np.clip(rise / 0.08, 0, 1) * 0.85
        thick = np.clip((density - (1 - light.clouds) - 0.2) / 0.5, 0, 1)
        sun = light.sun
        glow = np.zeros_like(blend)
        if sun[2] > 0.05 and float(light.sun_color.max()) > 0.05:
            distance = (turn - np.float32(sun[0] / sun[2])) ** 2 + (rise - np.float32(sun[1] / sun[2])) ** 2
            glow = 0.55 * np.exp(-distance / 0.05) + np.clip(1.4 - distance / 0.0012, 0, 1)
        white = np.clip(light.ambient * 150 + light.sun_color * 150, 0, 255)
        grey = np.clip(light.ambient * 245 + light.sun_color * 30, 0, 232)
        sky = np.empty((*blend.shape, 3), np.float32)
        for channel in range(3):
            value = float(light.sky_top[channel]) + float(light.sky_horizon[channel] - light.sky_top[channel]) * blend
            cloud = float(white[channel]) + float(grey[channel] - white[channel]) * thick
            value += (cloud - value) * cover
            sky[..., channel] = value + (
                255 * min(1.0, 0.75 + 0.4 * float(light.sun_color[channel])) - value
            ) * np.minimum(glow, 1)
        resized = cv2.resize(np.clip(sky, 0, 255).astype(np.uint8), (width, last), interpolation=cv2.INTER_LINEAR)
        canvas.image[:last] = resized
        canvas.image[last:] = resized[-1]
        canvas.label[:] = SKY
        self._horizon(canvas)

    def _horizon(self, canvas: Canvas) -> None:
        """Far roofs and woods, mostly haze."""
        camera, light = canvas.camera, canvas.light
        width = camera.size[1]
        for heights, z, color, label in (
            (self.skyline, 420.0, np.array([120.0, 112.0, 112.0]), BUILDING),
            (self.woods, 260.0, np.array([62.0, 88.0, 52.0]), TREE),
        ):
            edges = np.linspace(-2, width + 2, len(heights) + 1)
            tops = camera.horizon - heights * camera.scale(z)
            bottom = camera.horizon + 2
            if label == BUILDING:
                quads = [
                    np.array([(a, top), (b, top), (b, bottom), (a, bottom)])
                    for a, b, top in zip(edges[:-1], edges[1:], tops, strict=True)
                ]
            else:
                middles = (edges[:-1] + edges[1:]) / 2
                line = np.column_stack([middles, tops])
                quads = [np.vstack([(-3, bottom), (-3, tops[0]), line, (width + 3, tops[-1]), (width + 3, bottom)])]
            tint = light.haze(color * (light.ambient + 0.5 * light.sun_color), z * 0.55)
            for quad in quads:
                canvas.polygons(quad[None], tint, label)
