"""The harvest world once more: slow, obvious, one world at a time, plain Python.

It shares no code with `karma_rllib.worlds` but the parameter record.  Random numbers come from the
same counter generator, written again with Python integers, so that both can be compared step for
step.  Coordinates are (row, col) tuples; the map is a dict from cell to terrain.
"""

import numpy as np

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
NORTH_EAST_SOUTH_WEST = [(-1, 0), (0, 1), (1, 0), (0, -1)]
NOOP, ZAP = 0, 7
LAYOUT, FILL, FOUL, SPAWN = 1, 2, 3, 4
ORDER, REENTER, SPROUT, SPREAD, SPREAD_TO, SPILL = 16, 17, 18, 19, 20, 21


# -- random numbers ---------------------------------------------------------------------------


def mix64(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fold(key, word):
    return mix64(key ^ mix64((word + GOLDEN) & MASK))


class Stream:
    """The numbers of one purpose at one moment of one world's life."""

    def __init__(self, seed, uid, counter, purpose):
        self.key = fold(fold(fold(fold(0, seed), uid), counter), purpose)

    def bits(self, i):
        return mix64((self.key + (i + 1) * GOLDEN) & MASK)

    def unit(self, i):
        return (self.bits(i) >> 11) * 2.0**-53

    def below(self, i, n):
        return ((self.bits(i) >> 32) * n) >> 32


# -- the world --------------------------------------------------------------------------------


class Agent:
    def __init__(self):
        self.cell = None  # None: off the map
        self.head = 0
        self.frozen = self.grace = self.cooldown = self.tags = 0
        self.last_action = -1
        self.last_reward = 0.0
        self.was_hit = self.hit_agent = self.hit_waste = False


class ReferenceWorld:
    """One world; `obs` holds the current observations, `out` what the last step reported."""

    def __init__(self, params, seed=0, uid=0):
        self.p, self.seed, self.uid = params, seed, uid
        G = params.grid_size
        self.cells = [(r, c) for r in range(G) for c in range(G)]
        self.episode, self.g = -1, 0

    # -- beginning an episode

    def stream(self, purpose):
        counter = self.episode if purpose < ORDER else self.g
        return Stream(self.seed, self.uid, counter, purpose)

    def number(self, cell):
        """Cells are numbered as on a map with a rim of two."""
        return (cell[0] + 2) * (self.p.grid_size + 4) + cell[1] + 2

    def reset(self, positions=None, headings=None, debt=None):
        p, N = self.p, self.p.num_agents
        self.episode += 1
        self.t = 0
        self.terrain = dict.fromkeys(self.cells, "empty")
        self.wait = dict.fromkeys(self.cells, 0)
        self.lit = set()
        self.agents = [Agent() for _ in range(N)]
        self.sites = self.draw_sites()
        fill = self.stream(FILL)
        for cell in self.cells:
            if cell in self.sites:
                if fill.unit(self.number(cell)) < p.apple_density:
                    self.terrain[cell] = "apple"
                elif p.regrow_mode == "timer":
                    self.wait[cell] = p.respawn_delay
        self.zone = {cell for cell in self.cells if self.in_zone(cell)}
        foul = self.stream(FOUL)
        for n in range(int(p.waste_init_frac * len(self.zone) + 0.5)):
            cell = self.pick("empty", self.zone, foul, n)
            if cell is not None:
                self.terrain[cell] = "waste"
        self.spawn(positions or [None] * N, headings or [None] * N)
        self.observe(debt)

    def draw_sites(self):
        p, G, side = self.p, self.p.grid_size, 2 * self.p.patch_half
        if p.apple_layout == "uniform":
            return set(self.cells)
        if p.apple_layout == "sites":
            return {(r, c) for r, c in self.cells if r % 3 == 1 and c % 3 == 1}
        if p.apple_layout == "central":
            corners = [((G - side) // 2, (G - side) // 2)]
        elif p.apple_layout == "two_patch":
            near = (G // 2 - side) // 2
            corners = [(near, near), (G - side - near, G - side - near)]
        else:
            s = self.stream(LAYOUT)
            room = G - side + 1
            corners = [(s.below(2 * n, room), s.below(2 * n + 1, room)) for n in range(p.n_patches)]
        return {(r + y, c + x) for r, c in corners for y in range(side) for x in range(side)}

    def in_zone(self, cell):
        if self.p.waste_mode == "none":
            return False
        return {
            "everywhere": True,
            "outside_apples": cell not in self.sites,
            "strip": cell[0] < self.p.waste_strip_rows,
        }[self.p.waste_zone]

    def spawn(self, positions, headings):
        s = self.stream(SPAWN)
        for i, agent in enumerate(self.agents):
            if positions[i] is not None:
                agent.cell = positions[i]
                self.terrain[agent.cell] = "empty"
                agent.head = s.below(2 * i + 1, 4)
        for i, agent in enumerate(self.agents):
            if positions[i] is None:
                self.enter_anywhere(agent, i, s)
            if headings[i] is not None:
                agent.head = headings[i]

    def enter_anywhere(self, agent, i, s):
        cell = self.pick("empty", self.cells, s, 2 * i)
        if cell is None:
            cell = self.pick("apple", self.cells, s, 2 * i)
            if cell is None:
                return False
            self.terrain[cell] = "empty"
        agent.cell = cell
        agent.head = s.below(2 * i + 1, 4)
        return True

    def pick(self, terrain, among, s, i):
        """One of the unoccupied cells of this terrain, in reading order."""
        fitting = [
            cell
            for cell in self.cells
            if cell in among and self.terrain[cell] == terrain and self.who(cell) is None
        ]
        return fitting[s.below(i, len(fitting))] if fitting else None

    def who(self, cell):
        """Index of the agent on a cell."""
        for i, agent in enumerate(self.agents):
            if agent.cell == cell:
                return i
        return None

    # -- one env-step

    def step(self, actions, debt=None):
        p, N = self.p, self.p.num_agents
        out = self.out = {
            "t": self.t, "g": self.g, "episode": self.episode,
            "active": [agent.frozen == 0 for agent in self.agents],
            "aim": [self.first_in_line(agent)[0] for agent in self.agents],
            "aim_agent": [self.first_in_line(agent)[1] for agent in self.agents],
            "ate": [False] * N, "fired": [False] * N, "cleaned": [0] * N,
            "hit": [[False] * N for _ in range(N)], "distance": [[0] * N for _ in range(N)],
        }  # fmt: skip
        actions = [a if out["active"][i] else NOOP for i, a in enumerate(actions)]
        for agent, a in zip(self.agents, actions):
            agent.last_action = a
            agent.head = (agent.head + {5: 1, 6: -1}.get(a, 0)) % 4
        for i in self.random_order():
            if 1 <= actions[i] <= 4:
                self.walk(i, actions[i])
        self.fire(actions)
        out["apple_ctx"] = [self.apple_near(agent.cell) for agent in self.agents]
        out["reward"] = [self.reward(i) for i in range(N)]
        self.run_timers()
        self.grow()
        out["stock"] = sum(x == "apple" for x in self.terrain.values())
        out["waste"] = sum(x == "waste" for x in self.terrain.values())
        self.t += 1
        self.g += 1
        out["truncated"] = self.t >= p.max_steps
        self.observe(debt)
        return out

    def random_order(self):
        s = self.stream(ORDER)
        order = list(range(self.p.num_agents))
        for i in reversed(range(1, len(order))):
            j = s.below(i, i + 1)
            order[i], order[j] = order[j], order[i]
        return order

    def walk(self, i, action):
        agent = self.agents[i]
        if self.p.move_frame == "absolute":
            d = {1: 0, 2: 2, 3: 3, 4: 1}[action]  # north, south, west, east
        else:
            d = (agent.head + {1: 0, 2: 2, 3: 3, 4: 1}[action]) % 4
        dr, dc = NORTH_EAST_SOUTH_WEST[d]
        to = (agent.cell[0] + dr, agent.cell[1] + dc)
        if to not in self.terrain or self.terrain[to] == "waste" or self.who(to) is not None:
            return
        agent.cell = to
        if self.terrain[to] == "apple":
            self.terrain[to] = "empty"
            self.out["ate"][i] = True
            if self.p.regrow_mode == "timer" and self.p.respawn_delay:
                self.wait[to] = self.p.respawn_delay + 1

    def rays(self, agent):
        """For each ray, its cells on the map with their distances, nearest first."""
        (dr, dc), (vr, vc) = (NORTH_EAST_SOUTH_WEST[(agent.head + q) % 4] for q in (0, 1))
        r, c = agent.cell
        for lateral in range(-self.p.beam_half_width, self.p.beam_half_width + 1):
            ray = []
            for k in range(1, self.p.beam_length + 1):
                cell = (r + k * dr + lateral * vr, c + k * dc + lateral * vc)
                if cell not in self.terrain:
                    break
                ray.append((k, cell))
            yield ray

    def first_in_line(self, agent):
        """Kind of the nearest thing in the beam, and which agent it is (-1: none)."""
        if agent.cell is None:
            return 0, -1
        met = []
        for order, ray in enumerate(self.rays(agent)):
            for k, cell in ray:
                j = self.who(cell)
                if j is not None:
                    met.append((k, 3 if self.agents[j].frozen else 1, order, j))
                elif self.terrain[cell] == "waste":
                    met.append((k, 2, order, -1))
        if not met:
            return 0, -1
        _, kind, _, j = min(met)
        return kind, j

    def fire(self, actions):
        self.lit = set()
        stops = self.p.beam_blocking == "first_hit"
        for i, agent in enumerate(self.agents):
            if actions[i] != ZAP or agent.cooldown > 0 or not self.p.zap_works:
                continue
            self.out["fired"][i] = True
            for ray in self.rays(agent):
                for k, cell in ray:
                    self.lit.add(cell)
                    j = self.who(cell)
                    if j is not None:
                        victim = self.agents[j]
                        safe = (victim.frozen and self.p.frozen_immune) or victim.grace
                        if not safe:
                            self.out["hit"][i][j] = True
                            self.out["distance"][i][j] = k
                    elif self.terrain[cell] == "waste":
                        self.out["cleaned"][i] += 1
                    else:
                        continue
                    if stops:
                        break
        for cell in self.lit:
            if self.terrain[cell] == "waste":
                self.terrain[cell] = "empty"

    def apple_near(self, cell):
        if cell is None:
            return False
        square = [(cell[0] + y, cell[1] + x) for y in range(-2, 3) for x in range(-2, 3)]
        return any(self.terrain.get(other) == "apple" for other in square)

    def reward(self, i):
        p, out, agent = self.p, self.out, self.agents[i]
        given = sum(out["hit"][i])
        taken = sum(row[i] for row in out["hit"])
        pain = taken if p.victim_penalty_stacks else min(taken, 1)
        agent.was_hit, agent.hit_agent = taken > 0, given > 0
        agent.hit_waste = out["cleaned"][i] > 0
        agent.last_reward = (
            p.reward_apple * out["ate"][i]
            + p.reward_zap_waste * out["cleaned"][i]
            + p.reward_zap_agent * given
            - p.victim_penalty * pain
            - p.zap_cost * out["fired"][i]
        )
        return agent.last_reward

    def run_timers(self):
        p = self.p
        for i, agent in enumerate(self.agents):
            taken = sum(row[i] for row in self.out["hit"])
            agent.grace = max(agent.grace - 1, 0)
            if agent.frozen:
                agent.frozen -= 1
                if not agent.frozen:
                    agent.grace = p.grace_steps
            agent.cooldown = max(agent.cooldown - 1, 0)
            if self.out["fired"][i]:
                agent.cooldown = p.zap_cooldown
            agent.tags += taken
            if agent.tags >= p.hits_to_tag:
                agent.tags, agent.grace, agent.frozen = 0, 0, p.timeout
        if p.timeout_mode == "remove":
            for agent in self.agents:
                if agent.frozen:
                    agent.cell = None
            s = self.stream(REENTER)
            for i, agent in enumerate(self.agents):
                waits = not agent.frozen and agent.cell is None
                if waits and not self.enter_anywhere(agent, i, s):
                    agent.frozen, agent.grace = 1, 0

    def grow(self):
        p, before = self.p, dict(self.terrain)
        f_glob = 1.0
        if p.waste_mode in ("global", "both") and self.zone:
            rho = sum(x == "waste" for x in before.values()) / len(self.zone)
            f_glob = (p.waste_depletion - rho) / (p.waste_depletion - p.waste_restoration)
            f_glob = min(max(f_glob, 0.0), 1.0)
        s = self.stream(SPROUT)
        for cell in self.cells:
            if before[cell] == "empty":
                self.wait[cell] = max(self.wait[cell] - 1, 0)
            if s.unit(self.number(cell)) < self.sprout_probability(cell, before, f_glob):
                self.terrain[cell] = "apple"
        if p.waste_mode != "none":
            self.spread(before)
            s = self.stream(SPILL)
            if s.unit(0) < p.waste_spawn_prob:
                cell = self.pick("empty", self.zone, s, 1)
                if cell is not None:
                    self.terrain[cell] = "waste"

    def sprout_probability(self, cell, before, f_glob):
        p, (r, c) = self.p, cell
        if before[cell] != "empty" or self.wait[cell] > 0:
            return 0.0
        if self.who(cell) is not None and not p.regrow_under_agent:
            return 0.0
        if cell not in self.sites and (p.regrow_sites_only or p.regrow_mode == "timer"):
            return 0.0
        box = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if (y, x) != (0, 0)]
        square = [d for d in box if max(abs(d[0]), abs(d[1])) == 1]
        disc = [d for d in box if d[0] ** 2 + d[1] ** 2 <= 4]
        f_loc = 1.0
        if p.waste_mode in ("local", "both"):
            waste = sum(before.get((r + y, c + x)) == "waste" for y, x in square)
            f_loc = max(0.0, 1.0 - p.waste_alpha * waste)
        if p.regrow_mode == "timer":
            return (1.0 if p.respawn_delay else p.respawn_prob) * f_loc * f_glob
        around = disc if p.regrow_radius == "disc2" else square
        n = sum(before.get((r + y, c + x)) == "apple" for y, x in around)
        rate = p.regrow_rates[min(n, len(p.regrow_rates) - 1)]
        return p.regrow_speed * rate * f_loc * f_glob

    def spread(self, before):
        s, to = self.stream(SPREAD), self.stream(SPREAD_TO)
        for cell in self.cells:
            n = self.number(cell)
            if before[cell] != "waste" or s.unit(n) >= self.p.waste_spread_prob:
                continue
            beside = [(cell[0] + dr, cell[1] + dc) for dr, dc in NORTH_EAST_SOUTH_WEST]
            free = [
                x
                for x in beside
                if x in self.zone and self.terrain[x] == "empty" and self.who(x) is None
            ]
            if free:
                self.terrain[free[to.below(n, len(free))]] = "waste"

    # -- observations

    def observe(self, debt=None):
        N = self.p.num_agents
        debt = np.zeros((N, N)) if debt is None else debt
        look = self.ego if self.p.obs_mode == "ego_planes" else self.full
        self.obs = {
            "grid": np.stack([look(i, debt) for i in range(N)]),
            "vec": np.stack([self.vector(i, debt) for i in range(N)]),
        }

    def ego(self, i, debt):
        p, me, R = self.p, self.agents[i], self.p.view_radius
        extra = p.num_agents * (p.obs_identity == "onehot") + (p.obs_debt == "pair")
        grid = np.zeros((2 * R + 1, 2 * R + 1, 10 + extra), np.uint8)
        if me.cell is None:
            return grid
        (fr, fc), (rr, rc) = (NORTH_EAST_SOUTH_WEST[(me.head + q) % 4] for q in (0, 1))
        for y in range(2 * R + 1):
            for x in range(2 * R + 1):
                ahead, right = R - y, x - R
                cell = (
                    me.cell[0] + ahead * fr + right * rr,
                    me.cell[1] + ahead * fc + right * rc,
                )
                here = grid[y, x]
                if cell not in self.terrain:
                    here[0] = 1
                    continue
                here[1] = self.terrain[cell] == "apple"
                here[2] = self.terrain[cell] == "waste"
                here[5] = cell in self.lit
                j = self.who(cell)
                if j is None or j == i:
                    continue
                here[4 if self.agents[j].frozen else 3] = 1
                here[6 + (self.agents[j].head - me.head) % 4] = 1
                if p.obs_identity == "onehot":
                    here[10 + j] = 1
                if p.obs_debt == "pair":
                    owed = max(float(debt[j][i]), 0.0)
                    here[-1] = int(255.0 * owed / (1.0 + owed) + 0.5)
        return grid

    def full(self, i, debt):
        p, me, G = self.p, self.agents[i], self.p.grid_size
        grid = np.zeros((G, G, 3), np.uint8)
        if me.cell is None:
            return grid
        for cell in self.cells:
            if max(abs(cell[0] - me.cell[0]), abs(cell[1] - me.cell[1])) > p.view_radius:
                grid[cell][0] = 32 if p.full_grid_fix else 0
                continue
            grid[cell][0] = {"empty": 0, "apple": 64, "waste": 128}[self.terrain[cell]]
            j = self.who(cell)
            if j is not None:
                other = self.agents[j]
                grid[cell][1] = 10 + j + (100 if other.frozen and p.full_grid_fix else 0)
                grid[cell][2] = (other.head + 1) * (60 if p.full_grid_fix else 1)
        if p.full_grid_fix:
            grid[me.cell][1] = 255
        return grid

    def vector(self, i, debt):
        p, me = self.p, self.agents[i]
        flags = [me.was_hit, me.hit_agent, me.hit_waste] if p.feedback_flags else [0, 0, 0]
        vec = [me.frozen / p.timeout, me.frozen > 0, *flags]
        vec.append(me.frozen == 0 and me.cooldown == 0)
        vec.append(min(max(me.last_reward, -1.0), 1.0))
        vec += [me.last_action == a for a in range(8)]
        if p.obs_time:
            vec.append(self.t / p.max_steps)
        if p.obs_debt == "self":
            owe = sum(max(float(x), 0.0) for x in debt[i])
            vec.append(owe / (1.0 + owe))
        return np.array(vec, np.float32)
