"""The base of networks that stand on a backbone."""

from __future__ import annotations

from types import ModuleType

from backends.mxnet.backbones import build_backbone
from backends.mxnet.heads import AuxiliaryHeads
from backends.mxnet.layers import Network, Tensor
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

    def encode(self, F: ModuleType, x: Tensor) -> dict[str, Tensor]:
        """The backbone's maps, {stage: map}."""
        return self.backbone(x)

    def decode(self, F: ModuleType, features: dict[str, Tensor]) -> Tensor | tuple[Tensor, ...]:
        """{stage: map} -> logits, or several; may add maps that auxiliary heads tap to `features`.

        `features["picture"]` is the network's input.
        """
        raise NotImplementedError

    def hybrid_forward(self, F: ModuleType, x: Tensor) -> tuple[Tensor, ...]:
        features = {"picture": x, **self.encode(F, x)}
        logits = self.decode(F, features)
        outputs = logits if isinstance(logits, tuple) else (logits,)
        return (*outputs, *self.auxiliary(features))
