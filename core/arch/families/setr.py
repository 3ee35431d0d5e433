"""SETR: segmentation transformer with three decoders (Zheng et al., arXiv:2012.15840) on ViT."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from core.arch.backbones.vit import ViTSpec
from core.arch.golden import GoldenFile, golden_files
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, FCNHeadSpec, NormSpec
from core.arch.spec import EncoderDecoderSpec, Preset, narrow_heads, require_sides
from core.schema import to_plain

PAPER = "Rethinking Semantic Segmentation from a Sequence-to-Sequence Perspective with Transformers, arXiv:2012.15840"

Decoder = Literal["naive", "pup", "mla"]
TAPS, MLA_TAPS = (10, 15, 20, 24), (6, 12, 18, 24)


@dataclass(frozen=True)
class SETRSpec(EncoderDecoderSpec):
    """The backbone's tapped blocks, a layer norm for each, and a decoder.

    naive: `head` on the deepest. pup: four 3x3 convolutions with x2 resizes (`pup_align_corners`; None: as the logits')
    after the first `pup_upsamples`, then the classifier: `plain` 1x1, or `normalised`: 3x3 with batch norm and ReLU,
    whose logits are never negative (MXNetSeg). mla: 1x1 each, sums from the deepest upwards, 3x3 each, two more 3x3 to
    half the width each, enlarged by `mla_upsample`, concatenated in `mla_order`, classified by `mla_kernel`. Auxiliary
    heads tap `block<n>` or, for mla, `neck<i>` (after the first 3x3, deepest first).

    bias: of the convolutions of pup and mla. main_norm: the main head has a layer norm of its own, after those of the
    taps, so that the deepest block is normalised twice where an auxiliary head taps it too.
    """

    arch: ClassVar[str] = "setr"
    takes_tokens: ClassVar[bool] = True
    classifiers: ClassVar[tuple[str, ...]] = ("head.classifier.weight", "head.classifier.conv.weight")

    decoder: Decoder = "naive"
    backbone: ViTSpec = ViTSpec(taps=TAPS)
    width: int = 256
    head: FCNHeadSpec = FCNHeadSpec(width=256, kernel=1, dropout=NO_DROPOUT)
    pup_upsamples: int = 3
    pup_classifier: Literal["plain", "normalised"] = "plain"
    pup_align_corners: bool | None = None
    mla_upsample: int = 1
    mla_order: Literal["deepest_first", "shallowest_first"] = "deepest_first"
    mla_kernel: int = 1
    bias: bool = False
    main_norm: bool = False
    norm: NormSpec = field(default_factory=NormSpec)

    @property
    def head_norm(self) -> NormSpec:
        return self.norm

    @property
    def levels(self) -> int:
        """How many blocks the decoder sees."""
        return len(self.backbone.stages())

    def tap_channels(self, tap: str) -> int:
        if self.decoder == "mla" and tap in [f"neck{i}" for i in range(self.levels)]:
            return self.width
        return self.backbone.channels(tap)

    def decoder_inventory(self, out: Inventory) -> None:
        channels, width = self.backbone.width, self.width
        for i in range(self.levels + self.main_norm):
            out.layer_norm(f"norms.{i}", channels)
        if self.decoder == "naive":
            self.head.inventory(out, "head", channels, self.num_classes)
        elif self.decoder == "pup":
            with out.scope("head"):
                for i in range(4):
                    out.conv_norm_act(f"convs.{i}", width if i else channels, width, 3, bias=self.bias)
                if self.pup_classifier == "normalised":
                    out.conv_norm_act("classifier", width, self.num_classes, 3)
                else:
                    out.conv("classifier", width, self.num_classes, 1, bias=True, classifier=True)
        else:
            self._mla(out)

    def _mla(self, out: Inventory) -> None:
        channels, width, levels = self.backbone.width, self.width, range(self.levels)
        with out.scope("head"):
            for i in levels:
                out.conv_norm_act(f"lateral.{i}", channels, width, 1, bias=self.bias)
            for i in levels:
                out.conv_norm_act(f"neck.{i}", width, width, 3, bias=self.bias)
            for i in levels:
                out.conv_norm_act(f"levels.{i}.0", width, width // 2, 3, bias=self.bias)
                out.conv_norm_act(f"levels.{i}.1", width // 2, width // 2, 3, bias=self.bias)
            channels = width // 2 * self.levels
            out.conv("classifier", channels, self.num_classes, self.mla_kernel, bias=True, classifier=True)

    @property
    def least(self) -> int:
        return self.backbone.patch

    def check_input(self, height: int, width: int) -> None:
        require_sides(height, width, least=self.least, multiple=self.multiple, why=" (the patch size)")

    def narrow(self) -> SETRSpec:
        backbone = self.backbone.narrow()
        renamed = dict(zip(self.backbone.stages(), backbone.stages()))
        return dataclasses.replace(
            self,
            backbone=backbone,
            width=8,
            head=self.head.narrow(),
            auxiliary=narrow_heads(self.auxiliary, renamed),
        )


def _heads(*blocks: int) -> tuple[FCNHeadSpec, ...]:
    return tuple(FCNHeadSpec(tap=f"block{n}", width=256, kernel=1, dropout=NO_DROPOUT) for n in blocks)


def _mxnetseg(decoder: Decoder) -> SETRSpec:
    if decoder == "naive":
        return SETRSpec(auxiliary=_heads(20, 15, 10))
    if decoder == "pup":
        return SETRSpec(decoder="pup", pup_classifier="normalised", auxiliary=_heads(24, 20, 15, 10))
    return SETRSpec(decoder="mla", backbone=ViTSpec(taps=MLA_TAPS), auxiliary=_heads(24, 18, 12, 6))


def _mmseg(decoder: Decoder) -> SETRSpec:
    """mmseg's heads on ViT-Large of 768x768."""
    token: Literal["used", "unused"] = "unused" if decoder == "mla" else "used"
    backbone = ViTSpec(class_token=token, dropout=NO_DROPOUT, taps=MLA_TAPS if decoder == "mla" else TAPS)
    base = SETRSpec(decoder=decoder, backbone=backbone, align_corners=False)
    head = FCNHeadSpec(width=256, kernel=1, upsample=4, dropout=NO_DROPOUT)
    if decoder == "naive":
        auxiliary = tuple(dataclasses.replace(head, tap=f"block{n}") for n in (10, 15, 20))
        return dataclasses.replace(base, head=head, auxiliary=auxiliary)
    if decoder == "pup":
        auxiliary = tuple(dataclasses.replace(head, tap=f"block{n}", kernel=3) for n in (10, 15, 20))
        return dataclasses.replace(base, pup_upsamples=4, auxiliary=auxiliary)
    auxiliary = tuple(FCNHeadSpec(tap=f"neck{i}", width=0, dropout=NO_DROPOUT) for i in range(4))
    return dataclasses.replace(base, mla_upsample=4, auxiliary=auxiliary)


def _paddleseg(decoder: Decoder) -> SETRSpec:
    """On ViT-Large of 384x384. In the originals one module serves all taps or levels where their list repeats it: the
    auxiliary heads, their norms (mla: all norms), and mla's last two convolutions of a level.
    """
    taps = TAPS
    backbone = ViTSpec(
        image_size=(384, 384), class_token="used", position_resize="bicubic", dropout=NO_DROPOUT, taps=taps
    )
    head = FCNHeadSpec(width=256, kernel=1, bias=True, dropout=NO_DROPOUT)
    base = SETRSpec(decoder=decoder, backbone=backbone, head=head, bias=decoder != "naive")
    if decoder == "naive":
        return dataclasses.replace(base, auxiliary=_tapping(head, taps[:3]))
    if decoder == "pup":
        head = dataclasses.replace(head, kernel=3, upsample=4, align_corners=False)
        return dataclasses.replace(base, pup_align_corners=False, main_norm=True, auxiliary=_tapping(head, taps))
    auxiliary = tuple(FCNHeadSpec(tap=f"neck{i}", width=0, dropout=NO_DROPOUT) for i in (3, 2, 1, 0))
    return dataclasses.replace(base, mla_upsample=4, mla_order="shallowest_first", mla_kernel=3, auxiliary=auxiliary)


def _tapping(head: FCNHeadSpec, blocks: tuple[int, ...]) -> tuple[FCNHeadSpec, ...]:
    return tuple(dataclasses.replace(head, tap=f"block{n}") for n in blocks)


def _tiny(decoder: Decoder) -> SETRSpec:
    backbone = ViTSpec(image_size=(64, 64), width=32, depth=4, heads=2, taps=(1, 2, 3, 4))
    auxiliary = (FCNHeadSpec(tap="block3", width=16, kernel=1, dropout=NO_DROPOUT),)
    head = FCNHeadSpec(width=16, kernel=1, dropout=NO_DROPOUT)
    return SETRSpec(decoder=decoder, backbone=backbone, width=16, head=head, auxiliary=auxiliary)


MXNETSEG = "MXNetSeg, SETR(backbone='vit_large_16', decoder='{}', aux=True)"
MMSEG = "mmseg 0.19, configs/_base_/models/setr_{}.py"
PADDLESEG = "PaddleSeg, SegmentationTransformer(ViT_large_patch16_384(), (9, 14, 19, 23), '{}', align_corners=True)"
_DECODERS: tuple[Decoder, ...] = ("naive", "pup", "mla")
_COUNTS = {"naive": 304.241, "pup": 308.415, "mla": 309.434}
_AT_128 = {"backbone": {"image_size": (128, 128)}}


def _smaller(spec: SETRSpec, width: int, depth: int, heads: int, *blocks: int) -> dict[str, Any]:
    """Overrides that put `spec` on a smaller ViT with taps at `blocks`, the auxiliary ones among the first of them."""
    auxiliary = [
        {**to_plain(head), "tap": head.tap if head.tap.startswith("neck") else f"block{n}"}
        for head, n in zip(spec.auxiliary, blocks)
    ]
    vit = {"width": width, "depth": depth, "heads": heads, "taps": list(blocks)}
    return {"backbone": vit, "auxiliary": auxiliary}


def _mmseg_golden(decoder: Decoder) -> tuple[GoldenFile, ...]:
    return (GoldenFile("mmseg", f"setr_{decoder}", _smaller(_mmseg(decoder), 96, 6, 4, 3, 4, 5, 6)),)


def _paddleseg_golden(decoder: Decoder) -> tuple[GoldenFile, ...]:
    base = _smaller(_paddleseg(decoder), 768, 12, 12, 3, 6, 9, 12)
    return (GoldenFile("PaddleSeg", f"setr_{decoder}_vit_base", base),)


PRESETS = [
    *[
        Preset(
            f"setr_{d}_mxnetseg",
            _mxnetseg(d),
            PAPER,
            MXNETSEG.format(d),
            _COUNTS[d],
            _AT_128,
            golden_files(f"MXNetSeg/SETR_{d}"),
        )
        for d in _DECODERS
    ],
    *[Preset(f"setr_{d}_mmseg", _mmseg(d), PAPER, MMSEG.format(d), golden=_mmseg_golden(d)) for d in _DECODERS],
    *[
        Preset(f"setr_{d}_paddleseg", _paddleseg(d), PAPER, PADDLESEG.format(d), golden=_paddleseg_golden(d))
        for d in _DECODERS
    ],
    *[Preset(f"setr_{d}_tiny", _tiny(d), PAPER, "of this project: for tests and demonstrations") for d in _DECODERS],
]
