"""The run kind `selftest`: steps, metrics and checkpoints without a model; carries the fault tests."""

import errno
import hashlib
import json
import math
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from core.errors import CoreError
from core.params import CLOSED, build
from core.runs import RunContext
from core.training import checkpoints

Step = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class SelftestParams:
    """How long a self-test goes on, and what goes wrong in it at which step."""

    __pydantic_config__ = CLOSED
    steps: Step = 20
    seconds_per_step: Annotated[float, Field(ge=0)] = 0.0
    checkpoint_every: Step = 5
    checkpoint_bytes: Annotated[int, Field(ge=0)] = 0  # what each checkpoint holds besides the state
    seed: int = 0
    fail_at: Step | None = None
    failure: Literal[
        "error", "exception", "memory", "gpu_memory", "eat_memory", "disk", "unfinished", "not_finite", "killed"
    ] = "error"
    fits: Annotated[int, Field(ge=0)] = 1  # halvings of the batch after which `gpu_memory` does not happen any more
    hang_at: Step | None = None  # from there on neither cancellation nor SIGTERM is heeded
    children: Annotated[int, Field(ge=0)] = (
        0  # idle processes it leaves behind, every second one in a session of its own
    )


def run(ctx: RunContext) -> None:
    """Advance a chain of hashes; whatever interrupts it, the last one is `expected`."""
    params = build(SelftestParams, ctx.spec.params, "selftest")
    for number in range(params.children):
        subprocess.Popen(["sleep", "600"], start_new_session=number % 2 == 1)
    first, state = _resumed(ctx, params)
    for step in range(first + 1, params.steps + 1):
        ctx.check_cancelled()
        time.sleep(params.seconds_per_step)
        _misbehave(ctx, params, step)
        if params.failure == "unfinished" and step == params.fail_at:
            return
        state = _advanced(state, step)
        ctx.metric(step=step, total=params.steps, loss=1 / step)
        ctx.point("step")
        if step % params.checkpoint_every == 0:
            _checkpoint(ctx, step, state, params.checkpoint_bytes)
    ctx.finish({"digest": state, "steps": params.steps})
    ctx.point("finished")


def expected(params: SelftestParams) -> str:
    """The digest that an undisturbed self-test ends with."""
    state = _begun(params)
    for step in range(1, params.steps + 1):
        state = _advanced(state, step)
    return state


def _begun(params: SelftestParams) -> str:
    return hashlib.sha256(str(params.seed).encode()).hexdigest()


def _advanced(state: str, step: int) -> str:
    return hashlib.sha256(f"{state} {step}".encode()).hexdigest()


def _resumed(ctx: RunContext, params: SelftestParams) -> tuple[int, str]:
    """The step of the newest verified checkpoint and the state after it."""
    found = checkpoints.newest(
        ctx.folder / "checkpoints", lambda path, reason: ctx.note(f"checkpoint {path.name} not used: {reason}")
    )
    if found is None:
        return 0, _begun(params)
    folder, step = found
    ctx.note(f"resumed from step {step}")
    return step, json.loads((folder / "state.json").read_text(encoding="utf-8"))["digest"]


def _checkpoint(ctx: RunContext, step: int, state: str, size: int) -> None:
    def write(folder: Path) -> None:
        (folder / "ballast").write_bytes(bytes(size))
        (folder / "state.json").write_text(json.dumps({"digest": state}), encoding="utf-8")

    checkpoints.save(ctx.folder / "checkpoints", step, write, ctx.point)
    checkpoints.prune(ctx.folder / "checkpoints", point=ctx.point)


class OutOfMemoryError(RuntimeError):
    """What torch raises where a GPU's memory is full, under the same name."""


def _eat() -> None:
    """Take memory until there is no more, and use it."""
    eaten: list[bytearray] = []
    while True:
        eaten.append(bytearray(b"x") * (16 << 20))


def _misbehave(ctx: RunContext, params: SelftestParams, step: int) -> None:
    if step == params.hang_at:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctx.note("hanging")
        while True:
            time.sleep(60)
    if step != params.fail_at:
        return
    if params.failure == "error":
        raise CoreError("selftest_failed", {"step": step})
    if params.failure == "exception":
        raise RuntimeError(f"asked to fail at step {step}")
    if params.failure == "memory":
        raise MemoryError
    if params.failure == "gpu_memory" and ctx.halvings < params.fits:
        raise OutOfMemoryError("asked to find the GPU full")
    if params.failure == "eat_memory":
        _eat()
    if params.failure == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if params.failure == "disk":
        raise OSError(errno.ENOSPC, "asked to find the disk full")
    if params.failure == "not_finite":
        ctx.metric(step=step, loss=math.nan)
