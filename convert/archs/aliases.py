"""Other libraries' names of whole architectures, which `--arch` takes as well.

paddleclas     ppcls/arch/backbone/model_zoo/convnext.py of https://github.com/PaddlePaddle/PaddleClas at 87452a4, whose
               `base_224` and `base_384` differ in their weights alone
"""

from __future__ import annotations

from collections.abc import Mapping

ALIASES: Mapping[str, str] = {
    "ConvNeXt_tiny": "convnext_tiny",
    "ConvNeXt_small": "convnext_small",
    "ConvNeXt_base_224": "convnext_base",
    "ConvNeXt_base_384": "convnext_base",
    "ConvNeXt_large_224": "convnext_large",
    "ConvNeXt_large_384": "convnext_large",
    "ConvNeXtV2_atto": "convnextv2_atto",
    "ConvNeXtV2_femto": "convnextv2_femto",
    "ConvNeXtV2_pico": "convnextv2_pico",
    "ConvNeXtV2_nano": "convnextv2_nano",
    "ConvNeXtV2_tiny": "convnextv2_tiny",
    "ConvNeXtV2_base": "convnextv2_base",
    "ConvNeXtV2_large": "convnextv2_large",
    "ConvNeXtV2_huge": "convnextv2_huge",
}
