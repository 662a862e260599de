"""The program of a process that holds one model of a pair."""

from __future__ import annotations

import importlib
import sys
from multiprocessing.connection import Connection

from convert.arrays import Array
from verify.pairing.messages import (
    BuildJob,
    ChangeSetting,
    Passed,
    RoundConstants,
    RunJob,
    SetTensor,
    SurveyJob,
    WalkJob,
)
from verify.pairing.side import Side
from verify.workers.child import answer
from verify.workers.messages import Failed, GoOn, QuestionJob
from verify.workers.settings import keep_out_of_the_output, settle_process


def serve(connection: Connection, framework: str, threads: int) -> None:
    """Answers a parent's messages about one framework's model until it is done."""
    keep_out_of_the_output()
    settle_process(framework, threads)
    try:
        module = importlib.import_module(f"verify.pairing.{framework}_side")
        side: Side = module.make_side()
    except ModuleNotFoundError as error:
        connection.send(Failed(f"{error.name} is not installed for {sys.executable}"))
        return
    connection.send(side.framework)

    def exchange(passed: Passed) -> Array | None:
        connection.send(passed)
        reply: GoOn = connection.recv()
        return reply.replacement

    answer(
        connection,
        {
            BuildJob: side.build,
            SurveyJob: lambda job: side.survey(job) or side.refusal,
            SetTensor: side.set_tensor,
            RoundConstants: side.round_constants,
            RunJob: side.run,
            ChangeSetting: side.change_setting,
            WalkJob: lambda job: side.walk(job, exchange),
            QuestionJob: lambda job: job.answer(side.model),
        },
    )
