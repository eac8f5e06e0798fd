"""A fresh agent learns to live off scripted players that let it."""

import pytest

from karma_rllib.analysis import store
from karma_rllib.experiment import meeting, response

WORLD = {"world": "harvest-v0", "profile": "dual_cleanup"}
EPISODES = range(32)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")  # RLlib's own, when an Algorithm is built
def test_among_cleaners_a_response_earns_more_than_a_random_agent(tmp_path, cluster):
    """Cleaners never fire at agents: whoever learns to eat, or to freeze them, lives off them."""
    config = response.settings(WORLD, ["budget.agent_steps=300_000"])
    todo = response.plan(["bot://cleaner"], WORLD, config, [1], tmp_path)
    assert response.train_missing(todo) == []
    with store.EpisodeStore(tmp_path / "e") as kept:
        games = response.games(todo)
        games += meeting.plan(["random://"], ["bot://cleaner"], WORLD)
        assert meeting.complete(meeting.missing(games, EPISODES, kept), kept) == []
        table = kept.frame()
    focal = table[table["role"] == "focal"].set_index("policy_uri")["raw_return"]
    trained = focal[focal.index.str.startswith("file://")]
    assert trained.mean() > 1.5 * focal["random://"].mean()
