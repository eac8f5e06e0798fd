"""``python -m karma_rllib.cli`` is ``karma``."""

from karma_rllib.cli import main

main()
