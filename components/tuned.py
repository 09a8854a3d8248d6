"""What came of a search for settings: the best trial, how far it can be believed, and what can be done with it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components.tunable import joined, question, setting_names, settings_words, share_words
from components.words import duration, points, raw, t
from core import pace, tuned
from core.confirm import REPEATS, Confirmation
from core.evaluation.verdicts import MARGIN
from core.groups import evaluated
from core.jobs.folder import Run
from core.repeats import group_now
from core.training.settings import TrainParams
from core.trials import Noted, Trial
from core.workspace import Workspace

_HAD = "tune_had"  # session key: the project and the settings that it had before others were put in their place


def outcome(space: Workspace, project: str, begun: Noted, found: Sequence[Trial], top: Trial, run: Run | None) -> None:
    """The best trial, how far that can be believed, and what can be done with it."""
    start = found[0].value
    values = {
        "n": top.number,
        "question": question(begun.search),
        "value": share_words(top.value),
        "start": share_words(start),
    }
    st.markdown(
        joined(
            t("**Trial {n}** did best on dev: {question} {value}; the first trial: {start}.", **values),
            t("Its settings: {settings}.", settings=settings_words(top)),
        )
    )
    result = space.result(run.id) if run is not None and run.state == "succeeded" else {}
    if result:
        st.caption(joined(_why(result), _hung_on(result.get("importance") or {})))
    if top.group == found[0].group:
        st.caption(t("No other settings did better than those that it began from, so there is nothing to change."))
        return
    ended = run is None or not run.pending
    fresh = tuned.confirmation(space, project, found) if ended else None
    if fresh is None:
        st.caption(
            t(
                "The best of {n} trials flatters itself: it was picked by the sentences that it is shown on here. "
                "Repeats on fresh seeds say what is left of its lead.",
                n=len(found),
            )
        )
    else:
        _confirmed(fresh, top)
    with st.container(horizontal=True, vertical_alignment="center"):
        if ended:
            _confirm(space, project, begun, top, found[0], fresh)
        _use(space, project, begun, top)


def _why(result: Mapping[str, object]) -> str:
    """What ended a search, and what became of its trials."""
    values = {"n": result["tried"], "pruned": result["pruned"], "failed": result["failed"]}
    words = {
        "trials": t("All {n} trials are through; given up early: {pruned}, failed: {failed}.", **values),
        "minutes": t("It ended after {n} trials, as its time was up; given up early: {pruned}, failed: {failed}.",
                     **values),
        "patience": t("It ended after {n} trials, as nothing was gained any more; given up early: {pruned}, failed: "
                      "{failed}.", **values),
    }  # fmt: skip
    return words[str(result["stopped"])]


def _hung_on(shares: Mapping[str, float]) -> str:
    if not shares:
        return t("Too few trials to say which setting mattered.")
    names = setting_names()
    text = raw(", ").join(f"{names[name]} {100 * share:.0f} %" for name, share in shares.items())
    return t("What being among the best third hung on, roughly: {shares}.", shares=text)


def _confirm(
    space: Workspace, project: str, begun: Noted, top: Trial, first: Trial, fresh: Confirmation | None
) -> None:
    """The button for fresh repeats, or for those of them that did not end well."""
    if fresh is not None:
        again = fresh.finished < fresh.asked and not fresh.pending
        if again and st.button(t("Try the others again"), key=f"tune_more_{begun.run}", icon=":material/refresh:"):
            tuned.go_on(space, project, begun)
            st.rerun()
        return
    have = len(evaluated(space, group_now(space, project, first.group), "dev"))
    runs = REPEATS + max(0, REPEATS - have)
    seconds = pace.seconds_all(space, runs, top.train)
    if st.button(
        t("Confirm it: {n} runs, about {time}", n=runs, time=duration(seconds)),
        key=f"tune_confirm_{begun.run}",
        icon=":material/verified:",
        help=t(
            "The best trial is trained on {n} fresh seeds, and the first one until it has as many repeats. Seeds that "
            "nobody picked by take away the luck of seeds; that dev's sentences suit it, only test can tell.",
            n=REPEATS,
        ),
    ):
        tuned.confirm(space, project, begun)
        st.rerun()


def _confirmed(fresh: Confirmation, top: Trial) -> None:
    """What fresh repeats left of the lead."""
    parts: list[str] = []
    if fresh.first is not None:
        parts.append(t("Against the first trial it had {first} points of F1.", first=points(fresh.first)))
    if fresh.fresh is not None and fresh.fresh.interval is not None:
        low, high = (points(end) for end in fresh.fresh.interval)
        values = {"n": fresh.finished, "points": points(fresh.fresh.value), "low": low, "high": high}
        parts.append(t("On {n} fresh repeats: {points} (95 %: {low} to {high}).", **values))
    if fresh.pending:
        parts.append(t("{n} repeats are still to end.", n=fresh.pending))
    elif fresh.shrinkage is not None:
        flattered = t("It had flattered itself by {n} points.", n=f"{100 * fresh.shrinkage:.1f}")
        parts += [flattered if fresh.shrinkage > 0 else t("It had not flattered itself."), _verdict(fresh)]
    st.markdown(joined(*parts))


def _verdict(fresh: Confirmation) -> str:
    values = {"baseline": raw("the first trial"), "margin": f"{100 * MARGIN:g}"}
    return {
        "better": t("On these alone it is better than {baseline}.", **values),
        "worse": t("On these alone it is worse than {baseline}.", **values),
        "same": t("On these alone it is the same as {baseline} within {margin} points.", **values),
        "open": t("On these alone it can't be told whether it differs from {baseline}.", **values),
    }.get(fresh.verdict or "", t("They are too few to judge it on these alone."))


def _use(space: Workspace, project: str, begun: Noted, top: Trial) -> None:
    """The button that puts the settings into the project, and the way back."""
    slug, had = st.session_state.get(_HAD, ("", TrainParams()))
    if slug == project:
        st.markdown(t("The project uses these settings now."))
        if st.button(t("Undo"), key=f"tune_undo_{begun.run}", icon=":material/undo:"):
            del st.session_state[_HAD]
            tuned.use(space, project, had)
            st.rerun()
    elif st.button(
        t("Use these settings"),
        key=f"tune_use_{begun.run}",
        icon=":material/check:",
        help=t(
            "They become the training settings of the project, for every mix that is launched from now on. To be held "
            "against each other, mixes have to be trained with the same settings."
        ),
    ):
        st.session_state[_HAD] = (project, tuned.use(space, project, top.train, begun.run))
        st.rerun()
