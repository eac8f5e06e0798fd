"""``karma results``: the tables of results pages, from the raw files beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from karma_rllib.config import ConfigError

DONE, DIFFERENT = 0, 1


def results(pages: list[Path], take: Path | None, name: str | None, *, check: bool) -> int:
    """Archive a run if asked to, then make the tables of pages anew; returns the exit code.

    Args:
        pages: Markdown files; none: README.md and docs/results/*.md of this folder.
        take: a run folder, or a file of episodes, to archive under docs/results first.
        name: of that archive; None: the experiment's.
        check: write nothing, and say which pages would change.

    Raises:
        ConfigError: not the root of a repository, a page that cannot be read, an order for a table
            that cannot be made, or a run that cannot be archived.
    """
    from karma_rllib.analysis import archive
    from karma_rllib.analysis import results as made

    root = Path.cwd()
    if not (root / made.FOLDER).is_dir():
        raise ConfigError(f"{root}: has no {made.FOLDER} (run this at the root of the repository)")
    if name is not None and take is None:
        raise ConfigError(f"--name {name}: names what --take archives; say which run, too")
    if take is not None:
        if check:
            raise ConfigError("--take writes files and --check writes none; choose one")
        if take.is_file() and name is None:
            raise ConfigError(
                f"--take {take}: a file of episodes has no name; give one with --name"
            )
        _archive(take, root / made.FOLDER / (name or archive.name_of(take)))
    missing = next((page for page in pages if not page.is_file()), None)
    if missing is not None:
        raise ConfigError(f"{missing}: no such page")
    changed = _remake(pages or made.pages(root), root, check=check)
    return DIFFERENT if check and changed else DONE


def _archive(source: Path, folder: Path) -> None:
    """Archive a run folder, or the meetings or the scores of a file of episodes."""
    from karma_rllib.analysis import archive, crossplay, sittings

    take: Callable[[Path, Path], list[str]] = archive.take
    if source.is_file():
        take = sittings.take if sittings.only(source) else crossplay.take
    for note in take(source, folder):
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"archived: {folder}")


def _remake(pages: list[Path], root: Path, *, check: bool) -> list[Path]:
    """Make every page's tables; returns the pages that changed, or would."""
    from karma_rllib.analysis import results as made

    texts = {page: made.remade(page, root) for page in pages}  # all of them, or nothing is written
    changed = [page for page, text in texts.items() if text != page.read_text(encoding="utf-8")]
    for page in changed:
        typer.echo(f"{page}: {'is not what its raw files say' if check else 'made anew'}")
        if not check:
            page.write_text(texts[page], encoding="utf-8")
    if not changed:
        typer.echo("every table is what its raw files say")
    return changed
