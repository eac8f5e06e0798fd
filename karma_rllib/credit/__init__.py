"""Credit assignment on plain arrays: NumPy and Numba only, no torch and no ray."""
