"""P3: do attackers' and victims' frames of the same zaps have the same geometry?

Rows must correspond: row p of both sides is the same zap. On unpaired rows these measures mean
nothing.

Shapes: P zaps, D features.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

PERMUTATIONS = 499


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment with the unbiased HSIC, so that many features cost nothing.

    With K~ the kernel matrix without its diagonal,

        HSIC(K, L) = [tr(K~ L~) + 1'K~1 1'L~1 / ((P-1)(P-2)) - 2 1'K~L~1 / (P-2)] / (P (P-3))
        CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

    Args:
        x: features, (P, D), P >= 4.
        y: features of the same rows, (P, D').

    Returns:
        About 0 for unrelated rows (it may be slightly negative), 1 for equal geometry; NaN below
        four rows or where nothing varies.

    References:
        Kornblith et al. 2019, arXiv:1905.00414; Song et al. 2012, eq. 5, for the unbiased HSIC.
    """
    if len(x) < 4:
        return float("nan")
    k, l = _kernel(x), _kernel(y)  # noqa: E741
    own = _hsic(k, k) * _hsic(l, l)
    return float(_hsic(k, l) / np.sqrt(own)) if own > 0 else float("nan")


def _kernel(x: np.ndarray) -> np.ndarray:
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0)
    gram = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    return gram


def _hsic(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    n = len(k)
    both = float((k * l).sum())
    sums = float(k.sum() * l.sum()) / ((n - 1) * (n - 2))
    cross = 2.0 * float(k.sum(0) @ l.sum(0)) / (n - 2)
    return (both + sums - cross) / (n * (n - 3))


def rsa(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Spearman correlation of the two cosine dissimilarity matrices, and Mantel's p value.

    Args:
        x: features, (P, D).
        y: features of the same rows, (P, D').
        seed: of the permutations of rows.

    Returns:
        Correlation, and the share of 499 permutations (and the data) that reach it; NaN below
        four rows.

    References:
        Kriegeskorte et al. 2008, "Representational similarity analysis"; Mantel 1967.
    """
    if len(x) < 4:
        return float("nan"), float("nan")
    a, b = (np.nan_to_num(pdist(np.asarray(v, np.float64), "cosine")) for v in (x, y))
    left, right = squareform(_ranks(a), checks=False), _ranks(b)
    upper = np.triu_indices(len(x), 1)
    found = float(left[upper] @ right)
    rng = np.random.default_rng(seed)
    reached = 1
    for _ in range(PERMUTATIONS):
        order = rng.permutation(len(x))
        reached += float(left[np.ix_(order, order)][upper] @ right) >= found - 1e-12
    return found, reached / (PERMUTATIONS + 1)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, centred and of unit length: their product is Spearman's rho."""
    ranks = rankdata(values)
    ranks -= ranks.mean()
    length = np.linalg.norm(ranks)
    return ranks / length if length > 0 else ranks
