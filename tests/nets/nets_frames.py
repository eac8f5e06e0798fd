"""Small frames whose content says what they are."""

import numpy as np

GRID, D = (5, 5, 4), 6
KIND = {"neutral": 0, "agg_dec": 1, "agg_out": 2, "vic_dec": 3, "vic_out": 4, "dec": 5, "out": 6}


def frames(kind, ids, seed=0):
    """Random planes; vec is (kind, id, noise...)."""
    ids = np.asarray(ids, np.int64)
    rng = np.random.default_rng((seed, KIND[kind], *ids.tolist()))
    vec = rng.normal(size=(len(ids), D)).astype(np.float32)
    vec[:, 0], vec[:, 1] = KIND[kind], ids
    return {"grid": rng.integers(0, 2, (len(ids), *GRID), dtype=np.uint8), "vec": vec}


def kinds(batch):
    return set(batch["vec"][:, 0].astype(int))


def ids(batch):
    return batch["vec"][:, 1].astype(int)


def states(n, cells, seed=0):
    rng = np.random.default_rng((seed, n, cells))
    return {k: rng.normal(size=(n, cells)).astype(np.float32) for k in ("h", "c")}


def fill(bank, pairs=40, cleaners=30, neutrals=60, foragers=0, first=0, cells=0):
    """Pairs with zid = first, first + 1, ...; uid = zid + 1000."""
    zid = np.arange(first, first + pairs)
    bank.add_pairs(
        **{side: frames(side, zid) for side in ("agg_dec", "agg_out", "vic_dec", "vic_out")},
        zid=zid,
        uid=zid + 1000,
        weight=np.ones(pairs),
        agg_state=states(pairs, cells, 1) if cells else None,
        vic_state=states(pairs, cells, 2) if cells else None,
    )
    if cleaners:
        bank.add_cleaners(frames("dec", np.arange(cleaners)), frames("out", np.arange(cleaners)))
    if foragers:
        bank.add_foragers(frames("dec", np.arange(foragers)), frames("out", np.arange(foragers)))
    if neutrals:
        bank.add_neutrals(frames("neutral", np.arange(neutrals)))
    return bank
