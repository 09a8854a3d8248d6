"""YAML 1.2, core schema, as plain data with the line of every key (ruamel.yaml parses; scalars are read here)."""

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from core.errors import CoreError

LARGEST = 1_000_000  # characters
_MOST_NODES = 20_000
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE, _FALSE = re.compile("true|True|TRUE"), re.compile("false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL, _HEX = re.compile("0o[0-7]+"), re.compile("0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|(\.nan|\.NaN|\.NAN)")
_LONGEST_NUMBER = 400


@dataclass
class Document:
    """`data`: dict, list, str, int, float, bool, None; `lines`: dotted path of a key -> line from 1."""

    data: Any
    lines: dict[str, int] = field(default_factory=dict[str, int])


def parse(text: str, file: str) -> Document:
    """Raises CoreError `yaml_syntax`, `yaml_duplicate`, `yaml_too_large` with file and row."""
    if len(text) > LARGEST:
        raise CoreError("yaml_too_large", {"file": file, "most": LARGEST})
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = str(getattr(error, "problem", None) or type(error).__name__)
        raise CoreError("yaml_syntax", {"file": file, "row": mark.line + 1 if mark else None, "what": what}) from None
    except (ValueError, RecursionError) as error:
        raise CoreError("yaml_syntax", {"file": file, "row": None, "what": str(error)[:100]}) from None
    reader = _Reader(file)
    return Document(reader.value(root, "") if root is not None else None, reader.lines)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.seen = 0

    def value(self, node: Node, path: str) -> Any:
        self.seen += 1
        if self.seen > _MOST_NODES:  # aliases can grow a small file without end
            raise CoreError("yaml_too_large", {"file": self.file, "most": _MOST_NODES})
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, f"{path}.{i}" if path else str(i)) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return node.value if node.style else _scalar(node.value)

    def _mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise CoreError("yaml_syntax", {"file": self.file, "row": line, "what": "a key must be a word"})
            key = str(key_node.value)
            where = f"{path}.{key}" if path else key
            if key in out:
                raise CoreError("yaml_duplicate", {"file": self.file, "row": line, "key": where})
            self.lines[where] = line
            out[key] = self.value(value_node, where)
        return out


def _scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2: `5e-4` is a number, `NO` a string."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if len(text) <= _LONGEST_NUMBER:
        for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
            if pattern.fullmatch(text):
                return int(text.replace("0o", "") if base == 8 else text, base)
        if _FLOAT.fullmatch(text):
            return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float("nan") if special[3] else float(special[1] + "inf")
    return text
