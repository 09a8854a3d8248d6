"""The arguments of the commands that compare: `compare`, `trust`, `attack`, `settle`, `confirm`, `tune`, `search`,
`curve`, `shots`, `report`."""

from argparse import BooleanOptionalAction

from core.commands.attack import add_attack
from core.commands.options import command, count, detach, numbers, rule, share
from core.commands.sequence import add_sequence
from core.commands.sources import add_sources
from core.training.ways import DRAWS, METHODS, MIX, SHOTS


def add_comparing(commands: object) -> None:
    _add_compare(commands)
    _add_trust(commands)
    add_attack(commands)
    _add_settle(commands)
    _add_tune(commands)
    _add_search(commands)
    _add_transfer(commands)
    add_sources(commands)
    add_sequence(commands)
    _add_curve(commands)
    _add_shots(commands)
    _add_report(commands)


def _add_compare(commands: object) -> None:
    sub = command(
        commands, "compare", "is a mix better than a baseline, where, and by how much",
        "One name: a project, all mixes against its gold only. Several: each against the first. A name may be "
        "PROJECT/MIX, a recipe file that was run, an object that `run --json` printed, or a file or folder of "
        "predictions (CoNLL: token, gold, predicted; one file a repeat). Format: docs/verdicts.md.",
    )  # fmt: skip
    sub.add_argument("sides", nargs="+", metavar="NAME", help="a project; or the baseline and what is held against it")
    sub.add_argument("--baseline", metavar="MIX", help="of a project: what the others are held against "
                     "(default: gold only)")  # fmt: skip
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; test never looks anew")
    rule(sub)
    sub.add_argument("--margin", type=share, default=0.02, metavar="SHARE", help="below which two are the same "
                     "(default 0.02)")  # fmt: skip


def _add_trust(commands: object) -> None:
    sub = command(
        commands, "trust", "how far the confidence of a mix's runs can be trusted, and what a threshold on it keeps",
        "With --robustness also how they bear slips of the keyboard and other names.",
    )  # fmt: skip
    sub.add_argument("group", metavar="PROJECT/MIX", help="a mix by its title, or PROJECT/GROUP as `board` lists it")
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; test never looks anew")
    sub.add_argument("--robustness", action="store_true", help="let the trained runs mark changed copies of the split")


def _add_settle(commands: object) -> None:
    sub = command(
        commands, "settle", "add repeats of two mixes until it is settled which is better",
        "After every repeat it is looked again, by a rule that allows that; it stops at an answer or at the budget. "
        "Repeats that are there count; dev alone is looked at.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("baseline", metavar="BASELINE", help="the mix that the other is held against")
    sub.add_argument("mix", metavar="MIX", help="the other")
    sub.add_argument("--label", default="", metavar="L", help="ask about one label (default: all together)")
    sub.add_argument("--metric", choices=("f1", "recall", "precision"), default="f1", help="default f1")
    sub.add_argument("--margin", type=share, default=0.02, metavar="SHARE", help="below which two are the same "
                     "(default 0.02)")  # fmt: skip
    sub.add_argument("--start", type=int, default=5, metavar="N", help="repeats before the first look (default 5)")
    sub.add_argument("--budget", type=int, default=16, metavar="N", help="repeats of each mix at most (default 16)")
    detach(sub)
    sub = command(
        commands, "confirm", "train the best of many mixes again on fresh seeds, and see what is left of its lead",
        "The same command goes on with what it began, and shows it.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("mix", nargs="?", metavar="MIX", help="default: the best on dev")
    sub.add_argument("--baseline", metavar="MIX", help="what it is held against (default: gold only)")
    sub.add_argument("--repeats", type=int, default=8, metavar="N", help="fresh seeds (default 8)")
    sub.add_argument("--again", action="store_true", help="on other fresh seeds, where it was confirmed before")
    detach(sub)


def _add_tune(commands: object) -> None:
    sub = command(
        commands, "tune", "search for the settings that a mix is best trained with",
        "Each trial is some settings under a few seeds, judged on dev. The same command goes on with what it began and "
        "shows it; with --confirm it then trains the best trial again on fresh seeds.",
    )  # fmt: skip
    sub.add_argument("name", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file")
    sub.add_argument("--mix", metavar="NAME", help="one of the project's named mixes (default: the one last saved)")
    sub.add_argument("--over", action="append", metavar="SETTING[=LOW:HIGH|=A,B]", help="what is searched, repeatable "
                     "(default learning_rate, steps or epochs, dropout, layer_decay)")  # fmt: skip
    sub.add_argument("--trials", type=int, default=20, metavar="N", help="at most (default 20)")
    sub.add_argument("--repeats", type=int, default=2, metavar="N", help="seeds of each trial (default 2)")
    sub.add_argument("--minutes", type=float, metavar="N", help="of training, at most, all trials together")
    sub.add_argument("--patience", type=int, default=10, metavar="N", help="trials without a gain after which it ends; "
                     "0: none (default 10)")  # fmt: skip
    sub.add_argument("--label", default="", metavar="L", help="judge by one label (default: all together)")
    sub.add_argument("--metric", choices=("f1", "recall", "precision"), default="f1", help="default f1")
    sub.add_argument("--no-pruning", action="store_true", help="finish trials that fall behind, too")
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of what is tried (default 0)")
    sub.add_argument("--confirm", action="store_true", help="train the best trial and the first on 8 fresh seeds")
    sub.add_argument("--use", action="store_true", help="write the best settings into the project")
    detach(sub)


def _add_search(commands: object) -> None:
    sub = command(
        commands, "search", "search for a mix: how much of each ingredient joins gold",
        "Mixes are trained under one seed, the better ones under more; what was trained before counts. The same "
        "command goes on with what it began and shows it. Format: docs/search.md.",
    )  # fmt: skip
    sub.add_argument("name", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file")
    sub.add_argument("--over", action="append", metavar="INGREDIENT[=MOST]", help="what is searched over, and up to "
                     "how much of it, times gold; repeatable (default: all, up to 3)")  # fmt: skip
    sub.add_argument("--vary", action="append", metavar="INGREDIENT.SETTING=VALUE,VALUE", help="other ways to make an "
                     "ingredient, as swaps.rate=0.1,0.3 or back.copies=1,2; a mix has one; repeatable")  # fmt: skip
    sub.add_argument("--forecast", action=BooleanOptionalAction, default=False, help="let the forecast have a say, "
                     "made first where there is none (default: it has none)")  # fmt: skip
    sub.add_argument("--runs", type=int, default=40, metavar="N", help="trainings at most (default 40)")
    sub.add_argument("--minutes", type=float, metavar="N", help="of training, at most")
    sub.add_argument("--gain", type=float, default=0.001, metavar="SHARE", help="end where less is expected of another "
                     "mix (default 0.001)")  # fmt: skip
    sub.add_argument("--repeats", type=int, default=4, metavar="N", help="seeds of a mix at most (default 4)")
    sub.add_argument("--label", default="", metavar="L", help="judge by one label (default: all together)")
    sub.add_argument("--metric", choices=("f1", "recall", "precision"), default="f1", help="default f1")
    sub.add_argument("--worst", action="store_true", help="judge by the label that does worst")
    sub.add_argument("--price", type=float, default=0.0, metavar="SHARE", help="what 1 x gold of additional rows must "
                     "be worth (default 0)")  # fmt: skip
    sub.add_argument("--least", metavar="METRIC[:LABEL]=SHARE", help="what a mix must reach on dev, "
                     "as precision=0.6")  # fmt: skip
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="of what is tried (default 0)")
    sub.add_argument("--confirm", action="store_true", help="train what was found, gold only, everything, the best "
                     "single ingredient and half of each on 8 fresh seeds")  # fmt: skip
    sub.add_argument("--test", action="store_true", help="look at test with those, once")
    sub.add_argument("--use", action="store_true", help="make what was found the project's mix")
    detach(sub)


def _add_transfer(commands: object) -> None:
    sub = command(
        commands, "transfer", "whether mixes that were trained on one encoder keep their order on another",
        "A few of the project's mixes, from the worst to the best on dev, are trained on the other encoder, too.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("--model", required=True, metavar="NAME", help="the other encoder, as a recipe names one")
    sub.add_argument("--mixes", type=int, default=5, metavar="N", help="default 5")
    sub.add_argument("--repeats", type=int, default=2, metavar="N", help="seeds of each mix there (default 2)")


def _add_curve(commands: object) -> None:
    sub = command(
        commands, "curve", "train on parts of gold alone, and tell how many labelled sentences each mix is worth",
        "What was trained before is reused. Sizes and seeds have the project's training settings.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file")
    sub.add_argument("--sizes", type=numbers, metavar="N,N", help="gold sentences, all of them are added "
                     "(default 20, 40, 60 and 80 %% of them)")  # fmt: skip
    sub.add_argument("--seeds", type=numbers, default=[0, 1, 2, 3, 4], metavar="N,N", help="default 0,1,2,3,4")
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; test never looks anew")
    detach(sub)


def _add_shots(commands: object) -> None:
    sub = command(
        commands, "shots", "train by several methods on few rows of each label, and tell where which of them wins",
        "Each draw of rows is a training. What was trained before is reused. See docs/few-shot.md.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file")
    sub.add_argument("--shots", type=numbers, default=[*SHOTS], metavar="N,N", help="mentions of each label that the "
                     "rows hold at least (default 1,5,10,50)")  # fmt: skip
    sub.add_argument("--draws", type=count, default=DRAWS, metavar="N", help="of rows, for each number (default 10)")
    sub.add_argument("--methods", type=_names, default=["prototypes", "frozen", "full"], metavar="NAME,NAME",
                     help=f"some of {', '.join((*METHODS, MIX))} (default prototypes,frozen,full)")  # fmt: skip
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; test never looks anew")
    detach(sub)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _add_report(commands: object) -> None:
    sub = command(
        commands, "report", "write one HTML file that answers for people who decide: is the mix worth it?",
        "It needs nothing else, prints, and says what to do, how sure that is, at what cost, and what gets worse. With "
        "--lang zh_CN in Chinese. See docs/report.md.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file that "
                     "was trained or searched with")  # fmt: skip
    sub.add_argument("--mix", metavar="MIX", help="default: what a search confirmed last, else the best on dev")
    sub.add_argument("--baseline", metavar="MIX", help="what it is held against (default: gold only)")
    sub.add_argument("--split", choices=("dev", "test"), help="default: test where both were looked at there, else dev")
    sub.add_argument("--question", metavar="TEXT", help="in place of the usual one")
    sub.add_argument("--minutes", type=float, default=1.0, metavar="N", help="that a person takes to label a row, for "
                     "what the gain is worth (default 1)")  # fmt: skip
    sub.add_argument("--no-sentences", action="store_true", help="quote no sentences of the data")
    sub.add_argument("--out", metavar="FILE", help="default: report-PROJECT.html")
