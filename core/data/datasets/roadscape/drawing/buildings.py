"""Houses along the street: facades in perspective with windows, shops, doors, cornices and roofs."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import NEAR, Canvas, Color
from core.data.datasets.roadscape.drawing.scene_classes import BUILDING

AHEAD = np.array([0.0, 0.0, -1.0])  # the normal of a wall that faces the camera
_DEPTH = 14.0  # metres from the facade to the back


@dataclass(frozen=True)
class Building:
    """A block from z0 to z1 whose facade stands at x = side * line."""

    side: float  # -1 left, +1 right
    line: float
    z0: float
    z1: float
    height: float
    wall: Color
    trim: Color  # frames and cornice
    glass: Color
    lit: np.ndarray  # uniform numbers [floors, bays] that decide which windows are lit
    floor: float  # metres per storey
    bay: float  # metres per window axis
    window: tuple[float, float]  # share of bay and storey that is window
    roof: Color | None  # pitched, or flat
    shop: Color | None  # awning over shop windows

    @property
    def far(self) -> float:
        return self.z1

    def cast(self, canvas: Canvas) -> None:
        shift = canvas.light.throw(self.height)
        foot = np.array([(x * self.side, z) for x in (self.line, self.line + _DEPTH) for z in (self.z0, self.z1)])
        canvas.cast(np.vstack([foot, foot + shift]))

    def draw(self, canvas: Canvas) -> None:
        z0 = max(self.z0, NEAR)
        if z0 >= self.z1 or not (
            canvas.sees(self.side * self.line, self.z1, 0.5) or canvas.sees(self.side * self.line, z0, 0.5)
        ):
            return
        facing = np.array([-self.side, 0.0, 0.0])
        far_x = self.line + _DEPTH
        front = self._wall(self.line, far_x, z0, z0)
        if self.roof is not None:
            self._pitched_roof(canvas, z0)
        canvas.surface(front, self.wall, AHEAD, BUILDING)
        self._strips(canvas, z0)
        detail = canvas.camera.scale(z0) * self.floor
        if detail > 5 and z0 > NEAR:
            self._windows(canvas, np.array([self.line, z0]), np.array([1.0, 0.0]), _DEPTH, AHEAD, 1)
        if detail > 3:
            self._windows(canvas, np.array([self.line, z0]), np.array([0.0, 1.0]), self.z1 - z0, facing, 0)
            if self.shop is not None:
                self._shops(canvas, z0, facing)

    def _wall(self, xa: float, xb: float, za: float, zb: float, y0: float = 0.0, y1: float | None = None) -> np.ndarray:
        top = self.height if y1 is None else y1
        a, b = xa * self.side, xb * self.side
        return np.array([(a, y0, za), (b, y0, zb), (b, top, zb), (a, top, za)])

    def _strips(self, canvas: Canvas, z0: float) -> None:
        """The facade in stretches, so that haze and the bend of the road follow it; then plinth and cornice."""
        facing = np.array([-self.side, 0.0, 0.0])
        cuts = np.linspace(z0, self.z1, 2 + int((self.z1 - z0) / 8) if z0 < 40 else 2)
        for za, zb in reversed(list(pairwise(cuts.tolist()))):
            canvas.surface(self._wall(self.line, self.line, za, zb), self.wall, facing, BUILDING)
            if z0 < 60:
                canvas.surface(self._wall(self.line, self.line, za, zb, 0, 0.6), self.wall * 0.62, facing, BUILDING)
            top = self._wall(self.line, self.line, za, zb, self.height - 0.5, self.height)
            canvas.surface(top, self.trim, facing, BUILDING)
        end = self._wall(self.line, self.line + _DEPTH, z0, z0, self.height - 0.5, self.height)
        canvas.surface(end, self.trim, AHEAD, BUILDING)

    def _pitched_roof(self, canvas: Canvas, z0: float) -> None:
        assert self.roof is not None
        ridge_x, ridge_y = self.line + _DEPTH / 2, self.height + 3.2
        s, eave = self.side, self.line - 0.35
        gable = np.array(
            [(s * self.line, self.height, z0), (s * ridge_x, ridge_y, z0), (s * (self.line + _DEPTH), self.height, z0)]
        )
        slope = np.array(
            [
                (s * eave, self.height, z0),
                (s * eave, self.height, self.z1),
                (s * ridge_x, ridge_y, self.z1),
                (s * ridge_x, ridge_y, z0),
            ]
        )
        normal = np.array([-s * 0.42, 0.9, 0.0])
        canvas.surface(slope, self.roof, normal, BUILDING)
        canvas.surface(gable, self.wall * 0.93, AHEAD, BUILDING)

    def _windows(
        self, canvas: Canvas, origin: np.ndarray, along: np.ndarray, length: float, normal: np.ndarray, shift: int
    ) -> None:
        """A grid of windows on the wall that runs from `origin` (|x|, z) in direction `along` for `length` metres."""
        ground = 1 if self.shop is not None and shift == 0 else 0
        floors, bays = int(self.height / self.floor), max(int(length / self.bay), 1)
        if floors <= ground:
            return
        storey, bay = (grid.ravel() for grid in np.meshgrid(np.arange(ground, floors), np.arange(bays), indexing="ij"))
        step = length / bays
        glow = self.lit[storey % self.lit.shape[0], (bay + 3 * shift) % self.lit.shape[1]]
        middle, bottom = (bay + 0.5) * step, storey * self.floor + self.floor * 0.3
        half, tall = step * self.window[0] / 2, self.floor * self.window[1]
        coarse = canvas.camera.scale(float(origin[1])) * step * self.window[0] < 7
        if not coarse:
            margin = 0.12
            frames = self._quads(
                origin, along, middle - half - margin, middle + half + margin, bottom - margin, bottom + tall + margin
            )
            canvas.surfaces(frames, self.trim, normal, BUILDING)
        panes = self._quads(origin, along, middle - half, middle + half, bottom, bottom + tall)
        burning = glow < canvas.light.lamps * 0.45
        bright = ~burning & (glow > 0.8)
        canvas.surfaces(panes[~burning & ~bright], self.glass, normal, BUILDING)
        canvas.surfaces(panes[bright], self.glass * 0.6 + canvas.light.sky_horizon * 0.35, normal, BUILDING)
        if burning.any():
            z = float(panes[..., 2].mean())
            canvas.polygons(
                canvas.camera.project(panes[burning]), canvas.light.haze(np.array([255.0, 214.0, 130.0]), z), BUILDING
            )
        if not coarse and not burning.all():
            upper = self._quads(origin, along, middle - half, middle + half, bottom + tall * 0.72, bottom + tall)
            canvas.surfaces(upper[~burning], self.glass * 0.55, normal, BUILDING)  # the lintel's shadow

    def _shops(self, canvas: Canvas, z0: float, facing: np.ndarray) -> None:
        assert self.shop is not None
        length = self.z1 - z0
        count = max(int(length / 4.5), 1)
        step = length / count
        middle = (np.arange(count) + 0.5) * step
        origin, along = np.array([self.line, z0]), np.array([0.0, 1.0])
        glass = self._quads(
            origin, along, middle - step * 0.42, middle + step * 0.3, middle * 0 + 0.5, middle * 0 + 2.5
        )
        doors = self._quads(
            origin, along, middle + step * 0.34, middle + step * 0.45, middle * 0 + 0.05, middle * 0 + 2.4
        )
        warm = canvas.light.lamps * 0.8
        pane = self.glass * (1 - warm) + np.array([255.0, 225.0, 165.0]) * warm
        canvas.surfaces(glass, pane * 1.1, facing, BUILDING)
        canvas.surfaces(doors, self.shop * 0.45, facing, BUILDING)
        s, out = self.side, self.line - 0.8
        awning = np.array(
            [(s * self.line, 3.1, z0), (s * self.line, 3.1, self.z1), (s * out, 2.65, self.z1), (s * out, 2.65, z0)]
        )
        canvas.surface(awning, self.shop, np.array([-s * 0.5, 0.86, 0.0]), BUILDING)

    def _quads(
        self, origin: np.ndarray, along: np.ndarray, a: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> np.ndarray:
        """Upright rectangles on a wall: [M, 4, 3] metres."""
        quads = np.empty((len(a), 4, 3))
        quads[:, 0::3, 0] = (self.side * (origin[0] + along[0] * a))[:, None]
        quads[:, 1:3, 0] = (self.side * (origin[0] + along[0] * b))[:, None]
        quads[:, :2, 1], quads[:, 2:, 1] = low[:, None], high[:, None]
        quads[:, 0::3, 2] = (origin[1] + along[1] * a)[:, None]
        quads[:, 1:3, 2] = (origin[1] + along[1] * b)[:, None]
        return quads
