"""The published evaluations of checkpoints on ImageNet's 50,000 validation images, a row each.

verify/recipes/recipe.py reads the rows; tests compare their protocols with the installed timm and torchvision.

Left out on purpose, for a number that is not the checkpoint's accuracy is worse than none:

- `convnext_tiny.fb_in22k_ft_in1k@288`, see LEFT_OUT;
- PaddleClas' rows and other ports', which are conversions of checkpoints that stand here with their source's number
  (its base_384 84.90 and large_384 85.27 were measured with a centre crop; 85.1 and 85.5 are the authors');
- ConvNeXt-TF's, measured after a squash to 256 without antialiasing;
- PaddleClas' own trainings of ResNeXt, which resize with OpenCV;
- trainings by PASSL, flytocc and MindCV whose resize or crop nobody states.
"""

from __future__ import annotations

from convert.source.other_files import OTHER_FILES
from verify.recipes.protocol import CLIP, HALF, IMAGENET

LEFT_OUT = {
    "convnext_tiny.fb_in22k_ft_in1k@288": "timm's row reads 78.950, 3.95 points below the same checkpoint at 224, "
    "where every other checkpoint gains",
}

SOURCES = {
    "timm": "https://github.com/huggingface/pytorch-image-models/blob/aa4b5850c154/results/results-imagenet.csv",
    "torchvision": "https://github.com/pytorch/vision/blob/07a929e8b851/torchvision/models/convnext.py",
    "torchvision-resnet": "https://github.com/pytorch/vision/blob/07a929e8b851/torchvision/models/resnet.py",
    "fb": "https://github.com/facebookresearch/ConvNeXt/blob/048efcea897d/README.md",
    "mmpretrain": "https://github.com/open-mmlab/mmpretrain/blob/ee7f2e88501f/configs/convnext/metafile.yml",
    "mmpretrain-replknet": "https://github.com/open-mmlab/mmpretrain/blob/7d11a5ab558b/configs/replknet/metafile.yml",
    "replknet": "https://github.com/DingXiaoH/RepLKNet-pytorch/blob/b76808a/README.md",
}

# timm 1.0.31's `license` of them; convnextv2's FCMAE weights are under the same.
LICENCE = "the weights of resnext*.fb_* and convnextv2*.fcmae* are CC-BY-NC-4.0: not for commercial use"

NORMALISATIONS = {"imagenet": IMAGENET, "clip": CLIP, "half": HALF}  # by the word in a row

# Name, input size, short edge or squash, normalisation, top-1, top-5. Bicubic, 1000 classes. A plain name is evaluated
# at timm's `input_size` and `crop_pct`, as the checkpoint was trained; `@288` at its `test_input_size` and
# `test_crop_pct`. timm resizes the short edge to floor(size / crop_pct). Its table of accuracies states sizes and crop
# fractions; whether it squashed stands in `crop_mode` of timm 1.0.31.
TIMM = """
convnext_atto.d2_in1k 224 256 imagenet 75.672 92.914
convnext_atto.d2_in1k@288 288 303 imagenet 77.016 93.704
convnext_atto_ols.a2_in1k 224 256 imagenet 75.902 92.842
convnext_atto_ols.a2_in1k@288 288 303 imagenet 77.220 93.700
convnext_base.clip_laion2b_augreg_ft_in12k_in1k 256 256 clip 86.378 97.976
convnext_base.clip_laion2b_augreg_ft_in12k_in1k_384 384 squash clip 87.144 98.228
convnext_base.clip_laion2b_augreg_ft_in1k 256 256 clip 86.184 97.674
convnext_base.clip_laiona_augreg_ft_in1k_384 384 384 clip 86.490 97.960
convnext_base.fb_in1k 224 256 imagenet 83.838 96.746
convnext_base.fb_in1k@288 288 288 imagenet 84.466 96.982
convnext_base.fb_in22k_ft_in1k 224 256 imagenet 85.814 97.856
convnext_base.fb_in22k_ft_in1k@288 288 288 imagenet 86.302 98.088
convnext_base.fb_in22k_ft_in1k_384 384 squash imagenet 86.826 98.244
convnext_femto.d1_in1k 224 256 imagenet 77.498 93.678
convnext_femto.d1_in1k@288 288 303 imagenet 78.712 94.436
convnext_femto_ols.d1_in1k 224 256 imagenet 77.852 93.826
convnext_femto_ols.d1_in1k@288 288 303 imagenet 78.916 94.534
convnext_large.fb_in1k 224 256 imagenet 84.304 96.892
convnext_large.fb_in1k@288 288 288 imagenet 84.862 97.210
convnext_large.fb_in22k_ft_in1k 224 256 imagenet 86.612 98.036
convnext_large.fb_in22k_ft_in1k@288 288 288 imagenet 87.012 98.212
convnext_large.fb_in22k_ft_in1k_384 384 squash imagenet 87.456 98.380
convnext_large_mlp.clip_laion2b_augreg_ft_in1k 256 256 clip 87.344 98.222
convnext_large_mlp.clip_laion2b_augreg_ft_in1k_384 384 squash clip 87.890 98.448
convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_320 320 320 clip 87.970 98.474
convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_384 384 squash clip 88.334 98.574
convnext_nano.d1h_in1k 224 235 imagenet 80.762 95.332
convnext_nano.d1h_in1k@288 288 288 imagenet 81.474 95.670
convnext_nano.in12k_ft_in1k 224 235 imagenet 82.306 96.338
convnext_nano.in12k_ft_in1k@288 288 288 imagenet 82.882 96.562
convnext_nano.r384_in12k_ft_in1k 384 384 imagenet 83.334 96.624
convnext_nano_ols.d1h_in1k 224 235 imagenet 80.906 95.254
convnext_nano_ols.d1h_in1k@288 288 288 imagenet 81.612 95.626
convnext_pico.d1_in1k 224 256 imagenet 79.516 94.554
convnext_pico.d1_in1k@288 288 303 imagenet 80.426 95.062
convnext_pico_ols.d1_in1k 224 235 imagenet 79.542 94.706
convnext_pico_ols.d1_in1k@288 288 288 imagenet 80.458 95.248
convnext_small.fb_in1k 224 256 imagenet 83.144 96.432
convnext_small.fb_in1k@288 288 288 imagenet 83.704 96.816
convnext_small.fb_in22k_ft_in1k 224 256 imagenet 84.582 97.414
convnext_small.fb_in22k_ft_in1k@288 288 288 imagenet 85.276 97.678
convnext_small.fb_in22k_ft_in1k_384 384 squash imagenet 85.752 97.878
convnext_small.in12k_ft_in1k 224 235 imagenet 85.164 97.502
convnext_small.in12k_ft_in1k@288 288 288 imagenet 85.324 97.554
convnext_small.in12k_ft_in1k_384 384 squash imagenet 86.186 97.920
convnext_tiny.fb_in1k 224 256 imagenet 82.066 95.854
convnext_tiny.fb_in1k@288 288 288 imagenet 82.694 96.144
convnext_tiny.fb_in22k_ft_in1k 224 256 imagenet 82.900 96.616
convnext_tiny.fb_in22k_ft_in1k_384 384 squash imagenet 84.098 97.138
convnext_tiny.in12k_ft_in1k 224 235 imagenet 84.192 97.132
convnext_tiny.in12k_ft_in1k@288 288 288 imagenet 84.448 97.328
convnext_tiny.in12k_ft_in1k_384 384 squash imagenet 85.154 97.634
convnext_tiny_hnf.a2h_in1k 224 235 imagenet 82.230 95.860
convnext_tiny_hnf.a2h_in1k@288 288 288 imagenet 82.608 96.024
convnext_xlarge.fb_in22k_ft_in1k 224 256 imagenet 86.970 98.204
convnext_xlarge.fb_in22k_ft_in1k@288 288 288 imagenet 87.378 98.330
convnext_xlarge.fb_in22k_ft_in1k_384 384 squash imagenet 87.764 98.552
convnext_xxlarge.clip_laion2b_soup_ft_in1k 256 256 clip 88.622 98.718
convnext_zepto_rms.ra4_e3600_r224_in1k 224 256 half 72.820 91.106
convnext_zepto_rms_ols.ra4_e3600_r224_in1k 224 248 half 73.234 91.270
convnextv2_atto.fcmae_ft_in1k 224 256 imagenet 76.644 93.042
convnextv2_atto.fcmae_ft_in1k@288 288 303 imagenet 77.794 93.728
convnextv2_base.fcmae_ft_in1k 224 256 imagenet 84.890 97.088
convnextv2_base.fcmae_ft_in1k@288 288 288 imagenet 85.490 97.380
convnextv2_base.fcmae_ft_in22k_in1k 224 256 imagenet 86.752 98.020
convnextv2_base.fcmae_ft_in22k_in1k@288 288 288 imagenet 86.994 98.168
convnextv2_base.fcmae_ft_in22k_in1k_384 384 squash imagenet 87.638 98.416
convnextv2_femto.fcmae_ft_in1k 224 256 imagenet 78.476 93.984
convnextv2_femto.fcmae_ft_in1k@288 288 303 imagenet 79.342 94.590
convnextv2_huge.fcmae_ft_in1k 224 256 imagenet 86.260 97.752
convnextv2_huge.fcmae_ft_in1k@288 288 288 imagenet 86.618 97.968
convnextv2_huge.fcmae_ft_in22k_in1k_384 384 squash imagenet 88.666 98.734
convnextv2_huge.fcmae_ft_in22k_in1k_512 512 squash imagenet 88.860 98.740
convnextv2_large.fcmae_ft_in1k 224 256 imagenet 85.762 97.574
convnextv2_large.fcmae_ft_in1k@288 288 288 imagenet 86.132 97.820
convnextv2_large.fcmae_ft_in22k_in1k 224 256 imagenet 87.266 98.240
convnextv2_large.fcmae_ft_in22k_in1k@288 288 288 imagenet 87.494 98.360
convnextv2_large.fcmae_ft_in22k_in1k_384 384 squash imagenet 88.180 98.520
convnextv2_nano.fcmae_ft_in1k 224 256 imagenet 81.856 95.740
convnextv2_nano.fcmae_ft_in1k@288 288 288 imagenet 82.490 96.226
convnextv2_nano.fcmae_ft_in22k_in1k 224 256 imagenet 82.038 96.174
convnextv2_nano.fcmae_ft_in22k_in1k@288 288 288 imagenet 82.666 96.546
convnextv2_nano.fcmae_ft_in22k_in1k_384 384 squash imagenet 83.366 96.740
convnextv2_pico.fcmae_ft_in1k 224 256 imagenet 80.304 95.082
convnextv2_pico.fcmae_ft_in1k@288 288 303 imagenet 81.062 95.476
convnextv2_tiny.fcmae_ft_in1k 224 256 imagenet 82.948 96.286
convnextv2_tiny.fcmae_ft_in1k@288 288 288 imagenet 83.478 96.718
convnextv2_tiny.fcmae_ft_in22k_in1k 224 256 imagenet 83.904 96.964
convnextv2_tiny.fcmae_ft_in22k_in1k@288 288 288 imagenet 84.428 97.260
convnextv2_tiny.fcmae_ft_in22k_in1k_384 384 squash imagenet 85.098 97.632
"""

# Name, architecture, input size, short edge or squash, interpolation, top-1, top-5, source.
# Of ResNeXt fine-tuned from the semi-weakly supervised one only top-1 was at hand.
# Names are torchvision's own of its weights; timm's form for the authors' files that timm does not have; mmpretrain's
# own for its trainings and for the authors' base without EMA, whose number only mmpretrain states. mmpretrain decodes
# with OpenCV and resizes with Pillow; over 30 checkpoints its top-1 and timm's differ by at most 0.02.
OTHERS = """
torchvision/ConvNeXt_Tiny_Weights.IMAGENET1K_V1 convnext_tiny 224 236 bilinear 82.520 96.146 torchvision
torchvision/ConvNeXt_Small_Weights.IMAGENET1K_V1 convnext_small 224 230 bilinear 83.616 96.650 torchvision
torchvision/ConvNeXt_Base_Weights.IMAGENET1K_V1 convnext_base 224 232 bilinear 84.062 96.870 torchvision
torchvision/ConvNeXt_Large_Weights.IMAGENET1K_V1 convnext_large 224 232 bilinear 84.414 96.976 torchvision
convnext_base.fb_in1k_384 convnext_base 384 squash bicubic 85.1 - fb
convnext_large.fb_in1k_384 convnext_large 384 squash bicubic 85.5 - fb
convnext_isotropic_small.fb_in1k convnext_isotropic_small 224 256 bicubic 78.7 - fb
convnext_isotropic_base.fb_in1k convnext_isotropic_base 224 256 bicubic 82.0 - fb
convnext_isotropic_large.fb_in1k convnext_isotropic_large 224 256 bicubic 82.6 - fb
mmpretrain/convnext-tiny_32xb128_in1k convnext_tiny 224 256 bicubic 82.14 96.06 mmpretrain
mmpretrain/convnext-tiny_32xb128-noema_in1k convnext_tiny 224 256 bicubic 81.95 95.89 mmpretrain
mmpretrain/convnext-small_32xb128_in1k convnext_small 224 256 bicubic 83.16 96.56 mmpretrain
mmpretrain/convnext-small_32xb128-noema_in1k convnext_small 224 256 bicubic 83.21 96.48 mmpretrain
mmpretrain/convnext-base_32xb128_in1k convnext_base 224 256 bicubic 83.66 96.74 mmpretrain
mmpretrain/convnext-base_32xb128-noema_in1k convnext_base 224 256 bicubic 83.64 96.61 mmpretrain
mmpretrain/convnext-base_3rdparty-noema_in1k convnext_base 224 256 bicubic 83.71 96.60 mmpretrain
torchvision/ResNeXt50_32X4D_Weights.IMAGENET1K_V1 resnext50_32x4d 224 256 bilinear 77.618 93.698 torchvision-resnet
torchvision/ResNeXt50_32X4D_Weights.IMAGENET1K_V2 resnext50_32x4d 224 232 bilinear 81.198 95.340 torchvision-resnet
torchvision/ResNeXt101_32X8D_Weights.IMAGENET1K_V1 resnext101_32x8d 224 256 bilinear 79.312 94.526 torchvision-resnet
torchvision/ResNeXt101_32X8D_Weights.IMAGENET1K_V2 resnext101_32x8d 224 232 bilinear 82.834 96.228 torchvision-resnet
torchvision/ResNeXt101_64X4D_Weights.IMAGENET1K_V1 resnext101_64x4d 224 232 bilinear 83.246 96.454 torchvision-resnet
resnext101_32x8d.fb_wsl_ig1b_ft_in1k resnext101_32x8d 224 256 bilinear 82.720 96.624 timm
resnext101_32x16d.fb_wsl_ig1b_ft_in1k resnext101_32x16d 224 256 bilinear 84.166 97.192 timm
resnext101_32x32d.fb_wsl_ig1b_ft_in1k resnext101_32x32d 224 256 bilinear 85.090 97.442 timm
resnext50_32x4d.fb_swsl_ig1b_ft_in1k resnext50_32x4d 224 256 bilinear 82.162 - timm
resnext101_32x4d.fb_swsl_ig1b_ft_in1k resnext101_32x4d 224 256 bilinear 83.268 - timm
resnext101_32x8d.fb_swsl_ig1b_ft_in1k resnext101_32x8d 224 256 bilinear 84.276 - timm
resnext101_32x16d.fb_swsl_ig1b_ft_in1k resnext101_32x16d 224 256 bilinear 83.340 - timm
"""

# Name, input size, short edge or squash, normalisation, top-1, top-5, source. Bicubic, 1000 classes. The authors'
# files, which bear no name of their own: arch, whose they are, what they were trained on. Files of 224 and of 384 have
# the same shapes. The authors squash where the training's size is 384 and more, and resize the short edge to
# floor(size / 0.875) elsewhere (datasets.py at the commit of `replknet`). mmpretrain evaluated the same weights, and
# states two decimals; its 87.57 of the XL is left out, for it was measured with another mean.
REPLKNET = """
replknet_31b.megvii_in1k 224 256 imagenet 83.48 96.57 mmpretrain-replknet
replknet_31b.megvii_in1k_384 384 squash imagenet 84.84 97.34 mmpretrain-replknet
replknet_31b.megvii_in22k_ft_in1k 224 256 imagenet 85.20 97.56 mmpretrain-replknet
replknet_31b.megvii_in22k_ft_in1k_384 384 squash imagenet 85.99 97.75 mmpretrain-replknet
replknet_31l.megvii_in22k_ft_in1k_384 384 squash imagenet 86.63 98.00 mmpretrain-replknet
replknet_xl.megvii_m73m_ft_in1k_320 320 365 half 87.8 - replknet
"""

FILES = OTHER_FILES  # published files of those, under the names that their addresses give them
