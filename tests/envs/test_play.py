"""Play: a person takes agents over, on a page that only the token opens."""

import http.client
import json
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from karma_rllib.cli import playing
from karma_rllib.config import ConfigError
from karma_rllib.envs import replay as files
from karma_rllib.envs.keys import bindings, choose
from karma_rllib.envs.play import PlayError
from karma_rllib.envs.play_server import Server
from karma_rllib.envs.play_terminal import play as in_terminal
from karma_rllib.envs.replay_life import verify
from karma_rllib.nets.net import MirrorNet, make_spec
from karma_rllib.nets.policy import save_policy
from karma_rllib.society.lifetime import make_lifetime
from karma_rllib.worlds import list_worlds, make
from tests.browser import CHROMIUM, Browser
from tests.test_cli import refusal

ORCHARD = ["apple_layout=uniform", "apple_density=1.0", "max_steps=6", "num_agents=3"]
HEARTH = ['map="#####\\n#.G.#\\n#C^A#\\n#...#\\n#####"', "num_agents=1", "energy_start=50",
          "fixed_starts=true", "max_steps=30"]  # fmt: skip
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def orchard(*policies):
    return playing.session_of("harvest-v0", None, policies or ["none"], ORCHARD, "none", 0)


def hearth():
    return playing.session_of("kinship-v0", None, ["none"], HEARTH, "none", 0)


def press(session, agent, *keys):
    """Press keys for an agent; returns its reward in all."""
    for key in keys:
        session.step(agent, session.action_of(agent, key))
    return session.table()[agent]["reward"]


def test_a_person_eats_an_apple():
    session = orchard()
    for key in ("ArrowUp", "ArrowDown"):  # one of the two is not the wall
        press(session, 1, key)
    assert session.table()[1]["eaten"] >= 1
    assert session.table()[1]["reward"] > 0


def test_a_person_harvests_charges_and_gets_a_heart():
    session = hearth()
    assert press(session, 0, "u") == 0
    assert session.look.items[0].tolist() == [1]
    press(session, 0, "ArrowLeft", "u")  # turns to the charger
    assert session.look.items[0].tolist() == [0]
    assert press(session, 0, "ArrowRight", " ") == 1
    assert session.table()[0]["eaten"] == 1


@pytest.mark.parametrize("params", [
    ("harvest-v0", {}), ("harvest-v0", {"move_frame": "absolute"}), ("match-v0", {}),
    ("kinship-v0", {}), ("kinship-v0", {"controls": "simple"}),
])  # fmt: skip
def test_arrows_lead_where_they_point(params):
    name, more = params
    actions = make(name, **more).action_names
    session = playing.session_of(
        name, None, ["none"], [f"{k}={v}" for k, v in more.items()], "none", 3
    )
    N = session.life.num_agents
    steps = {"ArrowUp": (-1, 0), "ArrowRight": (0, 1), "ArrowDown": (1, 0), "ArrowLeft": (0, -1)}
    went = set()
    for key, way in list(steps.items()) * 2:
        before = session.life.world.frame().pos[N - 1].astype(int)
        press(session, N - 1, key)
        if name == "kinship-v0" and not more:  # the first press only turns
            press(session, N - 1, key)
        moved = session.life.world.frame().pos[N - 1] - before
        assert any(np.array_equal(moved, k * np.array(way)) for k in (0, 1, 2))
        went |= {key} if moved.any() else set()
    assert len(went) >= 2
    assert set(bindings(actions)) >= set(steps)


@pytest.mark.parametrize("name", list_worlds())
def test_every_key_means_an_action_of_the_world(name):
    actions = make(name).action_names
    for key in bindings(actions):
        assert {choose(actions, key, head) for head in range(4)} <= set(actions)
    assert choose(actions, "F7", 0) is None


def test_the_others_go_on_while_one_is_taken_over():
    alone, taken = orchard("random://"), orchard("random://")
    for _ in range(3):
        alone.step()
        taken.step(0, 0)
    np.testing.assert_array_equal(alone.look.agents[1:, 7], taken.look.agents[1:, 7])
    assert taken.look.agents[0, 7] == 0


def test_an_episode_ends_is_kept_and_the_next_begins_with_its_debts():
    session = orchard("bot://bully", "none")
    while not session.over:
        session.step()
    with pytest.raises(PlayError, match="over"):
        session.step()
    whole = files.unpack(files.pack(session.replay()))
    verify(whole)
    assert whole.head.policies == ("bot://bully", "none", "bot://bully")
    debt = session.life.ledger.copy()
    session.again()
    assert session.look.t == 0
    np.testing.assert_array_equal(session.life.ledger, debt)


def test_a_part_of_an_episode_can_be_kept():
    session = orchard()
    press(session, 0, " ", " ")
    part = session.replay()
    verify(part)
    assert part.steps == 2


# --- over HTTP ------------------------------------------------------------------------------------


@contextmanager
def served(session):
    server = Server(session)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server():
    with served(orchard("random://")) as server:
        yield server


def call(server, method, path, body=None, **headers):
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    line.request(method, path, body, headers)
    answer = line.getresponse()
    data = answer.read()
    line.close()
    return answer.status, data


def wish(server, what, **body):
    status, data = call(server, "POST", f"/{server.token}/{what}", json.dumps(body))
    return status, json.loads(data)


def test_only_this_machine_is_served(server):
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 20


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/x/", "/step", "/wrong/step", "//", "/{}", "/{}x/"])
def test_without_the_token_there_is_nothing(server, method, path):
    status, data = call(server, method, path.format(server.token), "{}")
    assert status == 403
    assert server.token.encode() not in data
    assert server.session.look.t == 0


def test_a_page_of_another_host_is_refused(server):
    assert call(server, "GET", f"/{server.token}/", Host="evil.example:80")[0] == 403


def test_the_page_holds_the_session(server):
    status, data = call(server, "GET", f"/{server.token}/")
    assert status == 200
    text = data.decode()
    told = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert told["stage"]["policies"] == ["random://"] * 3
    assert told["frame"]["t"] == 0
    assert "http" not in text.replace("http-equiv", "")


def test_steps_are_played_and_the_end_is_told(server):
    status, told = wish(server, "step", agent=1, action="zap")
    assert (status, told["frame"]["t"], told["over"]) == (200, 1, False)
    assert told["frame"]["agents"][1][7] == 7
    for _ in range(5):
        status, told = wish(server, "step", agent=1, key="ArrowUp")
    assert told["over"]
    assert len(told["table"]) == 3
    assert wish(server, "step")[0] == 400
    status, told = wish(server, "again")
    assert (status, told["frame"]["t"], told["over"]) == (200, 0, False)


def test_the_replay_can_be_taken_along(server):
    wish(server, "step", agent=0, key=" ")
    status, data = call(server, "GET", f"/{server.token}/replay")
    assert status == 200
    verify(files.unpack(data))


@pytest.fixture
def trained(tmp_path):
    """A trial's folder with the policy of families who learned in a narrow orchard."""
    world = {
        "name": "harvest-v0",
        "profile": "gathering",
        "params": {"grid_size": 5, "num_agents": 4, "max_steps": 200, "timeout": 5},
        "kinship": {"scheme": "families"},
    }
    life = make_lifetime("harvest-v0", kinship=world["kinship"], **world["params"])
    grid, vec = life.obs_shapes["grid"], life.obs_shapes["vec"]
    net = MirrorNet(grid, vec[0], life.num_actions, make_spec("tiny"), 0.05, seed=1)
    meta = {"world": world, "condition": "karma", "seed": 42, "agent_steps": 1}
    save_policy(net, tmp_path / "karma_s42" / "checkpoint_000001" / "policy", meta)
    return tmp_path / "karma_s42"


def test_a_person_among_agents_of_a_trained_policy_sees_debts_and_kin(trained):
    session = playing.session_of(None, None, [str(trained)], [], None, 0)
    with served(session) as server:
        page = call(server, "GET", f"/{server.token}/")[1].decode()
        stage = json.loads(page.split('id="data">')[1].split("</script>")[0])["stage"]
        kin = np.array(stage["kin"])
        assert kin.shape == (4, 4)
        assert (kin[~np.eye(4, dtype=bool)] > 0).any()
        assert stage["policies"] == [f"{trained.parent.name}/karma_s42"] * 4
        told = {}
        for _ in range(150):
            told = wish(server, "step", agent=0, action="zap")[1]
            if told["frame"]["debt"]:
                break
        debtor, creditor, owed = told["frame"]["debt"][0]
        assert owed > 0
        assert told["table"][debtor]["owes"] > 0
        assert told["table"][debtor]["hits"] > 0
        assert told["table"][creditor]["was_hit"] > 0
        kept = files.unpack(call(server, "GET", f"/{server.token}/replay")[1])
        verify(kept)
        others = kept.actions[:, 1:]
        assert len(np.unique(others)) > 2  # the policy acts for them
        assert set(kept.actions[:, 0]) == {7}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "JSON"), ("[]", "object"), ('{"agent": 3}', "from 0 to 2"),
        ('{"agent": -1}', "from 0 to 2"), ('{"agent": true}', "whole number"),
        ('{"agent": "<b>"}', "whole number"), ('{"agent": 0, "action": "fly"}', "unknown action"),
        ('{"agent": 0, "action": ["zap"]}', "unknown action"),
        ('{"agent": 0, "key": "F7"}', "does nothing"), ('{"agent": 0, "key": {}}', "does nothing"),
        ('{"key": "w"}', "which agent"), ('{"speed": 9}', "unknown entry"),
        ("[" * 5000, "JSON"), (" " * 20_000, "at most"), (b"\xff", "JSON"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(server, body, words):
    status, data = call(server, "POST", f"/{server.token}/step", body)
    assert status == 400
    assert words in json.loads(data)["error"]
    assert server.session.look.t == 0


def test_unknown_pages_are_not_found(server):
    assert call(server, "GET", f"/{server.token}/x")[0] == 404
    assert wish(server, "x")[0] == 404


# --- terminal and command line --------------------------------------------------------------------


def test_the_terminal_plays_the_same_game():
    said = []
    in_terminal(hearth(), ["keys", "u", "take 0", "ua", "ud ", "table", "quit", "u"], said.append)
    text = "\n".join(said)
    assert "take an agent over first" in text
    assert "1 diamond_1" in text
    assert "agent_0: reward 1" in text
    assert text.count("was_hit") == 2


def test_the_terminal_says_what_it_does_not_know_and_when_it_is_over():
    said = []
    lines = ["take 9", "take 1", "w!", "step 50", "w", "again", "free", "step"]
    in_terminal(orchard(), lines, said.append)
    text = "\n".join(said)
    assert "agents are numbered 0 to 2" in text
    assert "'!' is no key here" in text
    assert "the episode is over" in text
    assert "step 1\n" in said[-2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--world", "harvest-v9"], "unknown world"),
        (["--profile", "gathring"], "gathering"),
        (["--policy", "bot://bulky"], "bulky"),
        (["--policy", "/no/such/place"], "no such checkpoint"),
        (["--set", "grid_size"], "KEY=VALUE"),
        (["--set", "grid_size=[1"], "no YAML"),
        (["--set", "grid_sise=9"], "grid_sise"),
        (["--kinship", "clans"], "clans"),
    ],
)
def test_bad_wishes_are_refused_in_one_sentence(arguments, words):
    assert words in refusal("play", "--terminal", *arguments)


def test_a_taken_port_is_named():
    with Server(orchard()) as server, pytest.raises(ConfigError, match="in use"):
        playing.serve(orchard(), server.server_port)


# --- in a browser ---------------------------------------------------------------------------------


@pytest.mark.slow
@needs_chromium
def test_a_browser_takes_an_agent_over_and_eats(server, tmp_path):
    with Browser(tmp_path) as browser:
        browser.open(server.url, "window.game")
        browser.ask("document.querySelectorAll('#crowd button')[1].focus()")
        browser.press("Enter")
        browser.until("game.taken === 1 && !document.getElementById('detail').hidden")
        for t, key in enumerate(("ArrowUp", "ArrowDown")):
            browser.press(key)
            browser.until(f"game.frame.t === {t + 1} && !game.busy")
        assert browser.ask("game.frame.agents[1].eaten") >= 1
        assert browser.ask("game.frame.agents[1].total") > 0
        browser.press("Enter")  # run to the end
        browser.until("!document.getElementById('over').hidden")
        assert browser.ask("document.querySelectorAll('#result tr').length") == 4
        browser.ask("document.getElementById('again').click()")
        browser.until("game.frame.t === 0 && !game.over")
        assert not browser.complaints()
        assert all(url.startswith(server.url) for url in browser.requests())


@pytest.mark.slow
@needs_chromium
def test_a_browser_harvests_charges_and_gets_a_heart(tmp_path):
    with Server(hearth()) as server, Browser(tmp_path) as browser:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        browser.open(server.url, "window.game")
        browser.ask("document.querySelector('#crowd button').click()")
        for t, key in enumerate(["u", "ArrowLeft", "u", "ArrowRight", "u"]):
            browser.press(key)
            browser.until(f"game.frame.t === {t + 1} && !game.busy")
        assert browser.ask("game.frame.agents[0].total") == 1
        assert "1" in browser.ask(
            "document.querySelector('#crowd tbody td:nth-child(3)').textContent"
        )
        assert not browser.complaints()
        server.shutdown()
