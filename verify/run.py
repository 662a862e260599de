"""One verification from end to end: what the command line does, callable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from convert.arrays import Array
from convert.errors import FerryError
from convert.job import Job
from verify import sample
from verify.accuracy.evaluate import Plan, evaluate
from verify.datasets import Dataset, read_dataset
from verify.datasets.class_map import read_class_map
from verify.facts import facts_of, settings_of, with_data, with_workers
from verify.gate import Gate, not_run
from verify.gates import gradients, layers, paired, parity, preprocessing, published
from verify.gates.layers import LayerReport
from verify.gates.parity import ParityInputs, parity_gates, parity_inputs
from verify.gates.preprocessing import preprocessing_gate
from verify.gates.structure import Digests, file_digests, mismatch_gate, structure_gate, tensor_problems
from verify.options import Options
from verify.pair import Pair, read_pair
from verify.recipes.choose import ChosenRecipe, choose_recipe
from verify.result import Result, conclude
from verify.store.resume import open_run
from verify.store.rows import ImageRow, RunFacts
from verify.store.run_store import RunStore
from verify.why.explain import WhyReport, explain
from verify.why.question import Question
from verify.workers.worker import Worker, start_workers


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C in the accuracy run. What was done is in the store.

    Attributes:
        done: images in the store.
        total: of the run.
        kept: whether the same command goes on from there.
    """

    def __init__(self, done: int, total: int, kept: bool) -> None:
        self.done, self.total, self.kept = done, total, kept
        after = f"interrupted after {done:,} of {total:,} images; no verdict"
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
        return Result(facts.shown, (mismatch_gate(problems), *missing), published=chosen.published)
    files = file_digests(pair)
    with start_workers(options.compute) as workers:
        inputs = parity_inputs(pair.spec, chosen.recipe)
        gates: tuple[Gate, ...] = (_structure(pair, files, workers), *parity_gates(pair, workers, inputs))
        diagnosis, found = _diagnose(options, pair, workers, inputs)
        gates = (*gates, *diagnosis)
        facts = with_workers(facts, options, workers)
        if dataset is None:
            gates = (*gates, *_not_run(_accuracy_limits(chosen), "no --data"))
            return Result(facts.shown, gates, published=chosen.published, layers=found)
        plan = options.plan(chosen.recipe, class_indices)
        facts = replace(facts, settings=settings_of(chosen, dataset.classes))
        facts = with_data(facts, dataset, options, plan)
        with closing(open_run(options.report, options.shard, facts)) as store:
            store.put_gates((*gates, preprocessing_gate(chosen.recipe)))
            result = conclude(*_evaluated(dataset, plan, workers, store))
        why = _why(options, dataset, plan, workers["torch"], result) if options.why else None
    flipped = {flip.name for flip in result.paired.flips} if result.paired else set()
    blobs = {item.name: item.blob for item in dataset.items if item.name in flipped}
    return replace(result, layers=found, why=why, blobs=blobs)


def _chosen(options: Options, pair: Pair) -> ChosenRecipe:
    if options.overrides is None:
        return ChosenRecipe(recipe=options.recipe, published=None, overridden=(), how="given")
    return choose_recipe(
        options.named, options.overrides, checkpoint=options.src, spec=pair.spec, default=options.recipe
    )


def _class_indices(options: Options, pair: Pair) -> Array | None:
    if options.class_map is None:
        return None
    if options.data is None:
        raise FerryError(f"{options.class_map}: --class-map is of no use without --data")
    return read_class_map(options.class_map, pair.spec.num_classes)


def _dataset(options: Options, pair: Pair, class_indices: Array | None) -> Dataset | None:
    if options.data is None:
        return None
    if pair.spec.in_chans != 3:
        raise FerryError(f"--data: images have 3 channels, the model takes {pair.spec.in_chans}")
    classes = pair.spec.num_classes if class_indices is None else len(class_indices)
    return read_dataset(options.data, classes, labelled=options.labelled, choice=options.choice)


def _forward_limits(options: Options) -> dict[str, str]:
    limits = {parity.FLOAT64_NAME: parity.FLOAT64_LIMIT, parity.FLOAT32_NAME: parity.FLOAT32_LIMIT}
    limits |= {layers.NAME: layers.LIMIT} if options.layers else {}
    return limits | ({gradients.NAME: gradients.LIMIT} if options.gradients else {})


def _accuracy_limits(chosen: ChosenRecipe) -> dict[str, str]:
    limits = {preprocessing.NAME: preprocessing.LIMIT, paired.NAME: paired.LIMIT}
    return limits | ({published.NAME: published.limit(chosen.published)} if chosen.published else {})


def _not_run(limits: Mapping[str, str], why: str) -> tuple[Gate, ...]:
    return tuple(not_run(name, why, limit) for name, limit in limits.items())


def _diagnose(
    options: Options, pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs
) -> tuple[tuple[Gate, ...], LayerReport | None]:
    report = layers.run_layers(pair, workers, inputs) if options.layers else None
    found = (layers.layers_gate(report),) if report else ()
    if options.gradients:
        found = (*found, gradients.gradients_gate(gradients.run_gradients(pair, workers, inputs)))
    return found, report


def _structure(pair: Pair, files: Digests, workers: Mapping[str, Worker]) -> Gate:
    loaded = {name: worker.load(pair.load_job(name, digest=True)) for name, worker in workers.items()}
    readers = ", ".join(f"{name} by {found.reader}" for name, found in loaded.items())
    return structure_gate(pair, files, {name: found.digests for name, found in loaded.items()}, readers)


def _evaluated(
    dataset: Dataset, plan: Plan, workers: Mapping[str, Worker], store: RunStore
) -> tuple[RunFacts, list[Gate], list[ImageRow]]:
    try:
        speed = evaluate(dataset, plan, workers, store)
    except KeyboardInterrupt as error:
        total = sum(map(len, plan.batches(len(dataset.items))))
        raise RunInterrupted(len(store.numbers()), total, store.path is not None) from error
    return store.run().with_notes(speed=str(speed)), store.gates(), store.rows()


def _why(options: Options, dataset: Dataset, plan: Plan, worker: Worker, result: Result) -> WhyReport:
    expected = options.expect
    if expected is None and result.published and result.published.recipe == plan.recipe:
        expected = result.published.top1
    question = Question(
        recipe=plan.recipe,
        expected=expected,
        sample=options.why_sample,
        batch_size=plan.batch_size,
        workers=plan.decoders,
        class_indices=plan.class_indices,
    )
    return explain(worker, plan.items(dataset), rows=result.rows, question=question)


def convert_sample(folder: Path) -> Path:
    """Converts the bundled sample into a file in that folder."""
    target = folder / sample.CHECKPOINT.with_suffix(".pdparams").name
    Job.read(sample.ARCH, sample.CHECKPOINT).write(target)
    return target
