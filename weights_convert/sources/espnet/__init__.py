"""The authors' ESPNet (github.com/sacmehta/ESPNet): PyTorch, names as in `train/Model.py` and `test/Model.py`."""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "espnet",
    "the authors' ESPNet, github.com/sacmehta/ESPNet (PyTorch)",
    layouts_in(__name__),
    Recording("ESPNet"),
    {12: "espnet_camvid", 20: "espnet_cityscapes"},  # the void class is an output of theirs
)
