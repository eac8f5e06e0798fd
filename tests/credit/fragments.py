"""Random and scripted fragments of social life, and how a memory is walked through them."""

import numpy as np

from karma_rllib.credit.recall import Recall
from karma_rllib.credit.snapshots import Snapshots
from karma_rllib.credit.transport import transport

KEY, VALUE = 4, 3


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def quiet(T, W, N, g0=0):
    """A fragment in which nothing happens and everything is worth 0."""
    return {
        "g": np.asarray(g0) + np.arange(T)[:, None] + np.zeros((T, W), np.int64),
        "hit": np.zeros((T, W, N, N), bool),
        "cleaned": np.zeros((T, W, N), np.int16),
        "fired": np.zeros((T, W, N), bool),
        "active": np.ones((T, W, N), bool),
        "key": unit(np.ones((T, W, N, KEY))),
        "query": unit(np.ones((T, W, N, KEY))),
        "value_vector": np.zeros((T, W, N, VALUE), np.float32),
        "reward": np.zeros((T, W, N), np.float32),
        "value": np.zeros((T, W, N), np.float32),
        "last_value": np.zeros((W, N), np.float32),
        "truncated": np.zeros((T, W), bool),
        "final_value": np.zeros((T, W, N), np.float32),
    }


def random_fragment(rng, T, W, N, g0=0, p_hit=0.08, p_end=0.05):
    frag = quiet(T, W, N, g0)
    frag["hit"] = (rng.random((T, W, N, N)) < p_hit) & ~np.eye(N, dtype=bool)
    frag["cleaned"] = (rng.random((T, W, N)) < 0.05).astype(np.int16)
    frag["fired"] = frag["hit"].any(-1) | (rng.random((T, W, N)) < 0.1)
    frag["active"] = (rng.random((T, W, N)) < 0.8) | frag["fired"]
    frag["key"], frag["query"] = (unit(rng.normal(size=(T, W, N, KEY))) for _ in range(2))
    frag["value_vector"] = rng.normal(size=(T, W, N, VALUE)).astype(np.float32)
    for name in ("reward", "value", "last_value", "final_value"):
        frag[name] = rng.normal(0.0, 2.0, frag[name].shape).astype(np.float32)
    frag["truncated"] = rng.random((T, W)) < p_end
    return frag


def remember(recall, frag, uid=None):
    """Walk the memory through a fragment; returns readings (T, W, N, V) and the links."""
    T, W, N = frag["reward"].shape
    uid = np.arange(W) if uid is None else uid
    recall.begin(T)
    readings = np.zeros((T, W, N, VALUE), np.float32)
    for t in range(T):
        row = [frag[k][t] for k in ("hit", "cleaned", "fired", "active", "key", "query")]
        readings[t], _ = recall.step(frag["g"][t], uid, *row, frag["value_vector"][t])
        recall.episode_end(frag["truncated"][t])
    return readings, recall.links()


def charge(recall, links, frag, snapshots=None, gamma=0.99, timeout=25):
    names = ("reward", "value", "last_value", "truncated", "final_value", "hit", "active", "g")
    columns = {name: frag[name] for name in names}
    return transport(recall, links, **columns, timeout=timeout, gamma=gamma, snapshots=snapshots)


def keep(snapshots, recall, frag):
    """Photograph the crimes, with the reward column as the only frame."""
    columns = {"reward": frag["reward"]}
    return snapshots.keep(recall, columns, {}, frag["truncated"], frag["active"], frag["g"])


def make(params, W=1, N=3, gamma=0.99, lambda_=0.95, seed=0):
    recall = Recall(W, N, params, gamma, lambda_, seed, value_dim=VALUE)
    return recall, Snapshots(params.snapshots, params.retro_window)
