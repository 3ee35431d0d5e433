"""The base of networks that stand on a backbone."""

from __future__ import annotations

from torch import Tensor

from backends.torch.backbones import build_backbone
from backends.torch.heads import AuxiliaryHeads
from backends.torch.layers import Network
from core.arch.spec import EncoderDecoderSpec


class EncoderDecoder(Network):
    """Backbone, `decode` and the auxiliary heads: [N, C, H, W] -> logits, those of `decode` first.

    Subclasses register what stands on the backbone and write `decode`; and `encode`, where the backbone does not simply
    see the picture.
    """

    def __init__(self, spec: EncoderDecoderSpec) -> None:
        super().__init__(spec)
        self.backbone = build_backbone(spec.backbone)
        self.auxiliary = AuxiliaryHeads(spec)

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """The backbone's maps, {stage: map}."""
        return self.backbone(x)

    def decode(self, features: dict[str, Tensor]) -> Tensor | tuple[Tensor, ...]:
        """{stage: map} -> logits, or several; may add maps that auxiliary heads tap to `features`.

        `features["picture"]` is the network's input.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = {"picture": x, **self.encode(x)}
        logits = self.decode(features)
        outputs = logits if isinstance(logits, tuple) else (logits,)
        return (*outputs, *self.auxiliary(features))
