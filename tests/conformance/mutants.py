"""Broken envs, one fault each, that conformance checks must catch.

The first eighteen are faults that public conformance suites have been measured against; a fault
marked `silent` passes every suite in `suites.py`.  The rest break promises that only this package
makes.
"""

import copy
import secrets

import numpy as np

from karma_rllib.envs.parallel import WorldParallelEnv

MAX_STEPS = 40
MUTANTS = {}


def mutant(silent):
    """Put a class into `MUTANTS`; `silent`: no outside suite notices it."""

    def add(cls):
        cls.silent = silent
        MUTANTS[cls.__name__] = cls
        return cls

    return add


class Sound(WorldParallelEnv):
    """The world that the mutants spoil: small, crowded, short."""

    def __init__(self, render_mode=None):
        rules = {"grid_size": 6, "patch_half": 2, "timeout": 5, "max_steps": MAX_STEPS}
        super().__init__("harvest-v0", render_mode=render_mode, **rules)
        self.steps = 0

    def reset(self, seed=None, options=None):
        self.steps = 0
        return super().reset(seed, options)

    def step(self, actions):
        self.steps += 1
        result = super().step(actions)
        return self.spoil(*result) if result[0] else result

    def spoil(self, obs, rewards, terminations, truncations, infos):
        return obs, rewards, terminations, truncations, infos


def noise():
    """A number that no seed fixes."""
    return secrets.randbelow(2**30) / 2**30


@mutant(silent=False)
class NewSpaceEachCall(Sound):
    def observation_space(self, agent):
        return copy.deepcopy(super().observation_space(agent))


@mutant(silent=False)
class ObservationOutOfBounds(Sound):
    def spoil(self, obs, *rest):
        obs["agent_1"]["vec"] = obs["agent_1"]["vec"] + np.float32(7)
        return obs, *rest


@mutant(silent=False)
class ObservationOfWrongType(Sound):
    def spoil(self, obs, *rest):
        obs["agent_1"]["vec"] = obs["agent_1"]["vec"].astype(np.float64)
        return obs, *rest


@mutant(silent=False)
class ObservationOfWrongShape(Sound):
    def spoil(self, obs, *rest):
        obs["agent_1"]["vec"] = obs["agent_1"]["vec"][None]
        return obs, *rest


@mutant(silent=False)
class NanObservation(Sound):
    def spoil(self, obs, *rest):
        obs["agent_1"]["vec"] = np.full_like(obs["agent_1"]["vec"], np.nan)
        return obs, *rest


@mutant(silent=False)
class NanReward(Sound):
    def spoil(self, obs, rewards, *rest):
        return obs, {**rewards, "agent_1": float("nan")}, *rest


@mutant(silent=False)
class IgnoresItsSeed(Sound):
    def reset(self, seed=None, options=None):
        return super().reset(None if seed is None else secrets.randbelow(2**40), options)


class LateNoise(Sound):
    quiet_steps = 0

    def spoil(self, obs, rewards, *rest):
        if self.steps > self.quiet_steps:
            rewards = {**rewards, "agent_1": noise()}
        return obs, rewards, *rest


@mutant(silent=False)
class NondeterministicFromStepTwo(LateNoise):
    """Passes the parallel seed suite, which compares one step; the turn-based one sees it."""

    quiet_steps = 1


@mutant(silent=False)
class NondeterministicFromStepSeven(LateNoise):
    quiet_steps = 6


@mutant(silent=False)
class RewardIsAnArray(Sound):
    def spoil(self, obs, rewards, *rest):
        return obs, {agent: np.array([r]) for agent, r in rewards.items()}, *rest


@mutant(silent=False)
class RewardMissing(Sound):
    def spoil(self, obs, rewards, *rest):
        return obs, {a: r for a, r in rewards.items() if a != "agent_1"}, *rest


@mutant(silent=False)
class DoneIsAnInteger(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        return obs, rewards, terminations, {a: int(d) for a, d in truncations.items()}, infos


@mutant(silent=False)
class KeepsDeadAgents(Sound):
    def spoil(self, *result):
        self.agents = list(self.possible_agents)
        return result


@mutant(silent=False)
class RevivesAnAgent(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        terminations = {**terminations, "agent_1": self.steps == 3}
        self.agents = [a for a in self.possible_agents if a != "agent_1" or self.steps != 3]
        return obs, rewards, terminations, truncations, infos


@mutant(silent=True)
class NeverEnds(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        if not self.agents:
            WorldParallelEnv.reset(self)
        return obs, rewards, terminations, dict.fromkeys(truncations, False), infos


@mutant(silent=True)
class MixesTerminatedAndTruncated(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        if truncations.get("agent_1"):
            terminations, truncations = {**terminations, "agent_1": True}, dict(truncations)
            truncations["agent_1"] = False
        return obs, rewards, terminations, truncations, infos


@mutant(silent=False)
class AnsiIsBytes(Sound):
    def render(self):
        picture = super().render()
        return picture.encode() if isinstance(picture, str) else picture


@mutant(silent=False)
class PictureOfFloats(Sound):
    def render(self):
        picture = super().render()
        return picture / 255.0 if isinstance(picture, np.ndarray) else picture


# --- promises of this package ------------------------------------------------------------------


@mutant(silent=True)
class AnAgentDiesEarly(Sound):
    """Legal elsewhere; here only time ends an episode, for all at once."""

    def step(self, actions):
        dead = self.steps >= 5
        result = super().step({"agent_1": 0, **actions})
        if dead:
            result = tuple({a: x for a, x in part.items() if a != "agent_1"} for part in result)
        elif self.steps == 5:
            result[2]["agent_1"] = True
        if self.steps >= 5 and self.agents:
            self.agents.remove("agent_1")
        return result


@mutant(silent=True)
class EndsOneStepLate(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        if self.steps == MAX_STEPS:
            WorldParallelEnv.reset(self)
            self.agents = list(self.possible_agents)
            truncations = dict.fromkeys(truncations, False)
        elif self.steps > MAX_STEPS:
            self.agents = []
            truncations = dict.fromkeys(truncations, True)
        return obs, rewards, terminations, truncations, infos


@mutant(silent=True)
class ReplaysTheFirstEpisode(Sound):
    def reset(self, seed=None, options=None):
        self.seed = getattr(self, "seed", 0) if seed is None else seed
        return super().reset(self.seed, options)


@mutant(silent=True)
class ForgetsDebts(Sound):
    def reset(self, seed=None, options=None):
        result = super().reset(seed, options)
        self.stage.life.ledger[:] = 0
        return result


@mutant(silent=True)
class OverwritesItsObservations(Sound):
    def spoil(self, obs, *rest):
        for agent, seen in obs.items():
            mine = self.__dict__.setdefault(f"buffer_{agent}", copy.deepcopy(seen))
            for key in mine:
                mine[key][...] = seen[key]
            obs[agent] = mine
        return obs, *rest


@mutant(silent=True)
class DrawsFromTheGlobalGenerator(Sound):
    def spoil(self, obs, rewards, *rest):
        np.random.rand()  # noqa: NPY002
        return obs, rewards, *rest


@mutant(silent=True)
class ChangesTheActionsItIsGiven(Sound):
    def step(self, actions):
        result = super().step(actions)
        actions.update(dict.fromkeys(actions, 0))
        return result


@mutant(silent=True)
class LosesItsDebtsInAPickle(Sound):
    def __getstate__(self):
        state = copy.deepcopy(self.__dict__)
        state["stage"].life.ledger[:] = 0
        state["stage"].life.reset()
        return state


@mutant(silent=True)
class PlaysWhileItRenders(Sound):
    def render(self):
        if self.agents:
            self.stage.step(np.zeros(len(self.agents)))
        return super().render()


@mutant(silent=True)
class PictureStandsStill(Sound):
    def render(self):
        if not hasattr(self, "still"):
            self.still = super().render()
        return self.still


@mutant(silent=True)
class TellsAZapToOneSideOnly(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        for info in infos.values():
            events = info["social_events"]
            info["social_events"] = [e for e in events if e["type"] != "BEING_ZAPPED"]
        return obs, rewards, terminations, truncations, infos


@mutant(silent=True)
class TellsEventsOneStepLate(Sound):
    last = None

    def spoil(self, obs, rewards, terminations, truncations, infos):
        told = {agent: info["social_events"] for agent, info in infos.items()}
        for agent, info in infos.items():
            info["social_events"] = self.last[agent] if self.last and self.steps > 1 else []
        self.last = told
        return obs, rewards, terminations, truncations, infos


@mutant(silent=True)
class ShiftsTheRoles(Sound):
    def spoil(self, obs, rewards, terminations, truncations, infos):
        for info in infos.values():
            info["role_out"], info["role_dec"] = info["role_dec"], info["role_out"]
        return obs, rewards, terminations, truncations, infos
