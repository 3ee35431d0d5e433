"""Roadscape, the embedded data set, and the drawing of its scenes."""

from core.data.datasets.roadscape.dataset import Roadscape

__all__ = ["Roadscape"]
