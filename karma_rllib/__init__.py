"""karma_rllib: experiments on harm, cooperation and credit, for Ray RLlib."""

__version__ = "0.1.0"
