"""Who may include whom: the LINK rules of the top CMakeLists.txt, and what only a few files may touch at all."""

import re

from sources import code, files, report, text

# What decides is pure, what waits is thin: sockets and event loops are for these files alone.
EDGES = re.compile(r"src/(net|app|cli)/|src/\w+/\w*service\w*\.|src/http/(session|event_stream|beast)\w*\.")

# (what, where it may stand, why)
RESERVED = [
    (r"#include <boost/asio|#include \"net/asio", EDGES, "Asio belongs to the edges"),
    (r"#include <boost/beast", re.compile(r"src/(http|api|net|cli)/"), "Beast belongs to http"),
    (r"#include <boost/json", re.compile(r"src/(api|http|cli|app|db)/"), "JSON belongs to the API and the command line"),
    (r"#include <sqlite3", re.compile(r"src/db/"), "SQL belongs to db"),
    (r"#include <CLI/", re.compile(r"src/cli/"), "the command line belongs to cli"),
    (r"#include <toml", re.compile(r"src/app/"), "the configuration file belongs to app"),
    (r"#include <openssl/", re.compile(r"src/core/"), "digests are core's"),
    (r"#include <pcap", re.compile(r"src/net/"), "raw frames are net's"),
    (r"(system|steady)_clock::now", re.compile(r"src/core/clock"), "time comes from a Clock"),
    (r"std::random_device|\brand\(", re.compile(r"src/core/random"), "randomness comes from a Random"),
    (r"\bgetenv\(", re.compile(r"src/(app|cli)/"), "the environment is for app and cli"),
    (r"#include <(iostream|regex|expected|format|print)>", re.compile(r"$^"), "not used in this project (style, library floor)"),
    (r"#include <fmt/", re.compile(r"\.cpp$"), "no fmt in a header"),
]


# The composition and the command line see everything.
UNBOUND = {"app", "cli"}


def link_rules():
    rules = {}
    for folder, linked in re.findall(r"^rootstock_folder\((\w+)\s+LINK\s+([^)]*)\)", text("CMakeLists.txt"), re.MULTILINE):
        rules[folder] = {folder, *linked.split()}
    return rules


def check():
    rules = link_rules()
    problems = []
    for path in files("src", ".hpp", ".cpp"):
        folder = path.parts[1]
        for number, line in code(path):
            where = f"{path}:{number}"
            if included := re.match(r'#include "(\w+)/', line):
                if folder in rules.keys() - UNBOUND and included[1] in rules | {"assets": ()} and included[1] not in rules[folder]:
                    problems.append(f"{where}: {folder} may not use {included[1]} (LINK rules in CMakeLists.txt)")
                if included[1] == "net" and folder != "net" and not EDGES.match(str(path)):
                    problems.append(f"{where}: net is for services; this file decides and must not wait")
            for pattern, allowed, why in RESERVED:
                if re.search(pattern, line) and not allowed.search(str(path)):
                    problems.append(f"{where}: {line.strip()}: {why}")
    return problems


if __name__ == "__main__":
    report(check())
