#!/usr/bin/env python3
"""Finds comments and pages whose sentences open in a way that has to be read twice; see CONTRIBUTING.md.

Reads every Rust comment and every Markdown page of the repository. Prints each sentence that opens with one of
OPENINGS, and each word of COINAGES, as `file:line: sentence`. Fails if there is one.
"""

import re
import subprocess
import sys
from pathlib import Path

# A sentence that opens like this has its subject elsewhere, or later.
OPENINGS = (
    "What", "Who", "Whom", "Whose", "Whoever", "Whatever", "Those", "That of", "That which", "The same", "The one",
    "As", "Of", "Nothing", "Nobody", "No one", "None of", "One that", "So is", "So does", "Nor",
)
# Words that the project made up, where the field has a term.
COINAGES = (
    "seldom", "weather", "whoever", "somebody who", "prehashed", "resolvable", "spelled", "doubles", "or_tell",
)
# Questions end in a question mark and may open with any word; so may headings and cells of tables.
SENTENCE = re.compile(r"(?:^|(?<=[.!:] ))([A-Z][^.!?]*[.!?]?)")
OPENING = re.compile(rf"(?:{'|'.join(OPENINGS)})\b(?!\?)")
COINAGE = re.compile(rf"\b(?:{'|'.join(COINAGES)})\b", re.IGNORECASE)
COMMENT = re.compile(r"^\s*//[/!]? ?(.*)$|\s// (.*)$")


def main() -> int:
    files = subprocess.check_output(["git", "ls-files", "*.rs", "*.md"], text=True).split()
    only = tuple(sys.argv[1:]) or ("",)
    found = [
        f"{file}:{line}: {sentence}"
        for file in files
        if file.startswith(only) and not Path(file).is_symlink()
        for line, text in paragraphs(Path(file))
        for sentence in awkward(text)
    ]
    print(*found, sep="\n")
    print(f"{len(found)} sentences to rewrite", file=sys.stderr)
    return 1 if found else 0


def awkward(text: str) -> list[str]:
    """The sentences of a paragraph that break a rule."""
    text = re.sub(r"`[^`]*`", lambda code: "`" + "x" * (len(code.group()) - 2) + "`", text)
    sentences = [match.group(1) for match in SENTENCE.finditer(text)]
    opened = [each for each in sentences if OPENING.match(each) and not each.endswith("?")]
    coined = [each for each in sentences if each not in opened and COINAGE.search(each)]
    return opened + coined


def paragraphs(path: Path):
    """The paragraphs of comments, or of a page, each with the number of its first line."""
    markdown = path.suffix == ".md"
    code = False
    start, words = 0, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if markdown:
            text = line
        else:
            comment = COMMENT.match(line) or re.search(r"\s// (.*)$", line)
            text = next((group for group in comment.groups() if group is not None), "") if comment else ""
        fence = text.lstrip().startswith("```")
        code ^= fence
        text = text.strip()
        skipped = not text or fence or code or text.startswith(("|", "#", "<", "[", "    "))
        if skipped or re.match(r"[-*] |\d+\. ", text):
            if words:
                yield start, " ".join(words)
            start, words = number, []
        if not skipped:
            start = start if words else number
            words.append(re.sub(r"^(?:[-*]|\d+\.) ", "", text))
    if words:
        yield start, " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
