"""Every published checkpoint: its name, its address, and the size of its head.

Names and addresses: timm 1.0.31, `timm.models.get_pretrained_cfg(name)`, whose `url` is the authors' own file; where
it is empty, `hf_hub_id` names a repository of https://huggingface.co. The isotropic ones, which timm does not have:
README.md of https://github.com/facebookresearch/ConvNeXt at 048efce. scripts/make_pretrained.py writes the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convert.errors import FerryError, did_you_mean

HUB = "https://huggingface.co/{hub_id}/resolve/main/{filename}"
HUB_FILE = "model.safetensors"
PLACES = {
    "fb": "https://dl.fbaipublicfiles.com/convnext/",
    "rsb": "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-rsb-weights/",
    "tv": "https://download.pytorch.org/models/",
    "semi": "https://dl.fbaipublicfiles.com/semiweaksupervision/model_files/",
    "hfrsb": "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-rsb-weights/",
    "hfw": "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/",
    "tpu": "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-tpu-weights/",
    "gluon": "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1/",
}


class UnknownPretrained(FerryError):
    """A checkpoint name that the table does not have."""


@dataclass(frozen=True)
class Pretrained:
    """One published checkpoint.

    Attributes:
        name: timm's name for it: the architecture, a dot, and how it was trained.
        arch: the architecture.
        url: where the file is.
        num_classes: outputs of its head; 0 for a checkpoint without one.
    """

    name: str
    arch: str
    url: str
    num_classes: int


def find_pretrained(name: str) -> Pretrained:
    """The published checkpoint of that name.

    Raises:
        UnknownPretrained: the table does not have it; the text has the checkpoints of that architecture, or the
            closest names.
    """
    if name in PRETRAINED:
        return PRETRAINED[name]
    if published := [row.name for row in ROWS if row.arch == name]:
        raise UnknownPretrained(f"{name!r} is an architecture; its published checkpoints are {', '.join(published)}")
    hint = did_you_mean(name, PRETRAINED, otherwise="a name is for example convnext_tiny.fb_in1k")
    raise UnknownPretrained(f"unknown checkpoint name {name!r}; {hint}")


def is_address(src: str) -> bool:
    """Whether a source is an http or https address rather than a name or a path."""
    return src.lower().startswith(("http://", "https://"))


# Name, number of classes, and a file under one of PLACES, or `timm` for the hub's repository of the same name.
_TABLE = """
convnext_atto.d2_in1k 1000 rsb:convnext_atto_d2-01bb0f51.pth
convnext_atto_ols.a2_in1k 1000 rsb:convnext_atto_ols_a2-78d1c8f3.pth
convnext_base.clip_laion2b 640 timm
convnext_base.clip_laion2b_augreg 640 timm
convnext_base.clip_laion2b_augreg_ft_in12k 11821 timm
convnext_base.clip_laion2b_augreg_ft_in12k_in1k 1000 timm
convnext_base.clip_laion2b_augreg_ft_in12k_in1k_384 1000 timm
convnext_base.clip_laion2b_augreg_ft_in1k 1000 timm
convnext_base.clip_laiona 640 timm
convnext_base.clip_laiona_320 640 timm
convnext_base.clip_laiona_augreg_320 640 timm
convnext_base.clip_laiona_augreg_ft_in1k_384 1000 timm
convnext_base.dinov3_lvd1689m 0 timm
convnext_base.eupe_lvd1689m 0 timm
convnext_base.fb_in1k 1000 fb:convnext_base_1k_224_ema.pth
convnext_base.fb_in22k 21841 fb:convnext_base_22k_224.pth
convnext_base.fb_in22k_ft_in1k 1000 fb:convnext_base_22k_1k_224.pth
convnext_base.fb_in22k_ft_in1k_384 1000 fb:convnext_base_22k_1k_384.pth
convnext_femto.d1_in1k 1000 rsb:convnext_femto_d1-d71d5b4c.pth
convnext_femto_ols.d1_in1k 1000 rsb:convnext_femto_ols_d1-246bf2ed.pth
convnext_isotropic_base.fb_in1k 1000 fb:convnext_iso_base_1k_224_ema.pth
convnext_isotropic_large.fb_in1k 1000 fb:convnext_iso_large_1k_224_ema.pth
convnext_isotropic_small.fb_in1k 1000 fb:convnext_iso_small_1k_224_ema.pth
convnext_large.dinov3_lvd1689m 0 timm
convnext_large.fb_in1k 1000 fb:convnext_large_1k_224_ema.pth
convnext_large.fb_in22k 21841 fb:convnext_large_22k_224.pth
convnext_large.fb_in22k_ft_in1k 1000 fb:convnext_large_22k_1k_224.pth
convnext_large.fb_in22k_ft_in1k_384 1000 fb:convnext_large_22k_1k_384.pth
convnext_large_mlp.clip_laion2b_augreg 768 timm
convnext_large_mlp.clip_laion2b_augreg_ft_in12k_384 11821 timm
convnext_large_mlp.clip_laion2b_augreg_ft_in1k 1000 timm
convnext_large_mlp.clip_laion2b_augreg_ft_in1k_384 1000 timm
convnext_large_mlp.clip_laion2b_ft_320 768 timm
convnext_large_mlp.clip_laion2b_ft_soup_320 768 timm
convnext_large_mlp.clip_laion2b_soup_ft_in12k_320 11821 timm
convnext_large_mlp.clip_laion2b_soup_ft_in12k_384 11821 timm
convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_320 1000 timm
convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_384 1000 timm
convnext_nano.d1h_in1k 1000 rsb:convnext_nano_d1h-7eb4bdea.pth
convnext_nano.in12k 11821 timm
convnext_nano.in12k_ft_in1k 1000 timm
convnext_nano.r384_ad_in12k 11821 timm
convnext_nano.r384_in12k 11821 timm
convnext_nano.r384_in12k_ft_in1k 1000 timm
convnext_nano_ols.d1h_in1k 1000 rsb:convnext_nano_ols_d1h-ae424a9a.pth
convnext_pico.d1_in1k 1000 rsb:convnext_pico_d1-10ad7f0d.pth
convnext_pico_ols.d1_in1k 1000 rsb:convnext_pico_ols_d1-611f0ca7.pth
convnext_small.dinov3_lvd1689m 0 timm
convnext_small.eupe_lvd1689m 0 timm
convnext_small.fb_in1k 1000 fb:convnext_small_1k_224_ema.pth
convnext_small.fb_in22k 21841 fb:convnext_small_22k_224.pth
convnext_small.fb_in22k_ft_in1k 1000 fb:convnext_small_22k_1k_224.pth
convnext_small.fb_in22k_ft_in1k_384 1000 fb:convnext_small_22k_1k_384.pth
convnext_small.in12k 11821 timm
convnext_small.in12k_ft_in1k 1000 timm
convnext_small.in12k_ft_in1k_384 1000 timm
convnext_tiny.dinov3_lvd1689m 0 timm
convnext_tiny.eupe_lvd1689m 0 timm
convnext_tiny.fb_in1k 1000 fb:convnext_tiny_1k_224_ema.pth
convnext_tiny.fb_in22k 21841 fb:convnext_tiny_22k_224.pth
convnext_tiny.fb_in22k_ft_in1k 1000 fb:convnext_tiny_22k_1k_224.pth
convnext_tiny.fb_in22k_ft_in1k_384 1000 fb:convnext_tiny_22k_1k_384.pth
convnext_tiny.in12k 11821 timm
convnext_tiny.in12k_ft_in1k 1000 timm
convnext_tiny.in12k_ft_in1k_384 1000 timm
convnext_tiny_hnf.a2h_in1k 1000 rsb:convnext_tiny_hnf_a2h-ab7e9df2.pth
convnext_xlarge.fb_in22k 21841 fb:convnext_xlarge_22k_224.pth
convnext_xlarge.fb_in22k_ft_in1k 1000 fb:convnext_xlarge_22k_1k_224_ema.pth
convnext_xlarge.fb_in22k_ft_in1k_384 1000 fb:convnext_xlarge_22k_1k_384_ema.pth
convnext_xxlarge.clip_laion2b_rewind 1024 timm
convnext_xxlarge.clip_laion2b_soup 1024 timm
convnext_xxlarge.clip_laion2b_soup_ft_in12k 11821 timm
convnext_xxlarge.clip_laion2b_soup_ft_in1k 1000 timm
convnext_zepto_rms.ra4_e3600_r224_in1k 1000 timm
convnext_zepto_rms_ols.ra4_e3600_r224_in1k 1000 timm
convnextv2_atto.fcmae 0 fb:convnextv2/pt_only/convnextv2_atto_1k_224_fcmae.pt
convnextv2_atto.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_atto_1k_224_ema.pt
convnextv2_base.fcmae 0 fb:convnextv2/pt_only/convnextv2_base_1k_224_fcmae.pt
convnextv2_base.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_base_1k_224_ema.pt
convnextv2_base.fcmae_ft_in22k_in1k 1000 fb:convnextv2/im22k/convnextv2_base_22k_224_ema.pt
convnextv2_base.fcmae_ft_in22k_in1k_384 1000 fb:convnextv2/im22k/convnextv2_base_22k_384_ema.pt
convnextv2_femto.fcmae 0 fb:convnextv2/pt_only/convnextv2_femto_1k_224_fcmae.pt
convnextv2_femto.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_femto_1k_224_ema.pt
convnextv2_huge.fcmae 0 fb:convnextv2/pt_only/convnextv2_huge_1k_224_fcmae.pt
convnextv2_huge.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_huge_1k_224_ema.pt
convnextv2_huge.fcmae_ft_in22k_in1k_384 1000 fb:convnextv2/im22k/convnextv2_huge_22k_384_ema.pt
convnextv2_huge.fcmae_ft_in22k_in1k_512 1000 fb:convnextv2/im22k/convnextv2_huge_22k_512_ema.pt
convnextv2_large.fcmae 0 fb:convnextv2/pt_only/convnextv2_large_1k_224_fcmae.pt
convnextv2_large.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_large_1k_224_ema.pt
convnextv2_large.fcmae_ft_in22k_in1k 1000 fb:convnextv2/im22k/convnextv2_large_22k_224_ema.pt
convnextv2_large.fcmae_ft_in22k_in1k_384 1000 fb:convnextv2/im22k/convnextv2_large_22k_384_ema.pt
convnextv2_nano.fcmae 0 fb:convnextv2/pt_only/convnextv2_nano_1k_224_fcmae.pt
convnextv2_nano.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_nano_1k_224_ema.pt
convnextv2_nano.fcmae_ft_in22k_in1k 1000 fb:convnextv2/im22k/convnextv2_nano_22k_224_ema.pt
convnextv2_nano.fcmae_ft_in22k_in1k_384 1000 fb:convnextv2/im22k/convnextv2_nano_22k_384_ema.pt
convnextv2_pico.fcmae 0 fb:convnextv2/pt_only/convnextv2_pico_1k_224_fcmae.pt
convnextv2_pico.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_pico_1k_224_ema.pt
convnextv2_tiny.fcmae 0 fb:convnextv2/pt_only/convnextv2_tiny_1k_224_fcmae.pt
convnextv2_tiny.fcmae_ft_in1k 1000 fb:convnextv2/im1k/convnextv2_tiny_1k_224_ema.pt
convnextv2_tiny.fcmae_ft_in22k_in1k 1000 fb:convnextv2/im22k/convnextv2_tiny_22k_224_ema.pt
convnextv2_tiny.fcmae_ft_in22k_in1k_384 1000 fb:convnextv2/im22k/convnextv2_tiny_22k_384_ema.pt
resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k 1000 semi:semi_supervised_resnext101_32x16-15fffa57.pth
resnext101_32x16d.fb_swsl_ig1b_ft_in1k 1000 semi:semi_weakly_supervised_resnext101_32x16-f3559a9c.pth
resnext101_32x16d.fb_wsl_ig1b_ft_in1k 1000 tv:ig_resnext101_32x16-c6f796b0.pth
resnext101_32x32d.fb_wsl_ig1b_ft_in1k 1000 tv:ig_resnext101_32x32-e4b90b00.pth
resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k 1000 semi:semi_supervised_resnext101_32x4-dc43570a.pth
resnext101_32x4d.fb_swsl_ig1b_ft_in1k 1000 semi:semi_weakly_supervised_resnext101_32x4-3f87e46b.pth
resnext101_32x4d.gluon_in1k 1000 gluon:gluon_resnext101_32x4d-b253c8c4.pth
resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k 1000 semi:semi_supervised_resnext101_32x8-2cfe2f8b.pth
resnext101_32x8d.fb_swsl_ig1b_ft_in1k 1000 semi:semi_weakly_supervised_resnext101_32x8-b4712904.pth
resnext101_32x8d.fb_wsl_ig1b_ft_in1k 1000 tv:ig_resnext101_32x8-c38310e5.pth
resnext101_32x8d.tv2_in1k 1000 tv:resnext101_32x8d-110c445d.pth
resnext101_32x8d.tv_in1k 1000 tv:resnext101_32x8d-8ba56ff5.pth
resnext101_64x4d.c1_in1k 1000 tpu:resnext101_64x4d_c-0d0e0cc0.pth
resnext101_64x4d.gluon_in1k 1000 gluon:gluon_resnext101_64x4d-f9a8e184.pth
resnext101_64x4d.tv_in1k 1000 tv:resnext101_64x4d-173b62eb.pth
resnext50_32x4d.a1_in1k 1000 hfrsb:resnext50_32x4d_a1_0-b5a91a1d.pth
resnext50_32x4d.a1h_in1k 1000 rsb:resnext50_32x4d_a1h-0146ab0a.pth
resnext50_32x4d.a2_in1k 1000 hfrsb:resnext50_32x4d_a2_0-efc76add.pth
resnext50_32x4d.a3_in1k 1000 hfrsb:resnext50_32x4d_a3_0-3e450271.pth
resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k 1000 semi:semi_supervised_resnext50_32x4-ddb3e555.pth
resnext50_32x4d.fb_swsl_ig1b_ft_in1k 1000 semi:semi_weakly_supervised_resnext50_32x4-72679e44.pth
resnext50_32x4d.gluon_in1k 1000 gluon:gluon_resnext50_32x4d-e6a097c1.pth
resnext50_32x4d.ra_in1k 1000 hfw:resnext50_32x4d_ra-d733960d.pth
resnext50_32x4d.tv2_in1k 1000 tv:resnext50_32x4d-1a0047aa.pth
resnext50_32x4d.tv_in1k 1000 tv:resnext50_32x4d-7cdf4587.pth
"""


def _rows() -> Iterator[Pretrained]:
    for line in _TABLE.split("\n")[1:-1]:
        name, num_classes, address = line.split()
        place, _, path = address.partition(":")
        url = PLACES[place] + path if path else HUB.format(hub_id=f"{place}/{name}", filename=HUB_FILE)
        yield Pretrained(name, name.partition(".")[0], url, int(num_classes))


ROWS = tuple(_rows())
PRETRAINED: dict[str, Pretrained] = {row.name: row for row in ROWS}
