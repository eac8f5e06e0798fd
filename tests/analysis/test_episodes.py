import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import empty_stack, random_stack, rows_of

from karma_rllib.analysis.social import COUNTS, EpisodeBook, pool, rates


def loop_episodes(s, reward, truncated):
    """Perolat's measures of every finished episode, straight from their definitions."""
    _, B, N = s.ate.shape
    episodes = []
    for b in range(B):
        start = 0
        for end in np.flatnonzero(truncated[:, b]):
            rows = range(start, end + 1)
            apples = [sum(int(s.ate[t, b, i]) for t in rows) for i in range(N)]
            times = [
                np.mean([s.t[t, b] for t in rows if s.ate[t, b, i]]) for i in range(N) if apples[i]
            ]
            spread = sum(abs(x - y) for x in apples for y in apples)
            empty = [k + 1 for k, t in enumerate(rows) if s.stock[t, b] == 0]
            frozen = sum(int(not s.active[t, b, i]) for t in rows for i in range(N))
            episodes.append(
                {
                    "efficiency": sum(apples) / len(rows),
                    "equality": 1 - spread / (2 * N * sum(apples)) if sum(apples) else None,
                    "sustainability": np.mean(times) if times else None,
                    "peace": (N * len(rows) - frozen) / len(rows),
                    "depletion_time": empty[0] if empty else len(rows),
                    "episode_return": float(reward[start : end + 1, b].sum()) / N,
                }
            )
            start = end + 1
    return episodes


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(8, 30), st.integers(1, 4), st.integers(2, 4))
def test_the_book_equals_the_definitions_applied_to_each_finished_episode(seed, T, B, N):
    stack, reward, truncated = random_stack(seed, T, B, N)
    book = EpisodeBook(B, N)
    book.update(stack, reward, truncated)
    got = rates(book.drain())
    episodes = loop_episodes(stack, reward, truncated)
    assert len(episodes) >= B
    for name in episodes[0]:
        values = [e[name] for e in episodes if e[name] is not None]
        want = np.mean(values) if values else 0.0
        assert got[name] == pytest.approx(want, rel=1e-5, abs=1e-6), name


def state_of(book):
    return {k: v.tolist() for k, v in book.get_state().items()}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_feeding_a_stack_in_two_pieces_gives_the_same_book(seed, cut):
    stack, reward, truncated = random_stack(seed, 25, 3, 2)
    reward = np.round(reward * 8) / 8  # sums of eighths are exact in any order
    whole, split = EpisodeBook(3, 2), EpisodeBook(3, 2)
    whole.update(stack, reward, truncated)
    for part in (slice(0, cut), slice(cut, 25)):
        split.update(rows_of(stack, part), reward[part], truncated[part])
    ours, theirs = state_of(split), state_of(whole)
    assert ours.pop("finished") == pytest.approx(theirs.pop("finished"), rel=1e-12)
    assert ours == theirs


def test_a_book_restored_from_its_state_goes_on_like_the_original():
    stack, reward, truncated = random_stack(3, 25, 2, 3)
    book, twin = EpisodeBook(2, 3), EpisodeBook(2, 3)
    book.update(rows_of(stack, slice(0, 10)), reward[:10], truncated[:10])
    state = book.get_state()
    twin.set_state(state)
    state["apples"][:] = 99  # the twin has its own copy
    for b in (book, twin):
        b.update(rows_of(stack, slice(10, 25)), reward[10:], truncated[10:])
    assert state_of(book) == state_of(twin)
    assert book.drain() == twin.drain()


def test_a_state_of_another_size_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"'apples' has shape \(2, 3\).*needs \(2, 4\)"):
        EpisodeBook(2, 4).set_state(EpisodeBook(2, 3).get_state())


def test_by_hand_an_episode_of_four_steps_with_one_frozen_agent():
    s = empty_stack(T=4, B=1, N=2)
    s.ate[[0, 2], 0, 0] = True  # agent 0 eats at steps 0 and 2, agent 1 at step 3
    s.ate[3, 0, 1] = True
    s.active[1:3, 0, 1] = False
    s.stock[2, 0] = 0
    truncated = np.array([[False], [False], [False], [True]])
    book = EpisodeBook(1, 2)
    book.update(s, np.ones((4, 1, 2)), truncated)
    m = rates(book.drain())
    assert m["efficiency"] == pytest.approx(3 / 4)
    assert m["equality"] == pytest.approx(1 - 2 / (2 * 2 * 3))
    assert m["sustainability"] == pytest.approx((1 + 3) / 2)
    assert m["peace"] == pytest.approx((8 - 2) / 4)
    assert m["depletion_time"] == 3
    assert m["episode_return"] == 4


def test_running_episodes_speak_only_until_one_has_finished():
    s = empty_stack(T=3, B=2, N=2)
    s.ate[:, 0, :] = True
    book = EpisodeBook(2, 2)
    book.update(s, np.zeros((3, 2, 2)), np.zeros((3, 2), bool))
    early = book.drain()
    assert early["finished_episodes"] == 0
    assert early["running_episodes"] == 2
    assert rates(early)["efficiency"] == pytest.approx(1)  # worlds with 2 and 0 apples a step
    assert rates(early)["equality"] == pytest.approx(1)  # the world without apples is left out
    book.update(s, np.zeros((3, 2, 2)), np.array([[False, False]] * 2 + [[True, False]]))
    late = pool([early, book.drain()])
    assert late["finished_episodes"] == 1
    assert rates(late)["efficiency"] == pytest.approx(2)


def test_draining_forgets_finished_episodes_and_keeps_the_running_ones():
    stack, reward, truncated = random_stack(5, 20, 2, 2)
    book = EpisodeBook(2, 2)
    book.update(stack, reward, truncated)
    first, second = book.drain(), book.drain()
    assert first["finished_episodes"] > 0
    assert second["finished_episodes"] == 0
    running = {k: v for k, v in first.items() if k.startswith("running_")}
    assert running == {k: v for k, v in second.items() if k.startswith("running_")}


def test_the_book_drains_exactly_the_declared_sums():
    names = [name for name in COUNTS if name.startswith(("finished_", "running_"))]
    assert list(EpisodeBook(1, 2).drain()) == names
