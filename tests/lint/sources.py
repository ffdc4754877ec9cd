"""The project's files, for the checks beside it, and the way in which a check reports."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {"build", ".git", "__pycache__"}


def files(folder, *suffixes):
    """Paths relative to the project, sorted. Without suffixes: every file."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and not SKIPPED & set(path.relative_to(ROOT).parts))
    return sorted(path.relative_to(ROOT) for path in found if not suffixes or path.suffix in suffixes)


def lines(path):
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code(path):
    """(number, line) of a C++ file without what is in comments."""
    return [(number, re.sub(r"//.*", "", line)) for number, line in enumerate(lines(path), 1)]


def report(problems):
    """Ends the check: every problem on a line of its own, as FILE:LINE: what."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "clean")
    sys.exit(1 if problems else 0)
