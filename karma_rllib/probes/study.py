"""All probes of one checkpoint: one dictionary, one table, one picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from karma_rllib.analysis import linear
from karma_rllib.credit.params import TvtParams
from karma_rllib.nets.net import MirrorNet
from karma_rllib.nets.policy import Policy
from karma_rllib.probes import picture, replayed, similarity, transfer, values
from karma_rllib.probes.capture import Capture, play
from karma_rllib.probes.features import look, untrained
from karma_rllib.worlds.face import World

ENOUGH = 100  # zaps below which results are called underpowered
MOST = 600  # zaps that are looked at
FEW = 200  # zaps for matrices of all pairs


def study(
    policy: Policy,
    world: Mapping[str, Any],
    episodes: int = 40,
    seed: int = 0,
    behaviour: Policy | None = None,
    *,
    discounts: tuple[float, float] = (0.99, 0.95),
    transport: TvtParams | None = None,
    branches: int = 0,
    picture_file: Path | None = None,
) -> dict[str, Any]:
    """Run every probe on a frozen policy.

    Args:
        policy: the network under study.
        world: arguments of `make_lifetime`, its name under `world`.
        episodes: to play.
        seed: of worlds, subsets and bootstraps.
        behaviour: who acts; None: the policy itself.
        discounts: gamma and lambda of training, for the implied penalty.
        transport: what value transport charges, for its calibration; None: as by default.
        branches: crimes that are lived again without the act, for that calibration; 0: none.
        picture_file: where the picture is drawn; None: nowhere.

    Returns:
        JSON data: `summary` (what verdicts read), then one entry per probe. With fewer than two
        zaps there is nothing to probe, and the entries are missing.

    Raises:
        ValueError: a policy does not fit the world, or there is nothing to probe in it.
    """
    place = _world(world)
    if not place.traits.zaps:
        raise ValueError(
            f"in {_place(world)} nobody can harm another, so there is no attacker to compare with "
            "its victim; use `karma evaluate` to see what a policy does there"
        )
    if branches and policy.net.read_spec is not None:
        raise ValueError(
            "tvt.match hung charges nobody for its acts, so there are no charges to calibrate; "
            "leave out `--branches`"
        )
    seen = play(policy, world, episodes, seed, behaviour)
    found: dict[str, Any] = {
        "origin": {
            key: policy.meta.get(key) for key in ("condition", "seed", "agent_steps", "world")
        },
        "behaviour": behaviour.meta.get("condition") if behaviour else None,
        "episodes": seen.episodes,
        "zaps": seen.zaps,
        "underpowered": seen.zaps < ENOUGH,
    }
    if branches:
        found["transport"] = replayed.probe(
            policy,
            world,
            transport or TvtParams(),
            episodes=episodes,
            branches=branches,
            discounts=discounts,
            seed=seed,
        )
    if seen.zaps < 2 or len(seen.neutral) < 2:
        return {**found, "summary": {"zaps": seen.zaps}}
    if seen.zaps > MOST:
        chosen = np.random.default_rng(seed).choice(seen.zaps, MOST, replace=False)
        seen = seen.take(np.sort(chosen))
    found |= _probes(policy.net, seen, place, seed, discounts)
    found["summary"] = _summary(found)
    if picture_file is not None:
        title = f"{policy.meta.get('condition') or 'policy'}, seed {policy.meta.get('seed')}"
        picture.draw(_by_role(policy.net, seen), title, picture_file)
    return found


def _world(world: Mapping[str, Any]) -> World:
    """The world of these arguments of `make_lifetime`, not yet begun."""
    from karma_rllib.society.lifetime import make_lifetime

    rest = {key: value for key, value in world.items() if key != "world"}
    return make_lifetime(world["world"], **rest).world


def _place(world: Mapping[str, Any]) -> str:
    """What to call the world in a sentence."""
    profile = world.get("profile")
    return f"world '{world['world']}'" + (f" with profile '{profile}'" if profile else "")


def _probes(
    net: MirrorNet,
    seen: Capture,
    place: World,
    seed: int,
    discounts: tuple[float, float],
) -> dict[str, Any]:
    names, planes, zaps = place.vec_names, place.plane_names, place.traits.zaps
    on_victims = transfer.teach(net, seen.vic_out, seen, zaps)
    on_neutral = transfer.teach(net, seen.neutral, seen, zaps)
    cosines, own = transfer.latent_cosines(net, seen, zaps)
    return {
        "linear": _linear(net, seen, names, seed),
        "transfer": {
            "effect": transfer.transfer(on_victims, on_neutral),
            "taught_on_victims": on_victims._asdict(),
            "taught_on_neutral": on_neutral._asdict(),
            "cosine": values.mean_over_episodes(own, seen.agg_dec.episode, seed),
            "cosine_mismatched": cosines.mismatched,
            "cosine_parameters": transfer.parameter_cosine(net, seen, zaps),
        },
        "similarity": _similarity(net, seen, seed),
        "values": values.values(net, seen, *discounts),
        "geometry": picture.geometry(_by_role(net, seen)),
        "counterfactual": values.counterfactual(net, seen, zaps, names, planes),
    }


def _linear(net: MirrorNet, seen: Capture, names: tuple[str, ...], seed: int) -> dict[str, Any]:
    """P1 on every layer, and its controls."""
    episode = seen.agg_out.episode
    a, v = look(net, seen.agg_out), look(net, seen.vic_out)
    raw = untrained(net)
    bare = [
        look(net, values.without_flags(frames, names)) for frames in (seen.agg_out, seen.vic_out)
    ]
    pairs = {
        "raw": (a.raw, v.raw),
        "phi": (a.phi, v.phi),
        "z": (a.z, v.z),
        **({"h": (a.h, v.h)} if net.stateful else {}),
        "z_untrained": (look(raw, seen.agg_out).z, look(raw, seen.vic_out).z),
        "z_without_flags": (bare[0].z, bare[1].z),
        "z_decision": (look(net, seen.agg_dec).z, v.z),
    }
    found = {name: list(linear.probe(*sides, episode, seed)) for name, sides in pairs.items()}
    return {**found, "z_null": list(linear.null(a.z, v.z, episode, seed))}


def _similarity(net: MirrorNet, seen: Capture, seed: int) -> dict[str, Any]:
    a, v = look(net, seen.agg_out), look(net, seen.vic_out)
    few = np.arange(min(FEW, seen.zaps))
    spearman, p = similarity.rsa(a.z[few], v.z[few], seed)
    layers = {"raw": (a.raw, v.raw), "phi": (a.phi, v.phi), "z": (a.z, v.z)}
    return {
        **{f"cka_{name}": similarity.cka(*sides) for name, sides in layers.items()},
        "rsa_z": spearman,
        "rsa_z_p": p,
    }


def _by_role(net: MirrorNet, seen: Capture) -> dict[str, np.ndarray]:
    roles = {
        "neutral": seen.neutral,
        "cleaner": seen.cleaner,
        "aggressor": seen.agg_out,
        "victim": seen.vic_out,
    }
    nothing = np.zeros((0, net.z_size), np.float32)
    return {name: look(net, frames).z if len(frames) else nothing for name, frames in roles.items()}


def _summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that verdicts and tables read, one each."""
    layers, slope = found["linear"], found.get("transport", {}).get("slope", [None])[0]
    return {
        "zaps": found["zaps"],
        "auroc_z": layers["z"][0],
        "auroc_raw": layers["raw"][0],
        "auroc_h": layers.get("h", [None])[0],
        "transfer": found["transfer"]["effect"],
        "cosine": found["transfer"]["cosine"][0] - found["transfer"]["cosine_mismatched"],
        "cka_z": found["similarity"]["cka_z"],
        "dv_out": found["values"]["dv_out"][0],
        "implied_penalty": found["values"]["implied_penalty"][0],
        "role_gap": found["geometry"].get("role_gap"),
        **({} if slope is None else {"transport_slope": slope}),
    }


def as_json(found: Mapping[str, Any]) -> str:
    """As text; numbers that do not exist are null."""
    return json.dumps(_plain(found), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
