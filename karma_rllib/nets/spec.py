"""What a network looks like, as plain data: widths, presets and how to override them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from karma_rllib.hints import hint


@dataclass(frozen=True)
class NetSpec:
    """Widths of the network; plain data that goes into checkpoints and policy files.

    Attributes:
        cnn_filters: output channels of successive 3x3 convolutions, stride 1, ReLU; () for none.
        cnn_padding: zero cells added on each side before every convolution.
        mlp: widths of ReLU layers on cat(flat planes or convolution, vec), whose output is phi;
            with () phi is the flat convolution and vec joins at the projector.
        projector: widths of the projector; the last entry is the width of z and has no ReLU.
        lstm: cells of the LSTM that reads z; 0 for a network without memory.
        trunk: widths of ReLU layers shared by policy and value.
        heads: widths of the ReLU layers of each head; () makes both heads one linear map.
        dtype: arithmetic of encoder and projector: "float32", or "bfloat16" for autocast, which
            is about twice as fast on CPUs with AVX512-BF16 and rounds z to 8 bits. A first layer
            that visits set bytes only (see `nets.planes`) stays in float32.
    """

    cnn_filters: tuple[int, ...] = ()
    cnn_padding: int = 1
    mlp: tuple[int, ...] = ()
    projector: tuple[int, ...] = (256, 128, 64)
    lstm: int = 0
    trunk: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "dtype":
                ok, rule = value in ("float32", "bfloat16"), '"float32" or "bfloat16"'
            elif f.name in ("cnn_padding", "lstm"):
                ok, rule = isinstance(value, int) and value >= 0, "an integer >= 0"
            else:
                value = tuple(int(v) for v in value)
                object.__setattr__(self, f.name, value)  # lists from YAML and JSON
                ok, rule = all(v > 0 for v in value), "a list of integers > 0"
            if not ok:
                raise ValueError(f"module key {f.name!r} is {value!r} but must be {rule}.")
        if not self.projector:
            raise ValueError(
                "module key 'projector' is empty but its last entry is the width of z."
            )


PRESETS: dict[str, NetSpec] = {
    "seed": NetSpec(cnn_filters=(32, 64, 128), lstm=256, heads=(256,)),
    "small": NetSpec(cnn_filters=(16,), cnn_padding=0, lstm=64, heads=(128,)),
    "tiny": NetSpec(mlp=(128,), projector=(128, 64), trunk=(128,)),
}
"""seed: three convolutions and LSTM 256; small: one convolution and LSTM 64; tiny: no memory."""


def make_spec(preset: str = "small", **overrides: Any) -> NetSpec:
    """Return a preset with some fields replaced.

    Args:
        preset: a key of `PRESETS`.
        **overrides: fields of `NetSpec`; None keeps the preset's value.

    Raises:
        ValueError: unknown preset or field, or a value out of range.
    """
    if preset not in PRESETS:
        raise ValueError(f"module preset {preset!r} is unknown; {hint(preset, PRESETS)}")
    known = [f.name for f in fields(NetSpec)]
    for key in overrides:
        if key not in known:
            raise ValueError(f"module key {key!r} is unknown; {hint(key, known)}")
    return replace(PRESETS[preset], **{k: v for k, v in overrides.items() if v is not None})
