"""The learner: RLlib's PPO loop with the mirror's terms in its loss.

The pipeline turns fragments into tensors and fills the banks; RLlib's `Learner.update`
drives the minibatches; the loss is `nets.losses.ppo_loss`, which equals RLlib's own when
every agent can act, plus the mirror, role and memory terms and the blame for older acts.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from ray.rllib.algorithms.ppo.ppo import LEARNER_RESULTS_KL_KEY
from ray.rllib.algorithms.ppo.ppo_learner import PPOLearner
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import Learner
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.utils.annotations import override
from torch import Tensor

from karma_rllib.nets.losses import ppo_loss
from karma_rllib.plugin.allocator import keep_freed_memory, leave_new_tensors_unfilled
from karma_rllib.plugin.auxiliary import Auxiliary
from karma_rllib.plugin.cheap_probes import CheapProbes
from karma_rllib.plugin.connectors import ACTIVE, Advantages, FragmentsToBatch, Transport
from karma_rllib.plugin.env_runner import SHARED_MODULE
from karma_rllib.plugin.episodic import reading_loss
from karma_rllib.plugin.minibatches import Minibatches
from karma_rllib.plugin.module import LATENT, STRENGTH
from karma_rllib.plugin.retro import Retro
from karma_rllib.plugin.stats import Averages

KL_COEFFICIENT = "curr_kl_coeffs"
PPO_STATS = ("policy_loss", "vf_loss", "entropy", "kl", "clip_fraction", "explained_variance")


class KarmaLearner(PPOTorchLearner):
    """PPO learner over fragments, with mirror and role losses from an event bank."""

    @override(PPOLearner)
    def build(self) -> None:
        """Build RLlib's learner, then our pipeline and auxiliary terms.

        The config is read here, not in anything stored in it.
        """
        super().build()
        config = self.config
        if self.device.type == "cpu":
            keep_freed_memory()
            leave_new_tensors_unfilled()
            torch.set_num_threads(max(1, int(config.num_cpus_for_main_process)))
        self.averages = Averages()
        self.timesteps: dict[str, Any] = {}
        self.auxiliary = Auxiliary.of(config, learner_index=self._learner_index)
        self.probes = CheapProbes(config.probe_every, int(config.seed or 0), self._learner_index)
        settings = config.tvt_settings
        self.retro = Retro(config.clip_param, settings["retro_dual_clip"], self.device)
        for piece in (
            Transport(),
            Advantages(
                config.gamma,
                config.lambda_,
                config.action_floor,
                SHARED_MODULE,
                affects_value=settings["affects_value"],
                zaps=config.world_traits().zaps,
            ),
            self.auxiliary.connector(),
            *self.probes.connectors(),
            FragmentsToBatch(SHARED_MODULE, self.device, labels=self.auxiliary.needs_labels),
            self.retro.connector(),
        ):
            self._learner_connector.append(piece)

    @override(TorchLearner)
    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Adam with our epsilon, fused into one kernel."""
        params = self.get_parameters(self._module[module_id])
        optimizer = torch.optim.Adam(params, eps=self.config.adam_eps, fused=True)
        self.register_optimizer(
            module_id=module_id, optimizer=optimizer, params=params, lr_or_lr_schedule=config.lr
        )

    @override(TorchLearner)
    def _set_optimizer_state(self, state: dict[str, Any]) -> None:
        """Take over the optimiser's state as far as it fits.

        A branch may have a memory where its stem had none, or the other way round. The memory's
        parameters are the last ones, so those of both lie at the front.
        """
        own = len(self.get_parameters(self.module[SHARED_MODULE]))
        super()._set_optimizer_state(
            {name: {**one, "state": fitted(one["state"], own)} for name, one in state.items()}
        )

    @override(Learner)
    def before_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Note where the run stands: schedules are functions of its agent-steps."""
        super().before_gradient_based_update(timesteps=timesteps)
        self.timesteps = timesteps
        self.averages.clear()
        self.auxiliary.at(timesteps)
        self.probes.iteration = self.auxiliary.iteration

    @override(Learner)
    def _create_iterator_if_necessary(
        self,
        *,
        training_data: Any,
        num_total_minibatches: int = 0,
        num_epochs: int = 1,
        minibatch_size: int | None = None,
        **kwargs: Any,
    ) -> Minibatches:
        fragments = training_data.episodes
        batch = self._make_batch_if_necessary(training_data=training_data)
        key = (int(self.config.seed or 0), self._learner_index, self._weights_seq_no)
        minibatches = Minibatches(
            batch.policy_batches[SHARED_MODULE],
            module_id=SHARED_MODULE,
            agent_steps=sum(fragment.agent_steps() for fragment in fragments),
            minibatch=minibatch_size,
            epochs=num_epochs,
            total=num_total_minibatches,
            key=key,
            env_steps=batch.env_steps(),
        )
        self.retro.deal(minibatches.per_epoch, num_epochs, key)
        return minibatches

    @override(PPOTorchLearner)
    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Tensor]
    ) -> Tensor:
        """PPO loss, auxiliary losses and blame for older acts of one minibatch, a scalar."""
        valid = batch.get(Columns.LOSS_MASK)
        act = batch[ACTIVE]
        valid = torch.ones_like(act) if valid is None else valid
        coeff = float(self.curr_kl_coeffs_per_module[module_id]) if config.use_kl_loss else 0.0
        entropy_coeff = self.entropy_coeff_schedulers_per_module[module_id].get_current_value()
        loss, stats = ppo_loss(
            fwd_out[Columns.ACTION_DIST_INPUTS],
            batch[Columns.ACTION_DIST_INPUTS],
            batch[Columns.ACTIONS],
            batch[Columns.ACTION_LOGP],
            batch[Postprocessing.ADVANTAGES],
            fwd_out[Columns.VF_PREDS],
            batch[Postprocessing.VALUE_TARGETS],
            valid,
            act & valid,
            clip=config.clip_param,
            vf_coeff=config.vf_loss_coeff,
            vf_clip=None if math.isinf(config.vf_clip_param) else config.vf_clip_param,
            entropy_coeff=entropy_coeff,
            kl_coeff=coeff,
            normalised=True,
        )
        self.averages.add("ppo", self._ppo_stats(stats))
        net = self.module[module_id].unwrapped().net
        blame = self.retro.loss(net, (act & valid).sum())
        if blame is not None:
            self.averages.add("tvt", {"loss": blame})
            loss = loss + blame
        if net.reads is not None:
            own, stats = reading_loss(
                net,
                batch[Columns.OBS],
                fwd_out[LATENT],
                fwd_out[STRENGTH],
                valid,
                rebuild=config.tvt_settings["rebuild_weight"],
                cost=config.tvt_settings["strength_cost"],
            )
            self.averages.add("tvt", stats)
            loss = loss + own
        return loss + self.auxiliary.loss(net, batch, fwd_out, self.averages)

    def _ppo_stats(self, stats: dict[str, Tensor]) -> dict[str, Tensor]:
        """The columns of one minibatch; the ratio's error is that of the first one only."""
        own = {name: stats[name] for name in PPO_STATS}
        if ("ppo", "ratio_epoch0") not in self.averages.values:
            own["ratio_epoch0"] = stats["max_ratio_error"]
        return own

    @override(Learner)
    def postprocess_gradients_for_module(
        self, *, module_id: str, config: Any = None, module_gradients_dict: dict[Any, Tensor]
    ) -> dict[Any, Tensor]:
        """Clip by the global norm, in place, and note the norm."""
        gradients = [g for g in module_gradients_dict.values() if g is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if config.grad_clip:
            parameters = list(module_gradients_dict)
            torch.nn.utils.clip_grads_with_norm_(parameters, config.grad_clip, norm)
        self.averages.add("ppo", {"grad_norm": norm})
        self._norm = norm
        return module_gradients_dict

    @override(TorchLearner)
    def apply_gradients(self, gradients_dict: dict[Any, Tensor]) -> None:
        """Step the optimiser; take RLlib's slower road only where a gradient is not finite.

        A finite norm says that every gradient is finite.
        """
        simple = self._lr_scheduler_classes is None and self._grad_scalers is None
        if not (simple and torch.isfinite(self._norm)):
            super().apply_gradients(gradients_dict)
            return
        for pid, gradient in gradients_dict.items():
            self._params[pid].grad = gradient
        for module_id, names in self._module_optimizers.items():
            for name in names:
                self.get_optimizer(module_id, name).step()

    @override(PPOLearner)
    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Log the means over minibatches, then let RLlib adapt its coefficients."""
        net = self.module[SHARED_MODULE].unwrapped().net
        self.auxiliary.diagnose(net, self.averages)
        self.averages.add("tvt", self.retro.stats())
        self.averages.add("probe", self.probes.measure(net))
        for (family, name), value in self.averages.means().items():
            self.metrics.log_value((SHARED_MODULE, family, name), value, window=1)
            if (family, name) == ("ppo", "kl"):  # where RLlib looks for it
                self.metrics.log_value((SHARED_MODULE, LEARNER_RESULTS_KL_KEY), value, window=1)
        super().after_gradient_based_update(timesteps=timesteps)

    @override(Learner)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kw: Any) -> dict:
        """RLlib's state, and the KL coefficient that it forgets."""
        state = super().get_state(components, not_components=not_components, **kw)
        if self._check_component(KL_COEFFICIENT, components, not_components):
            state[KL_COEFFICIENT] = {
                mid: float(value) for mid, value in self.curr_kl_coeffs_per_module.items()
            }
        return state

    @override(Learner)
    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state, KL coefficient included."""
        super().set_state(state)
        for mid, value in state.get(KL_COEFFICIENT, {}).items():
            self.curr_kl_coeffs_per_module[mid].data.fill_(value)

    def extra_state(self) -> tuple[int, dict[str, Any]]:
        """This learner's index, and the state of its banks and schedules."""
        return self._learner_index, self.auxiliary.get_state()

    def set_extra_state(self, states: list[tuple[int, dict[str, Any]]]) -> None:
        """Take over the extra state saved by the learner of the same index."""
        for index, state in states:
            if index == self._learner_index:
                self.auxiliary.set_state(state)


def fitted(state: dict[str, Any], parameters: int) -> dict[str, Any]:
    """An optimiser's state for so many parameters: cut, or with nothing known of the new ones."""
    (group,) = state["param_groups"]
    return {
        "state": {k: v for k, v in state["state"].items() if int(k) < parameters},
        "param_groups": [{**group, "params": list(range(parameters))}],
    }
