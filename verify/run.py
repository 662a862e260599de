"""One verification from end to end: what the command line does, callable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from convert.endings import word_of
from convert.job import Job
from verify import sample
from verify.accuracy.evaluate import RunPlan, evaluate
from verify.datasets import Dataset
from verify.facts import add_data, add_workers, facts_of
from verify.gate import Gate
from verify.gates import When, complete
from verify.gates.gradients import gradients_gate, run_gradients
from verify.gates.layers import UnitReport, layers_gate, run_layers
from verify.gates.parity import ParityInputs, parity_gates, parity_inputs
from verify.gates.preprocessing import preprocessing_gate
from verify.gates.published import not_compared
from verify.gates.structure import file_digests, mismatch_gate, run_structure, tensor_problems
from verify.inputs import Inputs
from verify.options import Options
from verify.pair import Pair
from verify.pairing.layers import run_paired_layers
from verify.recipes.choose import ChosenRecipe
from verify.report import check_folder, make_folder
from verify.result import Result, conclude_run
from verify.store.facts import RunFacts
from verify.store.resume import check_store, open_run
from verify.store.rows import ImageRow
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
    """Runs the gates that are asked for, in the order of `verify.gates.GATES`.

    Everything about the input that can be wrong is looked at before a framework is loaded, and before anything is
    written.

    Raises:
        FerryError: a file, folder or device is no good; a gate that fails raises nothing.
        RunInterrupted: Ctrl-C in the accuracy run.
    """
    inputs = _read_inputs(options)
    pair, chosen, dataset = inputs.pair, inputs.chosen, inputs.dataset
    facts = facts_of(options, pair, chosen, inputs.strangers)
    if problems := tensor_problems(pair):
        gates = _completed([mismatch_gate(problems)], options, chosen, "the tensors do not fit the models")
        return Result(facts, gates, recipe=chosen.recipe)
    files = file_digests(pair)
    plan = options.plan(chosen.protocol, inputs.class_indices)
    if dataset:
        plan.check_room(len(dataset.items))  # before a framework loads, not after all gates have run
    with start_workers(options.compute) as workers:
        batches = parity_inputs(pair.spec, chosen.protocol)
        gates = (run_structure(pair, files, workers), *parity_gates(pair, workers, batches))
        diagnosis, units = _diagnose(options, pair, workers, batches)
        gates = (*gates, *diagnosis)
        facts = add_workers(facts, options.compute, workers)
        if dataset is None:
            gates = _completed(gates, options, chosen, "no --data")
            return Result(facts, gates, recipe=chosen.recipe, units=units)
        facts = add_data(facts, dataset, options, plan)
        with closing(open_run(options.report, options.shard, facts)) as store:
            store.put_gates((*gates, preprocessing_gate(chosen.protocol)))
            result = conclude_run(*_evaluated(dataset, plan, workers, store))
        why = _why(options, dataset, plan, workers["torch"], result) if options.why else None
    flipped = {flip.name for flip in result.paired.flips} if result.paired else set()
    blobs = {item.name: item.blob for item in dataset.items if item.name in flipped}
    return replace(result, units=units, why=why, blobs=blobs)


def _read_inputs(options: Options) -> Inputs:
    """What is to be verified; the folder of the report is made when it is known to be good, and not before."""
    if options.report:
        check_folder(options.report)
    inputs = Inputs.read(options)
    if options.report:
        make_folder(options.report)
        if inputs.dataset:
            check_store(options.report, options.shard)
    return inputs


def _completed(gates: Sequence[Gate], options: Options, chosen: ChosenRecipe, reason: str) -> tuple[Gate, ...]:
    """The gates that ran, and for that reason none of the others that belong to the result."""
    asked = {When.ALWAYS: True, When.LAYERS: options.layers, When.GRADIENTS: options.gradients, When.DATA: True}
    published = [not_compared(chosen.recipe, reason)] if chosen.recipe else []
    return complete([*gates, *published], [when for when, wanted in asked.items() if wanted], reason)


def _diagnose(
    options: Options, pair: Pair, workers: Mapping[str, Worker], inputs: ParityInputs
) -> tuple[tuple[Gate, ...], UnitReport | None]:
    compare = run_paired_layers if pair.builders else run_layers
    report = compare(pair, workers, inputs) if options.layers else None
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
    facts = store.run()
    return replace(facts, notes=replace(facts.notes, speed=speed)), store.gates(), store.rows()


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


def convert_sample(folder: Path) -> Path:
    """Converts the bundled sample into a file in that folder."""
    target = folder / sample.CHECKPOINT.with_suffix(".pdparams").name
    Job.read(sample.ARCH, sample.CHECKPOINT).write(target)
    return target
