"""Swift source text as the checks see it: comments and string contents blanked, every line still on its line."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

STRING_START = re.compile(r'(#*)("""|")')


def project_files(root=ROOT):
    """The files of the project: tracked ones, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, check=True, capture_output=True,
    ).stdout.decode()
    return sorted(path for path in (root / name for name in listed.split("\0") if name) if path.is_file())


def is_generated(path):
    return "Generated" in path.parts or ".pb." in path.name or path.name.endswith("_pb2.py")


def code_only(text):
    """`text` with comments and the contents of string literals replaced by spaces. Names in backticks stay."""
    out = []
    _scan_code(text, 0, out, until=None)
    return "".join(out)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def _scan_code(text, position, out, until):
    """Copies code from `position` until the bracket `until` at depth 0. Returns where it stopped."""
    depth = 0
    while position < len(text):
        character = text[position]
        if text.startswith("//", position):
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            out.append(" " * (end - position))
            position = end
        elif text.startswith("/*", position):
            end = _comment_end(text, position)
            out.append(_blank(text[position:end]))
            position = end
        elif character == "`":
            end = text.find("`", position + 1)
            end = len(text) if end < 0 else end + 1
            out.append(text[position:end])
            position = end
        elif character in '"#' and (start := STRING_START.match(text, position)):
            position = _scan_string(text, position, start, out)
        else:
            if until and character == "(":
                depth += 1
            elif until and character == until:
                if depth == 0:
                    return position
                depth -= 1
            out.append(character)
            position += 1
    return position


def _comment_end(text, position):
    depth, position = 1, position + 2
    while position < len(text) and depth:
        if text.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif text.startswith("*/", position):
            depth, position = depth - 1, position + 2
        else:
            position += 1
    return position


def _scan_string(text, position, start, out):
    hashes, quotes = start.groups()
    close, escape = quotes + hashes, "\\" + hashes
    out.append(start.group())
    position = start.end()
    while position < len(text):
        if text.startswith(close, position):
            out.append(close)
            return position + len(close)
        if text.startswith(escape + "(", position):
            out.append(" " * len(escape) + "(")
            position = _scan_code(text, position + len(escape) + 1, out, until=")")
        elif text.startswith(escape, position):
            out.append(_blank(text[position:position + len(escape) + 1]))
            position += len(escape) + 1
        elif text[position] == "\n" and quotes == '"':
            return position
        else:
            out.append(_blank(text[position]))
            position += 1
    return position


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
