"""The sections of an experiment: every key, its default, its range, its unit, why it exists.

These models are the one place where a key is declared.  The YAML files, the ``--set`` overrides,
the typed setters of the algorithm's config and ``karma list params`` all read them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from karma_rllib.config.base import Section


class World(Section):
    """Which world, which profile of it, and any of its own parameters beside them."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(default="harvest-v0", description="the world, see `karma list worlds`")
    profile: str | None = Field(
        default=None,
        description="a named set of parameters, see `karma list profiles`; empty: the default",
    )

    @property
    def params(self) -> dict[str, Any]:
        """The world's own parameters as written, over the profile's."""
        return dict(self.model_extra or {})


class Mirror(Section):
    """The mirror (KARMA) loss: which frames are aligned, how, how strongly, from when on."""

    loss: Literal["pair", "centroid", "infonce", "vicreg", "contrast"] = Field(
        default="pair", description="form of the loss; a condition may set its own"
    )
    weight: float = Field(default=0.1, ge=0, description="lambda, the factor on the loss")
    pair_norm: Literal["none", "l2", "mean"] = Field(
        default="none",
        description="raw squared error summed over latents, of unit vectors, or averaged",
    )
    grad_mode: Literal["agg_to_vic", "symmetric", "vic_to_agg"] = Field(
        default="agg_to_vic",
        description="which side moves: the aggressor's, both, the victim's (control)",
    )
    aggressor_view: Literal["decision", "outcome"] | None = Field(
        default=None,
        description="the zapper's frame before or after the hit; empty: as the condition says",
    )
    victim_view: Literal["outcome", "decision"] = Field(
        default="outcome", description="the victim's frame after or before the hit"
    )
    exclude_mutual: bool = Field(default=True, description="leave out zaps that hit each other")
    exclude_boundary: bool = Field(
        default=True, description="leave out hits on the last step of an episode"
    )
    pair_window: int = Field(
        default=1, ge=1, le=64, description="frames aligned after a hit [env-steps]"
    )
    align_layer: Literal["z", "h"] = Field(
        default="z", description="align the projection or the memory"
    )
    bank_mode: Literal["bank", "in_batch"] = Field(
        default="bank", description="pairs from a bank of recent events or from the minibatch alone"
    )
    bank_size: int = Field(default=4096, ge=16, le=1_000_000, description="pairs kept [pairs]")
    bank_max_age: int = Field(
        default=20, ge=1, description="age at which a pair is dropped [iterations]"
    )
    pairs_per_minibatch: int = Field(
        default=64, ge=1, le=65536, description="pairs per SGD step [pairs]"
    )
    min_pairs: int = Field(default=16, ge=1, description="below this the loss is 0 [pairs]")
    tau: float = Field(default=0.1, gt=0, description="temperature of infonce")
    n_neg_neutral: int = Field(
        default=128, ge=0, description="neutral frames as negatives of infonce"
    )
    broken_pair: Literal["zap_waste", "apple", "random"] = Field(
        default="zap_waste", description="what the broken mirror pairs a zap with"
    )
    margin: float | Literal["auto"] = Field(
        default="auto",
        description="margin of contrast; auto: half the median distance of neutral frames",
    )
    grad_match: bool = Field(
        default=True, description="rescale the control arms' losses to the reference gradient norm"
    )
    aux_start_step: int = Field(
        default=0,
        ge=0,
        description="when the loss starts, counted from the start of the arm [agent-steps]",
    )
    aux_warmup_steps: int = Field(
        default=400_000, ge=0, description="length of the linear ramp of the weight [agent-steps]"
    )
    diag_every: int = Field(
        default=10, ge=1, description="period of the collapse diagnostics [iterations]"
    )
    start_from: str = Field(
        default="scratch",
        min_length=1,
        description="scratch; cure (every arm branches from its seed's baseline); or a checkpoint",
    )


class Role(Section):
    """The auxiliary role loss: tell neutral, aggressor, victim and cleaner frames apart."""

    weight: float = Field(default=0.1, ge=0, description="beta, the factor on the loss")
    sampling: Literal["bank", "batch"] = Field(
        default="bank",
        description="balanced frames from the banks, or the minibatch with class weights",
    )
    eff_num_beta: float = Field(
        default=0.999, ge=0, lt=1, description="beta of effective-number weights"
    )
    max_weight: float = Field(default=50.0, gt=0, description="largest class weight")


class Module(Section):
    """The network: a preset, and overrides of it."""

    preset: Literal["seed", "small", "tiny"] = Field(
        default="small",
        description="seed: conv 32-64-128, LSTM 256; small: conv 16, LSTM 64; tiny: MLP 128",
    )
    cnn_filters: tuple[int, ...] | None = Field(
        default=None, description="widths of 3x3 convolutions; [] for none; empty: the preset's"
    )
    cnn_padding: int | None = Field(
        default=None,
        ge=0,
        le=4,
        description="zero cells around each convolution; empty: the preset's",
    )
    mlp: tuple[int, ...] | None = Field(
        default=None, description="widths of the layers before the projector; empty: the preset's"
    )
    projector: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="widths of the projector; the last is the latent z"
    )
    lstm: int | None = Field(default=None, ge=0, description="cells of the LSTM; 0: no memory")
    trunk: tuple[int, ...] | None = Field(
        default=None, description="widths of layers shared by policy and value; empty: the preset's"
    )
    heads: tuple[int, ...] | None = Field(
        default=None, description="widths of each head's hidden layers; empty: the preset's"
    )
    role_head_input: Literal["phi", "z"] = Field(
        default="phi", description="what the role head reads: features before the projector, or z"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="arithmetic of the training forward pass"
    )

    @field_validator("cnn_filters", "mlp", "projector", "trunk", "heads")
    @classmethod
    def _positive(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and any(width < 1 for width in value):
            raise ValueError("must hold widths of at least 1")
        return value


class Ppo(Section):
    """Proximal policy optimisation."""

    lr: float = Field(default=3e-4, gt=0, lt=1, description="Adam's step size")
    adam_eps: float = Field(default=1e-5, gt=0, description="Adam's epsilon")
    gamma: float = Field(default=0.99, ge=0, le=1, description="discount per env-step")
    gae_lambda: float = Field(
        default=0.3, ge=0, le=1, description="lambda of GAE; a moderator of the mirror"
    )
    clip: float = Field(default=0.2, gt=0, lt=1, description="clip range of the probability ratio")
    epochs: int = Field(default=4, ge=1, le=100, description="passes over a batch")
    minibatch: int = Field(default=2048, ge=1, description="size of an SGD step [agent-steps]")
    ent: float = Field(default=0.01, ge=0, description="factor on the entropy bonus")
    vf: float = Field(default=0.5, ge=0, description="factor on the value loss")
    vf_clip: float | None = Field(
        default=None, gt=0, description="clip of the value error; empty: none"
    )
    grad_clip: float | None = Field(
        default=0.5, gt=0, description="largest gradient norm; empty: none"
    )
    rollout: int = Field(default=512, ge=1, description="length of a fragment [env-steps]")
    envs: int = Field(default=16, ge=1, description="worlds per env runner")
    max_seq_len: int = Field(
        default=32, ge=1, description="length of recurrent sequences [env-steps]"
    )
    action_floor: float = Field(
        default=0.01, ge=0, lt=1, description="share of uniform play mixed into the policy"
    )
    kl_coeff: float = Field(
        default=0.0, ge=0, description="starting factor on the KL penalty; 0: off"
    )


class Budget(Section):
    """How long, and what is kept."""

    agent_steps: int = Field(
        default=1_500_000, ge=1, description="length of every arm, its stem included [agent-steps]"
    )
    cure_at_agent_steps: int | None = Field(
        default=None,
        ge=1,
        description="length of the shared baseline stem of a cure design [agent-steps]",
    )
    checkpoint_every: int = Field(
        default=10, ge=1, description="period of checkpoints [iterations]"
    )
    checkpoints_to_keep: int = Field(
        default=2, ge=1, description="newest checkpoints kept per trial"
    )
    late_fraction: float = Field(
        default=0.2, gt=0, le=1, description="last part of a run that results are read from"
    )
    probe_every: int = Field(
        default=0, ge=0, description="period of the columns `probe/` [iterations]; 0: off"
    )
    eval_episodes: int = Field(
        default=20, ge=0, description="episodes per world played after training by `karma evaluate`"
    )


class Resources(Section):
    """What one trial occupies."""

    num_env_runners: int = Field(
        default=0, ge=0, description="sampling processes; 0: in the trial itself"
    )
    num_learners: int = Field(
        default=0, ge=0, description="learner processes; 0: in the trial itself"
    )
    num_gpus: float = Field(
        default=0, ge=0, description="GPUs per learner [GPUs]; fractions share one"
    )
    cpus_per_trial: int = Field(
        default=1, ge=1, description="CPUs of the trial's own process [CPUs]"
    )
    evaluation_runners: int = Field(default=0, ge=0, description="processes that only evaluate")
    max_concurrent_trials: int | None = Field(
        default=None, ge=1, description="trials at a time; empty: as many as fit"
    )


class Tracking(Section):
    """Weights & Biases, beside the JSON, CSV and TensorBoard files always written; and replays."""

    wandb: Literal[False, "offline", "online"] = Field(
        default=False, description="false, offline (files only) or online"
    )
    project: str = Field(default="karma", min_length=1, description="project name")
    entity: str | None = Field(default=None, description="team or user; empty: your default")
    replays: int = Field(
        default=1,
        ge=0,
        le=64,
        description="worlds watched; of their last 32 episodes the best, the median and the most "
        "violent are kept as replays in each checkpoint, and as videos by wandb; 0: none",
    )
