"""Plants seeded faults in pairs of models of many families, and asks the proof of `paddleferry pair` of each.

    python scripts/fuzz_pairs.py --count 20
    python scripts/fuzz_pairs.py --count 20 --python paddle=clas/bin/python --paddleclas paddleclas.ppcls

Each family is paired first, which must be proven, and once more with other random weights, which must be proven too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from tqdm import tqdm

from convert.arrays import Array
from convert.tables.table import ModelName
from verify.pairing.model import PairModel
from verify.pairing.model_options import pythons
from verify.pairing.proof import PROVEN, differ, drawn_for_paddle, fill
from verify.pairing.search import Request, search
from verify.pairing.survey import Role, Survey

FAMILIES = (
    "resnet18",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "densenet121",
    "shufflenet_v2_x1_0",
    "vgg11",
)
# timm's name, and where PaddleClas has it.
PADDLECLAS = {
    "starnet_s1": "arch.backbone.model_zoo.starnet:StarNet_S1",
    "fasternet_t0": "arch.backbone.model_zoo.fasternet:FasterNet_T0",
    "regnetx_002": "arch.backbone.model_zoo.regnet:RegNetX_200MF",
    "repvgg_a0": "arch.backbone.model_zoo.repvgg:RepVGG_A0",
    "pvt_v2_b0": "arch.backbone.model_zoo.pvt_v2:PVT_V2_B0",
    "rexnet_100": "arch.backbone.model_zoo.rexnet:ReXNet_1_0",
}

Fault = Callable[[dict[str, Array], Survey, np.random.Generator], str]


def exchanged(values: dict[str, Array], ours: Survey, random: np.random.Generator) -> str:
    """Two tensors that do the same and have one shape, exchanged."""
    groups: dict[object, list[str]] = {}
    for name in values:
        groups.setdefault(ours.tensors[name].signature, []).append(name)
    several = [names for names in groups.values() if len(names) > 1]
    one, other = random.choice(several[random.integers(len(several))], 2, replace=False)
    values[one], values[other] = values[other], values[one]
    return f"{one} and {other} exchanged"


def of_role(role: Role, change: Callable[[Array], Array], text: str) -> Fault:
    """A fault in one tensor of that role; none where a model has none."""

    def plant(values: dict[str, Array], ours: Survey, random: np.random.Generator) -> str:
        names = [name for name in values if ours.tensors[name].role is role]
        if not names:
            return ""
        name = str(random.choice(names))
        changed = change(values[name])
        if np.array_equal(changed, values[name]):
            return ""
        values[name] = np.ascontiguousarray(changed)
        return f"{name} {text}"

    return plant


FAULTS: tuple[Fault, ...] = (
    exchanged,
    of_role(Role.KERNEL, lambda kernel: kernel[..., ::-1, :], "flipped"),
    of_role(Role.KERNEL, lambda kernel: kernel[::-1], "with its outputs reversed"),
    of_role(Role.MATRIX, lambda matrix: matrix * (1 + 1e-5), "scaled by 1.00001"),
    of_role(Role.MATRIX, lambda matrix: matrix.reshape(matrix.shape[::-1]).T.reshape(matrix.shape), "reshaped"),
    of_role(Role.BIAS, np.zeros_like, "at 0"),
    of_role(Role.SCALE, np.ones_like, "at its initial value"),
    of_role(Role.SHIFT, lambda shift: np.roll(shift, 1), "rolled by one"),
    of_role(Role.MEAN, np.zeros_like, "at its initial value"),
    of_role(Role.VARIANCE, lambda variance: variance + 9e-5, "as by an eps of 1e-4"),
)


def run_family(
    torch: PairModel, paddle: PairModel, name: str, models: tuple[ModelName, ModelName], seeds: range
) -> Iterator[tuple[str, bool]]:
    """Each check's text and whether it went as it must."""
    torch.build(models[0])
    paddle.build(models[1])
    finding = search(torch, paddle, Request(size=64))
    yield f"{name}: untouched", bool(finding.proven)
    if not finding.proven:
        return
    pairs, batch = finding.proven[0].proposal.pairs, finding.batch
    for seed in seeds:
        random = np.random.default_rng([seed, len(name)])
        fill(torch, paddle, finding.surveys, pairs, temper=finding.temper, seed=seed)
        if seed == seeds.start:
            yield f"{name}: untouched, other weights", differ(torch, paddle, batch) <= PROVEN
        values = drawn_for_paddle(finding.surveys, pairs, seed, finding.temper)
        text = ""
        while not text:
            changed = dict(values)
            text = FAULTS[random.integers(len(FAULTS))](changed, finding.surveys[1], random)
        paddle.set_tensors({key: value for key, value in changed.items() if value is not values[key]})
        yield f"{name}, seed {seed}: {text}", not differ(torch, paddle, batch) <= PROVEN


def main() -> int:
    """Prints every check that went wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="faults in each family")
    parser.add_argument("--seed", type=int, default=0, help="of the first fault in each family")
    parser.add_argument("--python", type=pythons, default=(), help="interpreters: torch=PATH,paddle=PATH")
    parser.add_argument("--paddleclas", default="", help="the package that has PaddleClas' networks: paddleclas.ppcls")
    args = parser.parse_args()
    families = {name: (ModelName(f"torchvision:{name}"), ModelName(f"paddle.vision:{name}")) for name in FAMILIES}
    if args.paddleclas:
        setup = f"{args.paddleclas}.utils.logger:init_logger"
        families |= {
            name: (ModelName(f"timm:{name}"), ModelName(f"{args.paddleclas}.{place}", setup=setup))
            for name, place in PADDLECLAS.items()
        }
    seeds = range(args.seed, args.seed + args.count)
    start, checks, wrong = time.monotonic(), 0, []
    interpreters = dict(args.python)
    with (
        PairModel("torch", 2, interpreters.get("torch", "")) as torch,
        PairModel("paddle", 2, interpreters.get("paddle", "")) as paddle,
        tqdm(total=len(families) * (args.count + 2), disable=None) as bar,
    ):
        for name, models in families.items():
            for text, right in run_family(torch, paddle, name, models, seeds):
                checks += 1
                bar.update()
                if not right:
                    wrong.append(text)
    faults = checks - 2 * len(families)
    for text in wrong:
        print(text)
    print(
        f"{len(families)} families, {faults} faults and {2 * len(families)} untouched pairs: {len(wrong)} wrong, "
        f"{time.monotonic() - start:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
