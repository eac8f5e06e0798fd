"""Torch networks, losses and memory banks of the mirror mechanism; no ray in this room.

Import what you need from its module, for example
`from karma_rllib.nets.net import MirrorNet, PRESETS`.
"""
