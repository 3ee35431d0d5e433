"""The golden files that presets declare, relative to shared/golden, and those of families that are still to come."""

from __future__ import annotations

from core.arch import PRESETS, build
from parity_tests.golden.network import DECLARED

# "source/model" -> the preset that declares it.
PRESET_OF = {f"{source}/{model}": preset for (source, model), (preset, _) in DECLARED.items()}

# Files of registered origins whose families are still to be built. An entry that a preset declares must go.
TO_COME = {
    "Fast_Seg/BiSeNet",
    "Fast_Seg/BiSeNet_is_training",
    "Fast_Seg/BiSeNet_is_training_heads",
    "Fast_Seg/DFANet",
    "Fast_Seg/ICNet",
    "Fast_Seg/SwiftNetRes18",
    "Fast_Seg/dfnetv1seg",
    "Fast_Seg/dfnetv2seg",
    "GALD-Net/GALD_res101",
    "GALD-Net/GALD_res50",
    "GluonCV/DANet_resnet50",
    "GluonCV/DeepLabV3Plus_xception",
    "GluonCV/DeepLabV3_resnet101",
    "GluonCV/DeepLabV3_resnet50",
    "GluonCV/FastSCNN",
    "GluonCV/FastSCNN_aux",
    "GluonCV/ICNet_resnet50",
    "GluonCV/PSPNet_resnet101",
    "GluonCV/PSPNet_resnet50",
    "MXNetSeg/ACFNet_resnet50",
    "MXNetSeg/AlignSeg_resnet50",
    "MXNetSeg/AttaNet_resnet18",
    "MXNetSeg/AttentionToScale_resnet50",
    "MXNetSeg/BiSeNetR_resnet18",
    "MXNetSeg/BiSeNetX",
    "MXNetSeg/CANetv1_resnet50",
    "MXNetSeg/CANetv2_resnet18",
    "MXNetSeg/DANet_resnet50",
    "MXNetSeg/DeepLabv3PlusR_resnet50",
    "MXNetSeg/DeepLabv3PlusX",
    "MXNetSeg/DeepLabv3_resnet50",
    "MXNetSeg/DenseASPP_resnet50",
    "MXNetSeg/EPRNet",
    "MXNetSeg/EPRNet_light",
    "MXNetSeg/FCNMobileNet",
    "MXNetSeg/FaPN_resnet18",
    "MXNetSeg/GFFNet_resnet18",
    "MXNetSeg/LadderDenseNet_densenet121",
    "MXNetSeg/SeENet_resnet50",
    "MXNetSeg/SemanticFPN_resnet18",
    "MXNetSeg/SwiftResNetPr_resnet18",
    "MXNetSeg/SwiftResNet_resnet18",
    "PaddleSeg/bisenetv1_resnet18_vd",
    "PaddleSeg/danet_resnet50_vd",
    "PaddleSeg/deeplabv3_resnet50_vd",
    "PaddleSeg/deeplabv3p_resnet50_vd",
    "PaddleSeg/fcn_hrnet_w18",
    "PaddleSeg/ginet_resnet50_vd",
    "PaddleSeg/glore_resnet50_vd",
    "SemSegPaddle/glore_pascal_context_resnet101",
    "SemSegPaddle/glore_resnet101",
    "SemSegPaddle/glore_resnet50",
    "mmseg/bisenetv1_r18",
    "mmseg/danet_r50",
    "mmseg/deeplabv3_r50",
    "mmseg/deeplabv3plus_r50",
    "mmseg/fcn_hr18",
    "mmseg/icnet_r50",
    "mmseg/sem_fpn_r50",
    "torchvision/deeplabv3_resnet101",
    "torchvision/deeplabv3_resnet50",
}


def _quick(most: float = 2.5e6) -> tuple[str, ...]:
    """Of each architecture the file with most parameters, up to a number with which it takes seconds."""
    largest: dict[str, tuple[int, str]] = {}
    for (source, model), (preset, file) in DECLARED.items():
        count = build(preset, None, file.overrides).parameter_count()
        if count <= most:
            arch = PRESETS[preset].spec.arch
            largest[arch] = max(largest.get(arch, (0, "")), (count, f"{source}/{model}"))
    return tuple(sorted(name for _, name in largest.values()))


QUICK = _quick()
