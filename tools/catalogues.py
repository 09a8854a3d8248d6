"""Compile the catalogues (core's codes, the app's sentences) to the .mo files that gettext reads; `--check`: only say
if they differ."""

import sys
from pathlib import Path

import polib

ROOT = Path(__file__).parents[1]


def main(check: bool) -> int:
    stale: list[str] = []
    for source in sorted(ROOT.glob("co*/locale/*/LC_MESSAGES/*.po")):
        target, compiled = source.with_suffix(".mo"), polib.pofile(str(source)).to_binary()
        if not target.exists() or target.read_bytes() != compiled:
            stale.append(str(target.relative_to(ROOT)))
            if not check:
                target.write_bytes(compiled)
    if stale:
        print(("stale: " if check else "compiled: ") + ", ".join(stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
