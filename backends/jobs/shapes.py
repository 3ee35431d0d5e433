"""Label maps as shapes: polygons (GeoJSON) and run lengths (COCO)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np


def to_geojson(labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """A FeatureCollection of the areas of each class in uint8 [H, W], in pixels: x to the right, y downwards.

    A polygon runs through the centres of the area's outermost pixels; holes follow its outer ring. Areas of less than
    three such pixels in a triangle have no polygon and are left out. 255 is no class.
    """
    features = []
    for index in _present(labels):
        mask = (labels == index).astype(np.uint8)
        contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        rings = [_ring(contour) for contour in contours]
        for number, ring in enumerate(rings):
            _, _, child, parent = hierarchy[0][number]
            if parent >= 0 or ring is None:
                continue
            polygon = [ring]
            while child >= 0:
                hole = rings[child]
                polygon += [hole] if hole is not None else []
                child = hierarchy[0][child][0]
            features.append(
                {
                    "type": "Feature",
                    "properties": {"class": index, "name": _name(index, classes)},
                    "geometry": {"type": "Polygon", "coordinates": polygon},
                }
            )
    return {"type": "FeatureCollection", "features": features}


def _ring(contour: np.ndarray) -> list[list[int]] | None:
    """The closed ring of a contour; None for a point or a line."""
    points = contour[:, 0].tolist()
    return [*points, points[0]] if len(points) >= 3 else None


def to_rle(labels: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """COCO's uncompressed run lengths of each class in uint8 [H, W]: columns one after another, zeros first."""
    found = []
    for index in _present(labels):
        mask = labels == index
        flat = np.concatenate([[False], mask.ravel(order="F")])
        ends = np.flatnonzero(flat[1:] != flat[:-1])
        counts = np.diff(np.concatenate([[0], ends, [mask.size]]))
        found.append(
            {
                "category_id": index,
                "category": _name(index, classes),
                "area": int(mask.sum()),
                "segmentation": {"size": list(mask.shape), "counts": counts.tolist()},
            }
        )
    return found


def _present(labels: np.ndarray) -> list[int]:
    return [int(index) for index in np.unique(labels) if index != 255]


def _name(index: int, classes: Sequence[str]) -> str:
    return classes[index] if index < len(classes) else f"output {index}"
