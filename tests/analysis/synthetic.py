"""Run folders as training leaves them, filled with drawn counts: food for the analysis tests."""

import json
from pathlib import Path

import numpy as np

from karma_rllib.analysis.social import COUNTS, rates
from karma_rllib.config import files

ITERATION = 25_600  # agent-steps per iteration: 256 steps of 20 worlds of 5 agents

# Late violence, cooperation, apples [per agent-step], P(zap | rival / waste / nothing in line),
# hit advantage, V before / after / victim; close to what a small pilot measured.
LATE = {
    "baseline": (0.0049, 0.0149, 0.106, 0.23, 0.88, 0.05, 0.25, 2.69, 2.88, 1.06),
    "broken": (0.0026, 0.0137, 0.097, 0.07, 0.82, 0.01, 0.14, 2.31, 2.40, 1.42),
    "karma": (0.0056, 0.0154, 0.105, 0.40, 0.83, 0.08, 0.63, 2.30, 2.87, 2.17),
    "karma_out": (0.0003, 0.0126, 0.093, 0.002, 0.79, 0.001, -0.44, 2.40, 1.67, 1.63),
    "karma_contrast": (0.0002, 0.0137, 0.096, 0.002, 0.82, 0.0005, -0.52, 2.47, 1.67, 1.65),
    "tvt": (0.0024, 0.0149, 0.106, 0.10, 0.88, 0.03, 0.05, 2.69, 2.88, 1.06),
    "matchmaker": (0.0051, 0.0149, 0.106, 0.24, 0.88, 0.05, 0.26, 2.69, 2.88, 1.06),
    "karmic": (0.0021, 0.0149, 0.106, 0.09, 0.88, 0.02, -0.02, 2.69, 2.88, 1.06),
    "placebo_inert": (0.0058, 0.0148, 0.103, 0.22, 0.79, 0.06, 0.25, 2.78, 2.96, 1.39),
}


def level(condition, step, branch):
    """Expected rates at an agent-step: learning first, then drift from baseline to the arm's."""
    start = np.array([0.004, 0.005, 0.035, 0.12, 0.12, 0.12, 0.0, 0.2, 0.2, 0.1])
    base, late = np.array(LATE["baseline"]), np.array(LATE[condition])
    learnt = start + (base - start) * (1 - np.exp(-step / 250_000))
    mixed = np.clip((step - branch) / 400_000, 0, 1) if branch or condition != "baseline" else 0
    rates_now = learnt + (late - base) * mixed
    return np.append(np.maximum(rates_now[:6], 0), rates_now[6:])  # the rest may be negative


def debts(hits, episodes, step):
    """Counts of the society: two hits in five are retributive, one debt in three is never paid."""
    return {
        "predatory": 0.6 * hits,
        "retributive": 0.4 * hits,
        "chance_retributive": 0.35 * hits,
        "debt_made": 0.6 * hits,
        "debt_paid": 0.4 * hits,
        "ended_episodes": episodes,
        "debt_at_end": episodes * 0.2e-4 * step,
    }


def result(condition, seed, iteration, branch, *, start=0, scale=1.0):
    """One training result, nested as Tune writes it."""
    rng = np.random.default_rng([seed, iteration, len(condition), start])
    step = start + (iteration + 1) * ITERATION
    v, c, a, rival, waste, idle, hit_adv, before, after, victim = level(condition, step, branch)
    n, tilt = ITERATION, 1 + 0.1 * np.sin(seed)
    hits = rng.poisson(n * v * tilt * scale)
    counts = dict.fromkeys(COUNTS, 0.0) | {
        "env_steps": n / 5,
        "agent_steps": n,
        "active_steps": n - 25 * hits,
        "episodes": n / 5 / 250,
        "agent_episodes": n / 250,
        "hits": hits,
        "cleans": rng.poisson(n * c * tilt),
        "cleaned_cells": rng.poisson(n * c * tilt),
        "shots": hits + rng.poisson(n * c),
        "apples": rng.poisson(n * a),
        "aim_rival": 600,
        "aim_rival_shots": rng.binomial(600, min(rival * tilt, 1)),
        "aim_waste": 450,
        "aim_waste_shots": rng.binomial(450, min(waste, 1)),
        "aim_nothing": 20_000,
        "aim_nothing_shots": rng.binomial(20_000, min(idle * tilt, 1)),
        "stock": 5.0 * n / 5,
        **debts(hits, n / 5 / 250, step),
    }
    values = {"hit_advantage": hit_adv, "v_before": before, "v_after": after, "v_victim": victim}
    noisy = {k: float(hits * x + np.sqrt(hits) * rng.normal()) for k, x in values.items()}
    counts |= {f"{k}_sum": x for k, x in noisy.items()}
    counts |= {"zap_probability_sum": counts["shots"], "floor_hits_sum": 0.1 * n}
    counts = {k: float(x) for k, x in counts.items()}
    means = {k: x / max(hits, 1) for k, x in noisy.items()}
    return {
        "condition": condition,
        "seed": seed,
        "agent_steps": step,
        "branch_agent_steps": branch,
        "agent_steps_per_s": 12_000.0,
        "counts": counts,
        "social": rates(counts),
        "mirror": {k: x for k, x in means.items() if k.startswith("v_")},
        "ppo": {"hit_advantage": means["hit_advantage"]},
        "env_runners": {"num_env_steps_sampled": n / 5},
        "training_iteration": start // ITERATION + iteration + 1,
        "timestamp": 1_700_000_000 + start // ITERATION + iteration,
        "hostname": "a-machine",
        "config": {"seed": seed, "lr": 3e-4, "nested": {"a": [1, 2]}},
    }


def write_lines(folder, rows):
    """`result.json`: one JSON object per line."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "result.json").write_text(text, encoding="utf-8")


def write_run(root, conditions=("baseline", "karma_out"), seeds=(42, 123, 202), **options):
    """A whole run folder.

    Options: stem, length [iterations], scale of violence, name, world, kinship.
    """
    stem, length = options.get("stem", 0), options.get("length", 20)
    folder = Path(root) / options.get("name", "mirror_2024")
    folder.mkdir(parents=True)
    experiment = {
        "name": "mirror",
        "world": {"name": "harvest-v0", "profile": "dual_cleanup"} | options.get("world", {}),
        "ppo": {"gae_lambda": 0.3},
        "conditions": list(conditions),
        "seeds": list(seeds),
    }
    experiment |= {"kinship": options["kinship"]} if "kinship" in options else {}
    (folder / "experiment.yaml").write_text(files.dump(experiment), encoding="utf-8")
    provenance = {
        "command": "karma train mirror.yaml",
        "commit": "0123abc",
        "versions": {"ray": "2.60.0", "torch": "2.13.0"},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    branch = stem * ITERATION
    for seed in seeds:
        if stem:
            rows = [result("baseline", seed, i, 0) for i in range(stem)]
            write_lines(folder / "stem" / f"baseline_s{seed}", rows)
        for condition in conditions:
            scale = options.get("scale", {}).get(condition, 1.0)
            rows = [
                result(condition, seed, i, branch, start=branch, scale=scale) for i in range(length)
            ]
            write_lines(folder / f"{condition}_s{seed}", rows)
    return folder


def edit_results(folder, edit, pattern="**/result.json"):
    """Rewrite results in place: `edit(row)` changes one row."""
    for path in folder.glob(pattern):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            edit(row)
        write_lines(path.parent, rows)
