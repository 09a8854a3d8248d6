"""Runs the whole fault suite and says, fault by fault, what was tried and how it ended.

    python tools/faults.py            prints the table
    python tools/faults.py --write    writes it into docs/reliability.md, too

A fault without a test, or a test that does not exist, is an error.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->\n"
FILES = ("jobs", "faults", "durable", "kill", "training", "app_survives")

# section -> fault -> (what must happen, the tests)
FAULTS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Processes": {
        "kill -9 of the trainer at any step": (
            "interrupted within 2 s, with the signal; goes on by itself and ends with the same bytes or weights",
            (
                "test_kill_the_trainer",
                "test_killed_at_moments_that_nobody_chose",
                "test_killed_at_every_point",
                "test_a_trainer_killed_at_some_moment",
                "test_trainer_killed_at_a_named_point",
                "test_process_killed_in_mid_run",
                "test_terminate_the_trainer_from_outside",
            ),
        ),
        "kill -9 of the supervisor": (
            "the trainer ends with it; never two trainers",
            (
                "test_kill_the_supervisor",
                "test_process_killed_in_mid_run",
                "test_a_trainer_without_its_supervisor_does_not_begin",
                "test_struck_on_its_way",
            ),
        ),
        "kill -9 of the app, reload, second tab, Ctrl-C in its terminal": (
            "the run goes on; the full curve is there afterwards",
            (
                "test_a_run_outlives_whatever_happens_to_the_app",
                "test_command_killed_in_mid_run",
                "test_ctrl_c_in_the_terminal_of_the_app_ends_the_app_alone",
            ),
        ),
        "reboot or container restart": (
            "a stale `running` becomes `interrupted`, then goes on, up to 3 times, with back-off",
            ("test_after_a_reboot_it_goes_on", "test_a_run_goes_on_three_times_and_then_says_why"),
        ),
        "pid reuse": (
            "a stranger is never signalled: boot, pid and start, through a pidfd",
            ("test_a_stranger_with_the_same_pid_is_not_signalled", "test_identities_say_boot_pid_and_start"),
        ),
        "zombie": ("counted dead", ("test_a_zombie_is_dead",)),
        "orphaned grandchildren": (
            "gone after cancel, and after their supervisor was killed",
            ("test_cancel_while_running", "test_what_a_killed_supervisor_leaves_is_ended"),
        ),
        "hung trainer": (
            "flagged after max(60 s, 10 x median step), not killed; a laptop that slept is not flagged",
            (
                "test_a_trainer_that_stands_still_is_flagged_and_left_alone",
                "test_patience_grows_with_the_steps",
                "test_a_laptop_asleep_is_no_run_stalled",
            ),
        ),
        "trainer ignores SIGTERM": ("flag, TERM, KILL of the group", ("test_a_hung_trainer_is_killed",)),
        "out of memory (host)": (
            "`failed: out of memory`, whether the kernel or Python said so; the trainer goes first",
            ("test_the_kernel_ends_it_for_want_of_memory", "test_its_own_limit_of_memory"),
        ),
        "out of memory (GPU)": (
            "half the batch, twice the parts, a new process, at most 4 times, said in the run",
            ("test_a_batch_too_large_for_the_gpu_is_halved", "test_a_batch_in_parts_is_the_same_step"),
        ),
        "several runs, one GPU": (
            "first come first served by slot, which the kernel frees; the line can be changed",
            (
                "test_first_come_first_served",
                "test_a_run_sees_the_gpu_of_its_slot_only",
                "test_light_kinds_do_not_wait_for_a_training",
                "test_the_line_can_be_changed",
            ),
        ),
        "cancel while queued, starting, finishing": (
            "exactly one end, over 200 random moments",
            (
                "test_cancel_at_any_moment_ends_in_one_state",
                "test_cancel_while_queued",
                "test_cancel_while_running",
                "test_a_run_that_waits_to_go_on_can_be_cancelled_and_not_deleted",
                "test_cancelled_in_the_moment_in_which_it_is_interrupted",
            ),
        ),
        "double click": (
            "one run",
            ("test_the_same_spec_is_the_same_run", "test_a_run_outlives_whatever_happens_to_the_app"),
        ),
        "crash between insert and spawn": (
            "swept, no ghost",
            (
                "test_struck_on_its_way",
                "test_every_point_of_the_way_is_struck_below",
                "test_a_row_called_running_without_processes_is_ended",
                "test_a_deleted_folder_leaves_no_ghost",
            ),
        ),
        "poison run": (
            "1 start and 3 resumes, then `failed` with the reason",
            ("test_a_poison_run_ends", "test_a_run_goes_on_three_times_and_then_says_why"),
        ),
        "nobody reads the log; GB log; binary log": (
            "never blocks; the tail reads the last 64 KB",
            ("test_a_huge_log_and_a_binary_one", "test_tail_of_a_log"),
        ),
    },
    "Disk and database": {
        "disk full in a checkpoint, in metrics, in the database": (
            "the checkpoint before is usable, `failed: disk full`, the app is readable; EFBIG and ENOSPC",
            (
                "test_a_disk_that_fills_up_in_a_checkpoint",
                "test_a_checkpoint_that_may_not_grow",
                "test_a_full_disk",
                "test_a_disk_without_a_byte_left",
                "test_a_full_disk_loses_nothing_and_can_be_looked_at",
                "test_files_that_may_not_grow",
            ),
        ),
        "no room at the start": ("refused with the figure", ("test_no_room_is_said_before_it_starts",)),
        "partial checkpoint, missing file, flipped bit": (
            "never resumed from; the newest verified one is used, and the run says so",
            (
                "test_a_broken_checkpoint_is_not_used",
                "test_a_checkpoint_of_a_training_that_lacks_something",
                "test_a_checkpoint_under_another_step_is_not_used",
                "test_a_resumed_run_of_another_environment_is_refused",
            ),
        ),
        "kill in write, rename, rotation": (
            "at least one valid checkpoint always",
            (
                "test_killed_at_every_point",
                "test_saving_an_earlier_step_drops_the_later_broken_ones",
                "test_a_checkpoint_may_be_replaced",
                "test_checkpoints_are_kept_and_pruned",
            ),
        ),
        "SQLite locked": (
            "waits up to 5 s, then a message; nothing lost",
            ("test_a_locked_database_is_waited_for_and_then_said",),
        ),
        "SQLite corrupt, deleted, or its -wal deleted": (
            "set aside, rebuilt from the run folders",
            (
                "test_the_database_is_made_anew_from_the_folders",
                "test_what_was_last_committed_is_gone",
                "test_a_store_in_use_survives_the_loss_of_its_database",
            ),
        ),
        "SQLite with the reset race": ("no WAL there", ("test_journal_modes",)),
        "schema newer; older": (
            "refused; moved aside and rebuilt",
            ("test_a_newer_database_is_refused_and_left_alone", "test_the_database_is_made_anew_from_the_folders"),
        ),
        "two apps on one workspace": (
            "one sweeper, no double start: 50 runs queued by two at once, none twice, none lost",
            (
                "test_two_apps_queue_the_same_runs_at_once",
                "test_two_dispatchers_start_a_run_once",
                "test_only_one_dispatcher_acts_at_a_time",
            ),
        ),
        "workspace moved or copied": (
            "still works, also in mid-run",
            ("test_a_workspace_moved_in_mid_run", "test_a_workspace_copied_in_mid_run"),
        ),
        "clock jumps": ("durations, back-off and patience don't", ("test_the_clock_jumps",)),
        "torn last line of metrics or events; same step twice": (
            "ignored until complete; the latest attempt wins; an attempt that is not the newest is not heard",
            (
                "test_metrics_of_two_attempts",
                "test_an_event_cut_short_has_not_happened",
                "test_events_lost",
                "test_an_event_whose_row_was_lost_counts",
                "test_an_attempt_that_is_not_the_newest_says_nothing",
            ),
        ),
        "NaN or infinite loss": (
            "stopped with the step; JSON stays valid",
            ("test_a_loss_that_is_not_finite_ends_the_run_with_its_step", "test_not_a_number_stays_valid_json"),
        ),
    },
}


@dataclass
class Outcome:
    """What became of a test, over its parameters."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    place: str = ""
    reasons: set[str] = field(default_factory=set[str])

    def words(self) -> str:
        parts = [f"{self.passed} passed" if self.passed else "", f"**{self.failed} failed**" if self.failed else ""]
        parts += [f"{self.skipped} skipped: {'; '.join(sorted(self.reasons))}" if self.skipped else ""]
        return ", ".join(part for part in parts if part)


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = [str(ROOT / "tests" / f"test_{name}.py") for name in FILES]
        command = [sys.executable, "-m", "pytest", "--whole", "-n", "2", f"--junitxml={report}", *files]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        outcomes = read(report)
    missing = sorted({test for rows in FAULTS.values() for _, tests in rows.values() for test in tests} - set(outcomes))
    if missing:
        print("no such test:", ", ".join(missing))
        return 1
    text = table(outcomes)
    print(text)
    if "--write" in arguments:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
    return status


def read(report: Path) -> dict[str, Outcome]:
    """The outcomes by the name of the test, without its parameters."""
    found: dict[str, Outcome] = defaultdict(Outcome)
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 -- our own
        outcome = found[case.attrib["name"].partition("[")[0]]
        outcome.seconds += float(case.attrib["time"])
        outcome.place = case.attrib["classname"].rpartition(".")[2]
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.skipped += 1
            outcome.reasons.add(skipped.attrib.get("message", ""))
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        else:
            outcome.passed += 1
    return found


def table(outcomes: dict[str, Outcome]) -> str:
    lines: list[str] = []
    for section, rows in FAULTS.items():
        lines += [f"### {section}", "", "| fault | what must happen | test | result | s |", "|---|---|---|---|---|"]
        for fault, (required, tests) in rows.items():
            for at, test in enumerate(tests):
                outcome = outcomes[test]
                left = f"{fault} | {required}" if not at else " | "
                lines.append(f"| {left} | `{outcome.place}::{test}` | {outcome.words()} | {outcome.seconds:.0f} |")
        lines.append("")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
