"""The room with Ray: env, module, sampler, env runner, learner, algorithm."""
