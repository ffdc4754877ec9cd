"""What the documents promise: events that exist, links that lead somewhere, golden files that say where they come from, scripts that parse."""

import ast
import re
import subprocess

from sources import ROOT, code, files, lines, report, text

# An event's name begins with its folder's.
EVENT = re.compile(r'"([a-z]+(?:\.[a-z0-9_]+)+)"')
# "# Capture of ...", "# From RFC ...", "# Made by qemu-img ..."
ORIGIN = re.compile(r"\A# (Capture of|From|Made by|Written by) \S+")
LISTED = re.compile(r"^\|\s*`([a-z0-9_]+(?:\.[a-z0-9_]+)+)`", re.MULTILINE)


def events():
    """Log events are an interface: every name that the program writes is in docs/events.md, and none that it does not."""
    written = {}
    for path in files("src", ".cpp", ".hpp"):
        for _, line in code(path):
            for name in EVENT.findall(line):
                if name.split(".")[0] == path.parts[1]:
                    written.setdefault(name, path)
    listed = set(LISTED.findall(text("docs/events.md")))
    problems = [f"{path}:1: log event {name} is not listed in docs/events.md" for name, path in sorted(written.items()) if name not in listed]
    return problems + [f"docs/events.md:1: {name} is listed, but nothing in src writes it" for name in sorted(listed - set(written))]


def links():
    problems = []
    pages = [path for path in [*files("docs", ".md"), *files(".", ".md")] if "node_modules" not in path.parts]
    for path in sorted(set(pages)):
        for number, line in enumerate(lines(path), 1):
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
                if not re.match(r"\w+:", target) and not (ROOT / path.parent / target).exists():
                    problems.append(f"{path}:{number}: the link {target} leads nowhere")
    return problems


def golden_files():
    """Golden bytes come from a specification or from somebody else's program, and say so."""
    return [f"{path}:1: a golden file opens with its origin" for path in files("tests/golden", ".hex")
            if not ORIGIN.search(text(path)[:500])]


def scripts():
    problems = []
    for path in [*files("scripts"), *files(".ci"), *files("bench", ".sh")]:
        first = lines(path)[:1]
        if path.suffix == ".py":
            ast.parse(text(path), str(path))
        elif first and re.match(r"#!.*\b(ba)?sh$", first[0]):
            shell = "bash" if "bash" in first[0] else "sh"
            finished = subprocess.run([shell, "-n", ROOT / path], capture_output=True, text=True)
            problems += finished.stderr.splitlines()
            if not (ROOT / path).stat().st_mode & 0o100:
                problems.append(f"{path}:1: not executable")
    for path in files("tests", ".py"):
        ast.parse(text(path), str(path))
    return problems


def check():
    return events() + links() + golden_files() + scripts()


if __name__ == "__main__":
    report(check())
