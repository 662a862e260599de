"""Every number that a gate holds to, with its measured floor."""

from __future__ import annotations

FLOAT64_MAX_REL = 1e-9  # measured floor 1e-14; a wrong LayerNorm eps moves logits by 1e-5
FLOAT32_MAX_ABS = 1e-4  # what reviewers of ports ask for; measured floor 1e-6
OWN_ERROR_FACTOR = 8  # Paddle's float32 error over the source model's own, measured 0.7 to 3 for single operators

# max rel of a unit that is fed PyTorch's own input. Measured floors: 7e-15 and 2e-6 over convnext_tiny at 224, and
# 9e-13 over 54 tiny pairs, where a norm of four channels meets flat patches; a wrong eps is 1e-6, float16 2.5e-4.
UNIT_MAX_REL = {
    "float64": 1e-10,
    "float32": 1e-4,
}
GRADIENT_MAX_REL = 1e-9  # measured floor 1e-14 (convnext_tiny at 224), 3e-12 (54 tiny pairs); another GELU's is 2e-5
# Of models that are not ours. Paddle's average pooling takes its window's share as a float32 on the way back, which
# parts every gradient before it by up to 6e-8 a pooling; measured 4.5e-8 (resnet18 of torchvision and paddle.vision).
POOLED_GRADIENT_MAX_REL = 1e-6

PIXEL_LEVELS = (
    1.5  # grey levels of 255; Pillow rounds twice, which makes up to 1.15: 0.5 of a sum of weights of 1.3, and 0.5
)

# Percentage points. timm and mmpretrain, two evaluators of one set of checkpoints, differ by at most 0.02 over 30 of
# them; a number of one decimal is itself good to 0.05, and the authors' stand up to 0.07 from timm's.
PUBLISHED_POINTS = 0.05
PUBLISHED_POINTS_OF_ONE_DECIMAL = 0.10

POINTS_DECIMALS = 9  # of percentage points that are compared; what lies below is the sum of binary fractions
TOP1_POINTS = 0.02  # percentage points: two PyTorch evaluators of one checkpoint differ by that much over 50,000 images
MERGED_ULPS = 1  # of float32; measured 0 for what `convert --merge` wrote, 25,316 for a RepLKNet-31B merged in float32
