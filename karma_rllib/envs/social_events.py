"""Events of one transition as dicts, made only where a world meets people.

Inside, events are arrays over all worlds (`karma_rllib.worlds.events.Events`); the dicts here are
what `infos[agent]["social_events"]` holds.  Every dict has

    event_type    "ZAP_HIT" | "ZAP_WASTE" | "APPLE_EATEN": what happened
    type          "ZAP_AGENT" | "BEING_ZAPPED" | "ZAP_WASTE" | "APPLE_EATEN": the same, as this
                  agent lived it; each hit appears once as ZAP_AGENT (the attacker's infos) and once
                  as BEING_ZAPPED (the victim's)
    actor         who acted
    timestamp     step of the episode [env-steps], from 0
    global_step   step of the lifetime [env-steps], never reset
    episode       episode of the lifetime, from 0
    env_uid       identity of the world

ZAP_WASTE adds `cells` [cells removed].  ZAP_HIT adds

    attacker, victim    agent names
    zid                 identity of the zap, shared by both sides
    zap_distance        [cells]
    apple_context       an apple lay in the 5x5 around the victim
    mutual              the victim hit the attacker in the same step
    predatory           true unless the victim owed the attacker
    ledger_before       what the victim owed the attacker before the step [zaps]
"""

from typing import Any

import numpy as np

from karma_rllib.worlds.events import Events, zap_id


def agent_names(n: int) -> list[str]:
    """`agent_0` ... for n agents."""
    return [f"agent_{k}" for k in range(n)]


def social_events(
    events: Events, ledger_before: np.ndarray, uid: int, b: int = 0
) -> list[list[dict[str, Any]]]:
    """The dicts of world b, one list per agent.

    Args:
        events: one transition, fields (B, N) and (B, N, N).
        ledger_before: debts before the step, float32 (B, N, N) [zaps].
        uid: uid of world b.
        b: which world.

    Returns:
        N lists in agent order; within a list first hits, then waste, then apples.
    """
    names = agent_names(events.ate.shape[-1])
    told: list[list[dict[str, Any]]] = [[] for _ in names]
    when = {
        "timestamp": int(events.t[b]),
        "global_step": int(events.g[b]),
        "episode": int(events.episode[b]),
        "env_uid": int(uid),
    }
    for i, j in np.argwhere(events.hit[b]).tolist():
        zap = {
            "event_type": "ZAP_HIT",
            "actor": names[i],
            "attacker": names[i],
            "victim": names[j],
            "zid": int(zap_id(uid, events.g[b], i, j)),
            "zap_distance": int(events.distance[b, i, j]),
            "apple_context": bool(events.apple_ctx[b, j]),
            "mutual": bool(events.hit[b, j, i]),
            "predatory": bool(events.predatory[b, i, j]),
            "ledger_before": float(ledger_before[b, j, i]),
            **when,
        }
        told[i].append({**zap, "type": "ZAP_AGENT"})
        told[j].append({**zap, "type": "BEING_ZAPPED"})
    for i in np.flatnonzero(events.cleaned[b]).tolist():
        kind = {"event_type": "ZAP_WASTE", "type": "ZAP_WASTE", "actor": names[i]}
        told[i].append({**kind, "cells": int(events.cleaned[b, i]), **when})
    for i in np.flatnonzero(events.ate[b]).tolist():
        kind = {"event_type": "APPLE_EATEN", "type": "APPLE_EATEN", "actor": names[i]}
        told[i].append({**kind, **when})
    return told
