"""COCO's annotation files, a JSON for all pictures of a part, as a label map for each picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from core.data.label_decoding import encode_png
from core.data.labels import IGNORE
from core.data.prepare.picture_size import MOST_PIXELS
from core.data.prepare.recipe import Job, Member
from core.data.prepare.rle import mask_of
from core.errors import DataError


@dataclass(frozen=True)
class AsClasses:
    """Paints the objects of some categories.

    classes: category -> what is stored for it; other categories are background, 0, and pixels of two objects 255.
    target: where label maps go; {part} is the file's, as in instances_{part}.json, {stem} the picture's name.
    least_area: for some parts, the area in pixels that a picture's objects must exceed together to have a label map.
    """

    classes: Mapping[int, int]
    target: str
    least_area: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, member: Member) -> list[Job]:
        jobs = []
        part = PurePosixPath(member.path).stem.split("_")[-1]
        pictures, objects = _read(member)
        for number, picture in sorted(pictures.items()):
            mine = [item for item in objects.get(number, ()) if item["category_id"] in self.classes]
            if sum(item["area"] for item in mine) <= self.least_area.get(part, -1):
                continue
            stem = PurePosixPath(picture["file_name"]).stem
            where = f"{member.where}: picture {picture['file_name']}"
            target = self.target.format(part=part, stem=stem)
            jobs.append(Job(target, partial(self.paint, mine, picture["height"], picture["width"], where), where))
        return jobs

    def paint(self, objects: list[Any], height: int, width: int, where: str) -> bytes:
        """The label map, a PNG."""
        label = np.zeros((height, width), np.uint8)
        covered = np.zeros((height, width), bool)
        for item in objects:
            mask = mask_of(item["segmentation"], height, width, f"{where}, annotation {item.get('id')}")
            label[mask] = np.where(covered[mask], IGNORE, self.classes[item["category_id"]])
            covered |= mask
        return encode_png(label)


def _read(member: Member) -> tuple[dict[int, Any], dict[int, list[Any]]]:
    """The pictures by number, and their annotations. Raises DataError."""
    try:
        content = json.loads(member.read())
        pictures = {item["id"]: item for item in content["images"]}
        objects: dict[int, list[Any]] = {}
        for item in content["annotations"]:
            numbers = int(item["category_id"]), int(item["image_id"]), float(item["area"])
            _ = item["segmentation"]
            if numbers != (item["category_id"], item["image_id"], item["area"]):
                raise ValueError(f"annotation {item.get('id')!r} has no sensible numbers")
            objects.setdefault(item["image_id"], []).append(item)
        for item in pictures.values():
            height, width, name = item["height"], item["width"], item["file_name"]
            if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
                raise ValueError(f"picture {name!r} has no sensible size")
            if not isinstance(name, str) or height * width > MOST_PIXELS:
                raise ValueError(f"picture {name!r} has no sensible name or size")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{member.where}: no annotations in COCO's format ({type(error).__name__}: {error})") from None
    return pictures, objects
