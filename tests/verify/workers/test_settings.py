"""What a worker sets before its framework is loaded."""

from __future__ import annotations

from checkpoint_files import run_python

SETTLE = """
import os, sys
from verify.workers.settings import settle_process
settings = settle_process(sys.argv[1], 3)
assert all(os.environ[name] == value for name, value in settings.items() if name != "malloc")
assert not {"torch", "paddle", "numpy"} & set(sys.modules)
print(sorted(settings.items()))
"""

# Page faults of the third and fourth time that 64 MB are taken, filled and freed; 4 KB a fault.
FAULTS = """
import resource, sys
from verify.workers.settings import settle_process
if sys.argv[1] == "settled":
    settle_process("torch", 1)
counts = []
for _ in range(4):
    bytearray(b"x") * 64_000_000
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(counts[-1] - counts[1])
"""


def settings(framework: str, **environment: str) -> dict[str, str]:
    process = run_python(SETTLE, framework, **environment)
    assert process.stderr == ""
    return dict(eval(process.stdout))  # noqa: S307 - the repr of our own pairs


def test_threads_are_set_for_every_math_library_and_stay_as_many() -> None:
    variables = settings("torch")

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_DYNAMIC")
    assert [variables[name] for name in names] == ["3", "3", "3", "FALSE"]


def test_the_processor_is_named_to_paddles_mkl_alone() -> None:
    assert "MKL_DEBUG_CPU_TYPE" not in settings("torch")


def test_a_users_own_choice_for_paddles_mkl_stays() -> None:
    assert settings("paddle", MKL_DEBUG_CPU_TYPE="4").get("MKL_DEBUG_CPU_TYPE", "4") == "4"


def test_a_settled_process_takes_freed_memory_again() -> None:
    kept = "malloc" in settings("torch")

    assert int(run_python(FAULTS, "plain").stdout) > 1_000
    assert (int(run_python(FAULTS, "settled").stdout) < 100) == kept
