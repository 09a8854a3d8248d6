"""How quick a forecast is while a slider moves: the head of a mix solved anew from statistics and all of dev scored.

    python bench/forecast_speed.py [--json] [--quick] [--browser]

20,000 words of dev in 1,000 sentences, 10 ingredients of 1,000 sentences, states 768 wide (and 1), six labels (13
classes), random numbers, one core. Beside it: the same head from the ingredients' words. `--browser`: from a key on a
slider of the sample project to moved diamonds on the screen of a real Chromium.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.corpus import Corpus, Schema  # noqa: E402
from core.forecast.forecast import Forecast, Member, Pool, member  # noqa: E402
from core.forecast.statistics import PENALTY, class_weights, effective  # noqa: E402
from core.mix import GOLD  # noqa: E402
from core.tasks import task  # noqa: E402
from core.tasks.tagging import TABLE  # noqa: E402
from tools.claims import tell  # noqa: E402

LABELS = ("a", "b", "c", "d", "e", "f")
WORDS, SENTENCES, WIDTH, INGREDIENTS = 20, 1000, 768, 10
TAGGING = task("tagging")


def pool(rng: np.random.Generator, sentences: int, truth: np.ndarray) -> Pool:
    """Sentences whose states tell their tags, with noise."""
    classes = TAGGING.classes(LABELS)
    codes = np.where(rng.random((sentences, WORDS)) < 0.1, 1 + 2 * rng.integers(0, len(LABELS), (sentences, WORDS)), 0)
    states = rng.normal(size=(sentences * WORDS, WIDTH)) + truth[codes.ravel()]
    tags = [[classes[code] for code in row] for row in codes.tolist()]
    ids = [rng.bytes(16) for _ in range(sentences)]
    nothing = [None] * sentences
    columns = [ids, ids, nothing, [["w"] * WORDS] * sentences, tags, nothing, nothing, nothing]
    return Pool(Corpus(Schema("tagging", LABELS, "en"), pa.table(columns, schema=TABLE)), states.astype(np.float16))


def anew(found: Member, pools: dict[str, Pool], drawn: dict[str, int]) -> np.ndarray:
    """The head of a mix from all its words."""
    gold, classes = pools[GOLD].corpus, len(TAGGING.classes(LABELS))
    weight = class_weights(TAGGING.targets(gold.table, LABELS), classes)
    whole = sum(drawn.values())
    gram, moment = 0.0, 0.0
    for name, part in pools.items():
        targets = TAGGING.targets(part.corpus.table, LABELS)
        phi = found.scale(part.states)
        counted = phi * (weight[targets] * (drawn[name] / whole / len(part.corpus)))[:, None].astype(np.float32)
        gram, moment = gram + counted.T @ phi, moment + counted.T @ np.eye(classes, dtype=np.float32)[targets]
    size = effective(np.array([float(drawn[name]) for name in pools]), np.full(len(pools), SENTENCES))
    ridge = np.full(WIDTH + 1, PENALTY / size)
    ridge[-1] = 1e-6
    return np.linalg.solve(gram + np.diag(ridge), moment)


def seconds(work: Callable[[], Any], rounds: int) -> float:
    times: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _seen(moves: int) -> dict[str, Any]:
    """Milliseconds from a key on a slider to other diamonds."""
    from core import project as projects
    from core.forecasting import ask
    from core.launch import standing
    from core.sample import open_sample
    from core.submit import result_of
    from core.workspace import Workspace
    from tests.browser import browsing, served

    drawn = "[...document.querySelectorAll('.js-plotly-plot')].map(g => JSON.stringify((g.data || []).map(d => d.x)))"
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.open(Path(folder) / "w")
        open_sample(space, "newsroom")
        project = projects.load(space, "newsroom")
        stage = standing(space, project).stage
        assert stage is not None
        result_of(space, ask(space, project, stage), lambda runs: None)
        with served(space.root) as address, browsing(address) as visitor:
            visitor.goto("/mix?project=newsroom")
            visitor.page.get_by_role("slider").first.focus()
            times: list[float] = []
            for _ in range(moves + 2):
                visitor.settle()
                before = visitor.page.evaluate(drawn)[1]
                began = time.perf_counter()
                visitor.page.keyboard.press("ArrowRight")
                while visitor.page.evaluate(drawn)[1] == before and time.perf_counter() - began < 10:
                    time.sleep(0.005)
                times.append(1000 * (time.perf_counter() - began))
    value = round(statistics.median(times[2:]), 1)
    return {"name": "slider_to_diamonds", "value": value, "unit": "ms", "detail": {"ms": times[2:]}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--browser", action="store_true", help="the app, too")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2 * len(LABELS) + 1, WIDTH)) * 0.2
    names = [GOLD, *(f"pool {number}" for number in range(1, INGREDIENTS))]
    pools = {name: pool(rng, SENTENCES, truth) for name in names}
    dev = pool(rng, SENTENCES, truth)
    one = member(pools, dev, LABELS)
    found = Forecast(LABELS, [one], dev.corpus)
    drawn = dict.fromkeys(names, 500) | {GOLD: 1000}
    quick = seconds(lambda: found.of(drawn), 5 if args.quick else 30)
    slow = seconds(lambda: anew(one, pools, drawn), 1 if args.quick else 5)
    apart = float(np.abs(found.head(one, drawn) - anew(one, pools, drawn)).max())
    detail = {"f1": found.of(drawn).f1, "words_of_dev": len(one.states), "ingredients": INGREDIENTS, "width": WIDTH + 1}
    claims = [_seen(5 if args.quick else 20)] if args.browser else []
    tell(
        [
            *claims,
            {"name": "forecast", "value": round(1000 * quick, 1), "unit": "ms", "detail": detail},
            {"name": "refit_over_statistics", "value": round(slow / quick, 1), "unit": "x", "detail": {"s": slow}},
            {"name": "weights_apart", "value": apart, "unit": "", "detail": {}},
        ],
        args.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
