"""The left half of the page Mix: what joins gold, and how much of it."""

from dataclasses import replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.bench import Bench, Best, edit, held, keep_in_address, load, move, refused, taken
from components.frame import PAGES
from components.named import named_mixes
from components.words import escape, t, told, visible
from core import mixing
from core.mix import GOLD, Mix, Short, Unit, cap

_UNITS: tuple[Unit, ...] = ("times_gold", "rows", "share")
_SHORT: tuple[Short, ...] = ("shrink", "refill", "error")


def controls(bench: Bench) -> tuple[Mix, dict[str, DeltaGenerator]]:
    """Presets, units and amounts. -> the mix in hand, and where a sentence about each ingredient may stand"""
    mix = bench.history.mix
    _presets(bench)
    error = refused()
    if error:
        st.error(told(error))
    _unit_switch(bench, mix)
    _gold(bench, mix)
    places: dict[str, DeltaGenerator] = {}
    for at, name in enumerate(bench.project.ingredients):
        if bench.sizes.get(name):
            _ingredient(bench, mix, at, name)
            places[name] = st.empty()
        else:
            _nothing_there(bench, name)
    if bench.waiting:
        st.page_link(PAGES["augment"], label=t("Build it on the Augment page"), icon=":material/content_copy:")
    _more(bench, mix)
    keep_in_address(mix)
    return mix, places


def _presets(bench: Bench) -> None:
    history, best = bench.history, bench.best
    with st.container(horizontal=True):
        st.button(
            t("Gold only"),
            key="mix_gold_only",
            on_click=edit,
            args=(bench, mixing.without_additions),
            help=t("Nothing but the gold sentences: what every other mix is compared with."),
        )
        st.button(
            t("Half of each"),
            key="mix_uniform",
            on_click=edit,
            args=(bench, partial(mixing.uniform, pools=bench.sizes)),
            help=t("Of every ingredient that is built, half as many sentences as there are gold ones."),
        )
        st.button(
            t("Best so far"),
            key="mix_best",
            disabled=best is None,
            on_click=load,
            args=(bench, best.mix if best else Mix()),
            help=_about_best(best),
        )
        st.button(
            t("Undo"),
            key="mix_undo",
            icon=":material/undo:",
            disabled=history.at == 0,
            on_click=move,
            args=(bench, -1),
        )
        st.button(
            t("Redo"),
            key="mix_redo",
            icon=":material/redo:",
            disabled=history.at == len(history.mixes) - 1,
            on_click=move,
            args=(bench, 1),
        )
        named_mixes(bench, history.mix)


def _about_best(best: Best | None) -> str:
    if best is None:
        return t("No mix of this project has been trained yet.")
    return t("The mix with the best F1 on dev: {name}, {f1} on average.", name=best.name, f1=f"{best.dev:.1%}")


def _unit_words(unit: str) -> str:
    return {"times_gold": t("Times gold"), "rows": t("Sentences"), "share": t("Share")}[unit]


def _unit_switch(bench: Bench, mix: Mix) -> None:
    key = held("mix_unit", mix.unit)

    def switch() -> None:
        unit: Unit | None = taken("mix_unit", key)
        if unit:
            edit(bench, lambda mix: mixing.converted(mix, unit, bench.sizes))

    st.segmented_control(
        t("Amounts in"),
        _UNITS,
        key=key,
        format_func=_unit_words,
        required=True,
        on_change=switch,
        help=t(
            "Times gold: 0.5 means half as many sentences as gold has. Sentences: a plain number. Share: you say how "
            "many sentences the mix has in all; gold stays whole, and the shares divide what is left. They always add "
            "up to 100 %, so moving one moves the others. Switching the unit doesn't change the mix."
        ),
    )
    if mix.unit == "share":
        _size(bench, mix)
        _locks(bench, mix)


def _locks(bench: Bench, mix: Mix) -> None:
    """Which shares stay as they are while others are moved."""
    names = list(mixing.added(mix))
    key = _locks_key(bench)
    st.session_state[key] = [name for name in st.session_state.get(key, []) if name in names]
    st.pills(
        t("Hold"),
        names,
        selection_mode="multi",
        key=key,
        format_func=visible,
        disabled=len(names) < 2,
        help=t("A share that is held stays as it is when you move another one; the rest give way."),
    )


def _locks_key(bench: Bench) -> str:
    return f"mix_locks_{bench.project.slug}"


def _held(bench: Bench) -> list[str]:
    return st.session_state.get(_locks_key(bench)) or []


def _size(bench: Bench, mix: Mix) -> None:
    key = held("mix_size", mix.size or bench.sizes[GOLD])

    def resize() -> None:
        size = taken("mix_size", key)
        if size:
            edit(bench, lambda mix: replace(mix, size=size))

    st.number_input(
        t("Sentences in all"),
        min_value=1,
        step=10,
        key=key,
        disabled=mix.size is None,
        on_change=resize,
        help=t("Gold and all that joins it. With gold alone there is nothing to set: raise an ingredient first."),
    )


def _dot(bench: Bench, name: str) -> str:
    return f':color[⬤]{{foreground="{bench.colour(name)}"}}'


def _gold(bench: Bench, mix: Mix) -> None:
    """Gold is whole unless a mix that was loaded says otherwise; such a mix is told of, and can be mended."""
    rows, part = bench.sizes[GOLD], mix.parts.get(GOLD)
    if part is None and mix.max_repeats >= 1:
        words = t("**Gold**: {n} sentences, all of them, always in.", n=rows)
        st.markdown(f"{_dot(bench, GOLD)} {words}")
        return
    times = part.amount if part else 1.0
    words = t(
        "**Gold**: this mix asks for {times} × its {n} sentences, each used up to {uses} times.",
        times=f"{times:.3g}",
        n=rows,
        uses=mix.max_repeats,
    )
    st.markdown(f"{_dot(bench, GOLD)} {words}")
    others = {name: other for name, other in mix.parts.items() if name != GOLD}
    change = partial(replace, parts=others, max_repeats=max(1.0, mix.max_repeats))
    st.button(t("Take gold whole"), key="mix_whole", on_click=edit, args=(bench, change))


def _nothing_there(bench: Bench, name: str) -> None:
    if name in bench.waiting:
        st.caption(t("◯ {name}: not built yet.", name=name))
    elif name in bench.texts:
        st.caption(t("◯ {name}: text without labels, of which no mix draws.", name=name))
    else:
        st.caption(t("◯ {name}: it has no sentences.", name=name))


def _ingredient(bench: Bench, mix: Mix, at: int, name: str) -> None:
    """A slider and a field for one amount; either sets the other."""
    scale = 100 if mix.unit == "share" else 1
    kind = int if mix.unit == "rows" else float
    amount = kind(round(scale * mixing.added(mix).get(name, 0.0), 9))
    last = kind(scale * mixing.end(mix, name, bench.sizes))
    slider, field = f"mix_slider_{at}_{mix.unit}_{last:g}", f"mix_field_{at}_{mix.unit}"
    keys = {base: held(base, amount) for base in (slider, field)}

    def set_from(base: str) -> None:
        value = taken(base, keys[base])
        if value is not None:
            edit(bench, lambda mix: mixing.with_amount(mix, name, value / scale, bench.sizes, _held(bench)))

    step = {"times_gold": mixing.STEP, "rows": 1, "share": 1.0}[mix.unit]
    alone = mix.unit == "share" and list(mixing.added(mix)) == [name]
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    left.slider(
        f"{_dot(bench, name)} {escape(name)}",
        min_value=kind(0),
        max_value=last,
        step=step,
        format={"times_gold": "%.2f ×", "rows": "%d", "share": "%.0f %%"}[mix.unit],
        key=keys[slider],
        on_change=set_from,
        args=(slider,),
        help=_about(bench, mix, name),
    )
    right.number_input(
        t("Amount of {name}", name=name),
        min_value=kind(0),
        step=kind(step),
        format={"times_gold": "%.2f", "rows": "%d", "share": "%.1f"}[mix.unit],
        key=keys[field],
        label_visibility="collapsed",
        on_change=set_from,
        args=(field,),
    )
    if alone:
        st.caption(t("Alone beside gold, so it has all that gold leaves. Change the number of sentences in all."))
    elif mix.unit != "share" and mixing.limit(mix, name, bench.sizes) < mixing.FARTHEST * _unit_of_gold(bench, mix):
        st.caption(_about(bench, mix, name))


def _unit_of_gold(bench: Bench, mix: Mix) -> float:
    return 1.0 if mix.unit == "times_gold" else float(bench.sizes[GOLD])


def _about(bench: Bench, mix: Mix, name: str) -> str:
    pool, most = bench.sizes[name], cap(mix.max_repeats, bench.sizes[name])
    times = most / bench.sizes[GOLD] if bench.sizes[GOLD] else 0.0
    return t(
        "At most {times} × gold: {pool} sentences, each used up to {n} times.",
        times=f"{times:.1f}",
        pool=pool,
        n=mix.max_repeats,
    )


def _short_words(rule: str) -> str:
    return {
        "shrink": t("Take what there is"),
        "refill": t("Fill up from the others"),
        "error": t("Refuse the mix"),
    }[rule]


def _more(bench: Bench, mix: Mix) -> None:
    values = {"max_repeats": float(mix.max_repeats), "seed": mix.seed, "short": mix.short}
    keys = {field: held(f"mix_{field}", value) for field, value in values.items()}

    def set_field(field: str) -> None:
        value = taken(f"mix_{field}", keys[field])
        if value is not None:
            edit(bench, lambda mix: replace(mix, **{field: value}))

    with st.expander(t("More settings"), key="mix_more"):
        st.number_input(
            t("Uses of a sentence, at most"),
            min_value=min(1.0, float(mix.max_repeats)),
            step=1.0,
            format="%g",
            key=keys["max_repeats"],
            on_change=set_field,
            args=("max_repeats",),
            help=t("How often one sentence of a pool may stand in the mix. 4 is usual."),
        )
        st.number_input(
            t("Seed of the draw"),
            min_value=0,
            step=1,
            key=keys["seed"],
            on_change=set_field,
            args=("seed",),
            help=t("Another number draws other sentences from the pools, in the same amounts."),
        )
        st.selectbox(
            t("Where a pool is too small"),
            _SHORT,
            key=keys["short"],
            format_func=_short_words,
            on_change=set_field,
            args=("short",),
            help=t("What happens when you ask for more sentences than a pool can deliver."),
        )
