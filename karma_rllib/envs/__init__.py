"""Envs: how others see a world. PettingZoo, Gymnasium, pictures, films, scripted players."""
