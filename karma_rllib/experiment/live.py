"""What a person sees while an experiment runs: one line per trial, on one table.

On a terminal the table redraws itself; elsewhere (a log file, CI) plain lines are printed, a few
per trial.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

METRICS = {
    "violence": ("violence_rate", "{:.4f}"),
    "cooperation": ("cooperation_rate", "{:.4f}"),
    "yield": ("yield", "{:.2f}"),
    "selectivity": ("selectivity", "{:.2f}"),
}
"""Column heading -> (name under `social/` in the results, format)."""

PLAIN_LINES = 5
"""Lines per trial where there is no terminal."""


@dataclass
class Row:
    """The latest known state of one trial."""

    condition: str
    seed: int
    status: str = "waiting"
    iteration: int = 0
    agent_steps: int = 0
    speed: float = 0.0  # [agent-steps/s], smoothed
    social: dict[str, float] = field(default_factory=dict)

    def update(self, result: dict[str, Any]) -> None:
        """Take over one training result."""
        self.iteration = int(result.get("training_iteration", self.iteration))
        self.agent_steps = int(result.get("agent_steps", self.agent_steps))
        now = float(result.get("agent_steps_per_s", 0.0))
        self.speed = now if self.speed == 0 else 0.7 * self.speed + 0.3 * now
        social = result.get("social", {})
        self.social = {head: social[key] for head, (key, _) in METRICS.items() if key in social}

    def seconds_left(self, goal: int) -> float | None:
        """Time to the end of the trial at its present speed [s]; None while unknown."""
        if self.status in ("done", "failed"):
            return 0.0
        return max(0, goal - self.agent_steps) / self.speed if self.speed > 0 else None

    def cells(self, goal: int) -> list[str]:
        """The row as text, in the order of the table's columns."""
        left = self.seconds_left(goal)
        metrics = [
            form.format(self.social[head]) if head in self.social else "-"
            for head, (_, form) in METRICS.items()
        ]
        return [
            self.condition,
            str(self.seed),
            str(self.iteration) if self.iteration else "-",
            f"{self.agent_steps:,}",
            f"{self.speed:,.0f}" if self.speed else "-",
            *metrics,
            self.status if self.status != "running" or left is None else duration(left),
        ]

    def line(self, goal: int) -> str:
        """The row as one line of text."""
        condition, seed, iteration, steps, speed, *metrics, left = self.cells(goal)
        parts = [f"{condition} seed {seed}", f"iter {iteration}", f"{steps} agent-steps"]
        parts += [f"{speed}/s", *(f"{h} {v}" for h, v in zip(METRICS, metrics, strict=True))]
        return "  ".join([*parts, left if left == self.status else f"{left} left"])


HEADS = ["condition", "seed", "iter", "agent-steps", "steps/s", *METRICS, "time left"]


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03`` [h:min:s]."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class LiveTable(tune.Callback):
    """Tune callback that shows `HEADS` for every trial.

    Args:
        title: what is being trained.
        goal: length of a trial [agent-steps].
        console: where to print; None: standard output.
    """

    def __init__(self, title: str, goal: int, console: Console | None = None) -> None:
        self.title, self.goal = title, goal
        self.rows: dict[str, Row] = {}
        self._console = console
        self._live: Live | None = None
        self._begun = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks into its state file: leave the screen out."""
        return {"title": self.title, "goal": self.goal}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def console(self) -> Console:
        """Where the table goes."""
        if self._console is None:
            self._console = Console()
        return self._console

    # --- what Tune tells us --------------------------------------------------------------------

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Learn of trials as they are made or restored."""
        fresh = [trial for trial in trials if trial.trial_id not in self.rows]
        for trial in fresh:
            row = self._row(trial)
            if trial.last_result:
                row.update(trial.last_result)
            if trial.status in ("TERMINATED", "ERROR"):
                row.status = "done" if trial.status == "TERMINATED" else "failed"
        if fresh:
            self._draw()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial got its resources."""
        self._row(trial).status = "starting"
        self._draw()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial finished an iteration."""
        row = self._row(trial)
        before = row.agent_steps * PLAIN_LINES // self.goal if row.status == "running" else -1
        row.status = "running"
        row.update(result)
        crossed = row.agent_steps * PLAIN_LINES // self.goal > before
        self._draw(row if crossed else None)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial reached its goal."""
        self._row(trial).status = "done"
        self._draw(self._row(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed for good or is about to be tried again."""
        self._row(trial).status = "failed"
        self._draw(self._row(trial))

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave the last table on the screen."""
        self._draw()
        self.close()

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    # --- drawing -------------------------------------------------------------------------------

    def _row(self, trial: Any) -> Row:
        if trial.trial_id not in self.rows:
            config = trial.config
            self.rows[trial.trial_id] = Row(config["condition"], config["seed"])
        return self.rows[trial.trial_id]

    def _draw(self, row: Row | None = None) -> None:
        if self.console.is_terminal:
            if self._live is None:
                self._live = Live(console=self.console, auto_refresh=False)
                self._live.start()
            self._live.update(self.table(), refresh=True)
        elif row is not None:
            self.console.print(row.line(self.goal), highlight=False, markup=False, soft_wrap=True)

    def table(self) -> Table:
        """The table as it stands."""
        clock = duration(time.monotonic() - self._begun)
        table = Table(title=f"{self.title}  {clock}", box=box.SIMPLE_HEAD)
        for head in HEADS:
            table.add_column(head, justify="left" if head == "condition" else "right")
        for row in self.rows.values():
            table.add_row(*row.cells(self.goal))
        return table
