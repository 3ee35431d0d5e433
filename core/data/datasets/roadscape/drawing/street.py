"""What stands along a street: trees and hedges, lamps, signs, traffic lights, fences, bins."""

from dataclasses import dataclass

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import NEAR, Canvas, Color
from core.data.datasets.roadscape.drawing.scene_classes import FENCE, POLE, SIGN, TREE, VOID

_TOWARDS = np.array([0.0, 0.0, -1.0])
_UPWARDS = np.array([0.0, 0.8, -0.6])
_ROUND = np.linspace(0, 2 * np.pi, 15)[:-1]
_HEXAGON = np.column_stack([np.cos(_ROUND[::2]), np.sin(_ROUND[::2])])
_STEEL = np.array([88.0, 92.0, 96.0])


@dataclass(frozen=True)
class Tree:
    """A trunk and a crown of leaf clusters; without a trunk a bush."""

    x: float
    z: float
    trunk: float  # metres up to the crown
    radius: tuple[float, float]  # of the crown: to the side, up
    leaves: Color
    rim: np.ndarray  # radii of the outline, about 1 [N]
    clusters: np.ndarray  # leaf clusters in the unit disc: x, y, size, turn [M, 4]

    @property
    def far(self) -> float:
        return self.z

    def cast(self, canvas: Canvas) -> None:
        shift = canvas.light.throw(self.trunk + self.radius[1])
        middle = np.array([self.x, self.z])
        if canvas.sees(self.x + float(shift[0]), self.z + float(shift[1]), self.radius[0]):
            canvas.cast(_HEXAGON * (self.radius[0] * 0.9) + middle + shift, 215)
        if self.trunk > 0:
            thin = np.array([(-0.12, 0.0), (0.12, 0.0)]) + middle
            canvas.cast(np.vstack([thin, thin + shift]), 200)

    def draw(self, canvas: Canvas) -> None:
        scale = canvas.camera.scale(self.z)
        light = canvas.light
        if self.z < NEAR + 1.5 or scale * self.radius[1] < 1 or not canvas.sees(self.x, self.z, self.radius[0] * 1.3):
            return
        foot = canvas.camera.project(np.array([self.x, 0.0, self.z]))
        if self.trunk > 0:
            wide = 0.05 * self.trunk + 0.06
            trunk = np.array([(-wide, 0), (wide, 0), (wide * 0.7, self.trunk + 0.6), (-wide * 0.7, self.trunk + 0.6)])
            bark = light.haze(light.shade(np.array([92.0, 74.0, 58.0]), _TOWARDS), self.z)
            canvas.polygon(foot + trunk * (scale, -scale), bark, TREE)
            half = trunk * (0.45, 1.0) + (wide * 0.4, 0)
            canvas.polygon(foot + half * (scale, -scale), bark * 0.72, TREE)
        middle = foot - (0.0, (self.trunk + self.radius[1]) * scale)
        size = np.array(self.radius) * (scale, -scale)
        turn = np.linspace(0, 2 * np.pi, len(self.rim) + 1)[:-1]
        outline = np.column_stack([np.cos(turn), np.sin(turn)]) * self.rim[:, None]
        dark, mid, bright = (
            light.haze(light.shade(self.leaves * share, normal), self.z)
            for share, normal in ((0.55, _TOWARDS), (0.85, _UPWARDS), (1.12, _UPWARDS))
        )
        canvas.polygons((middle + outline * size)[None], dark, TREE)
        reach = scale * self.radius[1]
        if reach < 4:
            return
        clusters = self.clusters if reach > 30 else self.clusters[:: 2 if reach > 12 else 5]
        grown = (len(self.clusters) / len(clusters)) ** 0.4
        wave = (1 + 0.35 * np.sin(3 * _ROUND[::2] + clusters[:, 3:4])) * clusters[:, 2:3] * grown
        spread = clusters[:, None, :2] + _HEXAGON * wave[..., None]
        count = len(spread)
        sunward = np.array([np.sign(light.sun[0]) * 0.16, 0.16])
        third = count // 3
        for leaves, color in (  # no anti-aliasing: this is texture
            (spread[:third], dark * 1.18),
            (spread[third : 2 * third] * 0.9 + sunward, mid),
            (spread[2 * third :] * 0.62 + sunward * 2, bright),
            (spread[third - third // 3 : third] * 0.95 - sunward, dark * 0.8),
        ):
            canvas.polygons(middle + leaves * size, color, TREE, smooth=False)
            if reach < 8 and color is mid:
                return


@dataclass(frozen=True)
class Post:
    """A post with what it carries: "lamp", "lights", or a sign ("round", "blue", "triangle", "diamond", "panel")."""

    x: float
    z: float
    height: float
    kind: str
    inward: float  # direction of the street, -1 or +1
    phase: int  # which lamp of traffic lights burns

    @property
    def far(self) -> float:
        return self.z

    def cast(self, canvas: Canvas) -> None:
        foot = np.array([(self.x - 0.06, self.z), (self.x + 0.06, self.z)])
        canvas.cast(np.vstack([foot, foot + canvas.light.throw(self.height)]), 170)

    def draw(self, canvas: Canvas) -> None:
        camera = canvas.camera
        scale = camera.scale(self.z)
        if self.z < NEAR + 1.5 or scale * 0.14 < 0.35 or not canvas.sees(self.x, self.z, 2.5):
            return
        foot = camera.project(np.array([self.x, 0.0, self.z]))
        wide = max(0.11 if self.kind == "lamp" else 0.07, 0.55 / scale)
        self._bars(canvas, foot, scale, [((0.0, 0.0), (0.0, self.height), wide)])
        if self.kind == "lamp":
            reach = self.inward * 1.5
            self._bars(canvas, foot, scale, [((0, self.height), (reach, self.height + 0.35), wide * 0.8)])
            head = np.array([(reach - 0.35, -0.02), (reach + 0.35, -0.02), (reach + 0.3, 0.16), (reach - 0.3, 0.16)])
            lit = np.array([255.0, 236.0, 180.0]) if canvas.light.lamps > 0.3 else _STEEL * 1.3
            self._plate(canvas, foot, scale, _raised(head, self.height + 0.3), lit, POLE, canvas.light.lamps > 0.3)
        elif self.kind == "lights":
            self._traffic_light(canvas, foot, scale)
        else:
            self._sign(canvas, foot, scale)

    def _traffic_light(self, canvas: Canvas, foot: np.ndarray, scale: float) -> None:
        box = _raised(np.array([(-0.2, 0.0), (0.2, 0.0), (0.2, 1.0), (-0.2, 1.0)]), self.height - 0.2)
        self._plate(canvas, foot, scale, box, np.array([30.0, 33.0, 32.0]), SIGN)
        for number, color in enumerate(((60.0, 235.0, 120.0), (255.0, 190.0, 40.0), (255.0, 50.0, 40.0))):
            disc = _raised(_disc(0.115), self.height - 0.02 + 0.31 * number)
            on = number == self.phase
            self._plate(canvas, foot, scale, disc, np.array(color) * (1.0 if on else 0.28), SIGN, on)

    def _sign(self, canvas: Canvas, foot: np.ndarray, scale: float) -> None:
        red, white, blue, yellow = (
            np.array(c) for c in ((200.0, 28.0, 34.0), (240.0, 240.0, 240.0), (32.0, 84.0, 180.0), (245.0, 195.0, 40.0))
        )
        top = np.array([0.0, self.height])
        triangle = np.array([(-0.5, -0.3), (0.5, -0.3), (0.0, 0.55)])
        square = np.array([(-0.5, 0.0), (0.0, -0.5), (0.5, 0.0), (0.0, 0.5)])
        panel = np.array([(-0.75, -0.35), (0.75, -0.35), (0.75, 0.35), (-0.75, 0.35)])
        layers = {
            "round": [(_disc(0.42), red), (_disc(0.3), white), (_disc(0.16) * (1, 0.5), red * 0.2)],
            "blue": [
                (_disc(0.42), white),
                (_disc(0.38), blue),
                (np.array([(-0.07, -0.25), (0.07, -0.25), (0.07, 0.25), (-0.07, 0.25)]), white),
            ],
            "triangle": [(triangle, red), (triangle * 0.62, white), (panel * (0.06, 0.45), red * 0.2)],
            "diamond": [(square, white), (square * 0.85, yellow)],
            "panel": [
                (panel, white),
                (panel * (0.94, 0.88), blue),
                (panel * (0.7, 0.14) + (0, 0.1), white),
                (panel * (0.5, 0.12) - (0.1, 0.12), white),
            ],
        }[self.kind]
        for shape, color in layers:
            self._plate(canvas, foot, scale, shape + top, color, SIGN)

    def _plate(
        self,
        canvas: Canvas,
        foot: np.ndarray,
        scale: float,
        shape: np.ndarray,
        color: Color,
        label: int,
        lit: bool = False,
    ) -> None:
        shown = color if lit else canvas.light.shade(color, _TOWARDS)
        canvas.polygon(foot + shape * (scale, -scale), canvas.light.haze(shown, self.z * (0.5 if lit else 1.0)), label)

    def _bars(self, canvas: Canvas, foot: np.ndarray, scale: float, bars: list) -> None:
        for a, b, wide in bars:
            p, q = np.array(a, float), np.array(b, float)
            along = (q - p) / np.hypot(*(q - p))
            across = np.array([-along[1], along[0]]) * wide / 2
            quad = np.array([p + across, p - across, q - across * 0.7, q + across * 0.7])
            self._plate(canvas, foot, scale, quad, _STEEL, POLE)


@dataclass(frozen=True)
class Fence:
    """Pickets or railings along the street, from z0 to z1 at x."""

    x: float
    z0: float
    z1: float
    height: float
    color: Color
    spacing: float

    @property
    def far(self) -> float:
        return self.z1 - 0.5

    def cast(self, canvas: Canvas) -> None:
        foot = np.array([(self.x, self.z0), (self.x, self.z1)])
        canvas.cast(np.vstack([foot, foot + canvas.light.throw(self.height)]), 110)

    def draw(self, canvas: Canvas) -> None:
        z0 = max(self.z0, NEAR + 0.5)
        if z0 >= self.z1 or not (canvas.sees(self.x, z0, 0.5) or canvas.sees(self.x, self.z1, 0.5)):
            return
        facing = np.array([-np.sign(self.x), 0.0, 0.0])
        whole = self._panels(np.array([z0]), np.array([self.z1]), 0.08, self.height)
        hull = canvas.camera.project(whole)
        starts = np.arange(z0, self.z1, self.spacing)
        if canvas.camera.scale(z0) * self.spacing < 1.2 or canvas.camera.scale((z0 + self.z1) / 2) * self.spacing < 0.7:
            starts = starts[:0]
        canvas.mark(hull[0], FENCE)  # the gaps too, as an annotator's outline would have it
        pickets = self._panels(starts, starts + self.spacing * 0.5, 0.05, self.height)
        if len(starts) == 0:
            canvas.surfaces(whole, self.color * 0.9, facing, FENCE)
        for part in np.array_split(pickets, max(1, len(pickets) // 24)):
            canvas.surfaces(part, self.color, facing)
        for y in (0.25, 0.82) if len(starts) else ():
            rail = self._panels(np.array([z0]), np.array([self.z1]), y * self.height, y * self.height + 0.09)
            canvas.surfaces(rail, self.color * 0.8, facing)

    def _panels(self, a: np.ndarray, b: np.ndarray, low: float, high: float) -> np.ndarray:
        panels = np.empty((len(a), 4, 3))
        panels[..., 0] = self.x
        panels[:, :2, 1], panels[:, 2:, 1] = low, high
        panels[:, 0::3, 2], panels[:, 1:3, 2] = a[:, None], b[:, None]
        return panels


@dataclass(frozen=True)
class Bin:
    """A litter bin or box: something that no class covers."""

    x: float
    z: float
    color: Color

    @property
    def far(self) -> float:
        return self.z

    def cast(self, canvas: Canvas) -> None:
        foot = np.array([self.x, self.z]) + np.array([(-0.3, -0.2), (0.3, -0.2), (0.3, 0.2), (-0.3, 0.2)])
        canvas.cast(np.vstack([foot, foot + canvas.light.throw(1.0)]), 200)

    def draw(self, canvas: Canvas) -> None:
        if self.z < NEAR + 1.5:
            return
        x, z = self.x, self.z
        front = np.array([(x - 0.26, 0, z), (x + 0.26, 0, z), (x + 0.3, 0.95, z), (x - 0.3, 0.95, z)])
        lid = np.array([(x - 0.33, 0.95, z), (x + 0.33, 0.95, z), (x + 0.28, 1.08, z + 0.3), (x - 0.28, 1.08, z + 0.3)])
        canvas.surface(front, self.color, _TOWARDS, VOID)
        canvas.surface(lid, self.color * 0.7, _UPWARDS, VOID)


def _raised(shape: np.ndarray, y: float) -> np.ndarray:
    return shape + np.array([0.0, y])


def _disc(radius: float) -> np.ndarray:
    return np.column_stack([np.cos(_ROUND), np.sin(_ROUND)]) * radius
