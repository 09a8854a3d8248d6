"""What commands take that make a model to begin with."""

from core.commands.options import command, count


def add_pretrain(commands: object) -> None:
    sub = command(
        commands, "pretrain", "go on pre-training a model on text without labels, and get one to begin with",
        "Text that stands in dev or test is left out. The same command goes on where it was stopped, and a finished "
        "run is not made again. See docs/pretraining.md.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT|RECIPE", help="a project's name, or a YAML file")
    sub.add_argument("--text", action="append", default=[], metavar="NAME", help="an ingredient that is a file; "
                     "repeatable (default: all without labels)")  # fmt: skip
    sub.add_argument("--no-gold", action="store_true", help="leave out gold's own text")
    sub.add_argument("--model", help="what it begins with (default: the model of the project's trainings)")
    sub.add_argument("--steps", type=count, metavar="N", help="default 300")
    sub.add_argument("--learning-rate", type=float, metavar="X", help="the highest (default 1e-4)")
    sub.add_argument("--batch-tokens", type=int, metavar="N", help="sub-tokens in a batch (default 2048)")
    sub.add_argument("--max-length", type=int, metavar="N", help="sub-tokens of a row (default 128)")
    sub.add_argument("--freeze-word-embeddings", action="store_true", help="leave the table of words as it is")
    sub.add_argument("--seed", type=int, metavar="N", help="default 0")
