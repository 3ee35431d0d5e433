"""The authors' DABNet (github.com/isyangshu/DABNet): an MMSegmentation 0.x segmentor, `backbone.*` with all but the
heads.
"""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "dabnet",
    "the authors' DABNet, github.com/isyangshu/DABNet (PyTorch)",
    layouts_in(__name__),
    # In inference the main head's logits, and the same resized to the picture; in training every head's, as they are.
    Recording("DABNet", eval=("main", "main@picture")),
    "imagenet",
)
