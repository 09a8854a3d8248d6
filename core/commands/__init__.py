"""The commands of `python -m core`, short of printing: each gives a JSON object and a text for people."""

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "run": "core.commands.recipes:run",
    "import": "core.commands.data:import_files",
    "augment": "core.commands.data:augment",
    "compose": "core.commands.mix:compose",
    "train": "core.commands.recipes:train",
    "compare": "core.commands.compare:compare_mixes",
    "settle": "core.commands.settle:settle",
    "confirm": "core.commands.settle:confirm",
    "curve": "core.commands.gold_curve:curve",
    "projects": "core.commands.compare:list_projects",
    "sample": "core.commands.compare:sample",
    "score": "core.commands.models:score_file",
    "trust": "core.commands.trust:trust",
    "board": "core.commands.board:list_board",
    "list": "core.commands.runs:list_runs",
    "show": "core.commands.runs:show",
    "cancel": "core.commands.runs:cancel",
    "resume": "core.commands.runs:resume",
    "move": "core.commands.runs:move",
    "delete": "core.commands.runs:delete",
    "restore": "core.commands.runs:restore",
    "predict": "core.commands.models:predict",
    "features": "core.commands.models:features",
    "disk": "core.commands.care:disk",
    "export": "core.commands.archives:export",
    "unpack": "core.commands.archives:unpack",
    "doctor": "core.commands.doctor:doctor",
}
