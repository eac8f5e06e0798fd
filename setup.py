"""Package metadata of karma_rllib; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="karma_rllib",
    version="0.1.0",
    description="Experiments on harm, cooperation and credit in multi-agent RL, for Ray RLlib",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["karma_rllib", "karma_rllib.*"]),
    package_data={
        "karma_rllib": [
            "py.typed",
            "analysis/*.mplstyle",
            "analysis/*.html",
            "worlds/*.json",
            "envs/pages/*",
        ]
    },
    install_requires=[
        "ray[rllib,tune]>=2.60,<2.61",  # the env runner and learner lean on this release
        "torch>=2.4",
        "numpy>=1.26",
        "numba>=0.60",  # the world kernels
        "scipy>=1.15",  # stats: bootstraps with a seeded generator
        "pandas>=2.0",
        "scikit-learn>=1.4",  # linear probes
        "pettingzoo>=1.25",
        "supersuit>=3.9",
        "gymnasium>=1.0",
        "pydantic>=2.7",  # the experiment schema
        "pyyaml>=6",
        "typer>=0.12",  # the command line
        "jinja2>=3",  # pages of replays and play
        "rich>=13",  # tables and live progress
        "matplotlib>=3.8",
        "imageio>=2.34",  # films
        "imageio-ffmpeg>=0.5",  # MP4: brings the encoder
        "pillow>=10",
        "safetensors>=0.4",  # policy files without pickle
        "tensorboardX>=2.6",
        "wandb>=0.17",
    ],
    extras_require={
        "crosscheck": ["rliable>=1.2", "pandas<3"],  # the statistics once more, by another library
        "play": ["pygame-ce>=2.4"],  # render_mode="human"
        "dev": [
            "pytest>=8",
            "pytest-timeout",
            "pytest-xdist",
            "hypothesis>=6.100",
            "ruff>=0.6",
            "mypy>=1.10",
            "import-linter>=2.0",
            "types-PyYAML",
            "pandas-stubs",
            "pygame-ce>=2.4",
            "py-spy",
        ],
    },
    entry_points={"console_scripts": ["karma = karma_rllib.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
