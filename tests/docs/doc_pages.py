"""Reading Markdown pages: fenced blocks, code spans, links, anchors."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ERRATA.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STARTS_RAY = re.compile(  # itself, or to make the run that it reads
    r"karma (train|resume)\b|results/|Path\(\"results\"\)|from ray|import experiment"
    r"|karma_rllib\.plugin"
)


class Block(NamedTuple):
    """A fenced block of a page; `reason` says why it is not run, None: it is."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def starts_ray(self) -> bool:
        return self.language != "console" and bool(STARTS_RAY.search(self.text))

    def commands(self) -> list[str]:
        """The lines of a shell block without comments."""
        lines = [re.sub(r"\s+# .*", "", line) for line in self.text.splitlines()]
        return [line.removeprefix("$ ") for line in lines if line and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        before = text[: fence.start()].rstrip("\n").rpartition("\n")[2]
        reason = NOT_RUN.fullmatch(before.strip())
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, fence[1], fence[2], reason[1] if reason else None))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """The inline code of a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes from a page's headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


ALL = [block for page in PAGES for block in blocks(page)]
