"""The evaluation suites of the kinship world: generators, planner, oracles."""
