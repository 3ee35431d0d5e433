"""Image classification on any backbone: what pretrained weights were trained as, and what shows that they are right."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from core.arch.backbones.base import BackboneSpec
from core.arch.backbones.dfnet import df1, df2
from core.arch.backbones.efficientnet import efficientnet, efficientnet_lite0, efficientnet_tiny
from core.arch.backbones.eprnet import EPREncoderSpec
from core.arch.backbones.mobilenet_v2 import MobileNetV2Spec
from core.arch.backbones.resnet import ResNetSpec
from core.arch.backbones.xception39 import Xception39Spec
from core.arch.inventory import Inventory
from core.arch.parts import NO_DROPOUT, DropoutSpec
from core.arch.spec import EncoderDecoderSpec, Preset

TESTS = "of this project: for tests and demonstrations"


@dataclass(frozen=True)
class ClassifierSpec(EncoderDecoderSpec):
    """Mean of the backbone's last map - dropout - fully connected layer: one logit a class, [N, num_classes, 1, 1].

    It labels a picture, not its pixels: a backbone's published classifier stands on it, to be converted with its
    backbone and to be compared; `--weights` of another network takes the backbone alone from the same file.
    """

    arch: ClassVar[str] = "classifier"
    segments: ClassVar[bool] = False

    num_classes: int = 1000
    backbone: BackboneSpec = field(default_factory=ResNetSpec)
    dropout: DropoutSpec = NO_DROPOUT

    def decoder_inventory(self, out: Inventory) -> None:
        out.linear("head.classifier", self.backbone.channels(self.backbone.deepest), self.num_classes)

    def narrow(self) -> ClassifierSpec:
        return dataclasses.replace(self, backbone=self.backbone.narrow())


def _classifier(backbone: BackboneSpec, dropout: float = 0.0) -> ClassifierSpec:
    return ClassifierSpec(backbone=backbone, dropout=DropoutSpec(p=dropout))


PRESETS = [
    Preset(
        "mobilenet_v2_classifier",
        _classifier(MobileNetV2Spec(last=True), 0.2),
        "MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
        "torchvision.models.mobilenet_v2()",
        3.505,
    ),
    Preset(
        "efficientnet_b0_classifier",
        _classifier(efficientnet(0, last=True), 0.2),
        "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946",
        "timm 0.4.12, efficientnet_b0; B1 to B7 by `overrides: {backbone: {width, depth}}`",
        5.289,
    ),
    Preset(
        "efficientnet_lite0_classifier",
        _classifier(efficientnet_lite0(last=True), 0.2),
        "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946",
        "EfficientNet-PyTorch's names, efficientnet_lite0",
        4.652,
    ),
    Preset(
        "resnet50_vd_classifier",
        _classifier(ResNetSpec(depth=50, stem_widths=(32, 32, 64), average_downsample=True, output_stride=32)),
        "Bag of Tricks for Image Classification with Convolutional Neural Networks, arXiv:1812.01187",
        "PaddleClas, ResNet50_vd",
        25.576,
    ),
    Preset(
        "xception39_classifier",
        _classifier(Xception39Spec()),
        "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation, arXiv:1808.00897",
        "MXNetSeg, backbone.xception.xception39()",
    ),
    Preset(
        "df1_classifier",
        _classifier(df1()),
        "Partial Order Pruning: for Best Speed/Accuracy Trade-off in Neural Architecture Search, arXiv:1903.03777",
        "Fast_Seg, libs.models.DFSegNet.dfnetv1, with its layer `fc`",
    ),
    Preset(
        "df2_classifier",
        _classifier(df2()),
        "Partial Order Pruning: for Best Speed/Accuracy Trade-off in Neural Architecture Search, arXiv:1903.03777",
        "Fast_Seg, libs.models.DFSegNet.dfnetv2, with its layer `fc`",
    ),
    Preset(
        "eprnet_classifier",
        _classifier(EPREncoderSpec()),
        "EPRNet: Efficient Pyramid Representation Network for Real-Time Street Scene Segmentation, IEEE T-ITS 2021",
        "MXNetSeg, backbone.eprnet_cls.EPRNetCls(light=False)",
    ),
    Preset(
        "eprnet_light_classifier",
        _classifier(EPREncoderSpec(light=True)),
        "EPRNet: Efficient Pyramid Representation Network for Real-Time Street Scene Segmentation, IEEE T-ITS 2021",
        "MXNetSeg, backbone.eprnet_cls.EPRNetCls(light=True)",
    ),
    Preset(
        "classifier_tiny",
        dataclasses.replace(_classifier(efficientnet_tiny(last=True)), num_classes=10),
        "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946",
        TESTS,
    ),
]
