"""The layout is the architecture: imports form the DAG of docs/architecture.md, and light processes stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core"
SPINE = ("errors", "params", "corpus", "mix", "runs", "scores")
TIERS = (
    SPINE,
    ("tasks", "evaluation", "yaml_text"),
    ("formats", "models"),
    ("prompting",),
    ("augment", "training"),
    ("forecast", "continual"),
    ("search", "reasons"),
    ("report",),
    ("jobs",),
    (
        *(
            "recipe",
            "recipe_text",
            "room",
            "workspace",
            "sources",
            "questions",
            "stage",
            "submit",
            "pipeline",
            "predict",
        ),
        *(
            "predict",
            "project",
            "groups",
            "launch",
            "mixing",
            "board",
            "bulk",
            "pace",
            "traces",
            "history",
            "shelf",
            "decided",
            "contrast",
            "sides",
            "sliced",
            "apart",
            "cost",
            "trust",
            "labeller",
            "robustness",
            "attack",
            "forecasting",
            "pretraining",
            "desk",
            "blaming",
            "why",
            "agreement",
            "brief",
            "without",
            "label_next",
            "gold_curve",
            "transfer",
            "sequences",
            "sequence_outcome",
            "shots",
            "repeats",
            "settle",
            "tunable",
            "trainings",
            "observed",
            "mix_prior",
            "mix_variants",
            "mix_trials",
            "mix_search",
            "mix_rounds",
            "mix_found",
            "mix_fresh",
            "trials",
            "sampler",
            "tune",
            "tuned",
            "confirm",
            "seen",
            "origins",
            "card",
            "card_text",
            "card_parts",
            "sequence_card",
            "sequence_card_text",
            "papers",
            "card_use",
            "model_export",
            "tallies",
            "tables",
            "table_files",
            "trackers",
            "push",
            "serving",
            "known",
            "expected",
            "estimate",
            "explain",
            "subject",
            "dry_run",
            "recent",
            "care",
            "archive",
            "sample",
            "output",
            "commands",
            "__main__",
        ),
    ),
)
RANK = {name: rank for rank, tier in enumerate(TIERS) for name in tier}
HEAVY = ("torch", "transformers", "nlpaug", "datasets", "sklearn", "optuna", "mlflow", "tensorboard")
FILES = sorted(path for path in CORE.rglob("*.py") if "__pycache__" not in path.parts)
APP = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "components").glob("*.py"))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(module: str) -> str:
    """The unit that has a rank: the second word of core.x.y."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path, everywhere: bool = True) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if everywhere else (n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


def test_every_module_of_core_has_a_rank():
    parts = {part_of(module_of(path)) for path in FILES} - {"", "samples"}
    assert parts <= set(RANK), parts - set(RANK)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_only_go_down(path):
    mine = part_of(module_of(path))
    if not mine:
        return
    for name in imports(path):
        if name.startswith("core."):
            other = part_of(name)
            same = other == mine or (
                RANK[other] == RANK[mine]
                and mine not in ("tasks", "evaluation", "formats", "models", "augment", "training")
            )
            assert same or RANK[other] < RANK[mine], f"{mine} imports {name}"


# What a task's rows are is the business of its own readers and writers. They may import what says so; nobody else may.
OF_ALL_TASKS = ("protocol", "example", "running", "tokenise", "pairs", "drawing", "letters", "words")
OF_ROWS = {"tagged": {"tagged", "iob2"}, "labelled": {"labelled"}}  # kind of rows -> modules of core.tasks


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nothing_outside_the_tasks_asks_which_task_it_is(path):
    module = module_of(path)
    if part_of(module) in ("tasks", "samples", ""):
        return
    from core.tasks import TASKS

    own = next((modules for kind, modules in OF_ROWS.items() if module.startswith(f"core.formats.{kind}.")), set())
    for name in imports(path):
        if name.startswith("core.tasks."):
            of = name.split(".")[2]
            is_module = (CORE / "tasks" / f"{of}.py").exists()
            assert not is_module or of in (*OF_ALL_TASKS, *own), f"{module} imports {name}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and node.value in TASKS), f"{module}:{node.lineno} names a task"


@pytest.mark.parametrize("path", APP, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_app_does_not_ask_which_task_it_is_either(path):
    for name in imports(path):
        of = name.split(".")[2] if name.startswith("core.tasks.") else ""
        assert not (CORE / "tasks" / f"{of}.py").exists() or of in OF_ALL_TASKS, f"{path.name} imports {name}"
    if path.name == "speech.py":  # which puts tasks and kinds of rows into words
        return
    from core.tasks import TASKS, task

    named = {*TASKS, *(task(name).rows for name in TASKS)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and node.value in named), f"{path.name}:{node.lineno} names a task"


def test_no_import_cycles_between_modules():
    modules = {module_of(p): imports(p, everywhere=False) for p in FILES}
    graph = {m: {n for n in names if n in modules and n != m} for m, names in modules.items()}
    for names in graph.values():  # `from core.formats import sniff` needs sniff, not the package's own table
        names -= {n for n in names if any(other.startswith(n + ".") for other in names)}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for name in graph[module]:
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_core_knows_no_streamlit_and_nothing_above_it():
    for path in FILES:
        for name in imports(path):
            assert name.split(".")[0] not in ("streamlit", "components", "pages", "app", "tests"), f"{path}: {name}"


def test_core_init_is_empty():
    assert (CORE / "__init__.py").read_text() == ""


def test_only_the_command_line_prints_and_few_read_the_environment():
    may_read = {"core.__main__", "core.workspace", "core.jobs.faults", "core.jobs.idle", "core.jobs.machine"}
    for path in FILES:
        module = module_of(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and node.id == "print":
                assert module == "core.__main__", f"{module}:{node.lineno} prints"
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "getenv")
                and ast.unparse(node.value) == "os"
            ):
                assert module in may_read, f"{module}:{node.lineno} reads the environment"


def test_core_opens_no_pickle_and_runs_no_text():
    banned = {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    for path in FILES:
        assert not {name.split(".")[0] for name in imports(path)} & banned, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load", "np.load", "yaml.load"), f"{path}:{node.lineno}"


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh process holds after `code`."""
    script = f"import sys\n{code}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.split())


def test_the_browser_facing_side_stays_light():
    from core.commands import COMMANDS

    modules = {place.partition(":")[0] for place in COMMANDS.values()}
    light = (
        f"import core.pipeline, core.output, core.formats.importing, core.augment, core.__main__, {', '.join(modules)}"
    )
    assert not loaded_by(light) & set(HEAVY)


LIGHT_JOBS = (
    *("attempt", "database", "dispatch", "faults", "folder", "idle"),
    *("process", "run", "store", "trainer_process", "watch"),
)


def test_the_supervisor_is_lighter_still():
    loaded = loaded_by("import core.jobs.supervisor")
    assert not loaded & {*HEAVY, "numpy", "pyarrow", "pydantic", "scipy"}
    names = {n for n in imports(CORE / "jobs" / "supervisor.py") if n.startswith("core.")}
    assert {part_of(name) for name in names} <= {"errors", "runs", "jobs"}
    assert {n.split(".")[2] for n in names if n.startswith("core.jobs.")} <= set(LIGHT_JOBS)


def test_tables_name_things_that_exist():
    import importlib

    from core.augment import AUGMENTERS
    from core.commands import COMMANDS
    from core.formats import PREDICTIONS, READERS, SIGNS, WRITERS
    from core.runs import KINDS
    from core.tasks import TASKS

    places = [place for kinds in (READERS, WRITERS) for formats in kinds.values() for place in formats.values()]
    places += [*SIGNS.values(), *TASKS.values(), *COMMANDS.values()]
    places += [f"{module}:{name}" for module in PREDICTIONS.values() for name in ("SUFFIX", "read", "write")]
    places += [place for kind in KINDS.values() for place in (kind.function, kind.params)]
    places += [place for entry in AUGMENTERS.values() for place in (entry.augmenter, entry.params)]
    for place in places:
        module, _, name = place.partition(":")
        assert hasattr(importlib.import_module(module), name), place


OF_A_PAGE = ("streamlit", "components", "core", "collections", "dataclasses", "typing")  # what a page may import


@pytest.mark.parametrize("path", APP, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_app_points_downwards(path):
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in (*HEAVY, "pages", "app", "tests", "sqlite3", "pickle", "threading"), f"{path.name}: {name}"
        if path.parent.name == "pages":
            assert top in OF_A_PAGE, f"{path.name}: {name}"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.While), f"{path.name}:{node.lineno} a page does not wait"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("sleep", "time.sleep"), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.stem)
def test_every_page_passes_the_gate_first_and_stays_short(path):
    source = path.read_text(encoding="utf-8")
    body = [node for node in ast.parse(source).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):  # the docstring
        body = body[1:]
    first = body[0]
    assert isinstance(first, ast.Assign) and ast.unparse(first.value) == f"enter('{path.stem}')", ast.unparse(first)
    assert source.count("\n") <= 120
    assert len((ROOT / "app.py").read_text(encoding="utf-8").split("\n")) <= 60


def test_the_app_stays_light():
    names = [f"components.{path.stem}" for path in sorted((ROOT / "components").glob("*.py"))]
    assert not loaded_by(f"import {', '.join(names)}") & {*HEAVY, "datasketch"}


def test_a_name_in_the_address_has_one_meaning():
    """The key of a widget is its name in the address, and in the session whatever the page."""
    shared = {"split", "group", "repeat", "baseline", "against"}  # of one kind and meaning on several pages
    places: dict[str, set[str]] = {}
    for path in APP:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            target.id: value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for targets, values in [(node.targets[0], node.value)]
            for target, value in zip(
                targets.elts if isinstance(targets, ast.Tuple) else [targets],
                values.elts if isinstance(values, ast.Tuple) else [values],
                strict=False,
            )
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                kind = ast.unparse(node.func).rpartition(".")[2]
                if "key" in given and (kind in ("choice", "several") or "bind" in given):
                    key = given["key"]
                    name = key.value if isinstance(key, ast.Constant) else names.get(ast.unparse(key), ast.unparse(key))
                    places.setdefault(str(name), set()).add(path.name)
    assert len(places) > 15
    assert {name: files for name, files in places.items() if len(files) > 1 and name not in shared} == {}
