"""The sections about what outlives an episode: debts and matches, memory and transport.

What is switched on is the condition's (`karma list conditions`); these say how it works then.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from karma_rllib.config.base import Section


class Matchmaker(Section):
    """The debt ledger, kept in every condition, and the matchmaker that some let act on it."""

    debt_threshold: float = Field(
        default=0.1,
        ge=0,
        description="debt above which a hit by the creditor counts as retribution [zaps]",
    )
    debt_unit: float = Field(default=1.0, gt=0, description="debt made by one predatory hit [zaps]")
    apple_weight: float = Field(
        default=1.0, gt=0, description="factor on that debt when the victim stood near an apple"
    )
    payment_mode: Literal["subtract", "scale", "clear"] = Field(
        default="subtract", description="how a retributive hit pays a debt"
    )
    payment: float = Field(
        default=1.0, ge=0, description="amount paid [zaps] (subtract) or factor on the debt (scale)"
    )
    debt_decay: float = Field(
        default=1.0, ge=0, le=1, description="factor on all debts at every reset"
    )
    netting: bool = Field(default=False, description="cancel mutual debts against each other")

    debt_strength: float = Field(
        default=1.0, ge=0, le=1, description="probability that a chosen pair is placed together"
    )
    pairing: Literal["greedy", "softmax"] = Field(
        default="greedy", description="largest debt first, or at random by size"
    )
    temperature: float = Field(default=1.0, gt=0, description="of softmax pairing [zaps]")
    pair_distance: int = Field(
        default=1, ge=1, description="from creditor to debtor, within reach of the beam [cells]"
    )
    debtor_heading: Literal["away", "random", "facing"] = Field(
        default="away", description="where a debtor looks at first: away from its creditor, at it"
    )
    max_pairs: int | None = Field(
        default=None, ge=1, description="most pairs per world; empty: as many as there are agents"
    )
    random_count: Literal["as_debt", "max"] = Field(
        default="as_debt", description="pairs of the contact placebo: as many as debts make, or all"
    )

    @model_validator(mode="after")
    def _payable(self) -> Matchmaker:
        if self.payment_mode == "subtract" and self.payment == 0:
            raise ValueError(
                "`matchmaker.payment` is 0, but payment_mode subtract needs more than 0"
            )
        if self.payment_mode == "scale" and self.payment >= 1:
            raise ValueError(
                f"`matchmaker.payment` is {self.payment}, but payment_mode scale needs a factor "
                "below 1"
            )
        return self


class Tvt(Section):
    """External memory and semantic value transport: whom a punishment is traced back to."""

    match: Literal["hard_opp", "hard_role", "soft", "hung"] = Field(
        default="hard_opp",
        description="recall own attacks on the punisher, on anybody, or what resembles them most; "
        "hung: any step of the episode, through learned read heads (Hung et al.)",
    )
    memory_slots: int = Field(
        default=1000, ge=1, le=100_000, description="events per agent; with hung: steps"
    )
    memory_persist: bool = Field(default=True, description="the memory outlives episodes")
    memory_read: bool = Field(default=True, description="what is recalled enters the network")
    key_dim: int = Field(default=32, ge=1, le=1024, description="width of keys and queries")
    key_weight: float = Field(
        default=0.1, ge=0, description="factor on the loss that teaches keys and queries"
    )
    read_top_k: int = Field(
        default=5, ge=1, description="crimes that share one punishment; with hung: steps of a read"
    )
    read_heads: int = Field(default=3, ge=1, le=64, description="read heads (hung)")
    read_strength: float = Field(
        default=0.7, gt=0, le=100, description="strength with which untrained heads read (hung)"
    )
    strength_threshold: float = Field(
        default=2.0, ge=0, description="least strength of a read that transports value (hung)"
    )
    strength_cost: float = Field(
        default=5e-5, ge=0, description="factor on the loss of reads stronger than 2 (hung)"
    )
    rebuild_weight: float = Field(
        default=1.0, ge=0, description="factor on the loss of telling the observation from z (hung)"
    )
    beta: float = Field(default=10.0, ge=0, description="sharpness of their shares")
    tau_age: float = Field(
        default=2000.0, gt=0, description="age that costs one unit of score [env-steps]"
    )
    theta_read: float = Field(default=1.5, description="least score of a soft match")
    exclusion: Literal["gl", "g"] | int = Field(
        default="gl",
        description="crimes too recent to recall: gl 1/(1 - gamma lambda), g 1/(1 - gamma), or "
        "a number [env-steps]",
    )
    harm: Literal["gap", "surprise", "reward", "value"] = Field(
        default="gap",
        description="what is sent back: the return's gap below the usual value or below the "
        "present one, the reward, or the next value (Hung et al.; the control)",
    )
    harm_max: float = Field(default=5.0, gt=0, description="most harm of one punishment [reward]")
    alpha: float = Field(default=0.9, ge=0, le=1, description="part of the harm that is sent")
    blame_cap: float = Field(
        default=10.0, gt=0, description="most harm that one crime can be charged with [reward]"
    )
    affects_value: bool = Field(
        default=True, description="the value function learns from transported harm, too"
    )
    retro: bool = Field(default=True, description="charge crimes of earlier fragments as well")
    retro_max_age: int = Field(
        default=20, ge=1, description="age at which such a crime is too old [iterations]"
    )
    retro_window: int = Field(
        default=1, ge=1, le=64, description="steps that end with the crime [env-steps]"
    )
    retro_dual_clip: float = Field(
        default=3.0, gt=1, description="bound of their loss, times the advantage"
    )
    placebo: Literal["none", "shuffle", "random_time"] = Field(
        default="none",
        description="charge a crime against someone else, or a moment without a zap, instead",
    )
    contrast: bool = Field(
        default=False, description="scale harm by how much likelier open crimes make punishment"
    )
    snapshots: int = Field(
        default=20_000, ge=1, description="crimes whose frames are kept, per env runner"
    )
