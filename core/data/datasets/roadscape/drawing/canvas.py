"""Camera, light, and the canvas that paints a polygon into picture and label map at once.

World coordinates in metres: x to the right of the road's centre line, y up from the road, z ahead of the camera.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

NEAR = 1.5  # metres; nothing closer is drawn
_SHIFT = 4  # fractional bits of the coordinates OpenCV draws at
_LIMIT = 30000.0 * (1 << _SHIFT)  # beyond 30000 pixels OpenCV's fixed-point arithmetic overflows

Color = np.ndarray  # float [3], RGB, 0..255


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above a road that bends: at distance z everything is shifted by curve * z^2 metres."""

    size: tuple[int, int]  # height, width in pixels
    focal: float  # pixels
    center: float  # column of the vanishing point
    horizon: float  # row of the horizon
    x: float  # metres right of the road's centre line
    y: float  # metres above the road
    curve: float  # 1 / metres

    def project(self, points: np.ndarray) -> np.ndarray:
        """[..., 3] metres -> [..., 2] pixels (column, row)."""
        z = np.maximum(points[..., 2], NEAR)
        scale = self.focal / z
        out = np.empty((*points.shape[:-1], 2))
        out[..., 0] = (points[..., 0] - self.x + self.curve * z * z) * scale + self.center
        out[..., 1] = (self.y - points[..., 1]) * scale + self.horizon
        return out

    def scale(self, z: float) -> float:
        """Pixels per metre at distance z."""
        return self.focal / max(z, NEAR)


@dataclass(frozen=True)
class Light:
    """Sun, sky light and haze of one scene. Colours of light are factors, colours of sky and haze 0..255."""

    sun: np.ndarray  # unit vector towards the sun
    sun_color: Color
    ambient: Color
    sky_top: Color
    sky_horizon: Color
    haze_distance: float  # metres after which 63 % of a colour is haze
    shadow: float  # how much of the sun's light a shadow on the ground takes away, 0..1
    clouds: float  # share of the sky covered, 0..1
    lamps: float  # how many windows and lamps are lit, 0..1

    def shade(self, color: Color, normal: np.ndarray) -> Color:
        """The colour of a surface with this unit normal."""
        return color * self.on(normal)

    def on(self, normal: np.ndarray) -> Color:
        """The light that falls on a surface, as factors of its colour."""
        return self.ambient + self.sun_color * max(0.0, float(normal @ self.sun))

    def haze(self, color: Color, z: float) -> Color:
        """The colour as it arrives from distance z."""
        share = 1.0 - math.exp(-max(z, 0.0) / self.haze_distance)
        return color + (self.sky_horizon - color) * share

    def throw(self, height: float) -> np.ndarray:
        """Where on the ground (x, z in metres) the shadow of a point at `height` falls, relative to its foot."""
        rise = max(float(self.sun[1]), 0.3)  # shadows of a low sun would reach across every scene
        return -self.sun[[0, 2]] * (height / rise)


class Canvas:
    """A picture, its labels, and the shadows on the ground, painted far to near."""

    def __init__(self, camera: Camera, light: Light) -> None:
        self.camera = camera
        self.light = light
        self.image = np.zeros((*camera.size, 3), np.uint8)
        self.label = np.full(camera.size, 255, np.uint8)
        self.shadow: np.ndarray = np.zeros(camera.size, np.uint8)

    def sees(self, x: float, z: float, reach: float) -> bool:
        """Whether a thing at (x, z) that extends `reach` metres to each side is within the picture's columns."""
        camera = self.camera
        scale = camera.scale(z)
        u = camera.center + (x - camera.x + camera.curve * z * z) * scale
        return -reach * scale < u < camera.size[1] + reach * scale

    def polygon(self, points: np.ndarray, color: Color, label: int | None = None) -> None:
        """Fill one convex polygon [N, 2] in pixels; its pixels get `label` unless that is None."""
        fixed = _fixed(points)
        cv2.fillConvexPoly(self.image, fixed, _rgb(color), cv2.LINE_AA, _SHIFT)
        if label is not None:
            cv2.fillConvexPoly(self.label, fixed, (label,), cv2.LINE_8, _SHIFT)

    def pieces(self, points: np.ndarray, starts: list[int], shown: list[int], colors: np.ndarray, label: int) -> None:
        """Fill many convex polygons of one object, in order.

        Args:
            points: the corners of all polygons, one after the other, in pixels [P, 2].
            starts: where each polygon begins in `points`, and the end.
            shown: the numbers of the polygons to fill.
            colors: of all polygons [F, 3].
            label: of the object.
        """
        fixed = _fixed(points)
        rgb = np.clip(colors + 0.5, 0, 255).astype(int).tolist()
        for number in shown:
            polygon = fixed[starts[number] : starts[number + 1]]
            cv2.fillConvexPoly(self.image, polygon, rgb[number], cv2.LINE_AA, _SHIFT)
            cv2.fillConvexPoly(self.label, polygon, (label,), cv2.LINE_8, _SHIFT)

    def polygons(self, points: np.ndarray, color: Color, label: int | None = None, smooth: bool = True) -> None:
        """Fill polygons [M, N, 2] of any shape at once in one colour; where two overlap there is a hole."""
        low, high = points.min(axis=1), points.max(axis=1)
        inside = (high > 0).all(axis=1) & (low[:, 0] < self.camera.size[1]) & (low[:, 1] < self.camera.size[0])
        fixed = list(_fixed(points[inside]))
        if not fixed:
            return
        cv2.fillPoly(self.image, fixed, _rgb(color), cv2.LINE_AA if smooth else cv2.LINE_8, _SHIFT)
        if label is not None:
            cv2.fillPoly(self.label, fixed, (label,), cv2.LINE_8, _SHIFT)

    def surface(self, points: np.ndarray, color: Color, normal: np.ndarray, label: int | None = None) -> None:
        """Fill one convex polygon [N, 3] in metres, lit and seen through the haze."""
        z = float(points[0, 2] + points[len(points) // 2, 2]) / 2
        self.polygon(self.camera.project(points), self.light.haze(self.light.shade(color, normal), z), label)

    def surfaces(self, points: np.ndarray, color: Color, normal: np.ndarray, label: int | None = None) -> None:
        """Fill polygons [M, N, 3] in metres in one colour."""
        if len(points):
            z = float(points[0, 0, 2] + points[-1, -1, 2]) / 2
            lit = self.light.haze(self.light.shade(color, normal), z)
            self.polygons(self.camera.project(points), lit, label)

    def mark(self, points: np.ndarray, label: int) -> None:
        """Label a convex polygon [N, 2] in pixels and leave the picture as it is."""
        cv2.fillConvexPoly(self.label, _fixed(points), (label,), cv2.LINE_8, _SHIFT)

    def outline(self, polygons: Sequence[np.ndarray], label: int) -> None:
        """Label the border pixels of polygons in pixels; what is painted over them later stands."""
        cv2.polylines(self.label, [_fixed(polygon) for polygon in polygons], True, (label,), 2, cv2.LINE_8, _SHIFT)

    def cast(self, points: np.ndarray, strength: int = 255) -> None:
        """Put a convex polygon on the ground ([N, 2]: x and z in metres) into shadow."""
        ground = np.zeros((len(points), 3))
        ground[:, 0::2] = points
        ground = clip_near(ground)
        if len(ground) >= 3:
            hull = cv2.convexHull(self.camera.project(ground).astype(np.float32))[:, 0]
            cv2.fillConvexPoly(self.shadow, _fixed(hull), (strength,), cv2.LINE_AA, _SHIFT)


def clip_near(points: np.ndarray, near: float = NEAR) -> np.ndarray:
    """The part of a polygon [N, 3] with z >= near (Sutherland and Hodgman's clipping against one plane)."""
    if points[:, 2].min() >= near:
        return points
    kept = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        if a[2] >= near:
            kept.append(a)
        if (a[2] >= near) != (b[2] >= near):
            kept.append(a + (b - a) * ((near - a[2]) / (b[2] - a[2])))
    return np.array(kept).reshape(-1, 3)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Pixels to OpenCV's fixed-point coordinates, whose integers are the centres of pixels."""
    scaled = points * float(1 << _SHIFT)
    scaled -= 0.5 * (1 << _SHIFT)
    np.maximum(scaled, -_LIMIT, out=scaled)
    np.minimum(scaled, _LIMIT, out=scaled)
    return scaled.astype(np.int32)


def _rgb(color: Color) -> tuple[int, int, int]:
    red, green, blue = color.tolist()
    return min(int(red + 0.5), 255), min(int(green + 0.5), 255), min(int(blue + 0.5), 255)
