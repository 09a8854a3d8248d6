"""`python -m core predict`: text in, what was found out, as it comes."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import environment
from delivered import harbour, trained_run

from core.predict import predict_lines
from core.workspace import Workspace

TEXT = "\ufeffThe Aurora left Bergen .\r\n\n   \nKöln 🎉\nlast line"
LINES = ["The Aurora left Bergen .", "Köln 🎉", "last line"]


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("predict") / "w")


@pytest.fixture(scope="module")
def run_id(space: Workspace, tiny_model) -> str:
    whole = harbour()
    return trained_run(space, tiny_model, whole.take([*range(40)]), whole.take([*range(40, 60)]))


def test_a_file_as_text_as_one_object_and_as_lines(space: Workspace, run_id: str, here, tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_text(TEXT, encoding="utf-8")
    at = ("--workspace", space.root)
    wanted = predict_lines(space, run_id, LINES)
    whole = here("predict", run_id, file, "--json", *at).json["rows"]
    assert [row["text"] for row in whole] == LINES
    assert [len(row["entities"]) for row in whole] == [len(row["entities"]) for row in wanted]
    assert any(row["entities"] for row in whole)
    lines = here("predict", run_id, file, "--jsonl", *at)
    assert lines.status == 0 and not lines.complaints
    rows = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [row.pop("line") for row in rows] == [1, 4, 5] and rows == whole
    shown = here("predict", run_id, file, *at).stdout.split("\n")
    assert [line for line in shown if line and not line.startswith("    ")] == LINES
    for entity in whole[0]["entities"]:
        assert f"    {entity['text']}  {entity['label']}  {entity['confidence']:.2f}" in shown


def test_from_standard_input(space: Workspace, run_id: str, here):
    for name in ((), ("-",)):
        done = here("predict", run_id, *name, "--jsonl", "--workspace", space.root, text=TEXT.encode())
        assert done.status == 0, done.stderr
        assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == LINES
    assert here("predict", run_id, "--jsonl", "--workspace", space.root).stdout == ""
    many = here(
        "predict", run_id, "--jsonl", "--workspace", space.root, text=b"\n".join(b"%d" % n for n in range(1100))
    )
    rows = [json.loads(line) for line in many.stdout.splitlines()]
    assert [(row["line"], row["text"]) for row in rows] == [(n + 1, str(n)) for n in range(1100)]


def test_it_answers_while_it_reads_and_a_reader_that_leaves_is_no_error(space: Workspace, run_id: str):
    command = [sys.executable, "-m", "core", "predict", run_id, "--jsonl", "--workspace", str(space.root)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment()) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(b"Bergen\n" * 600)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "Bergen"  # the input is still open
        process.stdout.close()
        with suppress(BrokenPipeError):  # it may be gone already
            process.stdin.write(b"Bergen and a longer line of text than that\n" * 3000)
            process.stdin.close()
        assert process.wait() == 0 and process.stderr.read() == b""


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b"good\n\xff\xfe bad\n", "lines_not_text", "-:2"),
        (b"good\n" * 700 + b"\xc3\n", "lines_not_text", "-:701"),
        (b"x" * (2 << 20), "predict_line_too_long", "-:1"),
    ],
)
def test_what_is_no_text_names_its_line(space: Workspace, run_id: str, here, text: bytes, code: str, place: str):
    done = here("predict", run_id, "--json", "--workspace", space.root, text=text)
    error = done.json["error"]
    assert (done.status, error["code"]) == (2, code) and error["message"].startswith(f"{place}: ")
    done = here("predict", run_id, "--jsonl", "--workspace", space.root, text=text)
    assert done.status == 2 and done.complaints[-1].startswith(f"{place}: ")


def test_what_else_is_refused(space: Workspace, run_id: str, here):
    at = ("--workspace", space.root)
    done = here("predict", run_id, "nowhere.txt", "--json", *at)
    assert (done.status, done.json["error"]["code"]) == (2, "file_unreadable")
    done = here("predict", run_id, "--json", "--jsonl", *at)
    assert (done.status, done.json["error"]["code"]) == (2, "usage")
