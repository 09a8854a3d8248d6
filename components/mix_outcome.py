"""What came of a search among mixes: the mix, how far to believe it, what else is good, what ingredients are worth."""

import streamlit as st

from components import bench as benches
from components.address import choice
from components.bench import Bench
from components.frame import PAGES, telling
from components.mix_words import metric_names, score_words
from components.pictures import picture
from components.tunable import joined
from components.words import duration, points, raw, t, visible
from core import mix_found, mix_fresh, pace
from core.confirm import REPEATS
from core.evaluation.verdicts import MARGIN, Metric, Verdict
from core.mix_found import Baseline, Found
from core.mix_fresh import Fresh, Held
from core.recipe_text import mix_name
from core.report import response as drawn
from core.report.figures import colour_of
from core.report.forest import ForestRow, forest
from core.search.attribution import Value
from core.search.response import Response

_ALL = "all"  # in place of a label
_BEST, _EACH = "best", "each"  # whose ingredients are worth something
_METRICS: tuple[Metric, ...] = ("f1", "recall", "precision")


def outcome(found: Found, bench: Bench | None, ended: bool) -> None:
    """The best mix and what can be done with it, then what can be chosen. `ended`: whether the search is over."""
    with st.container(border=True):
        _says(found)
        asked = mix_fresh.fresh(found.workspace, found.project, found.begun.run)
        if asked is not None:
            _held(found, asked)
        elif ended and not found.nothing:
            st.caption(
                t(
                    "The best of {n} mixes flatters itself: it was picked by the sentences that it is shown on here. "
                    "Repeats on fresh seeds say what is left of its lead.",
                    n=len(found.now.mixes),
                )
            )
        with st.container(horizontal=True, vertical_alignment="center"):
            if ended:
                _confirm(found, asked)
            _use(found, bench)
    if len(found.now.mixes) < 3:  # too few for a curve
        return
    label, metric = _chosen(found)
    st.markdown(t("**How it goes with amounts**"))
    response = found.response(label, metric)
    _profile(found, response, label, metric)
    st.markdown(t("**What each ingredient is worth**"))
    _worth(found, label, metric)


def _says(found: Found) -> None:
    """The best mix, by how much it leads, and between which amounts one may choose."""
    if not found.meets:
        st.warning(t("No mix that was tried is likely to meet the condition."), icon=":material/warning:")
    if found.nothing:
        st.markdown(t("**Nothing beats gold only** so far: no mix that was tried did better on dev."))
        return
    lead, sd = found.lead
    value = float(found.now.process.at(found.row[None])[0][0])
    st.markdown(
        joined(
            t("Most is expected of **{mix}**:", mix=mix_name(found.mix)),
            t(
                "{value} % on dev, {lead} points against gold only, give or take {sd}.",
                value=f"{100 * value:.1f}", lead=points(lead), sd=f"{100 * sd:.1f}",
            ),
            "" if lead >= sd else t("That is too little to say that anything beats gold only."),
        )
    )  # fmt: skip
    spans, instead = (_spans(found, other) for other in (False, True))
    st.caption(
        joined(
            t("Not shown to be worse, each alone, x gold: {spans}.", spans=spans),
            t("As good in place of the one in the mix: {spans}.", spans=instead) if instead else "",
        ),
        help=t(
            "Within these amounts, the others as in the best mix, the expected score lies below the best by one "
            "standard deviation of the difference at most, and by 2 points: take what is cheapest or what you trust "
            "most."
        ),
    )


def _spans(found: Found, instead: bool) -> str:
    """How far amounts can go, of what is in the mix or could be, or of what would take another variant's place."""
    told = {name: span for name, span in found.spans.items() if found.instead(name) == instead}
    return raw(", ").join(f"{visible(name)} {low:.2f} – {high:.2f}" for name, (low, high) in told.items())


def _confirm(found: Found, asked: Fresh | None) -> None:
    """The button for fresh repeats, or for those of them that did not end well."""
    space, project, run = found.workspace, found.project, found.begun.run
    if found.nothing:
        return
    if asked is not None:
        wanted = len(asked.seeds) * len(asked.groups)
        there = mix_fresh.finished(space, project, asked)
        waits = mix_fresh.pending(space, project, asked)
        if there < wanted and not waits and st.button(
            t("Try the others again"), key=f"search_more_{run}", icon=":material/refresh:"
        ):  # fmt: skip
            mix_fresh.go_on(space, project, asked)
            st.rerun()
        return
    runs = REPEATS * (1 + len(mix_found.baselines(found)))
    seconds = pace.seconds_all(space, runs, found.begun.train)
    if st.button(
        t("Confirm it on fresh seeds: {n} runs, about {time}", n=runs, time=duration(seconds)),
        key=f"search_confirm_{run}",
        icon=":material/verified:",
        help=t(
            "The mix is trained on {n} fresh seeds, and so is what you would have mixed without a search: gold only, "
            "everything, the best single ingredient, and a little of each.",
            n=REPEATS,
        ),
    ):
        mix_fresh.confirm(found)
        st.rerun()


def _held(found: Found, asked: Fresh) -> None:
    """What fresh repeats say of the mix against each baseline."""
    held = mix_fresh.held(found.workspace, found.project, asked, found.begun.search)
    rows = [_line(name, one) for name, one in held.items()]
    column = st.column_config
    st.dataframe(
        rows,
        key="search_held",
        hide_index=True,
        placeholder="-",
        column_config={
            "baseline": column.TextColumn(raw("On fresh seeds, against")),
            "first": column.TextColumn(raw("Expected"), help=raw("Points, when it was picked.")),
            "fresh": column.TextColumn(raw("Points")),
            "interval": column.TextColumn(raw("95 %")),
            "verdict": column.TextColumn(raw("Verdict")),
        },
        alt=raw("The mix against what one would have mixed without a search"),
    )
    if all(one.verdict == "better" for one in held.values()):
        st.markdown(t("It beats all of them."))
    elif "gold" in held and held["gold"].verdict not in (None, "better", "few_repeats"):
        st.markdown(t("**Nothing is shown to beat gold only.**"))
    if all(not one.pending for one in held.values()):
        st.page_link(
            PAGES["compare"],
            label=t("Compare them label by label, and look at test once"),
            icon=":material/compare_arrows:",
            query_params={"project": found.project},
        )


def _line(name: Baseline, one: Held) -> dict[str, object]:
    low, high = (points(end) for end in one.fresh.interval) if one.fresh and one.fresh.interval else ("", "")
    what = {
        "gold": raw("Gold only"),
        "everything": raw("Everything: {mix}", mix=one.name),
        "single": raw("The best single ingredient: {mix}", mix=one.name),
        "even": raw("A little of each: {mix}", mix=one.name),
    }[name]
    return {
        "baseline": what,
        "first": "" if one.first is None else points(one.first),
        "fresh": "" if one.fresh is None else points(one.fresh.value),
        "interval": raw("{low} to {high}", low=low, high=high) if low else "",
        "verdict": _verdict(one),
    }


def _verdict(one: Held) -> str:
    if one.pending:
        return raw("{n} repeats are still to end", n=one.pending)
    return {
        "better": raw("better"),
        "worse": raw("worse"),
        "same": raw("the same within {margin} points", margin=f"{100 * MARGIN:g}"),
        "open": raw("can't be told"),
        "few_repeats": raw("too few repeats"),
    }.get(one.verdict or "", "")


def _use(found: Found, bench: Bench | None) -> None:
    if bench is None:
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params={"project": found.project})
    elif st.button(
        t("Use this mix"), key=f"search_use_{found.begun.run}", icon=":material/check:",
        help=t("It is taken in hand above, where it can be changed, named and launched."),
    ):  # fmt: skip
        with telling():
            if mix_found.adopt(found):
                benches.bring(found.mix, mix_name(found.mix))
            else:
                benches.load(bench, found.mix)
            st.rerun()


def _chosen(found: Found) -> tuple[str, Metric]:
    """Whose score is shown, and which."""
    search = found.begun.search
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    labels = [_ALL, *found.now.found.labels]
    first = search.label if search.label in labels else _ALL
    label = left.selectbox(
        t("Label"), labels, index=labels.index(first), key=f"search_label_{found.begun.run}",
        format_func=lambda one: raw("All labels") if one == _ALL else visible(one),
    )  # fmt: skip
    names = metric_names()
    metric = right.segmented_control(
        t("Score"), _METRICS, default=search.metric, required=True, key=f"search_metric_{found.begun.run}",
        format_func=names.__getitem__,
    )  # fmt: skip
    return "" if label == _ALL else label, next((one for one in _METRICS if one == metric), search.metric)


def _profile(found: Found, response: Response, label: str, metric: Metric) -> None:
    """Along one ingredient, or over two."""
    names, limits = found.names, found.begun.search.limits
    left, right = st.columns(2)
    most = names[int(found.row.argmax())]
    one = choice(left.selectbox, t("Along"), names, key="along_mix", default=most, show=visible, always=True)
    space = found.begun.search.space
    inside = [names[column] for column in space.others(one)]
    pairs = ["", *(name for name in names if name != one and name not in inside)]
    other = choice(
        right.selectbox,
        t("And"),
        pairs,
        key="and_mix",
        show=lambda name: visible(name) if name else raw("nothing else"),
    )
    score = score_words(label, metric)
    at, best = names.index(one), found.row
    mix = found.around(one, *filter(None, [other]))
    words = {"axis": raw("{name}, x gold", name=one), "score": score, "best": raw("Best mix")}
    if other:
        second = names.index(other)
        plane = response.plane(mix, (at, second), (limits[one], limits[other]), best)
        words |= {"other": raw("{name}, x gold", name=other), "tried": raw("Tried (other amounts vary)")}
        tried = [(float(row[at]), float(row[second])) for row in found.now.rows]
        figure = drawn.surface(plane, tried, (float(best[at]), float(best[second])), words)
    else:
        curve = response.curve(mix, at, limits[one], best)
        gold = float(response.at(best[None] * 0)[0][0])
        words |= {"mean": raw("Expected"), "band": raw("90 % band"), "good": raw("Good"), "gold": raw("Gold only")}
        figure = drawn.profile(curve, float(best[at]), gold, colour_of(one, names), words)
    picture(figure, "search_response", alt=raw("{score} along {name}", score=score, name=one))
    st.caption(
        joined(
            t("The other ingredients are as in the best mix."),
            t("A mix has one variant of an ingredient at most.") if inside else "",
            t(
                "Good: expected to lie below the best mix by one standard deviation of their difference at most, and 2 "
                "points."
            ),
            t("Nothing between the runs was trained: lines and bands are expectations from all of them."),
            t("The bands are not calibrated: that takes {n} mixes.", n=9) if found.band is None else "",
        )
    )


def _worth(found: Found, label: str, metric: Metric) -> None:
    """The value of each ingredient, in the best mix or where there is a little of each."""
    of = st.segmented_control(
        t("In"), (_BEST, _EACH), default=_EACH if found.nothing else _BEST, required=True,
        key=f"search_worth_{found.begun.run}",
        format_func=lambda one: raw("the best mix") if one == _BEST else raw("a little of each"),
    )  # fmt: skip
    told = found.attribution(label, metric, found.even if of == _EACH else None)
    if told is None or not told.shares:
        st.caption(t("Of this mix it can't be told: there is nothing in it but gold, or too much."))
        return
    runs = sum(found.now.done)
    shares = [(found.names[share.ingredient], share.value) for share in told.shares]
    rows = [_row(name, value, colour_of(name, found.names), runs) for name, value in shares]
    rows.append(_row(raw("All of them"), told.lead, colour_of("gold", found.names), runs))
    figure = forest(rows, raw("{score}: points against gold only", score=score_words(label, metric)))
    picture(figure, "search_worth", alt=raw("What each ingredient is worth"))
    st.caption(
        t(
            "What an ingredient adds, on average over all orders in which they may have joined gold (Shapley values), "
            "at the same gold and the same steps; lines: 90 %. From {n} real runs.",
            n=runs,
        )
    )


def _row(name: str, value: Value, colour: str, runs: int) -> ForestRow:
    verdict: Verdict = "better" if value.sign > 0 else "worse" if value.sign < 0 else "open"
    return ForestRow(name, value.mean, value.interval, runs, verdict, colour)
