"""Probes against planted truth, closed forms and a network whose roles are merged by hand."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from karma_rllib.analysis import linear
from karma_rllib.nets.net import MirrorNet, NetSpec
from karma_rllib.nets.policy import Policy, save_policy
from karma_rllib.probes import capture, picture, similarity, study, transfer, values, view
from karma_rllib.probes.features import look

WORLD = {"world": "harvest-v0", "profile": "gathering", "max_steps": 60}
SPEC = NetSpec(cnn_filters=(), mlp=(16,), projector=(16, 8), lstm=6, heads=(8,))


def planted(pairs, shift, width=64, noise=0.3, seed=0):
    """Both sides of zaps: one shared scene, a little noise, and a shift between the roles."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(pairs, width))
    a, v = (scene + noise * rng.normal(size=(pairs, width)) for _ in range(2))
    a[:, 0] += shift
    return a, v, np.arange(pairs) // 3


# --- P1 ----------------------------------------------------------------------------------------


def test_folds_that_split_pairs_fall_below_one_half_and_folds_of_episodes_do_not():
    a, v, episode = planted(120, shift=0.0)
    assert linear.leaked(a, v) < 0.35
    got = linear.probe(a, v, episode)
    assert 0.38 < got.value < 0.62
    assert got.low < 0.5 < got.high


def test_a_true_difference_is_found_only_by_whole_pairs():
    a, v, episode = planted(120, shift=1.0, width=16, noise=0.5)
    assert linear.probe(a, v, episode).value > 0.65
    assert linear.null(a, v, episode).value == pytest.approx(0.5, abs=0.08)


def test_the_area_is_scikit_learns():
    rng = np.random.default_rng(0)
    y, s = rng.integers(2, size=50), rng.integers(9, size=50)
    assert linear.auroc(y, s) == pytest.approx(roc_auc_score(y, s))


def test_too_few_episodes_have_no_area():
    a, v, _ = planted(20, shift=1.0)
    assert np.isnan(linear.probe(a, v, np.arange(20) % 3)).all()


def test_saturated_units_that_hardly_vary_do_not_spoil_the_probe():
    rng = np.random.default_rng(0)
    a, v = rng.normal(size=(2, 500, 3)).astype(np.float32)
    a[:, 0] += 3
    a[:, 1], v[:, 1] = 1.0, 1.0
    a[:, 2], v[:, 2] = 0.0, 0.0
    a[7, 2] = 1.8e-44  # a denormal: its spread is 0 in float32
    assert linear.probe(a, v, np.arange(500) % 10).value > 0.95


# --- P3 ----------------------------------------------------------------------------------------


def test_cka_is_one_for_rotations_and_near_zero_for_strangers():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 10))
    turned = 3 * x @ np.linalg.qr(rng.normal(size=(10, 10)))[0] + 1
    assert similarity.cka(x, turned) == pytest.approx(1)
    # 200 features on 80 rows: the biased CKA of strangers is above one half here.
    wide = [similarity.cka(*rng.normal(size=(2, 80, 200))) for _ in range(8)]
    assert abs(np.mean(wide)) < 0.05
    assert np.isnan(similarity.cka(x[:3], x[:3]))


def test_similarity_needs_corresponding_rows():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 6))
    y = x + 0.2 * rng.normal(size=x.shape)
    rho, p = similarity.rsa(x, y)
    assert rho > 0.7
    assert p == pytest.approx(1 / 500)
    shuffled = rng.permutation(y)
    assert similarity.cka(x, shuffled) < 0.2 < similarity.cka(x, y)
    assert similarity.rsa(x, shuffled)[1] > 0.01


# --- a network and its world -------------------------------------------------------------------


@pytest.fixture(scope="module")
def policy():
    from karma_rllib.society.lifetime import make_lifetime

    name = WORLD["world"]
    life = make_lifetime(name, **{k: v for k, v in WORLD.items() if k != "world"})
    shapes = life.obs_shapes
    net = MirrorNet(shapes["grid"], shapes["vec"][0], life.num_actions, SPEC, action_floor=0.5)
    return Policy(net, {"condition": "baseline", "seed": 1, "world": {"name": name}}, seed=0)


@pytest.fixture(scope="module")
def seen(policy):
    return capture.play(policy, WORLD, episodes=24, seed=3)


def test_frames_show_their_roles(seen):
    from karma_rllib.worlds import resolve_params
    from karma_rllib.worlds.harvest_names import vec_names

    names = vec_names(resolve_params("harvest-v0", "gathering"))
    flag = {name: names.index(name) for name in ("was_hit", "hit_agent", "frozen")}
    assert seen.zaps > 20
    assert (seen.vic_out.vec[:, flag["was_hit"]] == 1).all()
    assert (seen.vic_out.vec[:, flag["frozen"]] == 1).all()
    assert (seen.agg_out.vec[:, flag["hit_agent"]] == 1).all()
    assert (seen.agg_dec.vec[:, flag["frozen"]] == 0).all()
    assert len(np.unique(seen.zid)) == seen.zaps
    for name in ("was_hit", "hit_agent", "frozen"):
        assert (seen.neutral.vec[:, flag[name]] == 0).all()
    assert (seen.agg_out.episode == seen.vic_dec.episode).all()


def test_states_are_those_the_network_acted_with(policy, seen):
    """Deciding from the frame before, with its state, leads to the state of the frame after."""
    net = policy.net
    before = seen.agg_dec
    grid, vec = (torch.as_tensor(x) for x in (before.grid, before.vec))
    state = {key: torch.as_tensor(x) for key, x in before.state.items()}
    after = net.step(grid, vec, state)[2]
    assert after["h"].detach().numpy() == pytest.approx(seen.agg_out.state["h"], abs=1e-5)


def test_another_policy_may_act_while_this_one_watches(policy, seen):
    still = capture.play(policy, WORLD, episodes=2, behaviour=_Idle(policy))
    assert still.zaps == 0
    assert len(still.neutral) > 0


class _Idle:
    """Never moves."""

    def __init__(self, policy):
        self.check = policy.check

    def initial_state(self, n):
        return {}

    def step(self, obs, state):
        return np.zeros(len(obs["vec"]), int), state


def merged(net):
    """A copy whose latent is constant: no role can be told and all learning transfers."""
    import copy

    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.projector[-1].weight.zero_()
    twin.lstm = None
    twin.critic, twin.actor = torch.nn.ModuleList(), torch.nn.ModuleList()
    twin.value_head = torch.nn.Linear(8, 1)
    twin.policy_head = torch.nn.Linear(8, net.num_actions)
    return twin


def test_transfer_is_one_step_of_the_critic_and_leaves_the_network_alone(policy, seen):
    net = policy.net
    before = {key: value.clone() for key, value in net.state_dict().items()}
    taught = transfer.teach(net, seen.vic_out, seen, (7,))
    assert taught.v_taught < 0
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    # First order: dV = -step * mean of (grad V(o) . grad loss).
    parameters = transfer._taught_parameters(net)

    def gradient(frames):
        grid, vec, state = (
            torch.as_tensor(frames.grid),
            torch.as_tensor(frames.vec),
            {key: torch.as_tensor(x) for key, x in frames.state.items()},
        )
        value = net.decide(net.encode(grid, vec)[1], state)[1].mean()
        grads = torch.autograd.grad(value, parameters, allow_unused=True)
        return torch.cat([g.flatten() for g in grads if g is not None])

    expected = -transfer.STEP * float(gradient(seen.agg_out) @ gradient(seen.vic_out))
    assert taught.v_agg_out == pytest.approx(expected, rel=0.15)


def test_where_roles_are_merged_all_learning_transfers_and_nothing_can_be_told(policy, seen):
    net = merged(policy.net)
    victims, neutral = (
        transfer.teach(net, frames, seen, (7,)) for frames in (seen.vic_out, seen.neutral)
    )
    assert victims.v_agg_out == pytest.approx(victims.v_taught, rel=1e-3)
    assert transfer.transfer(victims, neutral) == pytest.approx(0, abs=1e-3)  # to all alike
    got = values.values(net, seen, 0.99, 0.3)
    assert got["dv_out"][0] == pytest.approx(0, abs=1e-6)
    a, v = look(net, seen.agg_out).z, look(net, seen.vic_out).z
    assert linear.probe(a, v, seen.agg_out.episode).value == pytest.approx(0.5, abs=0.01)


def test_gradient_cosines_are_those_of_single_frames(policy, seen):
    cosines, own = transfer.latent_cosines(policy.net, seen, (7,))
    a = transfer._latent_gradient(policy.net, seen.agg_dec, (7,))
    v = transfer._latent_gradient(policy.net, seen.vic_out, None)
    angle = lambda p, q: a[p] @ v[q] / np.linalg.norm(a[p]) / np.linalg.norm(v[q])  # noqa: E731
    n = seen.zaps
    assert own == pytest.approx([angle(p, p) for p in range(n)])
    others = [angle(p, q) for p in range(n) for q in range(n) if p != q]
    assert cosines.mismatched == pytest.approx(np.mean(others))
    assert cosines.excess == pytest.approx(own.mean() - np.mean(others))


def test_the_implied_penalty_is_the_gap_seen_through_generalised_advantages(policy, seen):
    got = values.values(policy.net, seen, 0.99, 0.95)
    value = {n: look(policy.net, getattr(seen, n)).value for n in ("agg_out", "vic_out")}
    gap = float((value["agg_out"] - value["vic_out"]).mean())
    assert got["dv_out"][0] == pytest.approx(gap, abs=1e-6)
    assert got["implied_penalty"] == pytest.approx([0.99 * 0.05 * x for x in got["dv_out"]])


def test_swapping_flags_changes_flags_and_beam_only(seen):
    from karma_rllib.worlds import resolve_params
    from karma_rllib.worlds.harvest_names import plane_names, vec_names

    params = resolve_params("harvest-v0", "gathering")
    names, planes = vec_names(params), plane_names(params)
    got = values._swapped(seen.agg_out, seen.vic_out, names, planes)
    beam = planes.index("beam")
    assert (got.grid[..., beam] == seen.vic_out.grid[..., beam]).all()
    rest = [k for k in range(len(planes)) if k != beam]
    assert (got.grid[..., rest] == seen.agg_out.grid[..., rest]).all()
    kept = [k for k, name in enumerate(names) if name not in values.FLAGS]
    assert (got.vec[:, kept] == seen.agg_out.vec[:, kept]).all()


def test_the_picture_is_drawn_on_the_axes_of_most_variance(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 3)) * [0.1, 5.0, 1.0]
    _, axes, shares = picture.principal(z)
    assert np.abs(axes[0]).argmax() == 1
    assert shares[0] > 0.9
    roles = dict.fromkeys(picture.COLOURS, z[:50])
    path = picture.draw(roles, "a title", tmp_path / "p.png")
    assert path.read_bytes().startswith(b"\x89PNG")


# --- the whole ---------------------------------------------------------------------------------


def test_karma_probe_writes_what_verdicts_read(policy, tmp_path, monkeypatch):
    from pathlib import Path

    from typer.testing import CliRunner

    from karma_rllib.analysis.windows import PROBES
    from karma_rllib.cli import app

    monkeypatch.setattr(linear, "PERMUTATIONS", 2)
    meta = {**policy.meta, "world": {"name": "harvest-v0", "profile": "gathering"}}
    meta["world"]["params"] = {"max_steps": 60}
    trial = tmp_path / "baseline_s1"
    save_policy(policy.net, trial / "checkpoint_000000" / "policy", meta)
    done = CliRunner().invoke(app, ["probe", str(trial), "--episodes", "20", "--branches", "4"])
    assert done.exit_code == 0, done.output
    for words in ("AUROC z_untrained", "P2 transfer", "dv_out", "P7", "crimes lived again"):
        assert words in done.output
    found = json.loads((trial / PROBES).read_text(), parse_constant=pytest.fail)
    assert found["underpowered"] == (found["zaps"] < study.ENOUGH)
    assert {"auroc_z", "transfer", "zaps"} <= found["summary"].keys()
    assert Path(trial / "probes.png").stat().st_size > 1000


def test_a_policy_that_never_zaps_is_called_underpowered(policy):
    found = study.study(policy, WORLD, episodes=2, behaviour=_with_meta(_Idle(policy)))
    assert found["underpowered"]
    assert found["summary"] == {"zaps": 0}
    assert "linear" not in found
    view.terminal(found)


def _with_meta(idle):
    idle.meta = {"condition": "still"}
    return idle


# --- other worlds ------------------------------------------------------------------------------


def write_policy(folder, world, spec=SPEC, reads=None, **params):
    """A policy file of an untrained network in a world, and the folder that it is in."""
    from karma_rllib.society.lifetime import make_lifetime

    life = make_lifetime(world, **params)
    net = MirrorNet(
        life.obs_shapes["grid"],
        life.obs_shapes["vec"][0],
        life.num_actions,
        spec,
        action_floor=0.9,
        mask_start=life.traits.mask_start,
        reads=reads,
    )
    meta = {"condition": "baseline", "seed": 1}
    meta["world"] = {"name": world, "profile": None, "params": params}
    save_policy(net, folder / "policy", meta)
    return folder


KIN = {"grid_size": 7, "num_agents": 6, "generators": 2, "chargers": 1, "altars": 1,
       "max_steps": 60, "energy_start": 200.0, "view_radius": 3, "controls": "simple"}  # fmt: skip


def run_probe(*arguments):
    from typer.testing import CliRunner

    from karma_rllib.cli import app

    return CliRunner().invoke(app, ["probe", *map(str, arguments)])


def test_in_the_kinship_world_an_attack_is_the_zap(tmp_path, monkeypatch):
    monkeypatch.setattr(linear, "PERMUTATIONS", 2)
    folder = write_policy(tmp_path, "kinship-v0", **KIN)
    done = run_probe(folder / "policy", "--episodes", "16")
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "policy" / "probes.json").read_text(), parse_constant=pytest.fail)
    assert found["zaps"] > 20
    for name in ("auroc_z", "auroc_raw", "transfer", "cosine", "dv_out"):
        assert np.isfinite(found["summary"][name]), name
    assert found["linear"]["raw"][0] > 0.9  # the frame tells who was hit
    assert (folder / "policy" / "probes.png").stat().st_size > 1000


def test_the_chance_to_harm_is_that_of_all_attacks_together():
    from karma_rllib.probes.features import log_harm

    p = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    together = log_harm(p.log(), (1, 3)).exp().numpy()
    assert together == pytest.approx([0.6, 0.2])
    assert torch.equal(log_harm(p.log(), (2,)), p.log()[:, 2])


@pytest.mark.parametrize(
    ("world", "params"), [("match-v0", {}), ("kinship-v0", {**KIN, "attack_range": 0})]
)
def test_where_nobody_can_harm_there_is_nothing_to_probe(tmp_path, world, params):
    folder = write_policy(tmp_path, world, **params)
    done = run_probe(folder / "policy", "--episodes", "2")
    assert done.exit_code == 2
    assert f"in world '{world}' nobody can harm another" in " ".join(done.output.split())
    assert not (folder / "policy" / "probes.json").exists()


def test_a_policy_with_an_episodic_memory_is_probed_but_has_no_charges(tmp_path, monkeypatch):
    from karma_rllib.nets.episodic import ReadSpec

    monkeypatch.setattr(linear, "PERMUTATIONS", 2)
    reads = ReadSpec(slots=40, heads=1, top_k=4)
    params = {"profile": "gathering", "max_steps": 40}
    folder = write_policy(tmp_path, "harvest-v0", reads=reads, **params)
    done = run_probe(folder / "policy", "--episodes", "6", "--branches", "2")
    assert done.exit_code == 2
    assert "tvt.match hung charges nobody" in " ".join(done.output.split())
    done = run_probe(folder / "policy", "--episodes", "6")
    assert done.exit_code == 0, done.output
