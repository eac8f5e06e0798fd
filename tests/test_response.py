"""A fresh agent is trained against frozen policies, and its gain is told and kept."""

import pytest
from typer.testing import CliRunner

from karma_rllib.analysis import store
from karma_rllib.cli import app
from karma_rllib.config import ConfigError
from karma_rllib.experiment import meeting, response

WORLD = {"world": "harvest-v0", "profile": "gathering", "max_steps": 20}
TINY = ["ppo.envs=4", "ppo.rollout=20", "ppo.minibatch=64", "budget.agent_steps=160"]


def karma(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_what_is_learnt_and_where_is_said_by_the_experiments_sections():
    config = response.settings(WORLD, ["ppo.lr=1e-3"])
    assert config.ppo.lr == 1e-3
    assert config.ppo.gae_lambda == 0.95
    assert config.module.preset == "tiny"
    assert config.world_params.max_steps == 20
    with pytest.raises(ConfigError, match="ppo"):
        response.settings(WORLD, ["ppo.lrr=1e-3"])


def test_relatives_of_the_world_are_told_in_the_settings():
    """They go into the policy's file, which says where it was trained."""
    related = {"scheme": "teams", "share": "conserve"}
    config = response.settings({**WORLD, "kinship": related})
    assert config.kinship.as_dict().items() >= related.items()


def test_another_budget_seed_world_or_population_is_another_response(tmp_path):
    def folders(uris, world, texts, seeds):
        config = response.settings(world, texts)
        return {one.folder for one in response.plan(uris, world, config, seeds, tmp_path)}

    bots = ["bot://bully", "bot://forager"]
    found = folders(bots, WORLD, [], [1, 2])
    assert len(found) == 4
    assert found == folders(bots, WORLD, [], [1, 2])
    assert not found & folders(bots, WORLD, ["budget.agent_steps=7"], [1, 2])
    assert not found & folders(bots, {**WORLD, "max_steps": 21}, [], [1, 2])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bot://buly"], "no bot 'buly'"),
        (["nowhere"], "no such checkpoint"),
        (["bot://bully", "--set", "ppo.lrr=1"], "ppo.lrr"),
        (["bot://bully", "--set", "timeoutt=1"], "timeoutt"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(words, says, tmp_path):
    place = ["--storage", tmp_path / "r", "--db", tmp_path / "e"]
    refused = karma("respond", *words, *place)
    assert refused.exit_code == 2
    assert says in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_gain_is_paired_by_episode(tmp_path, monkeypatch):
    """With bots as responses: a bully among foragers gains what it earns there beyond a forager."""
    config = response.settings(WORLD)
    todo = response.plan(["bot://forager"], WORLD, config, [1, 2], tmp_path)
    bully, forager = (meeting.plan([uri], [], WORLD)[0].focal for uri in
                      ("bot://bully", "bot://forager"))  # fmt: skip
    stand_in = {str(todo[0].folder): bully, str(todo[1].folder): forager}
    monkeypatch.setattr(response, "locate", stand_in.__getitem__)
    with store.EpisodeStore(tmp_path / "e") as kept:
        cells = meeting.missing(response.games(todo), range(6), kept)
        assert meeting.complete(cells, kept) == []
        (found,) = response.gains(todo, kept.frame(), range(6))
        table = kept.frame()
    focal = table[table["role"] == "focal"]
    earned = focal.groupby("policy_uri")["raw_return"].mean()
    assert found.member == pytest.approx(earned["bot://forager"])
    assert found.each == pytest.approx((earned["bot://bully"] - earned["bot://forager"], 0.0))
    assert found.gain.mean == pytest.approx(sum(found.each) / 2)
    assert found.gain.n == 2


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
@pytest.mark.timeout(900)
def test_the_command_trains_once_and_keeps_episodes_and_policies(tmp_path, cluster):
    words = ["bot://forager", "--profile", "gathering", "--set", "max_steps=20", "--seeds", 2]
    for text in TINY:
        words += ["--set", text]
    words += ["--episodes", 3, "--storage", tmp_path / "r", "--db", tmp_path / "e"]
    done = karma("respond", *words)
    assert done.exit_code == 0, done.stderr
    assert "2 responses trained" in done.stdout
    assert "9 episodes added, 0 were there" in done.stdout
    table = store.read(tmp_path / "e")
    assert len(list((tmp_path / "r").glob("to_forager_*/policy.safetensors"))) == 2
    trained = table[table["policy_uri"].str.startswith("file://")]
    assert set(trained["npc"]) == {"bot://forager@1"}
    assert (trained["version"] == 160).all()
    again = karma("respond", *words)
    assert "0 responses trained" in again.stdout
    assert "0 episodes added, 9 were there" in again.stdout
