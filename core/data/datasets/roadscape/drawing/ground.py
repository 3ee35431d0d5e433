"""Road, markings, kerbs and pavement.

Computed per pixel from the position on the ground, with analytic anti-aliasing.
"""

from dataclasses import dataclass

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import Canvas
from core.data.datasets.roadscape.drawing.noise import TILE, clouds, grain
from core.data.datasets.roadscape.drawing.scene_classes import PAVEMENT, ROAD, TREE

UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Ground:
    """The plan of a street. Lengths in metres."""

    half_width: float  # of the road
    pavement: float  # width on each side
    lanes: int  # in all
    junction: tuple[float, float] | None  # a crossing street from z to z
    crossing: float | None  # z of a zebra crossing
    parks: tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]  # green stretches, left and right
    markings: str  # "dashed", "solid" or "none"
    asphalt: float  # brightness 0..1
    paving: tuple[float, float, float]  # colour of the pavement, 0..1
    tile: float  # size of the pavement's slabs
    phase: float  # where dashes begin
    grass: tuple[float, float, float]

    @property
    def building_line(self) -> float:
        return self.half_width + self.pavement

    def draw(self, canvas: Canvas) -> None:
        """Paint everything below the horizon and label it."""
        camera, light = canvas.camera, canvas.light
        height, width = camera.size
        first = max(int(np.ceil(camera.horizon + 0.25)), 0)
        rows = np.arange(first, height, dtype=np.float32) + 0.5 - np.float32(camera.horizon)
        z = (camera.focal * camera.y / rows).astype(np.float32)[:, None]
        columns = np.arange(width, dtype=np.float32) + np.float32(0.5 - camera.center)
        x = columns * (z / np.float32(camera.focal)) + (np.float32(camera.x) - np.float32(camera.curve) * z * z)
        across = z / np.float32(camera.focal)  # metres per pixel to the side
        along = z * across / np.float32(camera.y)  # metres per pixel ahead

        side = np.abs(x)
        open_road = self._between(z, self.junction, along)
        road = np.maximum(_below(side, self.half_width, across), open_road)
        fine, coarse = _texture(x, z, 24.0, grain()), _texture(x, z, 3.0, clouds())
        fade = np.clip(12.0 / z, 0.0, 1.0)

        lum_road = self.asphalt * (0.82 + 0.36 * coarse) + 0.06 * fine * fade
        lum_road -= 0.02 * np.cos(x * np.float32(4 * np.pi * self.lanes / 2 / self.half_width))  # worn tracks
        lum_road += (0.86 - lum_road) * self._paint(x, side, z, across, along) * (0.72 + 0.28 * coarse)
        lum_side = 0.86 + 0.22 * coarse + 0.07 * fine * fade
        joints = np.maximum(_grid(x, self.tile, across), _grid(z, self.tile, along))
        lum_side -= 0.22 * joints * np.clip(18.0 / z - 0.2, 0.0, 1.0)
        kerb = _line(side - (self.half_width + 0.12), 0.12, across) * (1 - open_road)
        lum_side += 0.14 * kerb
        lum_road *= 1 - 0.2 * _line(side - (self.half_width - 0.1), 0.1, across)  # the gutter

        green = np.zeros_like(x)
        for sign, stretches in zip((-1.0, 1.0), self.parks, strict=True):
            for stretch in stretches:
                green = np.maximum(
                    green, self._between(z, stretch, along) * _below(-sign * x, -self.building_line, across)
                )
        green *= 1 - open_road
        lum_green = 0.7 + 0.6 * coarse + 0.25 * fine * fade

        lit = light.ambient + light.sun_color * max(0.0, float(light.sun[1]))
        shaded = (
            lit - light.sun_color * max(0.0, float(light.sun[1])) * light.shadow - 0.12 * light.shadow * light.ambient
        )
        shadow = canvas.shadow[first:].astype(np.float32) * np.float32(1 / 255)
        share = (1 - np.exp(-z / light.haze_distance)).astype(np.float32)
        side_share = (1 - road) * (1 - green)
        for channel in range(3):
            value = road * lum_road * (1.0, 1.0, 1.03)[channel]
            value += side_share * lum_side * self.paving[channel] + green * lum_green * self.grass[channel]
            value *= 255 * (float(lit[channel]) + float(shaded[channel] - lit[channel]) * shadow)
            value += (float(light.sky_horizon[channel]) - value) * share
            canvas.image[first:, :, channel] = np.clip(value, 0, 255)
        labels = np.where(road >= 0.5, np.uint8(ROAD), np.uint8(PAVEMENT))
        canvas.label[first:] = np.where(green >= 0.5, np.uint8(TREE), labels)

    def _paint(
        self, x: np.ndarray, side: np.ndarray, z: np.ndarray, across: np.ndarray, along: np.ndarray
    ) -> np.ndarray:
        """Coverage by white paint, 0..1."""
        blur_z = np.maximum(along, 1e-3)
        dash = _below(np.abs((z + self.phase) % 6.0 - 3.0), 1.3, blur_z)
        dash = np.where(along > 5.0, 0.45, dash)
        paint = np.zeros_like(x)
        if self.markings != "none":
            lane = 2 * self.half_width / self.lanes
            for number in range(1, self.lanes):
                place = -self.half_width + number * lane
                middle = 2 * number == self.lanes
                if middle and self.markings == "solid":
                    double = np.maximum(_line(x - place - 0.13, 0.06, across), _line(x - place + 0.13, 0.06, across))
                    paint = np.maximum(paint, double)
                else:
                    paint = np.maximum(paint, _line(x - place, 0.07, across) * dash)
            paint = np.maximum(paint, _line(side - (self.half_width - 0.35), 0.06, across))
        paint = paint * (1 - self._between(z, self.junction, along))
        if self.crossing is not None:
            zone = (self.crossing, self.crossing + 3.0)
            inside = self._between(z, zone, along)
            bars = np.where(across > 0.5, 0.5, _below(np.abs(x % 1.0 - 0.5), 0.25, across))
            near = self._between(z, (self.crossing - 1.6, self.crossing - 1.2), along) * (x > 0)  # the stop line
            paint = np.maximum(paint * (1 - inside), inside * bars * _below(side, self.half_width - 0.3, across))
            paint = np.maximum(paint, near * _below(side, self.half_width - 0.3, across))
        return paint

    def _between(self, z: np.ndarray, stretch: tuple[float, float] | None, along: np.ndarray) -> np.ndarray:
        """Coverage of the rows by z in [from, to]."""
        if stretch is None:
            return np.zeros_like(z)
        middle, half = (stretch[0] + stretch[1]) / 2, (stretch[1] - stretch[0]) / 2
        return _below(np.abs(z - middle), half, along)


def _below(value: np.ndarray, limit: float, footprint: np.ndarray) -> np.ndarray:
    """The share of a pixel `footprint` metres wide in which value < limit."""
    return np.clip((limit - value) / footprint + 0.5, 0.0, 1.0)


def _line(distance: np.ndarray, half: float, footprint: np.ndarray) -> np.ndarray:
    """Coverage by a line of half width `half` at distance 0; thinner than a pixel, it fades instead of vanishing."""
    wide = np.minimum(1.0, 2 * half / footprint)
    return _below(np.abs(distance), np.maximum(half, footprint / 2), footprint) * wide  # type: ignore[arg-type]


def _offset(value: np.ndarray, period: float) -> np.ndarray:
    return value % period - period / 2


def _grid(value: np.ndarray, period: float, footprint: np.ndarray) -> np.ndarray:
    return _line(_offset(value, period), 0.02, footprint)


def _texture(x: np.ndarray, z: np.ndarray, per_metre: float, tile: np.ndarray) -> np.ndarray:
    """Look a tile up at ground positions."""
    columns = (x * per_metre).astype(np.int32) & (TILE - 1)
    rows = (z * per_metre).astype(np.int32) & (TILE - 1)
    return tile.ravel()[rows * TILE + columns]
