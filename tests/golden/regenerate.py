"""Rewrite the golden traces, replays and the random-play reference.

    python -m tests.golden.regenerate

Prints what changed.  A changed trace is a change of dynamics: bump the world's version and say so
under *Results-affecting* in the CHANGELOG.
"""

import json
import sys

from tests.golden import harvest, kinship, random_play, replays


def rewrite(file, old, new):
    """Write `new` as JSON and say which entries differ from `old`."""
    changed = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
    file.write_text(json.dumps(new, indent=2) + "\n")
    sys.stdout.write(f"{file.name}: {', '.join(changed) or 'nothing'} changed\n")


def main():
    """Regenerate all files."""
    for world in (harvest, kinship):
        old = world.stored() if world.FILE.exists() else {}
        rewrite(world.FILE, old, world.traces())
    sys.stdout.write(f"replays: {', '.join(replays.write()) or 'nothing'} changed\n")
    old = random_play.stored() if random_play.FILE.exists() else {}
    rewrite(random_play.FILE, old, random_play.references())


if __name__ == "__main__":
    main()
