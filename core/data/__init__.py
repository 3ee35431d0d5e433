"""Data: sets of labelled pictures, transforms, and the samples every backend's loader reads.

Arrays are numpy throughout.
"""

from core.data.datasets import DATASETS, IGNORE, Dataset, LabelSpace, Sample, label_space, open_dataset
from core.data.datasets.images import colorize, read_image, read_label

__all__ = [
    "DATASETS",
    "IGNORE",
    "Dataset",
    "LabelSpace",
    "Sample",
    "colorize",
    "label_space",
    "open_dataset",
    "read_image",
    "read_label",
]
