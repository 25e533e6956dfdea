#!/usr/bin/env python3
"""Checks the modules of `mcp-auth`: which file uses which.

Fails if a lower floor uses a higher one (ARCHITECTURE.md), if more than three files use each other in a circle, or if
a file that is no test has more than 500 lines. `use` declarations are read; code of tests is left out.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent / "mcp-auth" / "src"
# From the top down. A floor may use those below it; `clerk` is beside `identity` and may use it.
FLOORS = [("server", "testing"), ("http", "stdio"), ("protocol",), ("tools",), ("primitive",), ("guard",), ("audit", "otel"), ("clerk",), ("identity",), ("limits",), ("metrics",), ("clock",)]
MOST_LINES, LARGEST_CIRCLE = 500, 3
# One type over several files: the topics of a builder are its fields, and add its methods. They count as one file.
ONE_TYPE = ("server", "builder")
TESTS = re.compile(r"(^|/)(tests|source_tests|properties|fuzz|bench|test_support|mock_http)(\.rs|/)|sdk_conformance/")


def main() -> int:
    files = [path for path in sorted(ROOT.rglob("*.rs")) if not TESTS.search(str(path.relative_to(ROOT)))]
    modules = {module_of(path): path for path in files}
    codes = {module: without_tests(path.read_text()) for module, path in modules.items()}
    exports = {module: exported(module, code) for module, code in codes.items()}
    graph = {module: set() for module in modules}
    for module, code in codes.items():
        for public, path in uses(module, code):
            target = resolve(path, modules, exports)
            if target and not public:
                graph[module].add(target)
    graph = contracted(graph)
    problems = upward(graph) + circles(graph) + long(modules, codes)
    print(*problems, sep="\n")
    print(f"{len(modules)} files, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


def contracted(graph):
    def name(module):
        return ONE_TYPE if module[: len(ONE_TYPE)] == ONE_TYPE else module

    small = {name(module): set() for module in graph}
    for module, targets in graph.items():
        small[name(module)] |= {name(target) for target in targets} - {name(module)}
    return small


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def without_tests(code: str) -> str:
    """The code before the tests, which are last in a file, without comments."""
    code = re.split(r"^#\[cfg\(.*\btest\b.*\)\]\n(?:pub\(.*\) )?mod \w+(?: \{|;)", code, maxsplit=1, flags=re.M)[0]
    code = re.sub(r"^#\[cfg\(test\)\]\n(?:pub(?:\(.*?\))? )?use [^;]*;", "", code, flags=re.M)
    return re.sub(r"^\s*//.*$", "", code, flags=re.M)


def uses(module: tuple[str, ...], code: str):
    """Each used path, as (whether it is exported, path from the root of the crate)."""
    for match in re.finditer(r"^\s*(pub(?:\([^)]*\))? )?use ([^;]+);", code, re.M):
        for path in spread(re.sub(r"\s+", "", match.group(2).replace(" as ", "@"))):
            parts = path.split("@")[0].split("::")
            if parts[0] == "crate":
                yield bool(match.group(1)), tuple(parts[1:])
            elif parts[0] == "self":
                yield bool(match.group(1)), module + tuple(parts[1:])
            elif parts[0] == "super":
                ups = len([part for part in parts if part == "super"])
                yield bool(match.group(1)), module[: len(module) - ups] + tuple(parts[ups:])
            elif match.group(1) and module + (parts[0],):
                yield True, module + tuple(parts)


def spread(tree: str):
    """`a::{b,c::{d}}` as `a::b` and `a::c::d`."""
    if "{" not in tree:
        yield tree
        return
    start = tree.index("{")
    depth, begin = 0, start + 1
    for at in range(start, len(tree)):
        depth += {"{": 1, "}": -1}.get(tree[at], 0)
        if (tree[at] == "," and depth == 1) or depth == 0:
            if tree[begin:at]:
                yield from (tree[:start] + inner for inner in spread(tree[begin:at]))
            begin = at + 1
        if depth == 0:
            return


def exported(module, code):
    return {path[-1]: path for public, path in uses(module, code) if public and path}


def resolve(path, modules, exports, depth=0):
    """The module that defines the last name of a path, behind re-exports."""
    for end in range(len(path), -1, -1):
        module = path[:end]
        if module not in modules:
            continue
        rest = path[end:]
        if rest and depth < 9 and rest[0] in exports[module]:
            target = exports[module][rest[0]]
            if target[:-1] != module:
                return resolve(target, modules, exports, depth + 1) or module
        return module
    return None


def upward(graph):
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    found = []
    for module, targets in sorted(graph.items()):
        for target in sorted(targets):
            here, there = level.get(module[:1] and module[0]), level.get(target[:1] and target[0])
            if here is not None and there is not None and there < here:
                found.append(f"{'::'.join(module)} uses {'::'.join(target)}, which is above it")
    return found


def circles(graph):
    """Strongly connected files (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(module):
        number[module] = low[module] = len(number)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in number:
                visit(target)
            if target in stack:
                low[module] = min(low[module], low[target])
        if low[module] == number[module]:
            circle = stack[stack.index(module):]
            del stack[stack.index(module):]
            if len(circle) > LARGEST_CIRCLE:
                names = ", ".join(sorted("::".join(each) or "lib" for each in circle))
                found.append(f"{len(circle)} files use each other: {names}")

    for module in graph:
        if module not in number:
            visit(module)
    return found


def long(modules, codes):
    return [
        f"{path.relative_to(ROOT)} has {lines} lines"
        for module, path in modules.items()
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    ]


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    sys.exit(main())
