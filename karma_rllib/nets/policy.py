"""A trained policy as two files that any program can read: weights and a description.

    policy.safetensors   the network's parameters
    policy.json          widths, observation shapes, action floor, and where it was trained

Neither holds code: loading runs nothing but this module, and a pickle is refused unread. A loaded
`Policy` takes and gives NumPy arrays and needs no ray. A state begun with `rows` also carries what
the policy's chances belong to: then it is a pure step over an explicit state. A policy that was
trained with an external memory acts here without one: it reads nothing, which is what it saw in
training in all frames but those right after it was zapped.

Shapes: n agents, A actions; grid (n, H, W, C), vec (n, D).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from karma_rllib.nets.episodic import ReadSpec
from karma_rllib.nets.net import MirrorNet, NetSpec
from karma_rllib.worlds.rng import uniforms

FORMAT, VERSION = "karma_rllib.policy", 1
WEIGHTS, DESCRIPTION = "policy.safetensors", "policy.json"

Obs = Mapping[str, NDArray[Any]]
PolicyState = dict[str, NDArray[Any]]
CHANCES = ("rows", "steps")  # of a state: whose chances, int64 (n,), and acts so far, int64 (n,)
CHANCE_STREAM = 2000  # of the counter generator; samplers and bots use others
PICKLES = (b"\x80", b"PK", b"\x1f\x8b")  # first bytes: of a pickle, of archives around one


class Policy:
    """A network that acts.

    Args:
        net: the network.
        meta: what is known about its origin: `world`, `action_names`, `condition`, and so on.
        seed: of the generator that actions are sampled with; it runs on over all calls.
        greedy: take the likeliest action instead of sampling.
    """

    def __init__(
        self,
        net: MirrorNet,
        meta: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        greedy: bool = False,
    ) -> None:
        self.net, self.meta, self.greedy = net.eval(), dict(meta or {}), greedy
        self.seed, self.rng = seed, np.random.default_rng(seed)

    @property
    def obs_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one agent's observation: {"grid": (H, W, C), "vec": (D,)}."""
        return {"grid": self.net.grid_shape, "vec": (self.net.vec_size,)}

    @property
    def num_actions(self) -> int:
        """How many actions there are: A."""
        return self.net.num_actions

    def initial_state(self, n: int, rows: NDArray[np.int64] | None = None) -> PolicyState:
        """State of n agents at the start of an episode: "h" and "c", none without recurrence.

        Args:
            n: how many agents.
            rows: identity of each, int64 (n,): its actions are then drawn with chances that are a
                function of (seed, identity, step), whoever else is in the batch. None draws from
                one generator that runs on over all calls.
        """
        state: PolicyState = {k: v.cpu().numpy() for k, v in self.net.initial_state(n).items()}
        if rows is not None:
            state |= {"rows": np.asarray(rows, np.int64), "steps": np.zeros(n, np.int64)}
        return state

    def step(self, obs: Obs, state: PolicyState) -> tuple[NDArray[np.int64], PolicyState]:
        """Choose actions.

        Args:
            obs: {"grid": uint8 (n, H, W, C), "vec": float32 (n, D)}.
            state: from `initial_state` or the previous step; rows of agents whose episode ended
                must be set to zero by the caller.

        Returns:
            Actions (n,) and the next state.

        Raises:
            ValueError: an observation of another shape.
        """
        logits, _, after = self.logits(obs, state)
        if "rows" in state:
            after |= {"rows": state["rows"], "steps": state["steps"] + 1}
        if self.greedy:
            return logits.argmax(-1), after
        p = np.exp(logits.astype(np.float64)).cumsum(-1)
        if "rows" in state:
            chance = uniforms(self.seed, state["rows"], state["steps"], 1, CHANCE_STREAM)
        else:
            chance = self.rng.random((len(p), 1))
        return (chance * p[:, -1:] >= p).sum(-1), after

    def logits(
        self, obs: Obs, state: PolicyState
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], PolicyState]:
        """Evaluate the network: log-probabilities (n, A), values (n,) and the next state."""
        for key, shape in self.obs_shapes.items():
            if np.shape(obs[key])[1:] != shape:
                raise ValueError(
                    f"the policy expects {key} of shape (n, {', '.join(map(str, shape))}) but got "
                    f"{np.shape(obs[key])}."
                )
        device = self.net.value_head.weight.device
        with torch.inference_mode():
            logits, value, after = self.net.step(
                torch.as_tensor(np.ascontiguousarray(obs["grid"], np.uint8), device=device),
                torch.as_tensor(np.ascontiguousarray(obs["vec"], np.float32), device=device),
                {
                    k: torch.as_tensor(x, device=device)
                    for k, x in state.items()
                    if k not in CHANCES
                },
            )
        return (
            logits.cpu().numpy(),
            value.cpu().numpy(),
            {k: v.cpu().numpy() for k, v in after.items()},
        )

    def fit(self, world: Any) -> None:
        """Refuse a world or lifetime that differs in shapes, or in what they mean.

        Raises:
            ValueError: a shape differs, or an action, a plane or an entry has another name.
        """
        world = getattr(world, "world", world)
        self.check(world.obs_shapes, world.num_actions)
        for kind, names in self.meta.get("names", {}).items():
            for k, (mine, other) in enumerate(zip(names, getattr(world, kind), strict=False)):
                if mine != other:
                    raise ValueError(
                        f"the policy knows entry {k} of {kind} as {mine!r} but in {world.name} it "
                        f"is {other!r}: it was trained in another world."
                    )

    def check(self, obs_shapes: Mapping[str, tuple[int, ...]], num_actions: int) -> None:
        """Refuse a world in which this policy cannot act.

        Args:
            obs_shapes: the world's `obs_shapes`.
            num_actions: the world's `num_actions`.

        Raises:
            ValueError: a shape or the number of actions differs.
        """
        for key, shape in self.obs_shapes.items():
            other = tuple(obs_shapes[key])
            if other != shape:
                raise ValueError(
                    f"the policy sees {key} of shape {shape} but the world shows {other}; use the "
                    "world parameters that it was trained with, they are in its policy.json."
                )
        if num_actions != self.num_actions:
            raise ValueError(
                f"the policy knows {self.num_actions} actions but the world has {num_actions}."
            )


def save_policy(
    net: MirrorNet, directory: str | Path, meta: Mapping[str, Any] | None = None
) -> Path:
    """Write `policy.safetensors` and `policy.json`.

    Args:
        net: the network; on any device.
        directory: made if missing; older files in it are replaced.
        meta: JSON data on its origin, for example {"world": {"name": ..., "params": ...},
            "names": names_of(world), "condition": ..., "seed": ...}.

    Returns:
        The directory.

    Raises:
        ValueError: meta that is not JSON.
    """
    description = {
        "format": FORMAT,
        "version": VERSION,
        "net": asdict(net.spec),
        "obs_shapes": {"grid": list(net.grid_shape), "vec": [net.vec_size]},
        "num_actions": net.num_actions,
        "action_floor": net.action_floor,
        "role_head_input": net.role_head_input,
        "grid_scale": net.grid_scale,
        "memory_key_dim": net.memory_key_dim,
        "mask_start": net.mask_start,
        "reads": None if net.read_spec is None else asdict(net.read_spec),
        "meta": dict(meta or {}),
    }
    try:
        text = json.dumps(description, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"meta of a policy file must be JSON data, but {error}.") from error
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, directory / WEIGHTS, metadata={"format": FORMAT})
    (directory / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    return directory


def names_of(world: Any) -> dict[str, list[str]]:
    """What actions, planes and vector entries of a world mean, for the `meta` of a policy file."""
    kinds = ("action_names", "plane_names", "vec_names")
    return {kind: list(getattr(world, kind)) for kind in kinds}


def load_policy(
    path: str | Path,
    *,
    seed: int = 0,
    greedy: bool = False,
    device: torch.device | str = "cpu",
) -> Policy:
    """Read a policy; its log-probabilities equal the saved network's bit for bit.

    Args:
        path: the directory, or either file in it.
        seed: of the generator that actions are sampled with.
        greedy: take the likeliest action instead of sampling.
        device: where the network runs.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the files are not a policy, do not fit each other, or hold a pickle.
    """
    directory = Path(path)
    if directory.suffix in (".json", ".safetensors"):
        directory = directory.parent
    for name in (DESCRIPTION, WEIGHTS):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"there is no {name} in {directory}: it holds no policy.")
    net, meta = _build(directory / DESCRIPTION)
    with (directory / WEIGHTS).open("rb") as file:
        head = file.read(9)  # of safetensors: eight bytes of length, then a JSON object
        if head[8:] != b"{" and head.startswith(PICKLES):
            raise ValueError(
                f"{directory / WEIGHTS} holds a pickle, which could run code: it is not read; "
                "write policies with save_policy or karma export."
            )
    try:
        net.load_state_dict(load_file(directory / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"the weights in {directory / WEIGHTS} do not fit the network that {DESCRIPTION} "
            f"describes: {' '.join(str(error).split())}"
        ) from error
    return Policy(net.to(device), meta, seed=seed, greedy=greedy)


def _build(file: Path) -> tuple[MirrorNet, dict[str, Any]]:
    """Make the network that a description tells of, with any weights."""
    try:
        d = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(d, dict) or d.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        if d["version"] != VERSION:
            raise ValueError(f"its version is {d['version']!r} but only {VERSION} can be read")
        net = MirrorNet(
            d["obs_shapes"]["grid"],
            d["obs_shapes"]["vec"][0],
            d["num_actions"],
            NetSpec(**d["net"]),
            d["action_floor"],
            d["role_head_input"],
            grid_scale=d["grid_scale"],
            memory_key_dim=d.get("memory_key_dim", 0),  # files from before there was a memory
            mask_start=d.get("mask_start"),  # or masks
            reads=ReadSpec(**d["reads"]) if d.get("reads") else None,
        )
    except KeyError as error:
        raise ValueError(f"{file} is no policy description: key {error} is missing.") from error
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{file} is no policy description: {error}.") from error
    return net, d["meta"]
