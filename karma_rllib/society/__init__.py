"""Society: what outlives an episode (debts), and the lifetime that carries it."""
