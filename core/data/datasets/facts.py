"""What is known of a data set beside its labels: where it is obtained, how it is laid out, what is usual with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """Of one data set; what is not known is left empty.

    title: as published figures name it (core/published.yaml).
    source: the paper.
    counts: labelled pictures of each published split, by the names of the data set's splits.
    layout: what stands under data.root, a line each.
    pictures: their sizes, in words.
    crop, base: usual in training: height and width; the side that pictures are scaled to. From the repositories whose
        networks are here (MXNetSeg and GluonCV, SemSegPaddle, DABNet), else MMSegmentation's.
    licence: of the pictures and labels, in words.
    obtained: where.
    archives: the published files that `core.data.prepare` reads.
    also: other beginnings of what published figures are measured on.
    """

    title: str
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    layout: tuple[str, ...] = ()
    pictures: str = ""
    crop: tuple[int, int] | None = None
    base: int | None = None
    licence: str = ""
    obtained: str = ""
    archives: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
