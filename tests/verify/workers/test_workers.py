"""The worker processes: what they are sent arrives, and what of theirs goes wrong is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch
from pairs import write_pair

from convert.errors import FerryError
from convert.frameworks import FRAMEWORKS
from verify.pair import Pair
from verify.store.facts import Setup
from verify.workers.batches import Attached, SharedBatch
from verify.workers.compute import Compute
from verify.workers.messages import Loaded
from verify.workers.worker import Worker, start_workers

pytest_plugins = ["stand_ins"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_pair(tmp_path_factory.mktemp("pair"))


def error_of(call: Callable[[], object], kind: type[Exception] = FerryError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    return str(caught.value)


# What arrives


def test_each_worker_says_its_frameworks_version(workers: dict[str, Worker]) -> None:
    assert {name: worker.version for name, worker in workers.items()} == {
        "torch": torch.__version__,
        "paddle": version("paddlepaddle"),
    }


def test_each_worker_says_what_its_framework_computes_with(workers: dict[str, Worker]) -> None:
    setups = {name: replace(worker.setup, variables={}) for name, worker in workers.items()}

    assert setups == dict.fromkeys(FRAMEWORKS, Setup(device="cpu", threads=1, gpu="", tf32=None))
    assert {name for worker in workers.values() for name in worker.setup.variables} <= {"MKL_DEBUG_CPU_TYPE"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_library_prints_stays_out_of_the_command_s_output(
    framework: str, workers: dict[str, Worker], pair: Pair, capfd: pytest.CaptureFixture[str]
) -> None:
    workers[framework].load(pair.load_job(framework, builder="stand_ins:talk"))

    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_worker_sees_the_very_bytes_of_the_batch(
    framework: str, dtype: str, workers: dict[str, Worker], pair: Pair
) -> None:
    batch = np.random.default_rng(0).normal(size=(3, 3, 5, 4)).astype(dtype)
    batch[0, 0, 0] = [np.nan, -0.0, np.inf, np.finfo(dtype).tiny]
    workers[framework].load(pair.load_job(framework, builder="stand_ins:echo"))
    with SharedBatch(batch.nbytes) as shared:
        seen = workers[framework].forward(shared.put(batch))

    assert (seen.dtype, seen.shape, seen.tobytes()) == (batch.dtype, (3, 60), batch.tobytes())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_later_and_smaller_batch_takes_the_place_of_an_earlier_one(
    framework: str, workers: dict[str, Worker], pair: Pair
) -> None:
    workers[framework].load(pair.load_job(framework, builder="stand_ins:echo"))
    with SharedBatch(1024) as shared:
        workers[framework].forward(shared.put(np.ones((4, 1, 2, 2), np.float32)))
        seen = workers[framework].forward(shared.put(np.full((1, 1, 2, 3), 5, np.float32)))

    assert seen.tolist() == [[5.0] * 6]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_batch_that_is_not_contiguous_arrives_in_its_order(
    framework: str, workers: dict[str, Worker], pair: Pair
) -> None:
    batch = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2).transpose(0, 1, 3, 2)
    workers[framework].load(pair.load_job(framework, builder="stand_ins:echo"))
    with SharedBatch(batch.nbytes) as shared:
        seen = workers[framework].forward(shared.put(batch))

    assert seen.tolist() == batch.reshape(2, -1).tolist()


def test_the_digests_are_of_what_the_model_holds_and_only_where_asked_for(
    workers: dict[str, Worker], pair: Pair
) -> None:
    silent = workers["torch"].load(pair.load_job("torch"))
    loaded = {name: worker.load(pair.load_job(name, digest=True)) for name, worker in workers.items()}

    assert silent == Loaded("torch.load", {})
    assert [model.reader for model in loaded.values()] == ["torch.load", "paddle.load"]
    assert loaded["torch"].digests == loaded["paddle"].digests
    assert len(loaded["torch"].digests) == 74


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_error_of_the_input_arrives_with_its_text_and_the_worker_goes_on(
    framework: str, workers: dict[str, Worker], pair: Pair
) -> None:
    worker = workers[framework]
    text = error_of(lambda: worker.load(pair.load_job(framework, builder="stand_ins:refuse")))

    assert text == "refused in the worker,\non two lines"
    assert worker.load(pair.load_job(framework)).digests == {}


# How they are started


@pytest.fixture(scope="module")
def workers_of_three_threads() -> Iterator[dict[str, Worker]]:
    with start_workers(Compute(threads=3)) as started:
        yield started


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_worker_computes_with_the_threads_asked_for(
    framework: str, workers_of_three_threads: dict[str, Worker], pair: Pair
) -> None:
    worker = workers_of_three_threads[framework]
    worker.load(pair.load_job(framework, builder="stand_ins:threads"))
    with SharedBatch(1024) as shared:
        assert worker.forward(shared.put(np.ones((1, 2), np.float32))).tolist() == [[3.0, 3.0]]


@pytest.fixture(scope="module")
def workers_without_gpu() -> Iterator[dict[str, Worker]]:
    with start_workers(Compute(device="gpu", threads=1)) as started:
        yield started


@pytest.mark.parametrize(
    ("framework", "error"),
    [
        ("torch", f"--device gpu: torch {torch.__version__} sees no GPU; --device cpu runs without one"),
        (
            "paddle",
            f"--device gpu: paddle {version('paddlepaddle')} sees no GPU; "
            "install paddleferry[gpu] in place of [cpu], or take --device cpu",
        ),
    ],
)
def test_a_gpu_that_is_not_there_is_an_error(
    framework: str, error: str, workers_without_gpu: dict[str, Worker]
) -> None:
    assert error_of(lambda: workers_without_gpu[framework].version) == error


# How they end


def test_a_worker_that_is_killed_as_it_loads_is_an_error(pair: Pair) -> None:
    with Worker("torch", Compute(threads=1)) as worker:
        text = error_of(lambda: worker.load(pair.load_job("torch", builder="stand_ins:killed")))

    assert text == (
        "the torch worker was ended by SIGKILL; where the system was short of memory, a smaller --batch-size helps"
    )


def test_a_worker_that_is_killed_as_it_computes_is_an_error_each_time_it_is_asked(pair: Pair) -> None:
    with Worker("paddle", Compute(threads=1)) as worker, SharedBatch(1024) as shared:
        worker.load(pair.load_job("paddle", builder="stand_ins:killed_in_the_forward_pass"))
        texts = [error_of(lambda: worker.forward(shared.put(np.ones((1, 2), np.float32)))) for _ in range(2)]

    assert (
        texts
        == [
            "the paddle worker was ended by SIGKILL; where the system was short of memory, a smaller --batch-size helps"
        ]
        * 2
    )


def test_a_worker_that_ends_itself_is_a_bug_and_no_error_of_the_input(pair: Pair) -> None:
    with Worker("torch", Compute(threads=1)) as worker:
        text = error_of(lambda: worker.load(pair.load_job("torch", builder="stand_ins:ended")), RuntimeError)

    assert text == "the torch worker ended with status 7; its traceback stands above"


def test_leaving_ends_the_processes_and_frees_the_memory(pair: Pair) -> None:
    with start_workers(Compute(threads=1)) as started, SharedBatch(1024) as shared:
        for framework, worker in started.items():
            worker.load(pair.load_job(framework, builder="stand_ins:echo"))
            ref = shared.put(np.ones((1, 2), np.float32))
            worker.forward(ref)

    assert [worker.process.exitcode for worker in started.values()] == [0, 0]
    with Attached() as attached:
        assert "cannot be seen from another process" in error_of(lambda: attached.view(ref))
