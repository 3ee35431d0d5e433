"""MMSegmentation 0.x segmentors (and files named like them): PyTorch, `backbone.*`, `neck.*`, `decode_head.*`,
`auxiliary_head.*`.
"""

from __future__ import annotations

from weights_convert.sources.rules import Recording, Source, layouts_in

SOURCE = Source(
    "mmseg",
    "MMSegmentation 0.x, github.com/open-mmlab/mmsegmentation (PyTorch)",
    layouts_in(__name__),
    # In inference the main head's logits, and the same resized to the picture; in training every head's, as they are.
    Recording("mmseg", eval=("main", "main@picture")),
    "imagenet",
)
