"""Cars, vans and buses: solid bodies at any angle, with wheels, windows and lights."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.data.datasets.roadscape.drawing.canvas import NEAR, Canvas, Color
from core.data.datasets.roadscape.drawing.scene_classes import CAR, VOID

GLASS, BODY, DARK, RIM, TAIL, HEAD, PLATE, TRIM = range(8)


@dataclass(frozen=True)
class Model:
    """A vehicle's faces in its own coordinates: x right, y up, z ahead, metres, origin on the ground in the middle."""

    points: np.ndarray  # the corners of all faces, one after the other [P, 3]
    starts: np.ndarray  # where each face begins in `points`, and the end [F + 1]
    middles: np.ndarray  # [F, 3]
    normals: np.ndarray  # [F, 3], outwards
    roles: np.ndarray  # [F]
    footprint: np.ndarray  # [4, 2]: x, z
    height: float


@dataclass(frozen=True)
class Vehicle:
    """A model standing at (x, z), turned by `yaw` (0: driving away from the camera)."""

    model: Model
    x: float
    z: float
    yaw: float
    paint: Color
    braking: bool

    @property
    def far(self) -> float:
        return self.z

    def cast(self, canvas: Canvas) -> None:
        foot = self._turn(np.insert(self.model.footprint, 1, 0.0, axis=1))[:, [0, 2]] + (self.x, self.z)
        canvas.cast(foot)
        canvas.cast(np.vstack([foot, foot + canvas.light.throw(self.model.height * 0.85)]), 225)

    def draw(self, canvas: Canvas) -> None:
        if self.z < NEAR + 2 or not canvas.sees(self.x, self.z, 6.0):
            return
        camera, shape = canvas.camera, self.model
        position = np.array([self.x, 0.0, self.z])
        eye = np.array([camera.x - camera.curve * self.z * self.z, camera.y, 0.0])
        normals = self._turn(shape.normals)
        visible = ((eye - position - self._turn(shape.middles)) * normals).sum(axis=1) > 0
        scale = camera.scale(self.z)
        if scale < 9:  # a car of 15 pixels: bodies, windows, lights
            visible &= (shape.roles != PLATE) & (shape.roles != RIM) & (shape.roles != TRIM)
        world = self._turn(shape.points) + position
        if world[:, 2].min() < NEAR:
            return
        pixels = camera.project(world)
        colors = self._colors(canvas, normals)
        shown = np.flatnonzero(visible).tolist()
        starts = shape.starts.tolist()
        if scale > 12:
            canvas.outline([pixels[starts[face] : starts[face + 1]] for face in shown], VOID)
        canvas.pieces(pixels, starts, shown, colors, CAR)

    def _turn(self, points: np.ndarray) -> np.ndarray:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return points @ np.array([(c, 0.0, -s), (0.0, 1.0, 0.0), (s, 0.0, c)])

    def _colors(self, canvas: Canvas, normals: np.ndarray) -> np.ndarray:
        """The colours of all faces [F, 3]."""
        light = canvas.light
        base = np.empty((8, 3))
        base[BODY], base[TRIM] = self.paint, self.paint * 0.55
        base[GLASS], base[DARK], base[RIM], base[PLATE] = (38, 46, 54), (24, 24, 26), (135, 137, 140), (235, 225, 150)
        base[TAIL] = (255, 40, 30) if self.braking else (165, 20, 22)
        base[HEAD] = (255, 250, 225) if light.lamps > 0.3 else (225, 228, 230)
        roles = self.model.roles
        falling = light.ambient + light.sun_color * np.maximum(normals @ light.sun, 0)[:, None]
        falling[(roles == TAIL) | (roles == HEAD)] = 1.0
        colors = base[roles] * falling
        panes = roles == GLASS  # glass mirrors the sky, the more the flatter it lies
        colors[panes] += light.sky_horizon * (0.10 + 0.22 * np.maximum(normals[panes, 1:2], 0))
        return light.haze(colors, self.z)


@lru_cache(maxsize=8)
def model(kind: str) -> Model:
    """The shapes: "car", "hatch", "suv", "van", "bus"."""
    width, length, height, belt, cabin, slope = {
        "car": (1.78, 4.5, 1.44, 0.88, (-1.85, 1.0), (0.75, 0.85)),
        "hatch": (1.72, 3.8, 1.5, 0.9, (-1.85, 0.75), (0.35, 0.75)),
        "suv": (1.9, 4.6, 1.75, 1.05, (-2.2, 0.9), (0.35, 0.7)),
        "van": (2.0, 5.2, 2.25, 1.15, (-2.58, 1.9), (0.04, 0.7)),
        "bus": (2.5, 10.5, 3.1, 1.2, (-5.2, 5.2), (0.05, 0.1)),
    }[kind]
    parts: list[tuple[np.ndarray, int]] = []
    w, half = width / 2, length / 2
    _box(parts, (-w, w), (0.3, belt), (-half, half), BODY)
    _wheels(parts, w, half, 0.33 if kind != "bus" else 0.48)
    _ends(parts, w, half, belt)
    back, front = cabin
    top_back, top_front, top_w = back + slope[0], front - slope[1], w * (0.78 if kind != "bus" else 0.97)
    low = [(-w * 0.96, belt, back), (w * 0.96, belt, back), (w * 0.96, belt, front), (-w * 0.96, belt, front)]
    top = [
        (-top_w, height, top_back),
        (top_w, height, top_back),
        (top_w, height, top_front),
        (-top_w, height, top_front),
    ]
    for i in range(4):
        j = (i + 1) % 4
        wall = np.array([low[i], low[j], top[j], top[i]])
        parts.append((wall, BODY))
        if kind == "van" and i in (1, 3):  # a closed load space: the driver's window only
            panes = [(0.72, 0.9)] if i == 1 else [(0.1, 0.28)]
        elif kind == "bus" and i in (1, 3):
            panes = [(0.03 + n * 0.16, 0.16 + n * 0.16) for n in range(6)]
        else:
            panes = [(0.08, 0.92)] if i in (0, 2) else [(0.07, 0.48), (0.53, 0.93)]
        for a, b in panes:
            parts.append((_inset(wall, a, b, 0.1, 0.88), GLASS))
    parts.append((np.array(top), BODY))
    footprint = np.array([(-w, -half), (w, -half), (w, half), (-w, half)])
    return _orient(parts, footprint, height)


def _box(parts: list, xs: tuple[float, float], ys: tuple[float, float], zs: tuple[float, float], role: int) -> None:
    (x0, x1), (y0, y1), (z0, z1) = xs, ys, zs
    for quad in (
        [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)],
        [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)],
        [(x0, y0, z0), (x0, y0, z1), (x0, y1, z1), (x0, y1, z0)],
        [(x1, y0, z0), (x1, y0, z1), (x1, y1, z1), (x1, y1, z0)],
        [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)],
    ):
        parts.append((np.array(quad), role))


def _wheels(parts: list, w: float, half: float, radius: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 15)[:-1]
    for side in (-1, 1):
        x = side * (w + 0.01)
        parts.append((np.array([(x, 0.22, -half), (x, 0.22, half), (x, 0.4, half), (x, 0.4, -half)]), TRIM))
        for place in (-0.6, 0.62):
            for share, role in ((1.0, DARK), (0.58, RIM)):
                ring = np.column_stack(
                    [
                        np.full(14, x + side * 0.01),
                        radius + share * radius * np.sin(turn),
                        place * half + share * radius * np.cos(turn),
                    ]
                )
                parts.append((ring, role))
    for end in (-1, 1):  # tyres and the dark below the bumper, seen from behind and in front
        z = end * (half - 0.05)
        parts.append(
            (np.array([(-w * 0.95, 0.14, z), (w * 0.95, 0.14, z), (w * 0.95, 0.34, z), (-w * 0.95, 0.34, z)]), DARK)
        )
        for side in (-1, 1):
            a, b = side * w * 0.66, side * w * 0.97
            parts.append((np.array([(a, 0.0, z), (b, 0.0, z), (b, 0.3, z), (a, 0.3, z)]), DARK))


def _ends(parts: list, w: float, half: float, belt: float) -> None:
    """Lights, plates and bumpers."""
    for end, lamp in ((-1, TAIL), (1, HEAD)):
        z = end * (half + 0.01)

        def quad(x0: float, x1: float, y0: float, y1: float, z: float = z) -> np.ndarray:
            return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])

        parts.append((quad(-w, w, 0.3, 0.48), TRIM))
        if end > 0:
            parts.append((quad(-w * 0.5, w * 0.5, belt - 0.36, belt - 0.16), DARK))
        for side in (-1, 1):
            parts.append((quad(side * w * 0.62, side * w * 0.96, belt - 0.32, belt - 0.12), lamp))
        parts.append((quad(-0.26, 0.26, 0.48, 0.6), PLATE))


def _inset(wall: np.ndarray, a: float, b: float, low: float, high: float) -> np.ndarray:
    """The part of a quad between shares a and b of its width, low and high of its height."""

    def at(u: float, v: float) -> np.ndarray:
        return (wall[0] * (1 - u) + wall[1] * u) * (1 - v) + (wall[3] * (1 - u) + wall[2] * u) * v

    return np.array([at(a, low), at(b, low), at(b, high), at(a, high)])


def _orient(parts: list[tuple[np.ndarray, int]], footprint: np.ndarray, height: float) -> Model:
    middle = np.array([0.0, height * 0.4, 0.0])
    normals, middles = [], []
    for face, _ in parts:
        normal = np.cross(face[1] - face[0], face[2] - face[0])
        normal = normal / np.linalg.norm(normal)
        middles.append(face.mean(axis=0))
        normals.append(normal if float(normal @ (middles[-1] - middle)) > 0 else -normal)
    return Model(
        points=np.vstack([face for face, _ in parts]),
        starts=np.cumsum([0] + [len(face) for face, _ in parts]),
        middles=np.array(middles),
        normals=np.array(normals),
        roles=np.array([role for _, role in parts]),
        footprint=footprint,
        height=height,
    )
