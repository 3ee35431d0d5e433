"""Pedestrians and bicyclists, built of limbs in the plane that faces the camera."""

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import Canvas, Color
from core.data.datasets.roadscape.drawing.scene_classes import BICYCLIST, PEDESTRIAN, VOID

_TOWARDS = np.array([0.0, 0.35, -0.94])
_ROUND = np.linspace(0, 2 * np.pi, 13)[:-1]

Piece = tuple[np.ndarray, Color]  # a polygon [N, 2] in metres (x to the side, y up), and its colour


@dataclass(frozen=True)
class Person:
    """Someone at (x, z), walking or on a bicycle."""

    x: float
    z: float
    height: float
    stride: float  # -1 … 1, the phase of the step
    facing: float  # -1 left, +1 right
    skin: Color
    hair: Color
    top: Color
    legs: Color
    bicycle: Color | None  # the frame's colour; None on foot
    sideways: bool  # the bicycle crosses the view instead of riding along the street

    @property
    def far(self) -> float:
        return self.z

    @property
    def label(self) -> int:
        return PEDESTRIAN if self.bicycle is None else BICYCLIST

    def cast(self, canvas: Canvas) -> None:
        wide = 0.22 if self.bicycle is None or not self.sideways else 0.8
        foot = np.array(
            [
                (self.x - wide, self.z - 0.1),
                (self.x + wide, self.z - 0.1),
                (self.x + wide, self.z + 0.15),
                (self.x - wide, self.z + 0.15),
            ]
        )
        canvas.cast(np.vstack([foot, foot + canvas.light.throw(self.height)]), 205)

    def draw(self, canvas: Canvas) -> None:
        scale = canvas.camera.scale(self.z)
        if scale * self.height < 3 or not canvas.sees(self.x, self.z, 1.0):
            return
        foot = canvas.camera.project(np.array([self.x, 0.0, self.z]))
        if self.bicycle is None:
            pieces = self._walker()
        elif self.sideways:
            pieces = self._rider_from_the_side()
        else:
            pieces = self._rider_from_behind()
        light = canvas.light
        flip = np.array([self.facing * scale, -scale]) * (self.height / 1.75)
        points = foot + np.vstack([piece for piece, _ in pieces]) * flip
        colors = light.haze(np.array([color for _, color in pieces]) * light.on(_TOWARDS), self.z)
        starts = [0, *accumulate(len(piece) for piece, _ in pieces)]
        if scale * self.height > 24:
            canvas.outline([points[a:b] for a, b in pairwise(starts)], VOID)
        if self.bicycle is not None and self.sideways:
            for number in range(2):  # tyres, the only pieces that are not convex
                canvas.polygons(points[starts[number] : starts[number + 1]][None], colors[number], self.label)
            canvas.pieces(points, starts, list(range(2, len(pieces))), colors, self.label)
        else:
            canvas.pieces(points, starts, list(range(len(pieces))), colors, self.label)

    def _walker(self) -> list[Piece]:
        step, arm = 0.3 * self.stride, 0.22 * self.stride
        hip, knee = (0.0, 0.9), 0.48
        return [
            (_limb((-0.02, 1.38), (-arm - 0.04, 1.1), 0.1), self.top * 0.75),
            (_limb((-arm - 0.04, 1.1), (-arm + 0.05, 0.86), 0.08), self.skin * 0.85),
            (_limb(hip, (-step * 0.5, knee), 0.17), self.legs * 0.75),
            (_limb((-step * 0.5, knee), (-step - 0.02, 0.06), 0.13), self.legs * 0.75),
            (_limb((-step - 0.05, 0.04), (-step + 0.14, 0.04), 0.09), np.array([30.0, 28.0, 28.0])),
            (_limb(hip, (step * 0.5 + 0.03, knee), 0.18), self.legs),
            (_limb((step * 0.5 + 0.03, knee), (step, 0.06), 0.14), self.legs),
            (_limb((step - 0.05, 0.04), (step + 0.16, 0.04), 0.09), np.array([36.0, 32.0, 30.0])),
            (np.array([(-0.17, 0.88), (0.17, 0.88), (0.2, 1.34), (0.12, 1.46), (-0.12, 1.46), (-0.2, 1.34)]), self.top),
            (_limb((0.02, 1.4), (arm, 1.12), 0.11), self.top * 0.9),
            (_limb((arm, 1.12), (arm + 0.1, 0.88), 0.085), self.skin),
            *self._head(0.01, 1.6),
        ]

    def _rider_from_the_side(self) -> list[Piece]:
        assert self.bicycle is not None
        dark = np.array([28.0, 28.0, 30.0])
        back, front, crank, seat, bar = (-0.52, 0.34), (0.54, 0.34), (-0.06, 0.32), (-0.2, 0.88), (0.42, 0.98)
        lift = 0.14 * self.stride
        return [
            *((_ring(hub, 0.34, 0.055), dark) for hub in (back, front)),
            (_limb(seat, (0.14, 0.62), 0.15), self.legs * 0.75),
            (_limb((0.14, 0.62), (-0.06, 0.26 - lift), 0.12), self.legs * 0.75),
            *(
                (_limb(a, b, 0.055), self.bicycle)
                for a, b in ((back, crank), (crank, seat), (crank, (0.38, 0.8)), (seat, (0.36, 0.84)), (front, bar))
            ),
            (_limb((-0.3, 0.9), (-0.1, 0.92), 0.07), dark),
            (_limb((0.36, 1.0), (0.5, 1.02), 0.05), dark),
            (_limb(seat, (0.16, 0.68 + lift), 0.17), self.legs),
            (_limb((0.16, 0.68 + lift), (-0.04, 0.2 + lift), 0.13), self.legs),
            (_limb((-0.2, 0.95), (0.12, 1.42), 0.3), self.top),
            (_limb((0.12, 1.38), (0.28, 1.14), 0.11), self.top * 0.88),
            (_limb((0.28, 1.14), (0.45, 1.02), 0.085), self.skin),
            *self._head(0.22, 1.58),
        ]

    def _rider_from_behind(self) -> list[Piece]:
        assert self.bicycle is not None
        dark, lift = np.array([30.0, 30.0, 32.0]), 0.12 * self.stride
        return [
            (_limb((0.0, 0.0), (0.0, 0.68), 0.09), dark),
            (_limb((-0.3, 1.02), (0.3, 1.02), 0.06), self.bicycle),
            (_limb((-0.1, 0.92), (-0.14, 0.52), 0.15), self.legs),
            (_limb((-0.14, 0.52), (-0.12, 0.14 + lift), 0.11), self.legs),
            (_limb((0.1, 0.92), (0.14, 0.56), 0.15), self.legs * 0.9),
            (_limb((0.14, 0.56), (0.12, 0.2 - lift), 0.11), self.legs * 0.9),
            (_limb((-0.04, 0.55), (0.04, 0.55), 0.1), np.array([190.0, 30.0, 30.0])),
            (
                np.array([(-0.18, 0.86), (0.18, 0.86), (0.22, 1.32), (0.12, 1.44), (-0.12, 1.44), (-0.22, 1.32)]),
                self.top,
            ),
            (_limb((-0.2, 1.34), (-0.29, 1.04), 0.1), self.top * 0.85),
            (_limb((0.2, 1.34), (0.29, 1.04), 0.1), self.top * 0.85),
            *self._head(0.0, 1.58),
        ]

    def _head(self, x: float, y: float) -> list[Piece]:
        crown = _disc((x - 0.015, y + 0.045), 0.115)
        return [
            (_limb((x - 0.01, y - 0.2), (x, y - 0.05), 0.1), self.skin * 0.9),
            (_disc((x, y), 0.115), self.skin),
            (crown[1:6], self.hair),
        ]


def _limb(a: tuple[float, float], b: tuple[float, float], width: float) -> np.ndarray:
    """A bar from a to b with bevelled ends: [6, 2]."""
    (ax, ay), (bx, by) = a, b
    length = max(math.hypot(bx - ax, by - ay), 1e-6)
    dx, dy = (bx - ax) / length * width, (by - ay) / length * width
    nx, ny, cx, cy = -dy / 2, dx / 2, dx / 3, dy / 3
    return np.array(
        [
            (ax + nx, ay + ny),
            (ax - cx, ay - cy),
            (ax - nx, ay - ny),
            (bx - nx, by - ny),
            (bx + cx, by + cy),
            (bx + nx, by + ny),
        ]
    )


def _disc(middle: tuple[float, float], radius: float) -> np.ndarray:
    return np.column_stack([middle[0] + radius * np.cos(_ROUND), middle[1] + radius * 1.15 * np.sin(_ROUND)])


def _ring(middle: tuple[float, float], radius: float, width: float) -> np.ndarray:
    """A tyre: out around the rim and back along the inside, as one polygon."""
    turn = np.linspace(0, 2 * np.pi, 19)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    return np.vstack([circle * radius, circle[::-1] * (radius - width)]) + np.array(middle)
