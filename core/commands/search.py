"""`search`: a search for a mix, confirmed on fresh seeds, looked at on test, and used where that is asked for."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

from core import forecasting, mix_found, mix_fresh
from core.commands.answer import Answer, Setting, asked_project
from core.errors import CoreError, Value, message
from core.evaluation.verdicts import MARGIN, Metric
from core.mix_found import Baseline, Found
from core.mix_fresh import Fresh, Held
from core.mix_search import Options, ask, usual_most
from core.mix_trials import Condition, MixSearch
from core.mix_variants import Vary
from core.output import plain, table
from core.params import Json, bad_value, canonical
from core.pipeline import staged
from core.recipe import placed
from core.recipe_text import mix_name
from core.search.attribution import Attribution
from core.stage import drawable
from core.submit import result_of, wait
from core.yaml_text import parse


def search(args: Namespace, at: Setting) -> Answer:
    """Search, and wait; then confirm what was found, look at test, and use it, as asked.

    Exit 1 where a fresh repeat did not end well. Raises CoreError as core.mix_search and core.mix_fresh do.
    """
    recipe = asked_project(args.name, at).recipe
    try:
        stage, _ = staged(at.workspace, recipe, at.watch)
        usual = usual_most(drawable(recipe, stage), recipe.mix)
        asked = MixSearch(
            _most(args.over, usual), args.runs, args.minutes, args.gain, args.repeats,
            args.label, args.metric, args.worst, args.price, _condition(args.least), args.seed,
        )  # fmt: skip
        if args.forecast and not args.vary:
            forecasting.prospect(at.workspace, recipe, at.watch)
        options = Options(_vary(args.vary or ()), args.forecast)
        run, _ = ask(at.workspace, recipe, stage, asked, options)
    except CoreError as error:
        raise placed(error, recipe.lines, recipe.file) from None
    data = {"run": run.id, "project": recipe.project, "search": canonical(asked)}
    if args.detach:
        return Answer(data, message("line_settle_detached", {"run": run.id}, at.language))
    result = result_of(at.workspace, run, at.watch)
    found = mix_found.found(at.workspace, recipe.project, run.id)
    assert found is not None
    return _after(args, at, found, data | result)


def _most(over: Sequence[str] | None, usual: Mapping[str, float]) -> dict[str, float]:
    """Raises CoreError `bad_value`."""
    out = dict[str, float]()
    for text in over or usual:
        name, _, most = text.rpartition("=") if "=" in text else (text, "", "")
        try:
            out[name] = float(most) if most else usual.get(name, 1.0)
        except ValueError:
            raise bad_value("--over", text, "NAME=2.0") from None
    return out


def _vary(given: Sequence[str]) -> Vary:
    """`INGREDIENT.SETTING=VALUE,VALUE`. Raises CoreError `bad_value`."""
    out: dict[str, dict[str, list[Json]]] = {}
    for text in given:
        what, _, values = text.partition("=")
        name, _, setting = what.rpartition(".")
        found = parse(f"[{values}]", "--vary").data
        if not name or not setting or not isinstance(found, list) or not found:
            raise bad_value("--vary", text, "swaps.rate=0.1,0.3")
        out.setdefault(name, {})[setting] = found
    return out


def _condition(text: str | None) -> Condition | None:
    """Raises CoreError `bad_value`."""
    if text is None:
        return None
    what, _, least = text.rpartition("=")
    name, _, label = what.partition(":")
    metric = next((one for one in get_args(Metric) if one == name), None)
    try:
        if metric is not None:
            return Condition(float(least), label, metric)
    except ValueError:
        pass
    raise bad_value("--least", text, "precision:person=0.6")


def _after(args: Namespace, at: Setting, found: Found, data: Mapping[str, Any]) -> Answer:
    """What was found, and what was done with it."""
    status = 0
    space, project, run = at.workspace, found.project, found.begun.run
    asked = mix_fresh.fresh(space, project, run)
    if args.confirm and not found.nothing:
        ids = mix_fresh.go_on(space, project, asked) if asked else mix_fresh.confirm(found)
        status = 1 if any(one.state != "succeeded" for one in wait(space, ids, at.watch)) else 0
        asked = mix_fresh.fresh(space, project, run)
    if args.test and asked and (look := mix_fresh.look(space, project, asked)):
        result_of(space, look, at.watch)
    splits = ("dev", "test") if args.test else ("dev",)
    held = (
        {split: mix_fresh.held(space, project, asked, found.begun.search, split) for split in splits} if asked else {}
    )
    parts = [path_text(found, at.language), _says(found, data, at.language), _values(found, at.language)]
    parts += [_held(found, one, split, at.language) for split, one in held.items()] or [_flatters(found, at.language)]
    if args.use:
        mix_found.use(found)
        parts.append(message("line_search_used", {"mix": plain(mix_name(found.mix)), "project": project}, at.language))
    return Answer(dict(data) | _json(found, asked, held), "\n\n".join(parts), status)


def _json(found: Found, asked: Fresh | None, held: Mapping[str, Mapping[Baseline, Held]]) -> dict[str, Any]:
    lead, sd = found.lead
    labels = ["", *found.now.found.labels]
    metric, even = found.begun.search.metric, found.even
    return {
        "mix": mix_name(found.mix),
        "forecast": found.frame.forecast,
        "meets": found.meets,
        "lead": {"value": lead, "sd": sd},
        "good": {name: list(span) for name, span in found.spans.items()},
        "path": path_json(found),
        "values": {label: _shares(found, found.attribution(label, metric)) for label in labels},
        "values_of_each": {label: _shares(found, found.attribution(label, metric, even)) for label in labels},
        "confirmation": {
            split: {name: asdict(one) for name, one in of.items()} for split, of in held.items()
        } if asked else None,
    }  # fmt: skip


def _shares(found: Found, told: Attribution | None) -> dict[str, Any] | None:
    """What ingredients are worth, by name; None for too many of them."""
    if told is None:
        return None
    return {
        found.names[share.ingredient]: {
            "value": share.value.mean,
            "interval": list(share.value.interval),
            "without": -share.last.mean,
        }
        for share in told.shares
    }


def path_json(found: Found) -> list[dict[str, Any]]:
    """The mixes in the order in which they were tried; `amounts`: times gold; `repeats`: that ended well."""
    return [
        {"mix": one.number, "group": one.group, "amounts": dict(one.amounts), "repeats": one.finished}
        for one in found.steps
    ]


def path_text(found: Found, language: str) -> str:
    """The mixes in the order in which they were tried, with what is expected of them now."""
    codes = ("col_mix", "col_repeats", "col_reached", *([] if found.begun.search.condition is None else ["col_meets"]))
    rows = [[message(code, {}, language) for code in codes]]
    where = {mixed.group: position for position, mixed in enumerate(found.now.mixes)}
    for one in found.steps:
        position = where.get(one.group)
        if position is None:
            continue
        mine = found.now.seen.values[found.now.found.mixes == position]
        row = [plain(mix_name(found.frame.mix(one.amounts))), str(one.finished)]
        row.append(f"{100 * mine.mean():.1f}" if len(mine) else "-")
        if len(codes) > 3:
            row.append(f"{found.now.judge.allowed(found.now.rows[[position]])[0]:.0%}")
        rows.append(row)
    title = message("title_search", {"project": found.project, "question": question(found, language)}, language)
    return title + "\n" + table(rows, right=(1, 2, 3))


def question(found: Found, language: str) -> str:
    search = found.begun.search
    about = {"metric": message(f"col_{search.metric}", {}, language), "label": plain(search.label)}
    if search.worst:
        return message("question_worst", about, language)
    return message("question_label" if search.label else "question_all", about, language)


def _says(found: Found, data: Mapping[str, Any], language: str) -> str:
    values: dict[str, Value] = {"mix": plain(mix_name(found.mix)), "runs": data["runs"], "n": data["mixes"]}
    values |= {"known": data["known"], "value": f"{100 * data['value']:.1f}"}
    blank = "" if language == "zh_CN" else " "
    parts = [message(f"search_stopped_{data['stopped']}", values, language)]
    if not found.meets:
        parts.append(message("line_search_unmet", values, language))
    if found.nothing:
        return blank.join([*parts, message("line_search_nothing", values, language)])
    lead, sd = found.lead
    values |= {"lead": f"{100 * lead:+.1f}", "sd": f"{100 * sd:.1f}"}
    parts.append(message("line_search_best", values, language))
    if lead < sd:
        parts.append(message("line_search_unsure", values, language))
    return blank.join(parts)


def _values(found: Found, language: str) -> str:
    """What each ingredient is worth, and between which amounts it can be set."""
    codes = ("col_ingredient", "col_times_gold", "col_good", "col_worth", "col_interval_90", "col_without")
    rows = [[message(code, {}, language) for code in codes]]
    search = found.begun.search
    worth = None if search.worst else found.attribution(search.label, search.metric)
    shares = {found.names[share.ingredient]: share for share in (worth.shares if worth else ())}
    spans = found.spans
    for name in found.names:
        span = f"{spans[name][0]:.2f} - {spans[name][1]:.2f}" if name in spans else "-"
        row = [plain(name), f"{found.amounts.get(name, 0.0):g}", span]
        share = shares.get(name)
        if share is None:
            rows.append([*row, "", "", ""])
            continue
        ends = " to ".join(f"{100 * end:+.1f}" for end in share.value.interval)
        rows.append([*row, f"{100 * share.value.mean:+.1f}", ends, f"{-100 * share.last.mean:+.1f}"])
    notes = ["note_search_values"] + ["note_search_variants"] * bool(search.families)
    notes += ["note_search_forecast"] * bool(found.frame.forecast)
    return "\n".join([table(rows, right=(1, 2, 3, 4, 5)), *(message(note, {}, language) for note in notes)])


def _held(found: Found, held: Mapping[Baseline, Held], split: str, language: str) -> str:
    """What fresh seeds say of the mix against each baseline."""
    lines = [message("title_search_held", {"mix": plain(mix_name(found.mix)), "split": split}, language)]
    for name, one in held.items():
        values: dict[str, Value] = {"baseline": plain(one.name), "n": one.finished, "margin": f"{100 * MARGIN:g}"}
        values |= {"first": "-" if one.first is None else f"{100 * one.first:+.1f}", "pending": one.pending}
        what = message(f"baseline_{name}", values, language)
        if one.fresh is None:
            lines.append(f"{what}: " + message("line_search_waits", values, language))
            continue
        low, high = (f"{100 * end:+.1f}" for end in one.fresh.interval) if one.fresh.interval else ("-", "-")
        values |= {"points": f"{100 * one.fresh.value:+.1f}", "low": low, "high": high}
        says = [message("line_search_held", values, language)]
        says += [message(f"confirm_{one.verdict}", values, language)] if one.verdict else []
        lines.append(f"{what}: " + ("" if language == "zh_CN" else " ").join(says))
    return "\n".join(lines)


def _flatters(found: Found, language: str) -> str:
    return "" if found.nothing else message("note_search_flatters", {}, language)
