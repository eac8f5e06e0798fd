"""What a PettingZoo env of this package must keep, beyond what the outside suites look at.

`check_parallel_env(make, max_steps)` raises AssertionError with one sentence for the first broken
promise.  It was written against `mutants.py`: every fault there must be caught.
"""

import copy
import hashlib
import pickle
import random

import numpy as np
from gymnasium import Space

from karma_rllib.worlds.harvest_state import VEC_NAMES
from karma_rllib.worlds.rng import uniforms

FROZEN = VEC_NAMES.index("frozen")
KEYS = {"social_events", "zids", "role_out", "role_dec", "env_uid", "global_step", "episode"}


def check_parallel_env(make, max_steps):
    """Run every check.

    Args:
        make: `make(render_mode=None)` builds the env.
        max_steps: when its episodes must end.
    """
    for check in CHECKS:
        check(make, max_steps)


def actions_at(env, k, seed=0):
    """Joint action number k: a third harms, drawn from counters, so no generator is shared."""
    life = env.stage.life
    zap, n = life.traits.zap or 0, life.num_actions
    u = uniforms(seed, [0], [k], 2 * len(env.possible_agents))[0]
    pairs = zip(env.possible_agents, u[::2], u[1::2])
    return {a: zap if x < 0.33 else int(y * n) for a, x, y in pairs if a in env.agents}


def rollout(env, steps, start=0):
    """Yield up to `steps` step results from the running episode."""
    for k in range(start, start + steps):
        if not env.agents:
            return
        yield env.step(actions_at(env, k))


def digest(value):
    """A hash of nested dicts, lists, arrays and scalars that does not depend on PYTHONHASHSEED."""
    h = hashlib.blake2b(digest_size=16)

    def feed(x):
        if isinstance(x, dict):
            for key in sorted(x, key=str):
                h.update(str(key).encode())
                feed(x[key])
        elif isinstance(x, (list, tuple)):
            h.update(b"[")
            for item in x:
                feed(item)
        elif isinstance(x, np.ndarray):
            h.update(f"{x.dtype}{x.shape}".encode())
            h.update(np.ascontiguousarray(x).tobytes())
        else:
            h.update(repr(x).encode())

    feed(value)
    return h.hexdigest()


def life_digest(env, max_steps, seed=None, episodes=1):
    """Hash of everything that a whole number of episodes says."""
    told = []
    for episode in range(episodes):
        told.append(env.reset(seed=seed if episode == 0 else None))
        told.extend(copy.deepcopy(result) for result in rollout(env, max_steps + 5, 1000 * episode))
    return digest(told)


def check_spaces(make, max_steps):
    env = make()
    assert env.possible_agents == list(dict.fromkeys(env.possible_agents)), "agents repeat"
    for agent in env.possible_agents:
        for name in ("observation_space", "action_space"):
            space = getattr(env, name)(agent)
            assert isinstance(space, Space), f"{name}({agent}) is no space"
            assert getattr(env, name)(agent) is space, f"{name}({agent}) is a new object each call"


def check_shapes_and_types(make, max_steps):
    env = make()
    names = set(env.possible_agents)
    obs, infos = env.reset(seed=1)
    assert set(obs) == set(infos) == names, "reset leaves an agent out"
    _check_obs(env, obs)
    for result in rollout(env, max_steps):
        for part, name in zip(result, ("observation", "reward", "done", "done", "info")):
            assert set(part) == names, f"an agent got no {name}, or an unknown agent got one"
        obs, rewards, terminations, truncations, infos = result
        _check_obs(env, obs)
        for agent in names:
            assert type(rewards[agent]) is float, f"reward is a {type(rewards[agent]).__name__}"
            assert np.isfinite(rewards[agent]), "reward is not finite"
            for done in (terminations[agent], truncations[agent]):
                assert type(done) is bool, f"done is a {type(done).__name__}"
            assert set(infos[agent]) >= KEYS, f"infos lack {KEYS - set(infos[agent])}"


def _check_obs(env, obs):
    for agent, seen in obs.items():
        space = env.observation_space(agent)
        assert set(seen) == set(space.spaces), "observation has other keys than its space"
        for key, array in seen.items():
            assert array.dtype == space[key].dtype, f"{key} is {array.dtype}"
            assert array.shape == space[key].shape, f"{key} has shape {array.shape}"
            assert np.isfinite(array).all(), f"{key} is not finite"
        assert space.contains(seen), "observation outside its space"


def check_end(make, max_steps):
    env = make()
    env.reset(seed=2)
    steps = 0
    for _, _, terminations, truncations, _ in rollout(env, 2 * max_steps + 10):
        steps += 1
        assert not any(terminations.values()), "an agent terminated: only time ends an episode"
        assert len(set(truncations.values())) == 1, "some agents are truncated and others are not"
        over = any(truncations.values())
        assert over == (steps == max_steps), f"truncated={over} at step {steps} of {max_steps}"
        living = [] if over else env.possible_agents
        assert env.agents == living, f"agents are {env.agents} after step {steps}"
    assert steps == max_steps, "the episode did not end on time"
    assert env.step({}) == ({}, {}, {}, {}, {}), "a step after the end is not empty"
    assert env.agents == [], "a step after the end revived an agent"


def check_seeds(make, max_steps):
    env, twin = make(), make()
    once = life_digest(env, max_steps, seed=3, episodes=2)
    assert life_digest(twin, max_steps, seed=3, episodes=2) == once, "two envs differ at one seed"
    assert life_digest(env, max_steps, seed=3, episodes=2) == once, "a seed does not restart a life"
    assert life_digest(env, max_steps, seed=4, episodes=2) != once, "another seed, the same life"
    first, second = ([], [])
    for seen, seed in ((first, 3), (second, None)):  # what is seen: first frames may be all alike
        seen.append(env.reset(seed=seed)[0])
        seen.extend(copy.deepcopy(result[0]) for result in rollout(env, max_steps, 5))
    assert digest(first) != digest(second), "reset() without a seed replays the first episode"


def check_lifetime(make, max_steps):
    env = make()
    env.reset(seed=5)
    for _ in rollout(env, max_steps):
        pass
    ledger = env.stage.life.ledger.copy()
    _, infos = env.reset()
    np.testing.assert_array_equal(env.stage.life.ledger, ledger, "reset() forgets debts")
    assert {i["episode"] for i in infos.values()} == {1}, "episodes are not counted"
    assert {i["global_step"] for i in infos.values()} == {max_steps}, "global_step starts over"
    _, infos = env.reset(seed=6)
    assert {i["global_step"] for i in infos.values()} == {0}, "a new lifetime is not new"


def check_no_global_randomness(make, max_steps):
    seen = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
        seen.append(life_digest(make(), max_steps, seed=7))
        after = np.random.get_state()[1], random.getstate()  # noqa: NPY002
        np.testing.assert_array_equal(before[0], after[0], "the env draws from np.random")
        assert before[1] == after[1], "the env draws from random"
    assert seen[0] == seen[1], "the env depends on a global generator"


def check_nothing_is_overwritten(make, max_steps):
    env = make()
    kept = [env.reset(seed=8)]
    told = [digest(kept[0])]
    for k in range(min(max_steps, 20)):
        actions = actions_at(env, k)
        given = dict(actions)
        kept.append(env.step(actions))
        told.append(digest(kept[-1]))
        assert actions == given, "step() changes the actions it was given"
    assert [digest(result) for result in kept] == told, "a later step overwrites an earlier result"


def check_pickle(make, max_steps):
    env = make()
    env.reset(seed=9)
    half = max_steps // 2
    for _ in rollout(env, half):
        pass
    twin = pickle.loads(pickle.dumps(env))
    ends = [digest(list(map(copy.deepcopy, rollout(e, max_steps, half)))) for e in (env, twin)]
    assert ends[0] == ends[1], "a pickled env goes on differently"


def check_render(make, max_steps):
    plain = life_digest(make(), max_steps, seed=10)
    for mode in ("rgb_array", "ansi"):
        env = make(render_mode=mode)
        told, shapes, pictures = [env.reset(seed=10)], set(), set()
        for result in rollout(env, max_steps):
            told.append(copy.deepcopy(result))
            if len(told) > min(30, max_steps // 2):  # an agent alone at random hardly moves
                continue
            picture = env.render()
            pictures.add(digest(picture))
            if mode == "ansi":
                assert isinstance(picture, str), "ansi is no text"
            else:
                assert isinstance(picture, np.ndarray), "rgb_array is no array"
                assert picture.dtype == np.uint8, f"rgb_array is {picture.dtype}"
                assert picture.ndim == 3, "rgb_array has no (height, width, 3)"
                assert picture.shape[2] == 3, "rgb_array has no three colours"
                shapes.add(picture.shape)
        assert len(shapes) <= 1, "pictures change their size"
        assert len(pictures) > 1, "pictures do not change"
        assert digest(told) == plain, "rendering changes the game"


def role_of(lived, frozen):
    """The label of a frame from what the agent lived and whether it is frozen in the frame."""
    if "BEING_ZAPPED" in lived:
        return 2
    if frozen:
        return -100
    return 1 if "ZAP_AGENT" in lived else 3 if "ZAP_WASTE" in lived else 0


def check_events(make, max_steps):
    env = make()
    if env.stage.life.traits.zap is None:  # nobody can be harmed in this world
        return
    for seed in range(20):
        before, _ = env.reset(seed=seed)
        hits = 0
        for k, (obs, _, _, _, infos) in enumerate(rollout(env, max_steps)):
            by_type = {"ZAP_AGENT": {}, "BEING_ZAPPED": {}}
            for agent, info in infos.items():
                assert info["global_step"] == k + 1, "global_step is not the step of this frame"
                lived = {event["type"] for event in info["social_events"]}
                for event in info["social_events"]:
                    assert event["timestamp"] == k, "timestamp is not the step of the event"
                    if event["type"] in by_type:
                        own = "attacker" if event["type"] == "ZAP_AGENT" else "victim"
                        assert event[own] == agent, f"{event['type']} is told to another agent"
                        by_type[event["type"]][event["zid"]] = event
                for role, frame in (("role_out", obs), ("role_dec", before)):
                    frozen = bool(frame[agent]["vec"][FROZEN])
                    label = role_of(lived, frozen)
                    assert info[role] == label, f"{role} is {info[role]} where it is {label}"
            before = obs
            assert by_type["ZAP_AGENT"].keys() == by_type["BEING_ZAPPED"].keys(), (
                "a zap has one side"
            )
            hits += len(by_type["ZAP_AGENT"])
        if hits:
            return
    raise AssertionError("no zap met anyone in 20 lives")


CHECKS = (
    check_spaces,
    check_end,
    check_shapes_and_types,
    check_seeds,
    check_lifetime,
    check_no_global_randomness,
    check_nothing_is_overwritten,
    check_pickle,
    check_render,
    check_events,
)
