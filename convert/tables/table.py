"""A parameter table as data: which tensors a network has in both frameworks, and by what its two models are built.

Nothing here imports or runs what a table names.
"""

from __future__ import annotations

from dataclasses import dataclass

from convert.params import PaddleLeftOut, Row

Scalar = str | int | float | bool
Value = Scalar | tuple["Value", ...]


@dataclass(frozen=True)
class ModelName:
    """How a framework's model is built.

    Attributes:
        reference: a registry and a name in it (`timm:regnety_016`), or a module or a file and a callable in it
            (`package.module:build`, `model.py:build`).
        arguments: names and values that the callable is given.
        setup: `module:callable`, called once before; "" for none.
    """

    reference: str
    arguments: tuple[tuple[str, Value], ...] = ()
    setup: str = ""


@dataclass(frozen=True)
class Proof:
    """That both models answered alike, and on what.

    Attributes:
        seed: of the weights and the image.
        size: height and width of the image.
        in_chans: its channels.
        max_rel: largest relative difference of the answers in evaluation.
        training_max_rel: the same in training; None where that was not compared.
        eps_as_float32: whether one framework rounds the norms' eps to float32, which the comparison allowed for.
        versions: packages and their versions.
        date: of the comparison, YYYY-MM-DD.
    """

    seed: int
    size: tuple[int, int]
    in_chans: int
    max_rel: float
    training_max_rel: float | None
    eps_as_float32: bool
    versions: tuple[tuple[str, str], ...]
    date: str


@dataclass(frozen=True)
class Table:
    """A network's parameter table.

    Attributes:
        name: of the network, for people.
        torch: how PyTorch's model is built.
        paddle: how Paddle's is.
        rows: a row a tensor of PyTorch's, in the order of its state dict.
        paddle_left_out: tensors that Paddle alone has.
        rules: templates of names in PyTorch and in Paddle, by which a file leaves names out: the first that fits a
            tensor says its name in Paddle. They change no row.
        proof: that both models answer alike; None where nobody compared them.
    """

    name: str
    torch: ModelName
    paddle: ModelName
    rows: tuple[Row, ...]
    paddle_left_out: tuple[PaddleLeftOut, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    proof: Proof | None = None
