"""The mirror network: one projector between all that is seen and all that is done.

    grid, vec --> encoder phi --> projector z (+ read) --> [LSTM h] --> [trunk] --> policy, value

z is the only path from the observation to policy and value: there is no skip around it. Two
observations with the same z (and the same memory) are therefore acted on and valued alike,
which is what makes an alignment of two z's consequential. What an external memory gave back (see
`nets.memory`) joins behind z, in the frames in which something was read; what an episodic memory
gives back in every frame (see `nets.episodic`) joins behind h.

Shapes: M frames; S sequences of T frames; grid (H, W, C); D entries of vec; F width of phi;
Z width of z; A actions. Presets differ only in a `NetSpec`; every field can be overridden.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from karma_rllib.nets import planes
from karma_rllib.nets.episodic import EpisodicReads, Read, ReadSpec, empty_rows, written
from karma_rllib.nets.layers import TwoInputLinear, autocast, conv_width, mlp
from karma_rllib.nets.masks import floored_log_probs, possible_actions
from karma_rllib.nets.memory import RoleMemory
from karma_rllib.nets.spec import PRESETS, NetSpec, make_spec

__all__ = ["NUM_ROLES", "PRESETS", "MirrorNet", "NetOut", "NetSpec", "State", "make_spec"]

State = dict[str, Tensor]

NUM_ROLES = 4
"""Neutral, aggressor, victim, cleaner: the classes of the role head."""


class NetOut(NamedTuple):
    """What `MirrorNet.forward` returns; leading axes are S sequences and T frames."""

    logits: Tensor
    """Log-probabilities of the behaviour policy, action floor included, (S, T, A) [nats]."""
    value: Tensor
    """State value, (S, T) [discounted reward]."""
    z: Tensor
    """Projection, (S, T, Z)."""
    phi: Tensor
    """Encoding before the projector, (S, T, F)."""
    h: Tensor
    """LSTM output, (S, T, lstm); z itself in a network without memory."""
    state: State
    """Recurrent state after the last frame, each (S, lstm); {} without memory."""
    strength: Tensor | None = None
    """Strengths of the episodic reads, (S, T, R); None in a network without them."""


class MirrorNet(nn.Module):
    """Encoder, projector, optional LSTM, policy, value and role head.

    Args:
        grid_shape: (H, W, C) of the uint8 planes.
        vec_size: D, entries of the float vector; may be 0.
        num_actions: A.
        spec: widths, see `NetSpec` and `make_spec`.
        action_floor: eps of the behaviour policy (1 - eps) softmax + eps / A, in [0, 1): no
            action's probability falls below eps / A, so nothing learned is unlearned for good.
        role_head_input: "phi" or "z", what the role head reads.
        grid_scale: factor on the grid's bytes, one for all channels or one for each: 1 for
            0/1 planes, 1/255 for graded ones.
        seed: of the initial weights. Same seed and spec, same weights; the global random
            generator is neither read nor advanced.
        memory_key_dim: width of the keys of an external memory, or 0 for a network without one.
            All other weights are the same with and without.
        mask_start: entry of the vector where A entries begin that are 1 for possible actions; only
            these are then drawn, see `nets.masks`. None: every action always is.
        reads: what an episodic memory looks like, or None for a network without one.

    Weights are orthogonal with gain sqrt(2) (LSTM 1, policy 0.01, value 1) and biases 0, as in
    the PPO of OpenAI Baselines; Huang et al. 2022, "The 37 Implementation Details of PPO",
    detail 2.

    Raises:
        ValueError: an argument out of range, or a grid too small for the convolutions.
    """

    _scale: Tensor
    _byte_scale: Tensor

    def __init__(
        self,
        grid_shape: Sequence[int],
        vec_size: int,
        num_actions: int,
        spec: NetSpec,
        action_floor: float = 0.0,
        role_head_input: str = "phi",
        *,
        grid_scale: float | Sequence[float] = 1.0,
        seed: int = 0,
        memory_key_dim: int = 0,
        mask_start: int | None = None,
        reads: ReadSpec | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 <= action_floor < 1.0:
            raise ValueError(f"action_floor is {action_floor!r} but must lie in [0, 1).")
        if role_head_input not in ("phi", "z"):
            raise ValueError(f"role_head_input is {role_head_input!r} but must be 'phi' or 'z'.")
        self.grid_shape = (int(grid_shape[0]), int(grid_shape[1]), int(grid_shape[2]))
        self.vec_size, self.num_actions, self.spec = int(vec_size), int(num_actions), spec
        self.action_floor = float(action_floor)
        scales = [grid_scale] if isinstance(grid_scale, (int, float)) else list(grid_scale)
        if len(scales) not in (1, self.grid_shape[2]):
            raise ValueError(
                f"grid_scale has {len(scales)} entries but the grid {self.grid_shape[2]} channels."
            )
        self.grid_scale = tuple(float(x) for x in scales)
        self.register_buffer("_scale", torch.tensor(self.grid_scale), persistent=False)
        cells = self.grid_shape[0] * self.grid_shape[1] * self.grid_shape[2]
        every = torch.tensor(self.grid_scale).repeat(cells // len(self.grid_scale))
        self.register_buffer("_byte_scale", every, persistent=False)
        self.role_head_input = role_head_input
        self.memory_key_dim = int(memory_key_dim)
        self.mask_start = mask_start
        if mask_start is not None and not 0 <= mask_start <= self.vec_size - self.num_actions:
            raise ValueError(
                f"mask_start is {mask_start} but {self.num_actions} entries must follow in a vector"
                f" of {self.vec_size}."
            )
        if reads is not None and not spec.lstm:
            raise ValueError("an episodic memory is asked by an LSTM, but module key 'lstm' is 0.")
        self.read_spec = reads
        with torch.random.fork_rng(devices=[]):  # layer constructors draw; the caller's RNG stays
            self._build(spec)
        self._initialise(torch.Generator().manual_seed(seed))

    def _build(self, spec: NetSpec) -> None:
        """Create the layers; their widths follow from the spec alone."""
        flat = conv_width(self.grid_shape, spec)
        channels = (self.grid_shape[2], *spec.cnn_filters)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=spec.cnn_padding)
            for i, o in zip(channels, spec.cnn_filters, strict=False)
        )
        self.mlp = mlp(flat + self.vec_size, spec.mlp)
        self.phi_size = spec.mlp[-1] if spec.mlp else flat
        late_vec = 0 if spec.mlp else self.vec_size
        self.entry = TwoInputLinear(self.phi_size, late_vec, spec.projector[0])
        self.projector = nn.ModuleList(
            nn.Linear(i, o) for i, o in zip(spec.projector, spec.projector[1:], strict=False)
        )
        self.z_size = width = spec.projector[-1]
        self.lstm = nn.LSTM(width, spec.lstm, batch_first=True) if spec.lstm else None
        width = spec.lstm or width
        rows = self.read_spec.heads * self.z_size if self.read_spec else 0
        width += rows
        self.trunk = mlp(width, spec.trunk)
        width = (width, *spec.trunk)[-1]
        last = (width, *spec.heads)[-1]
        self.actor = mlp(width, spec.heads)
        self.policy_head = nn.Linear(last, self.num_actions)
        self.critic = mlp(width, spec.heads)
        self.value_head = nn.Linear(last, 1)
        self.role_head = nn.Linear(getattr(self, f"{self.role_head_input}_size"), NUM_ROLES)
        # Last, so that parameters and their order are those of a network without it.
        self.memory = (
            RoleMemory(self.phi_size, self.z_size, self.memory_key_dim)
            if self.memory_key_dim
            else None
        )
        seen = math.prod(self.grid_shape) + self.vec_size
        self.reads = (
            EpisodicReads(spec.lstm, self.z_size, seen, self.read_spec) if self.read_spec else None
        )

    def _initialise(self, generator: torch.Generator) -> None:
        """Orthogonal weights, zero biases; one generator, drawn in order of construction."""
        gains = {"lstm": 1.0, "policy_head": 0.01, "value_head": 1.0, "role_head": 1.0}
        for name, p in self.named_parameters():
            if name.startswith(("memory", "reads")):
                continue
            if p.ndim < 2:
                nn.init.zeros_(p)
                continue
            gain = gains.get(name.split(".")[0], math.sqrt(2.0))
            if name.startswith("lstm"):  # four gates stacked: one orthogonal block each
                for gate in p.data.chunk(4):
                    nn.init.orthogonal_(gate, gain, generator=generator)
            elif not name.startswith("entry"):
                nn.init.orthogonal_(p, gain, generator=generator)
        self.entry.initialise(math.sqrt(2.0), generator)
        if self.memory is not None:
            self.memory.initialise(generator)
        if self.reads is not None:
            self.reads.initialise(generator)

    @property
    def stateful(self) -> bool:
        """Whether the network carries a recurrent state."""
        return self.lstm is not None

    def initial_state(self, n: int, device: torch.device | str | None = None) -> State:
        """Return the state at the start of an episode: all zeros.

        Returns:
            "h" and "c" (n, lstm), or {} without LSTM; with an episodic memory also its "memory"
            (n, U Z) and how many of them are written, "known" (n, 1).
        """
        if self.lstm is None:
            return {}
        device = device if device is not None else self.value_head.weight.device
        state = {k: torch.zeros(n, self.spec.lstm, device=device) for k in ("h", "c")}
        if self.read_spec is None:
            return state
        return state | empty_rows(n, self.read_spec.slots, self.z_size, device)

    def encode(self, grid: Tensor, vec: Tensor) -> tuple[Tensor, Tensor]:
        """Encode single frames.

        Args:
            grid: planes, uint8 (M, H, W, C).
            vec: float32 (M, D).

        Returns:
            phi (M, F) in float32 or the arithmetic of `spec.dtype`, and z (M, Z) in float32.
        """
        deeper: Sequence[nn.Module] = list(self.mlp)
        with autocast(self.spec.dtype, grid.device):
            if self.convs:
                # uint8 NHWC -> float NHWC seen as NCHW: one pass, and the result already has the
                # channels_last layout and the arithmetic in which the convolutions run; nothing
                # else is copied.  Bytes are exact in bfloat16.
                x = self._scaled(grid).permute(0, 3, 1, 2).to(getattr(torch, self.spec.dtype))
                for conv in self.convs:
                    x = F.relu(conv(x), inplace=True)
                phi = x.permute(0, 2, 3, 1).flatten(1)  # a view: rows are (y, x, channel)
                if self.mlp:
                    phi = torch.cat((phi, vec), 1)
            elif self._sparse(grid):
                phi = F.relu(
                    planes.linear(cast("nn.Linear", self.mlp[0]), grid, vec, self._byte_scale)
                )
                deeper = deeper[1:]
            else:
                phi = torch.cat((self._scaled(grid).flatten(1), vec), 1)  # converts and joins
            for layer in deeper:
                phi = F.relu(layer(phi))
            z = self.entry(phi, vec)
            for layer in self.projector:
                z = layer(F.relu(z))
        return phi, z.float()  # phi is wide: it is converted only where it is read

    def _sparse(self, grid: Tensor) -> bool:
        """Whether the first layer visits set bytes only: 0/1 planes, mostly empty, on the CPU.

        A property of the world, not of the frames at hand, so that all frames take one road.
        """
        planes_only = 2 * self.grid_scale.count(1.0) > len(self.grid_scale)
        return bool(self.mlp) and planes_only and grid.device.type == "cpu"

    def _scaled(self, grid: Tensor) -> Tensor:
        """The grid in [0, 1]; bytes stay bytes where they are 0/1 planes already."""
        return grid if set(self.grid_scale) == {1.0} else grid * self._scale

    def forward(
        self, grid: Tensor, vec: Tensor, state: State | None = None, read: Tensor | None = None
    ) -> NetOut:
        """Evaluate sequences, for training.

        A sequence never crosses the end of an episode, so no state is reset inside it.

        Args:
            grid: uint8 (S, T, H, W, C).
            vec: float32 (S, T, D).
            state: recurrent state before the first frame, each (S, lstm); None for zeros.
            read: what the external memory gave back in each frame, float32 (S, T, C), zeros where
                nothing was read; None for nothing anywhere.

        Returns:
            See `NetOut`; z and phi are those of the frames, without what was read.
        """
        S, T = grid.shape[:2]
        phi, z = self.encode(grid.flatten(0, 1), vec.flatten(0, 1))
        z, phi = z.view(S, T, -1), phi.view(S, T, -1)
        h, after = self._remember(self._with_read(z, read), state)
        if self.reads is None:
            logits, value = self._heads(h, vec)
            return NetOut(logits, value, z, phi, h, after)
        before = state or self.initial_state(S, z.device)
        joined, found, rows = self._look_back(h, z, before)
        logits, value = self._heads(joined, vec)
        return NetOut(logits, value, z, phi, h, {**after, **rows}, found.strength)

    def step(
        self, grid: Tensor, vec: Tensor, state: State, read: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Act on M frames: the same numbers as `forward` gives for one frame.

        Args:
            grid: uint8 (M, H, W, C).
            vec: float32 (M, D).
            state: from `initial_state` or the previous step.
            read: from the external memory, float32 (M, C); None for nothing.

        Returns:
            Log-probabilities (M, A), values (M,) and the next state.
        """
        return self.decide(self.encode(grid, vec)[1], state, read, vec)

    def decide(
        self, z: Tensor, state: State, read: Tensor | None = None, vec: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Second half of `step`, for callers that look at the encoding in between.

        Args:
            z: from `encode`, (M, Z).
            state: from `initial_state` or the previous step.
            read: from the external memory, float32 (M, C); None for nothing.
            vec: float32 (M, D); read only by a network with `mask_start`, which needs it.

        Returns:
            Log-probabilities (M, A), values (M,) and the next state.
        """
        if self.reads is not None:
            return self.decide_reading(z, state, vec)[:3]
        h, state = self._remember_one(self._with_read(z, read), state)
        logits, value = self._heads(h, vec)
        return logits, value, state

    def decide_reading(
        self, z: Tensor, state: State, vec: Tensor | None = None
    ) -> tuple[Tensor, Tensor, State, Read]:
        """`decide` of a network with an episodic memory, for callers that look at what was read.

        Args:
            z: from `encode`, (M, Z).
            state: from `initial_state` or the previous step.
            vec: as in `decide`.

        Returns:
            Log-probabilities (M, A), values (M,), the next state, and the reads (M, R, U).
        """
        h, after = self._remember_one(z, state)
        joined, found, rows = self._look_back(h[:, None], z[:, None], state)
        logits, value = self._heads(joined[:, 0], vec)
        return logits, value, {**after, **rows}, Read(*(x[:, 0] for x in found))

    def _look_back(self, h: Tensor, z: Tensor, state: State) -> tuple[Tensor, Read, State]:
        """Write z (S, T, Z) and read for h (S, T, lstm): both joined, the reads, the new rows."""
        assert self.reads is not None
        rows, known = written(state["memory"], state["known"], z)
        found = self.reads(h, rows, known)
        after = {"memory": rows.flatten(1), "known": state["known"] + z.shape[1]}
        return torch.cat((h, found.content), -1), found, after

    def _with_read(self, z: Tensor, read: Tensor | None) -> Tensor:
        """Add what the memory gave back; a row of zeros adds exactly nothing."""
        if read is None or self.memory is None:
            return z
        return z + self.memory.read(read)

    def recur(self, z: Tensor, state: State) -> Tensor:
        """One recurrent step on single frames: z (M, Z), state each (M, lstm) -> h (M, lstm)."""
        return self._remember_one(z, state)[0]

    def role_logits(self, phi: Tensor, z: Tensor) -> Tensor:
        """Score the four roles from phi (M, F) or z (M, Z), as `role_head_input` says: (M, 4)."""
        return self.role_head((phi if self.role_head_input == "phi" else z).float())

    def _remember(self, z: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map z (S, T, Z) and state to h (S, T, lstm) and the state after the last frame."""
        if self.lstm is None:
            return z, {}
        if not state:
            state = self.initial_state(z.shape[0], z.device)
        h, (hn, cn) = self.lstm(z, (state["h"][None], state["c"][None]))
        return h, {"h": hn[0], "c": cn[0]}

    def _remember_one(self, z: Tensor, state: State) -> tuple[Tensor, State]:
        """`_remember` for a single frame, z (M, Z): the same cell without `nn.LSTM` around it."""
        if self.lstm is None:
            return z, {}
        h, c = torch.lstm_cell(z, (state["h"], state["c"]), *self.lstm.all_weights[0])
        return h, {"h": h, "c": c}

    def _heads(self, h: Tensor, vec: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map h (..., lstm or Z, and reads) to log-probabilities (..., A) and values (...)."""
        x = h if self.lstm is not None else F.relu(h)
        for layer in self.trunk:
            x = F.relu(layer(x))
        a = c = x
        for layer in self.actor:
            a = F.relu(layer(a))
        for layer in self.critic:
            c = F.relu(layer(c))
        possible = None
        if self.mask_start is not None:
            if vec is None:
                raise ValueError("this network needs vec: it tells which actions are possible.")
            possible = possible_actions(vec, self.mask_start, self.num_actions)
        logits = floored_log_probs(self.policy_head(a), self.action_floor, possible)
        return logits, self.value_head(c).squeeze(-1)
