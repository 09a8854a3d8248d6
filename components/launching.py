"""Training a mix: how long, how often, what that starts; and the mix as a file or under a name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from components import facts, prompting, training_form
from components.bench import NAME_LENGTH, Bench, held, taken
from components.cost_of_writing import told_questions
from components.expectation import of_launch
from components.frame import telling, watch_link
from components.words import t, told
from core import mixing
from core import project as projects
from core.errors import CoreError
from core.launch import Plan, estimate, launch, plan_launch
from core.mix import GOLD, Mix
from core.models.catalogue import at_hand
from core.models.fit import fit
from core.params import build
from core.project import Project
from core.recipe_text import GOLD_ONLY, mix_name, recipe_text
from core.report.composition import Composition, compose, gold_passes
from core.tasks import task
from core.training import sense
from core.training.settings import TrainParams

_ENOUGH = 5  # repeats that a comparison needs
_LITTLE = 3  # passes over gold that teach next to nothing
_PROMPTED = ", prompted"  # behind the name of a mix; names are data
_MOST_REPEATS = 64
_SUBWORDS = 1.4  # sub-words of an English word, where the model isn't at hand to say
_CHARACTERS = ("zh", "ja")  # languages whose words are characters here: a sub-word each


@st.cache_resource(max_entries=16, show_spinner=False)
def _subwords(root: Path, model: Path, corpus_id: str) -> float:
    """How finely a model cuts the words of a corpus."""
    return fit(facts.corpus(root, corpus_id), model).subwords_per_word


def budget(bench: Bench, found: Composition | None) -> TrainParams:
    """How each training goes: what is trained, for how many steps, learning rate and batch; the rest is folded."""
    slug, before = bench.project.slug, bench.project.recipe.train
    training_form.take_in(slug, before)
    of = task(bench.project.recipe.task)
    method = training_form.method(slug, of)
    if method == "prompt":
        return prompting.settings(bench)
    shown = st.container()
    asked = training_form.essential(slug)
    with st.expander(t("More training settings"), key="mix_experts"):
        asked |= training_form.more(slug, method, bench.texts, of)
    train = sense.tidied(build(TrainParams, asked | {"method": method}, "train"))
    with shown:
        steps = _steps(bench, found, train)
    return replace(train, steps=steps, prompt=before.prompt)


def _steps(bench: Bench, found: Composition | None, train: TrainParams) -> int:
    """How long each training takes, and how often that shows each sentence of gold."""
    slug, batch = bench.project.slug, train.batch_tokens
    place = at_hand(train.model, bench.space.root / "projects" / slug, bench.space.models)
    usual = 1.0 if bench.project.recipe.language in _CHARACTERS else _SUBWORDS
    subwords = usual if place is None else _subwords(bench.space.root, place, bench.ids[GOLD])
    gold = compose(Mix(), bench.pools, bench.dev, bench.labels)
    first = bench.project.recipe.train.steps or mixing.default_steps(gold, batch, subwords)
    st.session_state.setdefault(training_form.steps_key(slug), first)
    steps = int(
        st.number_input(
            t("Training steps"),
            min_value=1,
            step=10,
            key=training_form.steps_key(slug),
            persist_state="session",
            help=t("One step is one update of the model, on one batch of sentences."),
        )
    )
    if found is not None:
        _seen(*(gold_passes(one, steps, batch, subwords) for one in (found, gold)))
    return steps


def _seen(mix: float, gold: float) -> None:
    """How often a sentence of gold is seen in the mix, and where it stands alone."""
    st.caption(
        t(
            "Each gold sentence is seen about {mix} times in this mix, and {gold} times with gold only.",
            mix=_about(mix),
            gold=_about(gold),
        ),
        help=t(
            "All mixes are trained for the same number of steps. A bigger mix then shows each sentence less often, "
            "and no mix wins just because it was trained for longer."
        ),
    )
    if mix < _LITTLE:
        st.warning(
            t("So few steps teach the model next to nothing. Let it see each gold sentence about 20 times."),
            icon=":material/warning:",
        )


def _about(times: float) -> str:
    return f"{times:.0f}" if times >= 10 else f"{times:.1f}"


def launch_box(bench: Bench, mix: Mix, train: TrainParams, pinned: tuple[Mix, str]) -> None:
    """What a launch would start, and the button that does. `pinned`: what the mix is held against, and its name."""
    name = _name_field(bench, mix, train)
    repeats = st.number_input(
        t("Repeats"),
        min_value=1,
        max_value=_MOST_REPEATS,
        value=len(bench.project.recipe.seeds),
        step=1,
        key="mix_repeats",
        persist_state="session",
        help=t("The same training with other random seeds. The spread between repeats shows what is chance."),
    )
    if repeats < _ENOUGH:
        st.caption(t(":material/info: A comparison needs at least {n} repeats.", n=_ENOUGH))
    if train.method == "prompt" and train.prompt is None:
        st.info(t("Say on the left which language model is asked."), icon=":material/chat:")
        return
    project = replace(bench.project, recipe=replace(bench.project.recipe, train=train))
    seeds = range(int(repeats))
    try:
        gold_new = estimate(bench.space, project, bench.stage, {GOLD_ONLY: Mix()}, seeds).new
        alone = not mixing.added(mix)
        with_gold = False if alone else _gold_too(gold_new)
        beside = {_gold_name(name): Mix()} if with_gold else dict[str, Mix]()
        if mixing.added(pinned[0]) and pinned[0] != mix and pinned[1] != name:
            beside[pinned[1]] = pinned[0]
        mixes = {name: mix} | beside
        plan = estimate(bench.space, project, bench.stage, mixes, seeds)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return
    _announce(plan, int(repeats), list(beside))
    if plan.questions is not None:
        if plan.new:
            told_questions(plan.questions)
        if repeats > 1:
            prompting.agreeing(mix, train)
        prompting.preview(bench, mix, train)
    if st.button(t("Launch"), key="mix_launch", type="primary", icon=":material/rocket_launch:", disabled=not plan.new):
        with telling(), st.spinner(t("Starting the runs ...")):
            _launch(bench, mix, mixes, train, int(repeats))
    if st.session_state.get("mix_launched") == bench.project.slug:
        watch_link(bench.project.slug)


def _gold_name(other: str) -> str:
    """The name of the mix of gold alone beside another one."""
    return GOLD_ONLY if other != GOLD_ONLY else f"{GOLD_ONLY} (2)"


def _gold_too(new: int) -> bool:
    """Whether gold alone is trained too: unless one says otherwise, where that has not been done."""
    key = held("mix_gold_too", st.session_state.get("mix_gold_chosen", bool(new)))

    def choose() -> None:
        chosen = taken("mix_gold_too", key)
        if chosen is not None:
            st.session_state["mix_gold_chosen"] = chosen

    return st.checkbox(
        t("Gold only too"),
        key=key,
        on_change=choose,
        help=t("A mix is judged by what it adds to gold. What has been trained already is not trained again."),
    )


def _announce(plan: Plan, repeats: int, beside: Sequence[str]) -> None:
    runs = sum(len(part.specs) for part in plan.mixes)
    text = (
        t(
            "Repeats of this mix and of {others}: {n} each. Runs in all: {runs}.",
            others=", ".join(beside),
            n=repeats,
            runs=runs,
        )
        if beside
        else t("Repeats of this mix: {n}, each of them a run.", n=repeats)
    )
    if plan.new < runs:
        text += " " + t("There already: {there} of {runs}.", there=runs - plan.new, runs=runs)
    how = None
    if plan.new:
        says, how = of_launch(plan.estimate)
        text += " " + says
    with st.container(height=96, border=False):
        st.markdown(text, help=how)


def _launch(bench: Bench, mix: Mix, mixes: Mapping[str, Mix], train: TrainParams, repeats: int) -> None:
    """Keep the settings in the project, and submit what is new."""
    seeds = tuple(range(repeats))

    def change(project: Project) -> Project:
        return replace(project, recipe=replace(project.recipe, train=train, mix=mix, seeds=seeds))

    wanted = change(bench.project)
    plan = plan_launch(bench.space, wanted, bench.stage, mixes, seeds)
    projects.edit(bench.space, bench.project.slug, change, {"event": "settings"})
    ids = launch(bench.space, wanted, bench.stage, plan)
    st.session_state["mix_launched"] = bench.project.slug
    st.toast(t("Started: {n} runs.", n=len(ids)), icon=":material/rocket_launch:")
    st.rerun()


def _name_field(bench: Bench, mix: Mix, train: TrainParams) -> str:
    """The name that the runs get; it follows the mix, and says where nothing is trained on it, until one writes
    another."""
    named = next((name for name, other in bench.project.mixes.items() if _same(bench, other, mix)), None)
    suffix = _PROMPTED if train.method == "prompt" else ""
    usual = (named or mix_name(mix))[: NAME_LENGTH - len(suffix)] + suffix
    shown = st.session_state.get(bench.name_key) or usual
    key = held("mix_name", shown)

    def write() -> None:
        name = taken("mix_name", key)
        if name is not None:
            st.session_state[bench.name_key] = name.strip()[:NAME_LENGTH]

    st.text_input(
        t("Name of this mix"),
        key=key,
        max_chars=NAME_LENGTH,
        on_change=write,
        help=t("What its runs are called on the pages Runs and Compare."),
    )
    return shown


def _same(bench: Bench, one: Mix, other: Mix) -> bool:
    """Whether a named mix is the one in hand."""
    try:
        return mixing.levelled(one, bench.sizes) == other and not mixing.absent(one, bench.sizes)
    except CoreError:
        return False


def recipe_box(bench: Bench, mix: Mix, train: TrainParams) -> None:
    """The mix as a recipe file, and the commands that do the same; none while it isn't known who is asked."""
    if train.method == "prompt" and train.prompt is None:
        return
    recipe = replace(bench.project.with_mix(mix), train=train, seeds=tuple(range(int(st.session_state["mix_repeats"]))))
    file = f"{bench.project.slug}.yaml"
    with st.expander(t("Save as a recipe"), key="mix_recipe"):
        st.markdown(t("The recipe holds the data, the ingredients, this mix and its training settings, as text."))
        st.download_button(
            t("Download {file}", file=file),
            recipe_text(recipe),
            file_name=file,
            mime="application/yaml",
            key="mix_download",
            on_click="ignore",
            icon=":material/download:",
        )
        st.markdown(t("The command that does the same:"))
        st.code(f"python -m core run {file}\npython -m core compose {file}", language="shell", wrap_lines=True)
        if isinstance(recipe.data, str):
            st.caption(
                t(
                    "The second one tells what the mix consists of, without training. The recipe refers to {data}, "
                    "which lies in this workspace: elsewhere, import the data under that name first.",
                    data=recipe.data,
                )
            )
