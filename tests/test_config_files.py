"""The YAML dialect: what scalars mean, what is refused, and where errors point."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karma_rllib.config import ConfigError, files

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), trees, max_size=4))
def test_dumped_data_parses_back_to_the_same_values_and_types(data):
    back, _ = files.parse(files.dump(data), "x")
    assert back == data
    assert repr(back) == repr(data)  # 1 is not 1.0, and true is not 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("3e-4", 3e-4),
        ("1E6", 1e6),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_500_000", 1_500_000),
        ("-7", -7),
        ("010", 10),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("null", None),
        ("", None),
        ("-.inf", -math.inf),
        ("'3'", "3"),
    ],
)
def test_plain_scalars_mean_what_they_look_like(text, value):
    back, _ = files.parse(f"x: {text}\n", "x")
    assert back == {"x": value}
    assert type(back["x"]) is type(value)


def test_every_key_knows_its_line():
    _, lines = files.parse("a: 1\nb:\n  c: 2\n  d:\n    - 5\n    - 6\n", "x")
    assert lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "d"): 4,
        ("b", "d", 0): 5,
        ("b", "d", 1): 6,
    }


def test_a_key_set_twice_is_refused_with_both_lines():
    with pytest.raises(ConfigError, match=r"x, line 3: `a\.b` is set twice \(first on line 2\)"):
        files.parse("a:\n  b: 1\n  b: 2\n", "x")


def test_overrides_do_not_touch_the_data_they_are_laid_over():
    data = {"ppo": {"lr": 1.0}}
    origin = files.Origin()
    out = files.apply_overrides(data, origin, ["ppo.lr=2", "ppo.gamma=0.5", "seeds=[1]"])
    assert data == {"ppo": {"lr": 1.0}}
    assert out == {"ppo": {"lr": 2, "gamma": 0.5}, "seeds": [1]}


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "smoke.yaml").write_text("name: x\n")
    with pytest.raises(ConfigError, match=r"no such file; did you mean .*smoke\.yaml\?"):
        files.read(tmp_path / "smoek.yaml")
    with pytest.raises(ConfigError, match=r"the folder .* does not exist"):
        files.read(tmp_path / "nowhere" / "smoke.yaml")


def test_a_folder_is_not_an_experiment(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        files.read(tmp_path)
