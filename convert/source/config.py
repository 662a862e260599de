"""What a `config.json` beside a checkpoint tells of what no tensor does: that of transformers, and that of timm.

It is obeyed for a network of somebody's own. Where it contradicts a known architecture, both cannot be right, and the
checkpoint is refused: a conversion would be of another function than the weights were trained in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.archs import ARCHS, ArchSpec
from convert.archs.spec import EPS_ASSUMED, GELU_ASSUMED
from convert.checkpoints.safetensors import parse_json
from convert.errors import CheckpointError, FerryError, shown
from convert.files import SourceFile, whole
from convert.regular import MAX_TEXT

NAME = "config.json"
# How the libraries name the weights that their config.json is of. Beside another file it may be another model's.
ITS_WEIGHTS = ("model", "pytorch_model", "open_clip", "flax_model")
MODEL_TYPES = ("convnext", "convnextv2", "dinov3_convnext")
LAST_NORM_ALONE = ("convnext", "convnextv2")  # whose layer_norm_eps is not that of the inner norms
# The libraries' names of GELU, and whether it is the tanh approximation.
GELUS = {
    "gelu": False,
    "gelu_python": False,
    "gelu_tanh": True,
    "gelu_new": True,
    "gelu_pytorch_tanh": True,
    "gelu_python_tanh": True,
    "gelu_accurate": True,
}
# What timm's constructor may have been told besides, and what the models here have.
USUAL = {"output_stride": (32,), "global_pool": ("avg", "")}
PREPARATION = ("image_size", "input_size", "mean", "std", "crop_pct", "interpolation")


@dataclass(frozen=True)
class Config:
    """What is read in a config.json.

    Attributes:
        library: whose it is.
        arch: the architecture that it names; empty where it names none.
        stages: depths and widths by their names there; empty where they are not said.
        activation: name of its field and its value; None where it is not said.
        eps: the same of every norm's eps.
        last_eps: the same of the last norm's eps, where the inner norms have another.
        norm: the same of the kind of norm.
        odd: fields that say something that no model here has, with their values.
        preparation: how images are prepared, by field.
    """

    library: str
    arch: str = ""
    stages: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    activation: tuple[str, Any] | None = None
    eps: tuple[str, Any] | None = None
    last_eps: tuple[str, Any] | None = None
    norm: tuple[str, Any] | None = None
    odd: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preparation: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def is_of_another(self, spec: ArchSpec) -> str:
        """In what it is another architecture's, for people; empty where it may be this one's."""
        depths, dims = (list(sizes) for sizes in zip(*spec.stages, strict=True))
        for name, value in self.stages.items():
            ours = depths if name == "depths" else dims
            if value != ours:
                return f"{name} is {_text(value)}, and the tensors have {_text(ours)}"
        if self.arch in ARCHS and self.arch != spec.name and not spec.assumed:
            return f"architecture is {self.arch}, and the tensors are those of {spec.name}"
        return ""

    def contradictions(self, spec: ArchSpec) -> Iterator[str]:
        """Each field that a known architecture contradicts; for one that is not known, that nothing here obeys."""
        if self.activation:
            field, value = self.activation
            tanh = GELUS.get(value) if isinstance(value, str) else None
            if tanh is None or (tanh != spec.gelu_tanh and not spec.assumed):
                yield f"{field} is {_text(value)}, and {spec.name} has {_gelu(spec.gelu_tanh)}"
        if self.eps and not _is_eps(self.eps[1]):
            yield f"{self.eps[0]} is {_text(self.eps[1])}, which is no eps"
        elif self.eps and self.eps[1] != spec.eps and not spec.assumed:
            yield f"{self.eps[0]} is {_text(self.eps[1])}, and {spec.name} has {spec.eps:g}"
        if self.last_eps and not (_is_eps(self.last_eps[1]) and self.last_eps[1] <= spec.eps):
            yield f"{self.last_eps[0]} is {_text(self.last_eps[1])}, and the last norm of {spec.name} has {spec.eps:g}"
        if self.norm and _norm(self.norm[1]) != spec.norm.value:
            yield f"{self.norm[0]} is {_text(self.norm[1])}, and {spec.name} has {spec.norm.value}"
        for field, value in self.odd.items():
            yield f"{field} is {_text(value)}, and no model here has that"

    def obeyed_by(self, spec: ArchSpec) -> ArchSpec:
        """The network of somebody's own with what the file says; a known architecture is as it was."""
        told: dict[str, Any] = {}
        if not spec.assumed:
            return spec
        if self.activation and GELUS[self.activation[1]] != spec.gelu_tanh:
            told["gelu_tanh"] = GELUS[self.activation[1]]
        if self.eps and float(self.eps[1]) != spec.eps:
            told["eps"] = float(self.eps[1])
        known = {GELU_ASSUMED: self.activation, EPS_ASSUMED: self.eps}
        assumed = tuple(text for text in spec.assumed if not known.get(text))
        words = ["tanh GELU"] if "gelu_tanh" in told else []
        words += [f"eps {told['eps']:g}"] if "eps" in told else []
        return dataclasses.replace(spec, name=", ".join([spec.name, *words]), assumed=assumed, **told)

    def describe(self, spec: ArchSpec) -> str:
        """What it says, for people."""
        fields = [field for field in (self.activation, self.eps, self.last_eps, self.norm) if field]
        said = [f"{name} {_text(value)}" for name, value in (*fields, *self.preparation.items())]
        text = f"{NAME} beside it, of {self.library}: {', '.join(said) or 'nothing that the tensors do not tell'}"
        if self.last_eps and self.last_eps[1] != spec.eps:
            text += f"; the last norm here has eps {spec.eps:g}"
        return text


def heed_config(path: Path, spec: ArchSpec) -> tuple[ArchSpec, str]:
    """The architecture with what a config.json beside the checkpoint says of it, and what that was, for people.

    Args:
        path: of the checkpoint.
        spec: what its tensors were recognised as, or what was asked for.

    Returns:
        A known architecture is as it was. The text is empty where there is no config.json; one of another model, or
        of another library, is not obeyed, and the text says so.

    Raises:
        CheckpointError: it contradicts the architecture.
    """
    try:
        config = _read(path.with_name(NAME))
    except (FerryError, OSError):
        return spec, f"{NAME} beside it cannot be read, and was not used"
    if isinstance(config, str):
        return spec, config
    if spec.variant:
        return spec, f"{NAME} beside it is of {config.library}, and was not used"
    advice = f"correct {NAME} where it is wrong; if it is another model's, move it away"
    if of_another := config.is_of_another(spec):
        if path.name.startswith(ITS_WEIGHTS):
            raise CheckpointError(f"{NAME} beside it is another model's: {of_another}; {advice}")
        return spec, f"{NAME} beside it is another model's, and was not used: {of_another}"
    if contradictions := list(config.contradictions(spec)):
        raise CheckpointError(f"{NAME} beside it contradicts the model: {'; '.join(contradictions)}; {advice}")
    return config.obeyed_by(spec), config.describe(spec)


def _read(path: Path) -> Config | str:
    """The file's content; or what is said where there is none, and where it is neither library's ConvNeXt's."""
    try:
        file = SourceFile(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if file.size > MAX_TEXT:
        raise CheckpointError(f"{NAME} has {file.size:,} bytes; {MAX_TEXT:,} are the limit")
    document = parse_json(whole(file), NAME)
    backbone = document.get("backbone_config")
    if document.get("model_type") not in MODEL_TYPES and isinstance(backbone, dict):
        document = backbone  # of a detector or a segmenter
    if document.get("model_type") in MODEL_TYPES:
        return _of_transformers(document)
    arch = document.get("architecture")
    if isinstance(arch, str) and "convnext" in arch:
        return _of_timm(document, arch.partition(".")[0])
    return f"{NAME} beside it is no ConvNeXt's of transformers or timm, and was not used"


def _of_transformers(document: Mapping[str, Any]) -> Config:
    eps = _field(document, "layer_norm_eps")
    is_last = document["model_type"] in LAST_NORM_ALONE
    return Config(
        library="transformers",
        stages=_fields(document, "depths", "hidden_sizes"),
        activation=_field(document, "hidden_act"),
        eps=None if is_last else eps,
        last_eps=eps if is_last else None,
        preparation=_fields(document, *PREPARATION),
    )


def _of_timm(document: Mapping[str, Any], arch: str) -> Config:
    told, published = (_object(document.get(name)) for name in ("model_args", "pretrained_cfg"))
    said = {**_fields(document, "global_pool"), **_fields(told, *USUAL)}
    return Config(
        library="timm",
        arch=arch,
        stages=_fields(told, "depths", "dims"),
        activation=_field(told, "act_layer"),
        eps=_field(told, "norm_eps"),
        norm=_field(told, "norm_layer"),
        odd={name: value for name, value in said.items() if value not in USUAL[name]},
        preparation=_fields(published, *PREPARATION),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _field(document: Mapping[str, Any], name: str) -> tuple[str, Any] | None:
    """Name and value; None where it is not there or null."""
    value = document.get(name)
    return None if value is None else (name, value)


def _fields(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return dict(field for name in names if (field := _field(document, name)))


def _is_eps(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1


def _norm(value: Any) -> str:
    """timm's name of a kind of norm; those over images and in float32 are the same ones."""
    return str(value).removesuffix("fp32").removesuffix("2d")


def _gelu(tanh: bool) -> str:
    return "GELU's tanh approximation" if tanh else "the exact GELU"


def _text(value: Any) -> str:
    return shown(value if isinstance(value, str) else repr(value))
