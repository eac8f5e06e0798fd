"""Run folders in which the truth is known: rates drawn around planted levels."""

import json

import numpy as np
from synthetic import ITERATION, write_lines

from karma_rllib.analysis.social import COUNTS
from karma_rllib.config import files, first_seeds

# Late violence, cooperation and apples [per agent-step] of an ecology that passes every gate.
HEALTHY = {"hits": 0.01, "cleans": 0.015, "apples": 0.1}
ITERATIONS = 10


def planted_run(root, arms, n=5, **options):
    """A run folder with `n` seeds of every arm.

    Args:
        root: where the folder is made.
        arms: condition -> {count: factor on its level}; {} leaves the arm at the healthy level.
        n: seeds.
        **options: `sd` of the log rates over seeds, `name`, `settings` of the experiment,
            `hit_advantage`, `early` (condition -> factor on the first iterations' hits), `draw`
            (seed of the levels), `probes` (condition -> summary), `collapsed`
            (conditions whose latent did).
    """
    rng = np.random.default_rng(options.get("draw", 0))
    folder = root / options.get("name", "planted")
    folder.mkdir(parents=True)
    seeds = first_seeds(n)
    experiment = {
        "name": "planted",
        "world": {"name": "harvest-v0", "profile": "dual_cleanup"},
        "conditions": list(arms),
        "seeds": list(seeds),
        **options.get("settings", {}),
    }
    (folder / "experiment.yaml").write_text(files.dump(experiment), encoding="utf-8")
    provenance = {"created": "2030-01-01T00:00:00+00:00", "command": "karma train planted.yaml"}
    (folder / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    for condition, factors in arms.items():
        for seed in seeds:
            noise = np.exp(options.get("sd", 0.1) * rng.normal(size=3))
            levels = {
                key: level * factors.get(key, 1.0) * wobble
                for (key, level), wobble in zip(HEALTHY.items(), noise, strict=True)
            }
            early = options.get("early", {}).get(condition, 1.0)
            rows = [_row(condition, seed, i, levels, early, options) for i in range(ITERATIONS)]
            write_lines(folder / f"{condition}_s{seed}", rows)
            if condition in options.get("probes", {}):
                text = json.dumps({"summary": options["probes"][condition]})
                (folder / f"{condition}_s{seed}" / "probes.json").write_text(text)
    return folder


def _row(condition, seed, iteration, levels, early, options):
    n = ITERATION
    hits = n * levels["hits"] * (early if iteration < 2 else 1.0)
    counts = dict.fromkeys(COUNTS, 0.0) | {
        "env_steps": n / 5,
        "agent_steps": n,
        "active_steps": n,
        "hits": hits,
        "predatory": hits,
        "cleans": n * levels["cleans"],
        "apples": n * levels["apples"],
        "aim_rival": 1000.0,
        "aim_rival_shots": 250.0,
        "aim_nothing": 1000.0,
        "aim_nothing_shots": 50.0,
        "hit_advantage_sum": hits * options.get("hit_advantage", 0.3),
    }
    return {
        "condition": condition,
        "seed": seed,
        "agent_steps": (iteration + 1) * n,
        "branch_agent_steps": 0,
        "counts": counts,
        "mirror": {"collapsed": float(condition in options.get("collapsed", ()))},
        "training_iteration": iteration + 1,
        "timestamp": 1_700_000_000 + iteration,
    }
