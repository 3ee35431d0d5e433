"""The golden files of the architectures there are, relative to shared/golden, and the preset each belongs to."""

from __future__ import annotations

PRESET_OF = {
    "ESPNet/ESPNet": "espnet_p2_q8",
    "ESPNet/ESPNet_12": "espnet_p2_q8",
    "ESPNet/ESPNet_Encoder": "espnet_c_p2_q8",
    "Fast_Seg/ESPNet": "espnet_p2_q8",
    "Fast_Seg/FastSCNN": "fast_scnn",
    "Fast_Seg/FastSCNN_aux": "fast_scnn_aux",
    "Fast_Seg/PSPNet_res50": "pspnet_resnet50_gald",
    "GALD-Net/DualSeg_res50": "dgcnet_resnet50_gald",
    "GALD-Net/DualSeg_res101": "dgcnet_resnet101_gald",
    "GALD-Net/PSPNet_res50": "pspnet_resnet50_gald",
    "GALD-Net/PSPNet_res101": "pspnet_resnet101_gald",
    "MXNetSeg/PSPNet_resnet50": "pspnet_resnet50_mxnetseg",
    "MXNetSeg/PSPNet_resnet101": "pspnet_resnet101_mxnetseg",
    "MXNetSeg/SETR_naive": "setr_naive_mxnetseg",
    "MXNetSeg/SETR_pup": "setr_pup_mxnetseg",
    "MXNetSeg/SETR_mla": "setr_mla_mxnetseg",
    "SemSegPaddle/pspnet_resnet50": "pspnet_resnet50_semsegpaddle",
    "SemSegPaddle/pspnet_resnet101": "pspnet_resnet101_semsegpaddle",
    "mmseg/fast_scnn": "fast_scnn_mmseg",
    "mmseg/pspnet_r50": "pspnet_resnet50_mmseg",
    "mmseg/setr_naive": "setr_naive_mmseg",
    "mmseg/setr_pup": "setr_pup_mmseg",
    "mmseg/setr_mla": "setr_mla_mmseg",
    "PaddleSeg/fastscnn": "fast_scnn_paddleseg",
    "PaddleSeg/pspnet_resnet50_vd": "pspnet_resnet50_vd_paddleseg",
    "PaddleSeg/setr_naive_vit_base": "setr_naive_paddleseg",
}
# Seconds each, and together every kind of layer.
QUICK = ("ESPNet/ESPNet_12", "Fast_Seg/FastSCNN_aux", "PaddleSeg/fastscnn", "mmseg/setr_mla")
