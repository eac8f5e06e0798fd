"""Fragments are cut by world and by episode, and never lose or mix a step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from karma_rllib.plugin.fragment import Fragment, cut_sequences, sequence_starts

T, W, N, D, A = 7, 4, 3, 2, 5


def make_fragment(truncated: np.ndarray) -> Fragment:
    """A fragment whose every entry tells where it is from."""
    steps, worlds = truncated.shape
    where = np.arange((steps + 1) * worlds * N, dtype=np.float32).reshape(steps + 1, worlds, N)
    end_step, end_world = np.nonzero(truncated)
    frames = where[..., None].repeat(D, -1)
    return Fragment(
        uid=np.arange(worlds, dtype=np.int64),
        obs={"grid": np.zeros((steps + 1, worlds, N, 1, 1, 1), np.uint8), "vec": frames},
        action=np.zeros((steps, worlds, N), np.int64),
        logp=-where[:-1],
        logits=np.zeros((steps, worlds, N, A), np.float32),
        value=where[:-1].copy(),
        last_value=where[-1].copy(),
        reward=where[:-1] / 10,
        truncated=truncated,
        events={"hit": np.zeros((steps, worlds, N, N), bool)},
        end_step=end_step,
        end_world=end_world,
        end_obs={
            "grid": np.zeros((len(end_step), N, 1, 1, 1), np.uint8),
            "vec": -frames[1:][end_step, end_world],
        },
        end_value=-where[1:][end_step, end_world],
        **dict(zip(("seq_step", "seq_world", "seq_len"), cut_sequences(truncated, 3), strict=True)),
    )


truncations = hnp.arrays(
    bool, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.booleans()
)


@given(truncations, st.integers(1, 6))
def test_sequences_cover_every_step_once_and_cross_no_episode_end(truncated, length):
    seen = np.zeros(truncated.shape, int)
    for step, world, steps in zip(*cut_sequences(truncated, length), strict=True):
        assert 1 <= steps <= length
        seen[step : step + steps, world] += 1
        assert not truncated[step : step + steps - 1, world].any()
    assert (seen == 1).all()


@given(truncations, st.integers(1, 6))
def test_a_sequence_starts_at_the_first_step_and_after_every_end(truncated, length):
    starts = sequence_starts(truncated, length)
    assert starts[0].all()
    assert starts[1:][truncated[:-1]].all()


def test_the_outcome_of_an_episodes_last_step_is_its_final_observation():
    truncated = np.zeros((T, W), bool)
    truncated[2, 1] = True
    fragment = make_fragment(truncated)
    step, world, agent = np.array([2, 2, 6]), np.array([0, 1, 3]), np.array([0, 2, 1])
    frames = fragment.outcome(step, world, agent)["vec"][:, 0]
    values = fragment.outcome_value(step, world, agent)
    index = (step + 1) * W * N + world * N + agent
    assert frames.tolist() == [index[0], -index[1], index[2]]
    assert values.tolist() == frames.tolist()


@given(st.sampled_from([1, 2, 4]), st.integers(0, 2**32 - 1))
def test_pieces_hold_the_same_worlds_as_the_whole(parts, seed):
    truncated = np.random.default_rng(seed).random((T, W)) < 0.3
    whole = make_fragment(truncated)
    pieces = whole.split(parts)
    assert sum(piece.agent_steps() for piece in pieces) == whole.agent_steps()
    assert len({piece.agent_steps() for piece in pieces}) == 1
    for name in ("value", "reward", "truncated"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces], axis=1)
        assert np.array_equal(joined, getattr(whole, name))
    joined = np.concatenate([piece.final_value() for piece in pieces], axis=1)
    assert np.array_equal(joined, whole.final_value())
    for piece in pieces:
        assert np.array_equal(
            np.stack([piece.seq_step, piece.seq_world, piece.seq_len]),
            np.stack(cut_sequences(piece.truncated, 3)),
        )


def test_worlds_that_cannot_be_shared_evenly_are_refused():
    with pytest.raises(ValueError, match="4 worlds cannot be shared evenly among 3 learners"):
        make_fragment(np.zeros((T, W), bool)).split(3)
