"""How a bench says what it found: a table, or one object."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any


def tell(claims: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """`claims`: {"name", "value", "unit", "detail"}; `as_json`: one object, which names the machine, too."""
    if as_json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
        print(json.dumps({"machine": machine, "claims": claims}))
        return
    for claim in claims:
        print(f"{claim['value']:10.3f} {claim['unit']:4} {claim['name']}")
