"""P1: can a linear probe tell attackers from victims?

Both frames of a zap show the same moment, so they are nearly the same picture with opposite labels.
Folds that split such a pair teach the probe the opposite of the truth and drive its AUROC below
one half where there is no signal at all; so folds are cut between episodes, which keeps every zap
whole.

Shapes: P zaps, D features; rows of `x` are P attackers, then P victims.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS, DRAWS, PERMUTATIONS = 5, 200, 20


class Auroc(NamedTuple):
    """Mean over folds, with a 95 % bootstrap over episodes; NaN where there are too few."""

    value: float
    low: float
    high: float


NOTHING = Auroc(np.nan, np.nan, np.nan)


def probe(attacker: np.ndarray, victim: np.ndarray, episode: np.ndarray, seed: int = 0) -> Auroc:
    """AUROC of attacker against victim, cross-validated by episode.

    The probe is a logistic regression (L2, C = 1, balanced) on features standardised on each
    training fold.

    Args:
        attacker: features, (P, D).
        victim: features of the same zaps, (P, D).
        episode: of each zap, (P,).
        seed: of the bootstrap.

    Returns:
        The mean AUROC over five folds and its interval; NaN with fewer than five episodes.
    """
    if len(np.unique(episode)) < FOLDS:
        return NOTHING
    y, scores, fold = _out_of_fold(attacker, victim, episode)
    value = _mean_auroc(y, scores, fold)
    groups = np.tile(episode, 2)
    rng = np.random.default_rng(seed)
    names, where = np.unique(groups, return_inverse=True)
    rows_of = [np.flatnonzero(where == k) for k in range(len(names))]
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[k] for k in rng.integers(len(names), size=len(names))])
        drawn.append(_mean_auroc(y[rows], scores[rows], fold[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
    return Auroc(value, low, high)


def grouped(attacker: np.ndarray, victim: np.ndarray, episode: np.ndarray) -> float:
    """The value of `probe` alone, at a fraction of its cost; NaN with too few episodes."""
    if len(np.unique(episode)) < FOLDS:
        return float("nan")
    return _mean_auroc(*_out_of_fold(attacker, victim, episode))


def _out_of_fold(
    attacker: np.ndarray, victim: np.ndarray, episode: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, out-of-fold scores and folds of attackers and then victims, (2 P,) each."""
    x = np.concatenate([attacker, victim])
    y = np.repeat([1, 0], len(attacker))
    split = GroupKFold(FOLDS).split(x, y, np.tile(episode, 2))
    return y, *_scores(x, y, split)


def null(attacker: np.ndarray, victim: np.ndarray, episode: np.ndarray, seed: int = 0) -> Auroc:
    """The same with roles swapped within random zaps: what chance gives, and its 95 % range."""
    rng = np.random.default_rng(seed)
    if len(np.unique(episode)) < FOLDS:
        return NOTHING
    values = []
    for _ in range(PERMUTATIONS):
        swap = rng.random(len(attacker)) < 0.5
        a, v = np.where(swap[:, None], victim, attacker), np.where(swap[:, None], attacker, victim)
        x, y = np.concatenate([a, v]), np.repeat([1, 0], len(a))
        split = GroupKFold(FOLDS).split(x, y, np.tile(episode, 2))
        values.append(_mean_auroc(y, *_scores(x, y, split)))
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return Auroc(float(np.mean(values)), low, high)


def leaked(attacker: np.ndarray, victim: np.ndarray, seed: int = 0) -> float:
    """The wrong way: folds that split pairs. Kept to show what it does, never to report."""
    x, y = np.concatenate([attacker, victim]), np.repeat([1, 0], len(attacker))
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y)
    return _mean_auroc(y, *_scores(x, y, split))


def _scores(x: np.ndarray, y: np.ndarray, split: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold decision scores (2 P,) and the fold of each row.

    In float64: what saturated units still vary by is too little to be divided by in float32.
    """
    x = x.astype(np.float64)
    scores, fold = np.zeros(len(y)), np.zeros(len(y), int)
    for k, (train, test) in enumerate(split):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=1.0, max_iter=10_000, class_weight="balanced")
        )
        scores[test] = model.fit(x[train], y[train]).decision_function(x[test])
        fold[test] = k
    return scores, fold


def _mean_auroc(y: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> float:
    """Mean over the folds that hold both roles."""
    values = [
        auroc(y[fold == k], scores[fold == k])
        for k in range(FOLDS)
        if 0 < y[fold == k].sum() < (fold == k).sum()
    ]
    return float(np.mean(values)) if values else float("nan")


def auroc(y: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic of the scores' ranks.

    It is computed thousands of times in a bootstrap, where scikit-learn's checks would cost more
    than the probes.

    Args:
        y: 1 or 0, (M,), some of each.
        scores: (M,).
    """
    positive = int(y.sum())
    ranks = rankdata(scores)[y == 1].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))
