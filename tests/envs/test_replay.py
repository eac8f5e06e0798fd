"""Replays: every frame comes back, in any world, and what is not a replay is refused in words."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karma_rllib.envs import replay as files
from karma_rllib.envs.replay import ReplayError
from karma_rllib.envs.replay_life import digest, first_difference, moment, relive, verify
from karma_rllib.envs.replay_record import Keeper, Recorder
from karma_rllib.society.lifetime import make_lifetime

WORLDS = {
    "harvest-v0": {"max_steps": 40},
    "kinship-v0": {"max_steps": 40, "num_agents": 5},
    "match-v0": {},
}


def lived(name="harvest-v0", *, worlds=2, watch=(1,), episodes=1, seed=3, **params):
    """Play at random; returns the drafts of the watched worlds and what their frames were."""
    life = make_lifetime(name, num_worlds=worlds, seed=seed, **{**WORLDS[name], **params})
    recorder = Recorder(life, ["random"], watch)
    rng = np.random.default_rng(seed)
    drafts, links = [], []
    for _ in range(episodes):
        life.reset()
        recorder.begin()
        link = digest(b"", moment(life, 0, b=watch[0]), recorder.running[watch[0]].head.hashed)
        links.append([link])
        for t in range(life.max_steps):
            actions = rng.integers(0, life.num_actions, (worlds, life.num_agents))
            out = life.step(actions)
            now = moment(life, t + 1, actions[watch[0]], out, watch[0])
            link = digest(link, now, recorder.running[watch[0]].head.hashed)
            links[-1].append(link)
            drafts += recorder.note(actions, out)
    return drafts, [[int.from_bytes(link, "little") for link in chain] for chain in links]


@pytest.mark.parametrize("name", WORLDS)
def test_a_file_relives_the_frames_that_were_lived(name, tmp_path):
    drafts, links = lived(name)
    path = files.save(drafts[0].seal("best"), tmp_path / "deep" / "x.replay")
    again = files.load(path)
    assert again.chain.tolist() == links[0]
    assert again.head.note == "best"
    verify(again)
    assert [p.name for p in path.parent.iterdir()] == ["x.replay"]


def test_debts_of_earlier_episodes_are_in_the_file():
    drafts, links = lived("harvest-v0", episodes=3, seed=1)
    last = files.unpack(files.pack(drafts[-1].seal()))
    assert last.start["ledger"].any()
    assert last.chain.tolist() == links[-1]
    assert last.head.episode == 2


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**62),
    agents=st.integers(2, 6),
    size=st.integers(7, 12),
    timeout=st.integers(1, 9),
    mode=st.sampled_from(["off", "debt", "random_pairs"]),
    worlds=st.integers(1, 3),
)
def test_any_harvest_can_be_relived(seed, agents, size, timeout, mode, worlds):
    params = {"num_agents": agents, "grid_size": size, "timeout": timeout, "max_steps": 15}
    drafts, links = lived(
        "harvest-v0", seed=seed, worlds=worlds, watch=(worlds - 1,), episodes=2,
        matchmaker={"mode": mode}, **params,
    )  # fmt: skip
    for draft, chain in zip(drafts, links, strict=True):
        assert files.unpack(files.pack(draft.seal())).chain.tolist() == chain


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**62),
    agents=st.integers(1, 8),
    kinds=st.integers(1, 3),
    layout=st.sampled_from(["open", "rooms", "clutter"]),
    build=st.booleans(),
    controls=st.sampled_from(["turn", "simple"]),
    scheme=st.sampled_from(["none", "random", "families"]),
)
def test_any_kinship_world_can_be_relived(seed, agents, kinds, layout, build, controls, scheme):
    drafts, links = lived(
        "kinship-v0", seed=seed, num_agents=agents, kinds=kinds, layout=layout, build=build,
        destroy=build, controls=controls, max_steps=15, kinship={"scheme": scheme},
    )  # fmt: skip
    assert files.unpack(files.pack(drafts[0].seal())).chain.tolist() == links[0]


def test_recording_may_begin_in_the_middle_and_be_cut_before_the_end():
    life = make_lifetime("harvest-v0", seed=2, max_steps=30)
    life.reset()
    recorder = Recorder(life)
    for t in range(20):
        if t == 5:
            recorder.begin()
        actions = np.full((1, life.num_agents), 7)
        recorder.note(actions, life.step(actions))
    part = recorder.cut().seal()
    assert part.steps == 15
    moments = [now.frame.t for now in relive(part)]
    assert moments == list(range(5, 21))


def test_a_changed_action_is_named_by_its_frame():
    whole = lived("harvest-v0", seed=4)[0][0].seal()
    actions = whole.actions.copy()
    t = int(np.flatnonzero((whole.actions[:, 0] == 5) & (np.arange(whole.steps) > 9))[0])
    actions[t, 0] = 0  # it turned and now it does not
    broken = replace(whole, actions=actions)
    found = first_difference(broken)
    assert found is None or found > t  # a frozen agent's action changes nothing
    start = {**whole.start, "head": (whole.start["head"] + 1) % 4}
    with pytest.raises(ReplayError, match=r"frame 0 of 40 differs .* harvest-v0"):
        verify(replace(whole, start=start))


def test_thousand_steps_of_24_agents_are_small():
    life = make_lifetime("kinship-v0", profile="arena", seed=1)
    recorder = Recorder(life)
    life.reset()
    recorder.begin()
    rng = np.random.default_rng(0)
    for _ in range(life.max_steps):
        actions = rng.integers(0, life.num_actions, (1, 24))
        drafts = recorder.note(actions, life.step(actions))
    assert len(files.pack(drafts[0].seal())) < 3_000_000


def test_equal_replays_are_equal_files_and_tracks_travel():
    life = make_lifetime("harvest-v0", seed=2, max_steps=4)
    N, A = life.num_agents, life.num_actions
    recorder = Recorder(life)
    life.reset()
    recorder.begin()
    for _ in range(4):
        actions = np.zeros((1, N), int)
        chance = np.full((1, N, A), 1 / A)
        drafts = recorder.note(actions, life.step(actions), np.full((1, N), 0.5), chance)
    one = drafts[0].seal()
    assert files.pack(one) == files.pack(drafts[0].seal())
    tracks = files.unpack(files.pack(one)).tracks
    np.testing.assert_array_equal(tracks["value"], np.full((4, N), 0.5))
    np.testing.assert_allclose(tracks["chance"] / 255, 1 / A, atol=1 / 255)


def rewritten(data, name, change):
    """A replay's file with one member changed, or left out where `change` gives None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            body = old.read(member)
            body = change(body) if member == name else body
            if body is not None:
                new.writestr(member, body)
    return out.getvalue()


def header(**changes):
    return lambda body: json.dumps({**json.loads(body), **changes}).encode()


def pickled(_):
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([{}], object), allow_pickle=True)
    return member.getvalue()


BROKEN = {
    "empty": (lambda d: b"", "not a replay"),
    "a text": (lambda d: b"hello" * 100, "not a replay"),
    "cut short": (lambda d: d[: len(d) // 2], "damaged"),
    "another archive": (lambda d: rewritten(d, "replay.json", lambda b: None), "without replay"),
    "foreign": (lambda d: rewritten(d, "replay.json", header(format="x")), "not a replay"),
    "too new": (lambda d: rewritten(d, "replay.json", header(version=2)), "update karma_rllib"),
    "no json": (lambda d: rewritten(d, "replay.json", lambda b: b"{"), "not JSON"),
    "unknown key": (lambda d: rewritten(d, "replay.json", header(colour=1)), "colour"),
    "no actions": (lambda d: rewritten(d, "actions.npy", lambda b: None), "no actions"),
    "a pickle": (lambda d: rewritten(d, "actions.npy", pickled), "no plain array"),
    "too few players": (
        lambda d: rewritten(d, "replay.json", header(policies=["a"])), "actions have shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_sentence(case, tmp_path):
    change, words = BROKEN[case]
    path = tmp_path / "x.replay"
    path.write_bytes(change(files.pack(lived("harvest-v0")[0][0].seal())))
    with pytest.raises(ReplayError) as caught:
        files.load(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"world": "harvest-v9"}, "unknown world 'harvest-v9'"),
        ({"params": {"profile": "gathering", "grid_sise": 9}}, "grid_sise"),
        ({"params": {"profile": "gathering", "grid_size": 12}}, "shape"),
    ],
)
def test_a_world_that_cannot_be_rebuilt_is_named(changes, words):
    whole = lived("harvest-v0")[0][0].seal()
    with pytest.raises(ReplayError, match=words):
        verify(replace(whole, head=whole.head.model_copy(update=changes)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReplayError, match=r"gone\.replay: no such file"):
        files.load(tmp_path / "gone.replay")


def test_the_keeper_picks_the_best_the_median_and_the_most_violent(tmp_path):
    drafts, _ = lived("harvest-v0", episodes=3)
    for draft, total, hits in zip(drafts, (3.0, -1.0, 2.0), (0, 9, 1), strict=True):
        draft.total, draft.hits = total, hits
    keeper = Keeper()
    assert keeper.write(tmp_path) == {}
    keeper.add(drafts)
    picked = keeper.pick()
    assert [picked[name].total for name in ("best", "median", "violent")] == [3.0, 2.0, -1.0]
    kept = keeper.write(tmp_path)
    assert {name: files.load(path).head.note for name, path in kept.items()} == {
        "best": "best", "median": "median", "violent": "violent",
    }  # fmt: skip


def test_a_life_that_ended_otherwise_is_not_sealed():
    draft = lived("harvest-v0")[0][0]
    draft.end["pos"] = draft.end["pos"] + 1
    with pytest.raises(ReplayError, match="pos differs at its end"):
        draft.seal()
