"""The commands of `python -m core`, short of printing: each gives a JSON object and a text for people."""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "run": "core.commands.recipes:run",
    "import": "core.commands.data:import_files",
    "augment": "core.commands.data:augment",
    "train": "core.commands.recipes:train",
    "score": "core.commands.models:score_file",
    "list": "core.commands.runs:list_runs",
    "show": "core.commands.runs:show",
    "cancel": "core.commands.runs:cancel",
    "predict": "core.commands.models:predict",
    "doctor": "core.commands.doctor:doctor",
}
