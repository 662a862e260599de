"""Published files that no name of `convert --list` stands for, under the names that their addresses give them.

They are torchvision's, the authors' at 384, mmpretrain's, and RepLKNet's, from its authors and from mmpretrain;
`convert/source/pretrained.py` has the others. Most end in the first digits of their SHA-256.
"""

from __future__ import annotations

# File name to the checkpoint's name, which is a recipe's of verify/recipes/table.py.
OTHER_FILES = {
    "convnext_tiny-983f1562.pth": "torchvision/ConvNeXt_Tiny_Weights.IMAGENET1K_V1",
    "convnext_small-0c510722.pth": "torchvision/ConvNeXt_Small_Weights.IMAGENET1K_V1",
    "convnext_base-6075fbad.pth": "torchvision/ConvNeXt_Base_Weights.IMAGENET1K_V1",
    "convnext_large-ea097f82.pth": "torchvision/ConvNeXt_Large_Weights.IMAGENET1K_V1",
    "resnext50_32x4d-7cdf4587.pth": "torchvision/ResNeXt50_32X4D_Weights.IMAGENET1K_V1",
    "resnext50_32x4d-1a0047aa.pth": "torchvision/ResNeXt50_32X4D_Weights.IMAGENET1K_V2",
    "resnext101_32x8d-8ba56ff5.pth": "torchvision/ResNeXt101_32X8D_Weights.IMAGENET1K_V1",
    "resnext101_32x8d-110c445d.pth": "torchvision/ResNeXt101_32X8D_Weights.IMAGENET1K_V2",
    "resnext101_64x4d-173b62eb.pth": "torchvision/ResNeXt101_64X4D_Weights.IMAGENET1K_V1",
    "convnext_base_1k_384.pth": "convnext_base.fb_in1k_384",
    "convnext_large_1k_384.pth": "convnext_large.fb_in1k_384",
    "convnext-tiny_32xb128_in1k_20221207-998cf3e9.pth": "mmpretrain/convnext-tiny_32xb128_in1k",
    "convnext-tiny_32xb128-noema_in1k_20221208-5d4509c7.pth": "mmpretrain/convnext-tiny_32xb128-noema_in1k",
    "convnext-small_32xb128_in1k_20221207-4ab7052c.pth": "mmpretrain/convnext-small_32xb128_in1k",
    "convnext-small_32xb128-noema_in1k_20221208-4a618995.pth": "mmpretrain/convnext-small_32xb128-noema_in1k",
    "convnext-base_32xb128_in1k_20221207-fbdb5eb9.pth": "mmpretrain/convnext-base_32xb128_in1k",
    "convnext-base_32xb128-noema_in1k_20221208-f8182678.pth": "mmpretrain/convnext-base_32xb128-noema_in1k",
    "convnext-base_3rdparty_32xb128-noema_in1k_20220222-dba4f95f.pth": "mmpretrain/convnext-base_3rdparty-noema_in1k",
    "convnext_base_1k_224.pth": "mmpretrain/convnext-base_3rdparty-noema_in1k",
    "RepLKNet-31B_ImageNet-1K_224.pth": "replknet_31b.megvii_in1k",
    "RepLKNet-31B_ImageNet-1K_224_20221024-debd6715.pth": "replknet_31b.megvii_in1k",
    "RepLKNet-31B_ImageNet-1K_384.pth": "replknet_31b.megvii_in1k_384",
    "RepLKNet-31B_ImageNet-1K_384_20221024-3d05883f.pth": "replknet_31b.megvii_in1k_384",
    "RepLKNet-31B_ImageNet-22K-to-1K_224.pth": "replknet_31b.megvii_in22k_ft_in1k",
    "RepLKNet-31B_ImageNet-22K-to-1K_224_20221024-f68d7698.pth": "replknet_31b.megvii_in22k_ft_in1k",
    "RepLKNet-31B_ImageNet-22K-to-1K_384.pth": "replknet_31b.megvii_in22k_ft_in1k_384",
    "RepLKNet-31B_ImageNet-22K-to-1K_384_20221024-ca9f04ca.pth": "replknet_31b.megvii_in22k_ft_in1k_384",
    "RepLKNet-31L_ImageNet-22K-to-1K_384.pth": "replknet_31l.megvii_in22k_ft_in1k_384",
    "RepLKNet-31L_ImageNet-22K-to-1K_384_20221024-6f8ee74d.pth": "replknet_31l.megvii_in22k_ft_in1k_384",
    "RepLKNet-XL_MegData73M_ImageNet1K.pth": "replknet_xl.megvii_m73m_ft_in1k_320",
    "RepLKNet-XL_MegData73M_ImageNet1K_20221024-664f2980.pth": "replknet_xl.megvii_m73m_ft_in1k_320",
}
