"""Sizes, names and words: what a reader may rely on in every file."""

import re

from sources import code, files, lines, report

MOST_LINES = {".cpp": 500, ".hpp": 250, ".py": 500, ".js": 500}
MOST_FUNCTION_LINES = 70

UNFINISHED = r"\b(TODO|FIXME|XXX|HACK)\b|not implemented|for now\b"
# Nothing in the project depends on where or how it was written.
FOREIGN = r"/work/|/tmp/bash|\.\./shared|\bissue [0-9]+\b"


def source_files():
    return [path for folder in ("src", "tests", "bench", "web", "scripts") for path in files(folder, ".cpp", ".hpp", ".py", ".js", ".css")]


def sizes(path):
    """A file that must be longer says why in its head: "Long because ..."."""
    limit = MOST_LINES.get(path.suffix)
    count = len(lines(path))
    if not limit or count <= limit or any("Long because" in line for line in lines(path)[:10]):
        return []
    return [f"{path}:{count}: {count} lines, the most is {limit}: split it, or say why not"]


def long_functions(path):
    """By the layout that .clang-format gives: a body ends with the brace that stands under its first line's first character."""
    opened, problems = {}, []
    for number, line in code(path):
        indent = len(line) - len(line.lstrip())
        if line.strip().startswith("}") and indent in opened:
            begun = opened.pop(indent)
            if number - begun > MOST_FUNCTION_LINES:
                problems.append(f"{path}:{begun}: a function of {number - begun} lines, the most is {MOST_FUNCTION_LINES}: split it")
        elif line.rstrip().endswith("{") and ")" in line and indent in (0, 4):
            if not re.match(r"\s*(if|for|while|switch|else|do|try|catch|namespace|TEST_CASE)\b", line):
                opened[indent] = number
    return problems


def names(path):
    problems = []
    if not re.fullmatch(r"[a-z0-9_]+\.\w+", path.name):
        problems.append(f"{path}:1: file names are snake_case")
    for number, line in code(path):
        declared = re.match(r"\s*(?:class|struct|enum class)\s+(?:\[\[\w+\]\]\s+)?(\w+)\s*(?:final\s*)?[:{]", line)
        if declared and not re.fullmatch(r"[A-Z][A-Za-z0-9]*", declared[1]) and not path.parts[0] == "tests":
            problems.append(f"{path}:{number}: type {declared[1]}: types are CamelCase")
        defined = re.match(r"[\w:<>&*, \[\]]+[ &*](?:\w+::)*([a-z]+[A-Z]\w*)\(", line)
        if defined:
            problems.append(f"{path}:{number}: function {defined[1]}: functions are snake_case")
    return problems


def headers(path):
    first = lines(path)
    problems = []
    if not first[0].startswith("//"):
        problems.append(f"{path}:1: a header opens with what it is and who may call it")
    if "#pragma once" not in first:
        problems.append(f"{path}:1: no #pragma once")
    return problems


def words():
    problems = []
    documents = [*files("docs"), *files("data", ".toml", ".sql", ".service"), *files("cmake")]
    for path in [*source_files(), *documents, *files("scripts")]:
        if path.suffix in (".png", ".hex", ".pcap") or path.parts[:2] == ("tests", "lint"):
            continue
        for number, line in enumerate(lines(path), 1):
            if found := re.search(f"{UNFINISHED}|{FOREIGN}", line):
                problems.append(f"{path}:{number}: the word {found[0]!r} does not belong here")
    return problems


def check():
    problems = words()
    for path in source_files():
        problems += sizes(path)
        if path.suffix in (".cpp", ".hpp"):
            problems += long_functions(path) + names(path)
        if path.suffix == ".hpp":
            problems += headers(path)
    return problems


if __name__ == "__main__":
    report(check())
