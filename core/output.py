"""What the command line shows: the object of the public contract, and tables for people."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.augment.audit import Attacked, Audit, Labelled
from core.augment.protocol import Spent
from core.errors import CoreError, Issue, Value, message
from core.labeller import Trusted
from core.mix import Realised
from core.mixing import FEWEST_STEPS
from core.models.writers import Planned
from core.pipeline import Outcome
from core.prompting.prompted import Told
from core.scores import Interval, Scores

FEW = 30  # support below which a label's figures say little
_MOST_ISSUES = 8


def outcome_json(outcome: Outcome, language: str = "en") -> dict[str, Any]:
    """The object that `run --json` prints (docs/run-output.schema.json)."""
    return {
        "version": 1,
        "corpus": {
            "train": outcome.rows.get("train", 0),
            "dev": outcome.rows.get("dev", 0),
            "test": outcome.rows.get("test"),
            "ingredients": dict(outcome.pools),
            "issues": [issue_json(issue, language) for issue in outcome.issues],
        },
        "mix": {
            "requested": {name: {"amount": a, "unit": unit} for name, (a, unit) in outcome.requested.items()},
            "realised": {name: asdict(part) for name, part in outcome.realised.items()},
            "steps": outcome.steps,
        },
        "runs": [
            {
                "id": seed_run.run.id,
                "seed": seed_run.seed,
                "state": seed_run.run.state,
                "seconds": seed_run.seconds,
                "reused": seed_run.reused,
                "predictions": {k: None if p is None else str(p) for k, p in seed_run.predictions.items()},
                **({} if seed_run.prompted is None else {"prompted": seed_run.prompted.to_json()}),
            }
            for seed_run in outcome.runs
        ],
        "seeds_used": sum(seed_run.run.state == "succeeded" for seed_run in outcome.runs),
        "scores": _scores_json(outcome.scores),
    }


def _scores_json(scores: Mapping[str, Scores | None]) -> dict[str, Any] | None:
    """None where no split was scored: detached, or no seed succeeded."""
    if all(found is None for found in scores.values()):
        return None
    return {split: None if found is None else found.to_json() for split, found in scores.items()}


def issue_json(issue: Issue, language: str = "en") -> dict[str, Any]:
    return {
        "file": issue.file,
        "row": issue.row,
        "column": issue.column,
        "code": issue.code,
        "message": message(issue.code, issue.values, language),
        "action": issue.action,
    }


def error_json(error: CoreError, language: str = "en") -> dict[str, Any]:
    return {"error": {"code": error.code, "message": _what(error, language), "hint": _hint(error, language)}}


def error_line(error: CoreError, language: str = "en") -> str:
    """One line: file and place, what is wrong, what to do."""
    what, hint = _what(error, language), _hint(error, language)
    end = "" if what.endswith((".", "。", "?", "!", "…")) else "。" if language == "zh_CN" else "."
    return plain(" ".join(f"{what}{end} {hint}".split()))


def _what(error: CoreError, language: str) -> str:
    """File and row, where the error has them, and the message."""
    text = message(error.code, error.values, language)
    file, row = error.values.get("file"), error.values.get("row") or error.values.get("line")
    place = f"{file}:{row}" if file and row else file
    return f"{place}: {text}" if place else text


def _hint(error: CoreError, language: str) -> str:
    return message(error.hint_code, error.values, language) if error.hint_code else ""


def plain(text: str) -> str:
    """Text a terminal can't be steered by: control and format characters as codes."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def size_text(size: int) -> str:
    """Bytes as such, or as KB, MB or GB of 1000 each."""
    if size < 1_000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.1f} KB"
    return f"{size / 1e6:.1f} MB" if size < 1_000_000_000 else f"{size / 1e9:.2f} GB"


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Aligned columns, the first row as heading; `right`: columns set flush right. Wide characters count double."""
    clean = [[plain(cell) for cell in row] for row in rows]
    widths = [max(_width(row[i]) for row in clean) for i in range(len(clean[0]))]
    lines = ["  ".join(_pad(cell, widths[i], i in right) for i, cell in enumerate(row)).rstrip() for row in clean]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, right: bool) -> str:
    fill = " " * (width - _width(text))
    return fill + text if right else text + fill


def score_table(scores: Scores, language: str = "en") -> str:
    """Precision, recall and F1 per label, each with its interval, and the micro and macro means below."""
    words = [
        message(code, {}, language) for code in ("col_label", "col_precision", "col_recall", "col_f1", "col_support")
    ]
    rows = [words]
    for name, label in scores.per_label.items():
        mark = " *" if 0 < label.support < FEW else ""
        cells = [_cell(getattr(label, m), label.interval[m]) for m in ("precision", "recall", "f1")]
        rows.append([name, *cells, f"{label.support}{mark}"])
    for prefix, word in (("", "row_micro"), ("macro_", "row_macro")):
        metrics = [scores.metrics[prefix + m] for m in ("precision", "recall", "f1")]
        total = str(scores.support) if not prefix else ""
        rows.append([message(word, {}, language), *(_cell(m.mean, m.interval) for m in metrics), total])
    notes = [message("note_interval", {}, language)]
    other = (name for name in scores.metrics if name.removeprefix("macro_") not in ("precision", "recall", "f1"))
    for name in other:
        metric = scores.metrics[name]
        notes.insert(0, f"{message(f'metric_{name}', {}, language)}  {_cell(metric.mean, metric.interval)}")
    if any(0 < label.support < FEW for label in scores.per_label.values()):
        notes.append(message("note_few", {"few": FEW}, language))
    return "\n".join([table(rows, right=(4,)), *notes])


def _cell(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return "-"
    return f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"


def mix_table(outcome: Outcome, language: str = "en") -> str:
    """What the mix was asked for and what it delivers."""
    return realised_table(outcome.requested, outcome.realised, language)


def realised_table(
    requested: Mapping[str, tuple[float, str]], realised: Mapping[str, Realised], language: str = "en"
) -> str:
    """What each ingredient was asked for and what it delivers."""
    heads = ("col_ingredient", "col_requested", "col_rows", "col_share", "col_times_gold", "col_pool", "col_repeat")
    rows = [[message(code, {}, language) for code in heads]]
    for name, part in realised.items():
        amount, unit = requested[name]
        asked = message(f"unit_{unit}", {"amount": amount}, language)
        figures = (
            str(part.rows),
            f"{part.share:.1%}",
            f"{part.times_gold:.2f}",
            str(part.pool_rows),
            str(part.max_repeat),
        )
        rows.append([name, asked, *figures])
    return table(rows, right=(2, 3, 4, 5, 6))


def issues_text(issues: Sequence[Issue], language: str = "en") -> str:
    """How many issues of each kind, and the first of them in full."""
    if not issues:
        return message("issues_none", {}, language)
    kinds = Counter((issue.code, issue.action) for issue in issues)
    lines = [message("issues_count", {"n": len(issues)}, language)]
    lines += [
        f"  {n} x {code} ({message('action_' + action, {}, language)})" for (code, action), n in kinds.most_common()
    ]
    lines += [issue_line(issue, language) for issue in issues[:_MOST_ISSUES]]
    return "\n".join(lines + (["..."] if len(issues) > _MOST_ISSUES else []))


def issue_line(issue: Issue, language: str = "en") -> str:
    place = f"{issue.file}:{issue.row}" if issue.row else issue.file
    text = message(issue.code, issue.values, language)
    return plain(f"{place}: {text} [{message('action_' + issue.action, {}, language)}]")


def outcome_text(outcome: Outcome, language: str = "en") -> str:
    """A whole outcome for people."""
    parts = [issues_text(outcome.issues, language), mix_table(outcome, language)]
    asked = [run for run in outcome.runs if run.prompted is not None]
    parts += [] if asked else [steps_text(outcome.steps, language)]
    parts += [run_lines(outcome, language)]
    for run in asked:
        assert run.prompted is not None
        parts.append("\n".join([f"{run.run.id}:", *prompted_lines(run.prompted, language)]))
    for split, scores in outcome.scores.items():
        if scores is not None:
            used = sum(run.run.state == "succeeded" for run in outcome.runs)
            parts.append(
                message("title_scores", {"split": split, "seeds": used}, language)
                + "\n"
                + score_table(scores, language)
            )
    return "\n\n".join(parts)


def steps_text(steps: int, language: str = "en") -> str:
    """How long each training is, and that it is too short to teach anything where it is."""
    text = message("line_steps", {"steps": steps}, language)
    return text + "\n" + message("line_few_steps", {}, language) if steps < FEWEST_STEPS else text


def run_lines(outcome: Outcome, language: str = "en") -> str:
    heads = ("col_run", "col_seed", "col_state", "col_seconds")
    rows = [[message(code, {}, language) for code in heads]]
    for seed_run in outcome.runs:
        state = message("state_" + seed_run.run.state, {}, language)
        if seed_run.reused:
            state += f" ({message('word_reused', {}, language)})"
        seconds = "-" if seed_run.seconds is None else f"{seed_run.seconds:.0f}"
        rows.append([seed_run.run.id, str(seed_run.seed), state, seconds])
    return table(rows, right=(1, 3))


def attack_text(found: Attacked, language: str = "en") -> str:
    """What attacks on a model came to."""
    median, mean = found.queries
    values: dict[str, Value] = {"rows": found.rows, "right": found.right, "beaten": found.beaten}
    values |= {"success": f"{found.success:.1%}", "median": f"{median:g}", "mean": f"{mean:.1f}"}
    values |= {"changed": f"{found.changed:.1%}", "before": f"{found.before:.3f}", "after": f"{found.after:.3f}"}
    return "\n".join(message(code, values, language) for code in ("line_attack", "line_attack_cost", "line_attack_f1"))


def audit_text(found: Audit, language: str = "en") -> str:
    """What a pool is made of."""
    values: dict[str, Value] = {"parents": found.parents, "changed": f"{found.changed:.0%}"}
    lines = [message("line_audit", values | {"new": found.new_words, "words": found.words}, language)]
    lines = lines if found.labelled is None else [_labelled_text(found.labelled, language)]
    for label, of in found.labels.items():
        values = {"label": label, "parents": of.parents, "children": of.children, "forms": of.forms, "new": of.new}
        lines.append("  " + message("line_audit_label", values, language))
    lines += [] if found.attack is None else [attack_text(found.attack, language)]
    return "\n".join(lines)


def _labelled_text(found: Labelled, language: str) -> str:
    """What a run gave rows."""
    given = ", ".join(f"{label} {count}" for label, count in found.labels.items())
    told = message("line_labelled", {"labels": given, "known": f"{found.known:.0%}"}, language)
    return told if sum(found.labels.values()) else f"{told}\n{message('note_labelled_none', {}, language)}"


def trusted_text(found: Trusted | None, threshold: float, language: str = "en") -> str:
    """How far the confidence of a run that gives labels can be trusted, and what its threshold does on its dev."""
    if found is None:
        return message("line_trusted_none", {}, language)
    judged, at = found.reliability, found.at(threshold)
    values: dict[str, Value] = {"run": found.run, "claimed": f"{judged.claimed:.0%}", "right": f"{judged.right:.0%}"}
    values |= {"error": f"{judged.error:.1%}", "marked": round(judged.count), "threshold": f"{at.threshold:.0%}"}
    values |= {"kept": round(at.kept[1])}
    after = "-" if at.precision[1] is None else f"{at.precision[1]:.0%}"
    return message("line_trusted", values | {"after": after}, language)


def prompted_lines(told: Told, language: str = "en") -> list[str]:
    """What a prompted training's answers came to: what was spent, and rows of which nothing could be read."""
    lines = [spent_text(told.spent, language)]
    for code, n in told.unread.items():
        lines.append(message("line_unread", {"n": n, "rows": told.rows, "why": message(code, {}, language)}, language))
    if told.shortened:
        lines.append(message("line_shortened", {"n": told.shortened}, language))
    return [plain(line) for line in lines]


def questions_text(found: Planned, language: str = "en") -> str:
    """What a language model is about to be asked."""
    values: dict[str, Value] = {"n": found.questions, "sent": found.tokens_in, "got": found.tokens_out}
    if found.cost is None:
        return message("line_questions", values, language)
    return message("line_questions_cost", values | {"cost": f"{found.cost:.4f}", "currency": found.currency}, language)


def spent_text(spent: Spent, language: str = "en") -> str:
    """What a language model took for a pool."""
    values: dict[str, Value] = {"writer": spent.writer, "answers": spent.answers, "old": spent.remembered}
    values |= {"sent": spent.tokens_in, "got": spent.tokens_out}
    if spent.cost is None:
        return message("line_spent", values, language)
    return message("line_spent_cost", values | {"cost": f"{spent.cost:.4f}", "currency": spent.currency}, language)


def yields_text(rows: int, rejected: Mapping[str, int], language: str = "en") -> str:
    """How many children an augmenter made, and why others were rejected."""
    total = rows + sum(rejected.values())
    lines = [message("line_yield", {"rows": rows, "of": total}, language)]
    return "\n".join(
        lines + [f"  {n} x {message(code, {}, language)}" for code, n in sorted(rejected.items(), key=lambda x: -x[1])]
    )
