"""What a run is of, in fields. words.py puts them into words for people."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from verify.recipes.choose import How
from verify.recipes.protocol import Protocol
from verify.recipes.recipe import Recipe
from verify.store.shard import Shard
from verify.store.table_facts import TableFacts


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The models' architecture.

    Attributes:
        name: of the architecture.
        classes: outputs of the head; 0 for a model without one, which answers with its features.
        features: what enters the head, of an image.
        last_norm: whether they were normalised.
        channels: of the input image.
        recognised: whether it was read off the tensors rather than given.
        variant: what the source's library computes otherwise than the authors; empty where nothing.
    """

    name: str
    classes: int
    features: int
    last_norm: bool
    channels: int
    recognised: bool
    variant: str = ""


@dataclass(frozen=True, kw_only=True)
class HashedFile:
    """A file by its name, without its folder, and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """One of the two checkpoints.

    Attributes:
        name: of the file, without its folder.
        container: what kind of file it is.
        key_format: the library whose names its tensors have.
        sha256: of the file.
        wrapper: the path of the state dict in the file, which may have several; empty for a bare one.
        prefix: what stood before every key that was read; empty for nothing.
        shards: the files that hold the tensors, where this one is their index.
    """

    name: str
    container: str
    key_format: str
    sha256: str
    wrapper: str = ""
    prefix: str = ""
    shards: tuple[HashedFile, ...] = ()

    @property
    def files(self) -> tuple[HashedFile, ...]:
        """The file itself, and its shards."""
        return (HashedFile(name=self.name, sha256=self.sha256), *self.shards)


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """How the images are spread over the labels.

    Attributes:
        classes: labels that occur.
        fewest: images of the label that has the fewest of them.
        most: images of the label that has the most.
    """

    classes: int
    fewest: int
    most: int


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What makes two runs over a data set the same one.

    Attributes:
        images: of the whole set, whatever the shard.
        labels: how they are spread over the labels; None without labels.
        fingerprint: SHA-256 over every image's name, size in bytes and label.
        class_map_sha256: of the file that says which of the model's classes the set has; empty where it has all.
        batch_size: images a forward pass.
    """

    images: int
    labels: LabelCounts | None
    fingerprint: str
    class_map_sha256: str
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What makes two runs the same one.

    Attributes:
        arch: the models' architecture.
        source: PyTorch's checkpoint.
        target: Paddle's checkpoint.
        protocol: how images are prepared.
        recipe: the published evaluation that the protocol is, or departs from; None if there is none.
        versions: package to its version.
        data: what was run over; None where the checkpoints alone were compared.
        models: framework to what its model is built by, where that is not one of ours.
        table: that states the pair; None where its architecture is a known one.
    """

    arch: Architecture
    source: CheckpointFile
    target: CheckpointFile
    protocol: Protocol
    recipe: Recipe | None
    versions: Mapping[str, str]
    data: DataFacts | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    table: TableFacts | None = None


EAGER, INFERENCE = "eager", "inference"
ENGINES = (EAGER, INFERENCE)  # of Paddle: the model as it is built, and a saved program in paddle.inference


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What one framework computes with, as far as the logits depend on it.

    Attributes:
        device: "cpu" or "gpu:N".
        threads: of its math on a CPU; None on a GPU.
        gpu: name of the GPU; empty on a CPU.
        tf32: whether the GPU may round float32 to 10 bits of mantissa; None on a CPU.
        engine: what computes the float32 logits, one of `ENGINES`.
        variables: environment variables that choose its kernels.
    """

    device: str
    threads: int | None
    gpu: str
    tf32: bool | None
    engine: str = EAGER
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the last bits of the logits depend on besides the run's identity.

    Attributes:
        device: as it was asked for, of both frameworks.
        setups: framework to what it computes with; empty where none was loaded.
    """

    device: str
    setups: Mapping[str, Setup] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DataPlace:
    """Where the images lay and how they were found, which may be another on every machine.

    Attributes:
        name: of the folder or archive, without the folder that it lies in.
        layout: how images and labels were found.
        ignored: files that are no images by their name, and hidden files.
        unlisted: images that lie beside the listed ones and that the list leaves out.
    """

    name: str
    layout: str
    ignored: int
    unlisted: int


@dataclass(frozen=True, kw_only=True)
class AnotherRun:
    """A run of something else whose store stood in the place of this one's.

    Attributes:
        kept_as: name of the file that it was renamed to.
        differs: the facts in which it differs, in the words of a report.
    """

    kept_as: str
    differs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a run, or the part of it that was left, took.

    Attributes:
        images: that were run now.
        before: that an earlier run had done.
        seconds: of wall time.
    """

    images: int
    before: int
    seconds: float

    @property
    def images_per_second(self) -> float | None:
        """Of the images that were run now; None if there were none."""
        if not self.images:
            return None
        return self.images / self.seconds if self.seconds else math.inf


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What else a report says.

    Attributes:
        data: where the images lay; None where there were none.
        how: how the recipe was chosen; None for merged shards.
        system: operating system and processor; empty for merged shards.
        shard: the part of the data set that was run.
        another_run: the store that stood in this one's place; None if there was none.
        data_changed: whether files of images changed between two sessions of the run.
        merged: the shards that were joined; empty for a run of its own.
        speed: how long the run took; None before it ends.
    """

    data: DataPlace | None = None
    how: How | None = None
    system: str = ""
    shard: Shard = field(default_factory=Shard)
    another_run: AnotherRun | None = None
    data_changed: bool = False
    merged: tuple[Shard, ...] = ()
    speed: Speed | None = None


@dataclass(frozen=True)
class Listing:
    """Which images there are to run.

    Attributes:
        count: of them.
        sha256: over their names and labels in order.
    """

    count: int = 0
    sha256: str = hashlib.sha256().hexdigest()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a result is concluded from besides; a report does not show it.

    Attributes:
        classes: name of each label, where the data set names them.
        gates: names of the gates on the checkpoints that were asked for.
        listed: the images of the shard.
        all_listed: the images of the whole data set.
        files: digest of the state in which the images' files were when the run began; empty where it is not known.
    """

    classes: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    listed: Listing = field(default_factory=Listing)
    all_listed: Listing = field(default_factory=Listing)
    files: str = ""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run is of.

    Attributes:
        identity: what makes two runs the same one.
        machines: what the last bits of the logits depend on besides; several where shards were merged.
        notes: what else a report says.
        settings: what a result is concluded from besides.
    """

    identity: Identity
    machines: tuple[Machine, ...]
    notes: Notes
    settings: Settings = field(default_factory=Settings)
