"""Probes: what a trained network knows, on frozen checkpoints; torch and files, no ray."""
