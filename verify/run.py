"""One verification from end to end: what the command line does, callable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from convert.arrays import Array
from convert.digest import sha256_of
from convert.endings import word_of
from convert.errors import FerryError
from convert.job import Job
from verify import sample
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.datasets import Dataset, read_dataset
from verify.datasets.class_map import read_class_map
from verify.facts import facts_of, settings_of
from verify.gate import Gate, not_run
from verify.gates.gradients import LIMIT as GRADIENTS_LIMIT
from verify.gates.gradients import NAME as GRADIENTS_NAME
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import LIMIT as LAYERS_LIMIT
from verify.gates.layers import NAME as LAYERS_NAME
from verify.gates.layers import UnitReport, layers_gate, run_layers
from verify.gates.paired import LIMIT as ACCURACY_LIMIT
from verify.gates.paired import NAME as ACCURACY_NAME
from verify.gates.parity import (
    FLOAT32_LIMIT,
    FLOAT32_NAME,
    FLOAT64_LIMIT,
    FLOAT64_NAME,
    ParityInputs,
    parity_gates,
    parity_inputs,
)
from verify.gates.preprocessing import LIMIT as PREPROCESSING_LIMIT
from verify.gates.preprocessing import NAME as PREPROCESSING_NAME
from verify.gates.preprocessing import preprocessing_gate
from verify.gates.published import NAME as PUBLISHED_NAME
from verify.gates.published import limit as published_limit
from verify.gates.structure import file_digests, mismatch_gate, run_structure, tensor_problems
from verify.options import Options
from verify.pair import Pair, read_pair
from verify.recipes.choose import ChosenRecipe, choose_recipe
from verify.result import Result, conclude_run
from verify.store.coverage import listing
from verify.store.resume import open_run
from verify.store.rows import ImageRow, RunFacts
from verify.store.run_store import RunStore
from verify.why.explain import WhyReport, explain_accuracy
from verify.why.question import Question
from verify.workers.worker import Worker, start_workers


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or a termination in the accuracy run. What was done is in the store.

    Attributes:
        done: images in the store.
        total: of the run.
        kept: whether the same command goes on from there.
    """

    def __init__(self, done: int, total: int, kept: bool, word: str = "interrupted") -> None:
        self.done, self.total, self.kept = done, total, kept
        after = f"{word} after {done:,} of {total:,} images; no verdict"
        super().__init__(f"{after}. The same command goes on from there" if kept else after)


def verify(options: Options) -> Result:
    """Runs the gates in order: structure, float64 oracle, float32 logits, layers, gradients, preprocessing, accuracy.

    Everything about the input that can be wrong is looked at before a framework is loaded.

    Raises:
        FerryError: a file, folder or device is no good; a gate that fails raises nothing.
        RunInterrupted: Ctrl-C in the accuracy run.
    """
    pair = read_pair(options.arch, options.src, options.dst, weights=options.weights)
    chosen = _chosen(options, pair)
    class_indices = _class_indices(options, pair)
    dataset = _dataset(options, pair, class_indices)
    facts = facts_of(options, pair, chosen)
    if problems := tensor_problems(pair):
        missing = _not_run(
            {**_forward_limits(options), **_accuracy_limits(chosen)}, "the tensors do not fit the models"
        )
        return Result(facts.shown, (mismatch_gate(problems), *missing), recipe=chosen.recipe)
    files = file_digests(pair)
    plan = options.plan(chosen.protocol, class_indices)
    if dataset:
        plan.check_room(len(dataset.items))  # before a framework loads, not after all gates have run
    with start_workers(options.compute) as workers:
        inputs = parity_inputs(pair.spec, chosen.protocol)
        gates: tuple[Gate, ...] = (run_structure(pair, files, workers), *parity_gates(pair, workers, inputs))
        diagnosis, units = _diagnose(options, pair, workers, inputs)
        gates = (*gates, *diagnosis)
        facts = _add_workers(facts, options, workers)
        if dataset is None:
            gates = (*gates, *_not_run(_accuracy_limits(chosen), "no --data"))
            return Result(facts.shown, gates, recipe=chosen.recipe, units=units)
        facts = replace(facts, settings=settings_of(chosen, dataset.classes))
        facts = _add_data(facts, dataset, options, plan)
        with closing(open_run(options.report, options.shard, facts)) as store:
            store.put_gates((*gates, preprocessing_gate(chosen.protocol)))
            result = conclude_run(*_evaluated(dataset, plan, workers, store))
        why = _why(options, dataset, plan, workers["torch"], result) if options.why else None
    flipped = {flip.name for flip in result.paired.flips} if result.paired else set()
    blobs = {item.name: item.blob for item in dataset.items if item.name in flipped}
    return replace(result, units=units, why=why, blobs=blobs)


def _chosen(options: Options, pair: Pair) -> ChosenRecipe:
    if options.overrides is None:
        return ChosenRecipe(protocol=options.protocol, recipe=None, overridden=(), how="given")
    return choose_recipe(
        options.named, options.overrides, checkpoint=options.src, spec=pair.spec, default=options.protocol
    )


def _class_indices(options: Options, pair: Pair) -> Array | None:
    if options.class_map is None:
        return None
    if options.data is None:
        raise FerryError(f"{options.class_map}: --class-map needs --data")
    return read_class_map(options.class_map, pair.spec.num_classes)


def _dataset(options: Options, pair: Pair, class_indices: Array | None) -> Dataset | None:
    if options.data is None:
        return None
    if pair.spec.in_chans != 3:
        raise FerryError(f"--data: images have 3 channels, the model takes {pair.spec.in_chans}")
    classes = pair.spec.num_classes if class_indices is None else len(class_indices)
    return read_dataset(options.data, classes, labelled=options.labelled, choice=options.choice)


def _forward_limits(options: Options) -> dict[str, str]:
    limits = {FLOAT64_NAME: FLOAT64_LIMIT, FLOAT32_NAME: FLOAT32_LIMIT}
    limits |= {LAYERS_NAME: LAYERS_LIMIT} if options.layers else {}
    return limits | ({GRADIENTS_NAME: GRADIENTS_LIMIT} if options.gradients else {})


def _accuracy_limits(chosen: ChosenRecipe) -> dict[str, str]:
    limits = {PREPROCESSING_NAME: PREPROCESSING_LIMIT, ACCURACY_NAME: ACCURACY_LIMIT}
    return limits | ({PUBLISHED_NAME: published_limit(chosen.recipe)} if chosen.recipe else {})


def _not_run(limits: Mapping[str, str], why: str) -> tuple[Gate, ...]:
    return tuple(not_run(name, why, limit) for name, limit in limits.items())


def _diagnose(
    options: Options, pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs
) -> tuple[tuple[Gate, ...], UnitReport | None]:
    report = run_layers(pair, workers, inputs) if options.layers else None
    gates = (layers_gate(report),) if report else ()
    if options.gradients:
        gates = (*gates, gradients_gate(run_gradients(pair, workers, inputs)))
    return gates, report


def _evaluated(
    dataset: Dataset, plan: RunPlan, workers: Mapping[str, Worker], store: RunStore
) -> tuple[RunFacts, list[Gate], list[ImageRow]]:
    try:
        speed = evaluate(dataset, plan, workers, store)
    except KeyboardInterrupt as error:
        total = sum(map(len, plan.batches(len(dataset.items))))
        raise RunInterrupted(len(store.numbers()), total, store.path is not None, word_of(error)) from error
    return store.run().with_notes(speed=str(speed)), store.gates(), store.rows()


def _why(options: Options, dataset: Dataset, plan: RunPlan, worker: Worker, result: Result) -> WhyReport:
    expected = options.expect
    if expected is None and result.recipe and result.recipe.protocol == plan.protocol:
        expected = result.recipe.top1
    question = Question(
        protocol=plan.protocol,
        expected=expected,
        sample_size=options.why_sample,
        batch_size=plan.batch_size,
        threads=plan.decoders,
        class_indices=plan.class_indices,
    )
    return explain_accuracy(worker, plan.items(dataset), rows=result.rows, question=question)


def _add_workers(facts: RunFacts, options: Options, workers: Mapping[str, Worker]) -> RunFacts:
    versions = ", ".join([facts.identity["versions"], *(worker.version for worker in workers.values())])
    settings = ", ".join(f"{name} {worker.settings}" for name, worker in workers.items())
    machine = {"device": f"{options.compute.device}: {settings}"}
    return replace(facts, identity={**facts.identity, "versions": versions}, machine=machine)


def _add_data(facts: RunFacts, dataset: Dataset, options: Options, plan: RunPlan) -> RunFacts:
    data_facts = dataset.facts()
    folder = {"data": data_facts.pop("data")}  # its name may be another on every machine
    identity = {
        **facts.identity,
        **data_facts,
        "images": str(len(dataset.items)),
        **({"class map": f"sha256 {sha256_of(options.class_map)}"} if options.class_map else {}),
        "batch size": str(options.batch_size),
    }
    shard = {"shard": str(options.shard)} if options.shard.count > 1 else {}
    settings = {**facts.settings, "listed": listing(plan.items(dataset)), "all listed": listing(dataset.items)}
    return replace(facts, identity=identity, notes={**folder, **facts.notes, **shard}, settings=settings)


def convert_sample(folder: Path) -> Path:
    """Converts the bundled sample into a file in that folder."""
    target = folder / sample.CHECKPOINT.with_suffix(".pdparams").name
    Job.read(sample.ARCH, sample.CHECKPOINT).write(target)
    return target
