"""What several commands take: a command with the options of all, and kinds of values."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any

from core.yaml_text import parse


def command(commands: object, name: str, says: str, more: str = "") -> ArgumentParser:
    sub: ArgumentParser = commands.add_parser(name, help=says, description=f"{says}. {more}".strip())  # pyright: ignore
    sub.add_argument(
        "--workspace", metavar="DIR", help="where everything is kept (default: $PEIBI_HOME, else ./workspace)"
    )
    sub.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, all else on standard error"
    )
    sub.add_argument(
        "--lang", choices=("en", "zh_CN"), help="language of messages (default: $PEIBI_LANG, else the locale's)"
    )
    return sub


def numbers(text: str) -> list[int]:
    if not all(number.strip().isdecimal() for number in text.split(",")):
        raise ArgumentTypeError(f"whole numbers with commas between are expected, not {text!r}")
    return [int(number) for number in text.split(",")]


def rule(sub: ArgumentParser) -> None:
    sub.add_argument("--rule", default="strict", help="how mentions are counted: strict, exact, partial, type, token "
                     "or tag (default strict; docs/verdicts.md)")  # fmt: skip


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"a whole number above 0 is expected, not {text!r}")
    return int(text)


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise ArgumentTypeError(f"a number between 0 and 1 is expected, not {text!r}")
    return value


def detach(sub: ArgumentParser) -> None:
    sub.add_argument("--detach", action="store_true", help="return at once; it goes on in the background")


def param_option(sub: ArgumentParser) -> None:
    """Parameters of a method, one for each `--param`; `param_values` reads them."""
    sub.add_argument(
        "--param", action="append", default=[], metavar="KEY=VALUE", help="a parameter of the method; repeatable"
    )


def param_values(args: Namespace) -> dict[str, Any]:
    """What `param_option` was given, values read as YAML. Raises CoreError for what is none."""
    pairs = dict(item.partition("=")[::2] for item in args.param)
    return {key: parse(value, "--param").data for key, value in pairs.items()}
