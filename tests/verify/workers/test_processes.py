"""What holds for the processes as a whole: the parent's modules, a quiet end, Python's optimised mode."""

from __future__ import annotations

from pathlib import Path

from checkpoint_files import run_python
from made_up_images import write_images
from pairs import write_pair

from convert.archs import get_spec

START_AND_LEAVE = """
from verify.workers.compute import Compute
from verify.workers.worker import start_workers
with start_workers(Compute(threads=1)):
    pass
"""

LOAD = """
from convert.archs import get_spec
from verify import sample
from verify.workers.held import hold_file
from verify.workers.messages import LoadJob
from verify.workers.compute import Compute
from verify.workers.worker import Worker
spec = get_spec(sample.ARCH)
with Worker("torch", Compute(threads=1)) as worker:
    names = {param.torch_name: param.torch_name for param in spec.params()}
    job = LoadJob(spec, (hold_file(sample.CHECKPOINT),), "torch zip", ("model",), names)
    print(worker.load(job))
"""

VERIFY = """
import multiprocessing, sys
from verify.cli import main
status = main(sys.argv[1:])
frameworks = {"torch", "paddle", "models_torch", "models_paddle"}
print(f"status {status}, loaded {sorted(frameworks & set(sys.modules))}, left {multiprocessing.active_children()}")
"""


def test_the_parent_loads_neither_framework_and_leaves_no_process(tmp_path: Path) -> None:
    write_pair(tmp_path, get_spec("convnext_digits"))
    files = ["--src", tmp_path / "x.pth", "--dst", tmp_path / "x.pdparams", "--data", write_images(tmp_path / "val")]
    process = run_python(VERIFY, "--arch", "convnext_digits", *files, "--size", 64)

    assert process.stderr == ""
    assert process.stdout.splitlines()[-1] == "status 0, loaded [], left []"


def test_leaving_while_the_workers_still_load_prints_no_traceback() -> None:
    process = run_python(START_AND_LEAVE)

    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_a_worker_answers_in_pythons_optimised_mode() -> None:
    process = run_python(LOAD, PYTHONOPTIMIZE="1")

    assert (process.stdout, process.stderr) == ("Loaded(reader='torch.load', digests={})\n", "")
