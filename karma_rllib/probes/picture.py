"""P5: the latent space by role, as numbers and as a picture.

Shapes: M frames, Z width of z.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from karma_rllib.nets.diagnostics import closeness, spread

COLOURS = {
    "neutral": "#b9bec6",
    "cleaner": "#009e73",
    "aggressor": "#d55e00",
    "victim": "#0072b2",
}


def geometry(z: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How latents are spread, how close the two sides of zaps are, how far roles lie apart.

    Args:
        z: role -> latents (M, Z); `aggressor` and `victim` are rows of the same zaps.

    Returns:
        `spread` of neutral frames, `closeness` of pairs (see `nets.diagnostics`), and
        `prototype_distance`: 1 - cosine between roles' mean latents, about the neutral mean.
    """
    found: dict[str, Any] = {}
    if len(z["neutral"]) > 1:
        found |= spread(torch.as_tensor(z["neutral"]))
    if len(z["aggressor"]) > 1:
        found |= closeness(torch.as_tensor(z["aggressor"]), torch.as_tensor(z["victim"]))
    centre = z["neutral"].mean(0) if len(z["neutral"]) else 0.0
    means = {
        role: rows.mean(0) - centre for role, rows in z.items() if role != "neutral" and len(rows)
    }
    names = list(means)
    found["prototype_distance"] = {
        f"{a}-{b}": _cosine_distance(means[a], means[b])
        for k, a in enumerate(names)
        for b in names[k + 1 :]
    }
    return found


def _cosine_distance(a: np.ndarray, b: np.ndarray) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1.0 - float(a @ b) / length if length > 0 else float("nan")


def principal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (Z,), first two principal axes (2, Z) with fixed signs, and their variance shares."""
    mean = z.mean(0)
    _, s, axes = np.linalg.svd(z - mean, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(1, keepdims=True) + 1e-30)
    total = float(np.square(s).sum())
    return mean, axes, np.square(s[:2]) / total if total > 0 else np.zeros(2)


def draw(z: Mapping[str, np.ndarray], title: str, path: Path) -> Path:
    """Latents on their first two principal axes, coloured by role, to a PNG."""
    mean, axes, shares = principal(np.concatenate([rows for rows in z.values() if len(rows)]))
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    for role, rows in sorted(z.items(), key=lambda item: list(COLOURS).index(item[0])):
        if len(rows):
            x, y = axes @ (rows - mean).T
            ax.scatter(x, y, s=9, alpha=0.55, linewidth=0, color=COLOURS[role], label=role)
    ax.set_xlabel(f"first principal axis of z ({shares[0]:.0%} of the variance)")
    ax.set_ylabel(f"second ({shares[1]:.0%})")
    ax.set_title(title, loc="left", fontweight="bold")
    ax.legend(frameon=False, markerscale=2)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    return path
