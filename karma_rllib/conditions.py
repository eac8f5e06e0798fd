"""The experimental conditions: one frozen row each, and nothing but data.

A condition says which two frames the mirror aligns, which auxiliary losses run, whether punishments
are traced back to crimes, and who starts an episode next to whom.  Everything
else (world, network, learner, budget, seeds) belongs to the experiment and is equal for all.
To add a condition, add a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from karma_rllib.hints import hint

Pairs = Literal[
    "none", "agg_vic", "agg_cleaner", "neutral_neutral", "agg_neutral", "agg_vic_shuffled"
]
View = Literal["decision", "outcome"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One arm of an experiment.

    Attributes:
        name: how files and tables call it.
        about: one line on what it isolates.
        pairs: the two kinds of frame that the mirror aligns; ``none``: no mirror loss.
        aggressor_view: which frame of the zapper is aligned, before (decision) or after (outcome)
            the hit; ``mirror.aggressor_view`` of the experiment overrides it.
        loss: form of the mirror loss; None: the experiment's ``mirror.loss``.
        grad_match: rescale the loss to the gradient norm of the reference arm, so that a control
            differs in what it aligns and not in how hard it pulls.
        role_loss: whether the auxiliary role loss runs (with weight ``role.weight``).
        tvt: whether semantic value transport runs.
        tvt_placebo: what it charges instead of the crime; ``none``: as the experiment's
            ``tvt.placebo`` says.
        harm: what it sends; None: the experiment's ``tvt.harm``.
        alpha: part of it that is sent; None: the experiment's ``tvt.alpha``.
        matchmaker: how agents are placed at reset.
        zap: whether a zap does anything; False sets the world's `zap_works` to false.
    """

    name: str
    about: str
    pairs: Pairs = "none"
    aggressor_view: View = "outcome"
    loss: Literal["contrast"] | None = None
    grad_match: bool = False
    role_loss: bool = False
    tvt: bool = False
    tvt_placebo: Literal["none", "shuffle", "random_time"] = "none"
    harm: Literal["gap", "surprise", "reward", "value"] | None = None
    alpha: float | None = None
    matchmaker: Literal["off", "debt", "random_pairs", "anti"] = "off"
    zap: bool = True

    @property
    def mirror(self) -> bool:
        """Whether the condition has a mirror loss at all."""
        return self.pairs != "none"


_ROWS = (
    Condition("baseline", "plain PPO: no mirror, no role loss"),
    Condition(
        "broken",
        "control with the wrong meaning: zapping a rival ~ cleaning waste",
        pairs="agg_cleaner",
        grad_match=True,
        role_loss=True,
    ),
    Condition(
        "karma",
        "the mirror as first published: the frame in which I decide to zap ~ being zapped",
        pairs="agg_vic",
        aggressor_view="decision",
        role_loss=True,
    ),
    Condition(
        "karma_out",
        "the mirror on consequences: the frame after my hit ~ being zapped",
        pairs="agg_vic",
        role_loss=True,
    ),
    Condition(
        "karma_contrast",
        "karma_out, and cleaning waste is kept apart from being zapped",
        pairs="agg_vic",
        loss="contrast",
        role_loss=True,
    ),
    Condition(
        "placebo_inert",
        "placebo without social frames: neutral ~ neutral",
        pairs="neutral_neutral",
        grad_match=True,
        role_loss=True,
    ),
    Condition(
        "placebo_agg",
        "placebo: the frame after my hit ~ a neutral frame",
        pairs="agg_neutral",
        grad_match=True,
        role_loss=True,
    ),
    Condition(
        "shuffled",
        "karma_out with the victims of other zaps: role without instance",
        pairs="agg_vic_shuffled",
        grad_match=True,
        role_loss=True,
    ),
    Condition("role_only", "the role loss without a mirror", role_loss=True),
    Condition("no_zap", "baseline in a world where a zap neither harms nor helps", zap=False),
    Condition("cap_only", "the projector without any auxiliary loss: must equal baseline"),
    Condition("tvt", "when punished, recall the crime and carry the loss back to it", tvt=True),
    Condition(
        "memory",
        "the memory of tvt alone: it is recalled and read, but nothing is carried back",
        tvt=True,
        alpha=0.0,
    ),
    Condition(
        "matchmaker",
        "debtor and creditor start an episode side by side; nothing is carried back",
        matchmaker="debt",
    ),
    Condition(
        "karmic",
        "both: the matchmaker makes punishment likely, transport makes it felt",
        tvt=True,
        matchmaker="debt",
    ),
    Condition(
        "tvt_shuffle",
        "placebo of tvt: the same loss goes to a crime against somebody else",
        tvt=True,
        tvt_placebo="shuffle",
    ),
    Condition(
        "tvt_random_time",
        "placebo of tvt: the same loss goes to a moment without a zap",
        tvt=True,
        tvt_placebo="random_time",
    ),
    Condition(
        "karmic_shuffle",
        "placebo of karmic: the same loss goes to a crime against somebody else",
        tvt=True,
        tvt_placebo="shuffle",
        matchmaker="debt",
    ),
    Condition(
        "karmic_value",
        "control: the published transport of plain value, whose sign is wrong for harm",
        tvt=True,
        harm="value",
        matchmaker="debt",
    ),
    Condition(
        "matchmaker_random",
        "contact placebo: as many pairs start side by side, drawn at random",
        matchmaker="random_pairs",
    ),
    Condition(
        "tvt_random_pairs",
        "tvt with the contact placebo",
        tvt=True,
        matchmaker="random_pairs",
    ),
    Condition(
        "karma+karmic",
        "the mirror as first published, with memory and matchmaker",
        pairs="agg_vic",
        aggressor_view="decision",
        role_loss=True,
        tvt=True,
        matchmaker="debt",
    ),
    Condition(
        "karma_out+karmic",
        "the mirror on consequences, with memory and matchmaker",
        pairs="agg_vic",
        role_loss=True,
        tvt=True,
        matchmaker="debt",
    ),
)

CONDITIONS: dict[str, Condition] = {row.name: row for row in _ROWS}


def condition(name: str) -> Condition:
    """The row called `name`.

    Raises:
        ValueError: no such condition; the sentence names the nearest one.
    """
    if name in CONDITIONS:
        return CONDITIONS[name]
    raise ValueError(f"there is no condition '{name}'; {hint(name, CONDITIONS)}")
