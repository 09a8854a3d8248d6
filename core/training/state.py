"""What a training goes on from after an interruption: weights, optimiser, random state and progress in checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CoreError
from core.models.loading import save_tensors
from core.runs import RunContext
from core.training import checkpoints
from core.training.gear import versions

if TYPE_CHECKING:
    import torch

KEPT = 2  # checkpoints: the last, and the one before in case that one is damaged
FOLDER = "checkpoints"

Parameters = Mapping[str, "torch.nn.Parameter"]


def environment_of(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """What a training's bits depend on besides its spec: a checkpoint made under another is refused."""
    return {key: resolved[key] for key in ("device", "precision", "threads")} | {"versions": dict(versions())}


def keep(
    ctx: RunContext,
    parameters: Parameters,
    optimizer: "torch.optim.Optimizer",
    environment: Mapping[str, Any],
    progress: Mapping[str, Any],
) -> None:
    """Write a checkpoint: enough to go on with the same bits. `progress`: with the `step` that it is of."""
    import torch

    def write(folder: Path) -> None:
        names = {id(p): name for name, p in parameters.items()}
        moments = {
            f"{names[id(p)]}|{key}": value for p, state in optimizer.state.items() for key, value in state.items()
        }
        save_tensors(dict(parameters), folder / "model.safetensors")
        save_tensors(moments, folder / "optimizer.safetensors")
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        save_tensors(random, folder / "random.safetensors")
        state = {"progress": dict(progress), "environment": dict(environment)}
        (folder / "state.json").write_text(json.dumps(state))

    place = ctx.folder / FOLDER
    checkpoints.save(place, progress["step"], write, ctx.point)
    checkpoints.prune(place, KEPT)


def resume(
    ctx: RunContext, parameters: Parameters, optimizer: "torch.optim.Optimizer", environment: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Load the newest verified checkpoint. -> its progress; None where there is none. Raises CoreError
    `resume_other_environment`."""
    import torch
    from safetensors.torch import load_file

    found = checkpoints.newest(
        ctx.folder / FOLDER, skipped=lambda path, reason: ctx.note(f"checkpoint {path.name} not used: {reason}")
    )
    if found is None:
        return None
    folder, step = found
    state = json.loads((folder / "state.json").read_text())
    if state["environment"] != dict(environment):
        raise CoreError("resume_other_environment", {"step": step}, "hint_fresh")
    lay(parameters, folder / "model.safetensors")
    for key, tensor in load_file(str(folder / "optimizer.safetensors")).items():
        name, _, moment = key.rpartition("|")
        optimizer.state[parameters[name]][moment] = tensor.to(parameters[name].device)
    random = load_file(str(folder / "random.safetensors"))
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"])
    ctx.note(f"resumed from step {step}")
    return state["progress"]


def lay(parameters: Parameters, file: Path) -> None:
    """Give weights the values of a file."""
    import torch
    from safetensors.torch import load_file

    with torch.no_grad():
        for name, tensor in load_file(str(file)).items():
            parameters[name].copy_(tensor)
