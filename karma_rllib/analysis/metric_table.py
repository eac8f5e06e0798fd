"""Every column that training logs, by family, with the expression that computes it.

This table is what `docs/metrics.md` prints and what the tests hold every logged key against: a
column that is not here is not documented.
"""

from __future__ import annotations

from typing import NamedTuple

from karma_rllib.analysis.social import COUNTS
from karma_rllib.analysis.social import FAMILIES as COUNTED


class Row(NamedTuple):
    """One documented column; `better` is "lower", "higher" or "" (neither)."""

    key: str
    formula: str
    unit: str
    better: str
    description: str


_RUN = (
    Row("condition", "", "name", "", "experimental condition of the run"),
    Row("seed", "", "1", "", "seed of the run; equal seeds are paired across conditions"),
    Row("agent_steps", "", "agent-steps", "", "actions of single agents so far, the stem included"),
    Row("branch_agent_steps", "", "agent-steps", "", "`agent_steps` at the branch; 0: no stem"),
    Row("agent_steps_per_s", "new agent-steps / iteration_s", "1/s", "higher", "speed"),
    Row("iteration_s", "", "s", "lower", "wall-clock time of the iteration"),
    Row("training_iteration", "", "iterations", "", "calls of `Algorithm.train()` so far"),
)

_LEARNER_COUNTS = (
    Row("counts/zap_advantage_sum", "sum A(fired)", "reward", "", "advantages of shots"),
    Row("counts/hit_advantage_sum", "sum A(hit)", "reward", "", "attacker's advantages at hits"),
    Row("counts/v_before_sum", "sum V(o^A_t)", "reward", "", "attacker's values before hits"),
    Row("counts/v_after_sum", "sum V(o^A_t+1)", "reward", "", "attacker's values after hits"),
    Row("counts/v_victim_sum", "sum V(o^V_t+1)", "reward", "", "victim's values after hits"),
    Row("counts/zap_probability_sum", "sum pi(zap | o)", "1", "", "over agents that could act"),
    Row(
        "counts/floor_hits_sum",
        "sum 1[pi(zap | o) <= 2 eps / A]",
        "1",
        "",
        "decisions at the floor",
    ),
)

#: Means over events that the learner sees: column -> (sum, count), both under `counts/`.
EVENT_MEANS: dict[str, tuple[str, str]] = {
    "ppo/zap_advantage": ("zap_advantage_sum", "shots"),
    "ppo/hit_advantage": ("hit_advantage_sum", "hits"),
    "mirror/v_before": ("v_before_sum", "hits"),
    "mirror/v_after": ("v_after_sum", "hits"),
    "mirror/v_victim": ("v_victim_sum", "hits"),
    "policy/zap_probability": ("zap_probability_sum", "active_steps"),
    "policy/floor_hits": ("floor_hits_sum", "active_steps"),
}

_MIRROR = (
    Row("mirror/loss", "L_KARMA", "latent units^2", "", "before its weight; 0.0 while inactive"),
    Row("mirror/weight", "lambda ramp(t)", "1", "", "lambda after warm-up and gradient matching"),
    Row("mirror/active", "1[pairs >= min_pairs]", "1", "", "share of SGD steps with the loss on"),
    Row("mirror/pairs", "", "pairs", "", "pairs in the event bank"),
    Row("mirror/grad_norm", "||grad L_KARMA||", "1", "", "gradient norm before the weight"),
    Row(
        "mirror/grad_norm_reference",
        "EMA ||grad L_ref||",
        "1",
        "",
        "norm that the weight of a control is matched to; 0.0 where matching is off",
    ),
    Row("mirror/std_min", "min_d std(z_d)", "latent units", "", "least varying latent"),
    Row("mirror/std_median", "median_d std(z_d)", "latent units", "", "typical latent"),
    Row(
        "mirror/dead_fraction",
        "mean_d 1[std(z_d) < 0.05 median at start]",
        "1",
        "lower",
        "latents that no longer vary",
    ),
    Row(
        "mirror/effective_rank",
        "exp(-sum_i p_i ln p_i), p_i = s_i / sum s",
        "1",
        "higher",
        "s: singular values of the centred latents; near 1 is collapse",
    ),
    Row(
        "mirror/participation_ratio",
        "(sum l)^2 / sum l^2",
        "1",
        "higher",
        "l: eigenvalues of the covariance of the latents",
    ),
    Row("mirror/align", "mean ||n(za) - n(zv)||^2", "1", "", "n: scaled to unit length; in [0, 4]"),
    Row(
        "mirror/uniform",
        "ln mean_{x != y} exp(-2 ||n(x) - n(y)||^2)",
        "nats",
        "lower",
        "near 0 is collapse",
    ),
    Row(
        "mirror/align_ratio",
        "mean ||za_p - zv_p||^2 / mean ||za_p - zv_q||^2",
        "1",
        "",
        "q is another zap than p; 1: instances are not aligned",
    ),
    Row(
        "mirror/role_gap",
        "||mu_a - mu_v||^2 / ((tr S_a + tr S_v) / 2)",
        "1",
        "",
        "0: aggressor and victim latents have the same mean",
    ),
    Row("mirror/norm_ratio", "mean ||z|| / mean ||z|| at start", "1", "", "near 0: z shrank"),
    Row(
        "mirror/collapsed",
        "1[erank < 4 or uniform > -0.5 or dead > 0.5 or norm < 0.1]",
        "1",
        "lower",
        "alarm: no claim about the mechanism can rest on this run",
    ),
    Row("mirror/v_before", "v_before_sum / hits", "reward", "", "V of the attacker as it decides"),
    Row("mirror/v_after", "v_after_sum / hits", "reward", "", "V of the attacker after its hit"),
    Row("mirror/v_victim", "v_victim_sum / hits", "reward", "", "V of the victim after the hit"),
    Row(
        "mirror/v_gap", "v_after - v_victim", "reward", "", "0: having harmed is like being harmed"
    ),
)

_LEARNER = (
    Row(
        "role/loss",
        "sum w_y CE(role(x), y) / sum w_y",
        "nats",
        "lower",
        "role labels of balanced frames; 0.0 while inactive",
    ),
    Row("role/accuracy", "mean 1[argmax role(x) = y]", "1", "higher", "on the same frames"),
    Row(
        "ppo/policy_loss",
        "-mean min(rho A, clip(rho, 1-eps, 1+eps) A)",
        "1",
        "",
        "over agent-steps in which the agent could act",
    ),
    Row("ppo/vf_loss", "mean (V - target)^2", "reward^2", "lower", "over all agent-steps"),
    Row(
        "ppo/entropy", "mean -sum_a pi ln pi", "nats", "", "of the policy that acts, floor included"
    ),
    Row("ppo/kl", "mean KL(pi_old || pi)", "nats", "", "how far an update went"),
    Row("ppo/clip_fraction", "mean 1[|rho - 1| > eps]", "1", "", "share of clipped agent-steps"),
    Row(
        "ppo/ratio_epoch0",
        "max |rho - 1| in the first minibatch of an update",
        "1",
        "lower",
        "0 up to rounding: the learner evaluates the policy that acted",
    ),
    Row(
        "ppo/explained_variance",
        "1 - var(target - V) / var(target)",
        "1",
        "higher",
        "of the critic",
    ),
    Row("ppo/hit_advantage", "hit_advantage_sum / hits", "reward", "", "> 0: harming pays"),
    Row("ppo/zap_advantage", "zap_advantage_sum / shots", "reward", "", "> 0: zapping pays"),
    Row("ppo/grad_norm", "||grad L||", "1", "", "of the whole loss, before clipping"),
    Row("policy/zap_probability", "mean pi(zap | o)", "1", "", "over agents that could act"),
    Row(
        "policy/floor_hits",
        "mean 1[pi(zap | o) <= 2 eps / A]",
        "1",
        "",
        "share of decisions in which zapping is left to the action floor",
    ),
)

_PROBE = (
    Row("probe/zaps", "", "zaps", "", "hits of the probed iteration; 0.0 before the first"),
    Row("probe/dv_out", "mean V(o^A_t+1) - V(o^V_t+1)", "reward", "", "value asymmetry of a hit"),
    Row(
        "probe/auroc_z",
        "mean over folds AUROC(w . z)",
        "1",
        "",
        "attacker against victim, a linear probe of z, folds of whole episodes; 0.5: cannot tell",
    ),
    Row(
        "probe/align_ratio",
        "mean ||za_p - zv_p||^2 / mean ||za_p - zv_q||^2",
        "1",
        "",
        "as `mirror/align_ratio`, in every condition",
    ),
    Row(
        "probe/effective_rank",
        "exp(-sum_i p_i ln p_i), p_i = s_i / sum s",
        "1",
        "higher",
        "of the latents of attackers and victims",
    ),
)

_TVT = (
    Row("tvt/loss", "-sum obj / M", "1", "", "policy loss of blame for acts of older fragments"),
    Row("tvt/retro_ratio", "mean rho", "1", "", "of those acts; 1: the policy has not moved since"),
    Row(
        "tvt/retro_ess",
        "(sum rho)^2 / (n sum rho^2)",
        "1",
        "higher",
        "share of those acts that their weights leave in effect",
    ),
    Row(
        "tvt/retro_dropped",
        "mean 1[rho < 0.05 or rho > 10]",
        "1",
        "lower",
        "those acts that the policy has left too far behind",
    ),
    Row(
        "tvt/key_loss",
        "InfoNCE(query(victim), key(aggressor))",
        "nats",
        "lower",
        "how well a victim's query tells its own aggressor's key from other zaps'",
    ),
    Row(
        "tvt/key_accuracy",
        "mean 1[argmax_q query_p . key_q = p]",
        "1",
        "higher",
        "over the zaps of one draw from the event bank",
    ),
    Row("tvt/role_loss", "CE(W_y c, y)", "nats", "lower", "roles told from contexts c"),
    Row("tvt/role_accuracy", "mean 1[argmax W_y c = y]", "1", "higher", "on the same frames"),
    Row(
        "tvt/rebuild_loss",
        "mean BCE(planes) + mean (vec - vec^)^2",
        "1",
        "lower",
        "observations told from z (match hung)",
    ),
    Row("tvt/read_strength", "mean beta", "1", "", "of all reads (match hung)"),
)

#: Every documented column by key.
TABLE: dict[str, Row] = {
    row.key: row
    for row in (
        *_RUN,
        *(
            Row(f"{family}/{m.name}", *m[1:5])
            for family, metrics in COUNTED.items()
            for m in metrics.values()
        ),
        *(Row(f"counts/{c.name}", "", c.unit, "", c.description) for c in COUNTS.values()),
        *_LEARNER_COUNTS,
        *_MIRROR,
        *_LEARNER,
        *_PROBE,
        *_TVT,
    )
}

FAMILIES = (
    *("social", "kinship", "matchmaker", "tvt", "match"),
    *("mirror", "role", "ppo", "policy", "probe", "counts"),
)


def family(name: str) -> list[Row]:
    """The rows of one family; "run" gives the columns that belong to none."""
    if name == "run":
        return [row for row in TABLE.values() if "/" not in row.key]
    return [row for row in TABLE.values() if row.key.startswith(f"{name}/")]


def markdown(name: str) -> str:
    """The family as a Markdown table, one line per column."""
    lines = ["| key | formula | unit | better | meaning |", "|---|---|---|---|---|"]
    for row in family(name):
        formula = f"`{row.formula}`".replace("|", "\\|") if row.formula else ""
        text = row.description.replace("|", "\\|")
        lines.append(f"| `{row.key}` | {formula} | {row.unit} | {row.better} | {text} |")
    return "\n".join(lines)
