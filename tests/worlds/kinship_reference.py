"""The kinship world once more, slow and plain: one world, objects and dictionaries.

It begins where the fast world stands after a reset (maps have tests of their own) and plays on by
the rules of the docs page.  Energy is counted in hundredths, as everywhere.
"""

from dataclasses import dataclass, field

import numpy as np

from karma_rllib.worlds import kinship_names as names
from karma_rllib.worlds import kinship_state as k
from tests.worlds.harvest_reference import Stream

AHEAD_NAMES = ("north", "east", "south", "west")
AHEAD = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}
MOVES = {"move_forward", "move_back", "jump"} | {
    f"go_{w}" for w in ("north", "east", "south", "west")
}
MULTIPLIER = {"scout": 0.5, "fight": 2.0}


@dataclass
class Thing:
    """What lies on a cell."""

    kind: str
    hp: int
    sub: int = 0
    wait: int = 0
    stock: int = -1
    work: str = "idle"
    out: dict = field(default_factory=dict)


@dataclass
class Agent:
    """One agent."""

    cell: tuple | None
    head: int
    body: object
    number: int  # of the body
    energy: int
    items: dict
    frozen: int = 0
    shield: bool = False
    mark: int | None = None
    posture: str = "neutral"
    pause: int = 0
    dead: bool = False
    hearts: int = 0
    suit: int | None = None
    suit_left: int = 0
    mates: list = field(default_factory=list)  # the oldest first
    last: int | None = None
    got: float = 0.0
    was_hit: bool = False
    hit: bool = False
    failed: bool = False


def cents(x):
    return round(x * 100)


def add(cell, head, steps=1, aside=0):
    """The cell so many steps ahead and so many to the right."""
    dr, dc = AHEAD[head]
    return cell[0] + steps * dr + aside * dc, cell[1] + steps * dc - aside * dr


class ReferenceKinship:
    """One world, from the state of a fast one."""

    def __init__(self, world, b):
        p, s, G = world.params, world.get_state(), world.size
        self.p, self.size, self.names = p, G, world.action_names
        self.verbs = {name: (v, a) for name, v, a in names.actions(p)}
        self.seed, self.uid, self.g, self.t = (
            world.seed,
            int(world.uid[b]),
            int(s["g"][b]),
            int(s["t"][b]),
        )
        self.items, self.planes, self.vec_names = p.item_names, world.plane_names, world.vec_names
        self.kin = s["kin"][b].copy()
        self.things, self.ink, altars = {}, {}, {}
        for row in range(G):
            for col in range(G):
                at = (row + k.RIM) * (G + 2 * k.RIM) + col + k.RIM
                code, o = s["cell"][b, at], s["thing"][b, at] - 1
                if code == k.EMPTY:
                    continue
                thing = Thing(k.TERRAIN[code], int(s["hp"][b, at]))
                if o >= 0:
                    thing.sub, thing.stock = int(s["o_kind"][b, o]), int(s["o_stock"][b, o])
                    thing.out = dict.fromkeys(self.items, 0)
                    if thing.kind == "altar":
                        altars[int(o)] = (row, col)
                self.things[row, col] = thing
        self.altars = [altars[o] for o in sorted(altars)]  # in the order of their turns
        self.live = None
        self.lot = Stream(self.seed, self.uid, int(s["episode"][b]), k.S_TURN).below(0, 2**30)
        bodies = p.body_list
        order = [body.name for body in bodies]
        self.agents = []
        for i in range(p.num_agents):
            n = order.index(p.bodies[i % len(p.bodies)])
            cell = tuple(int(x) for x in s["pos"][b, i])
            most = p.energy_max if bodies[n].max_energy is None else bodies[n].max_energy
            first = bodies[n].start_energy
            energy = min(cents(p.energy_start if first is None else first), cents(most))
            items = dict.fromkeys(self.items, 0) | dict(zip(self.items, p.items_start))
            self.agents.append(Agent(cell, int(s["head"][b, i]), bodies[n], n, energy, items))

    # --- what is possible ---------------------------------------------------------------------

    def most(self, agent):
        most = agent.body.max_energy
        return cents(self.p.energy_max if most is None else most)

    def cost(self, agent, name):
        p = self.p
        if name == "noop" or (name == "shield" and agent.shield):
            return 0
        if name in MOVES:
            base = p.cost_jump if name == "jump" else p.cost_move
            return cents(base * (agent.body.move * MULTIPLIER.get(agent.posture, 1.0)))
        if name.startswith("attack"):
            return cents(
                p.cost_attack * (agent.body.attack * (0.5 if agent.posture == "fight" else 1.0))
            )
        kind = name.split("_")[0]
        kind = {"put": "use", "get": "use"}.get(kind, kind)
        return cents(getattr(p, f"cost_{kind}") * agent.body.other)

    def possible(self, agent, name):
        if name == "noop":
            return True
        if agent.frozen or agent.dead:
            return False
        if name.startswith("attack") and (not agent.body.can_attack or agent.posture == "scout"):
            return False
        if name in MOVES and agent.posture == "rest":
            return False
        if name == "jump" and not agent.body.can_jump:
            return False
        if name.startswith("gift_") and name != "gift_energy" and not agent.items[name[5:]]:
            return False
        if name.startswith("posture_") and (agent.pause or agent.posture == name[8:]):
            return False
        return agent.energy >= self.cost(agent, name)

    def at(self, cell):
        """Index of the agent on a cell, None for nobody."""
        return next((i for i, a in enumerate(self.agents) if a.cell == cell), None)

    def inside(self, cell):
        return 0 <= cell[0] < self.size and 0 <= cell[1] < self.size

    def free(self, cell):
        return self.inside(cell) and cell not in self.things and self.at(cell) is None

    def ready(self, thing):
        if thing.kind == "station":
            return any(thing.out.values())
        return thing.wait == 0 and thing.stock != 0

    def gain(self, agent, amount):
        amount = min(amount, self.most(agent) - agent.energy)
        agent.energy += amount
        return amount

    def pay(self, i, price):
        self.agents[i].energy -= price
        self.out["energy_spent"][i] += price

    # --- one step -----------------------------------------------------------------------------

    def step(self, actions):
        N = len(self.agents)
        self.out = {name: np.zeros(N, int) for name in k.EXTRA}
        for name in ("fired", "ate", "active", "aim", "aim_agent", "apple_ctx"):
            self.out[name] = np.zeros(N, int)
        for name in ("hit", "distance", "blocked", "froze"):
            self.out[name] = np.zeros((N, N), int)
        self.out["gift_to"] -= 1
        self.out["court_to"] -= 1
        self.out["marked"] -= 1
        chosen = []
        worth = [self.worth(a) for a in self.agents]
        for i, agent in enumerate(self.agents):
            agent.was_hit = agent.hit = agent.failed = False
            able = not agent.frozen and not agent.dead
            self.out["active"][i] = able
            chosen.append(self.names[actions[i]] if able else "noop")
            agent.last = self.names.index(chosen[i])
            j = self.nearest(agent)
            self.out["aim_agent"][i] = -1 if j is None else j
            self.out["aim"][i] = 0 if j is None else 3 if self.agents[j].frozen else 1
        self.timers()
        self.passive()
        stream = Stream(self.seed, self.uid, self.g, k.S_ORDER)
        order = list(range(N))
        for i in range(N - 1, 0, -1):
            j = stream.below(i, i + 1)
            order[i], order[j] = order[j], order[i]
        self.attacks(chosen, order)
        for i in order:
            agent, name = self.agents[i], chosen[i]
            if name == "noop" or name.startswith("attack") or agent.frozen:
                continue
            if not self.possible(agent, name):
                self.out["failed"][i] = 1
                continue
            self.pay(i, self.cost(agent, name))
            done = getattr(self, name.split("_")[0])(i, agent, name)
            self.out["failed"][i] = not done
        for agent in self.agents:
            agent.frozen = max(agent.frozen - 1, 0)
            agent.suit_left = max(agent.suit_left - 1, 0)
            agent.suit = agent.suit if agent.suit_left else None
        self.finish(worth)

    def worth(self, agent):
        values = dict(zip(self.items, self.p.item_rewards))
        return sum(n * values.get(item, 0.0) for item, n in agent.items.items())

    def nearest(self, agent):
        if agent.cell is None:
            return None
        for away in range(1, self.p.attack_range + 1):
            for aside in (0, -1, 1):
                j = self.at(add(agent.cell, agent.head, away, aside))
                if j is not None:
                    return j
        return None

    def timers(self):
        turns = self.p.altar_turns
        if turns and self.t % turns == 0:
            things = self.things
            left = [at for at in self.altars if at in things and things[at].kind == "altar"]
            self.live = left[(self.lot + self.t // turns) % len(left)] if left else None
        for thing in self.things.values():
            if thing.wait:
                thing.wait -= 1
                if not thing.wait and thing.work != "idle":
                    self.proceed(thing)
            if thing.kind == "station" and thing.work == "idle":
                station = self.p.stations[thing.sub]
                if not station.takes and sum(thing.out.values()) < station.max_output:
                    self.begin(thing)
        for cell in list(self.ink):
            mark, left = self.ink[cell]
            self.ink[cell] = (mark, left - 1)
            if left == 1:
                del self.ink[cell]

    def begin(self, thing):
        thing.work, thing.wait = "working", self.p.stations[thing.sub].ticks
        if not thing.wait:
            self.proceed(thing)

    def proceed(self, thing):
        station = self.p.stations[thing.sub]
        if thing.work == "working":
            for item, n in station.gives.items():
                thing.out[item] += n
            thing.wait = station.cooldown
            thing.work = "cooling" if thing.wait else "idle"
        else:
            thing.work = "idle"

    def passive(self):
        p = self.p
        for i, agent in enumerate(self.agents):
            if agent.dead:
                continue
            more = 100 if agent.energy < cents(p.energy_floor) else cents(p.energy_regen)
            more += 100 if agent.posture == "rest" else 0
            self.out["energy_regained"][i] += self.gain(agent, more)
            if agent.shield:
                upkeep = (
                    0 if agent.posture == "rest" else cents(p.shield_upkeep * agent.body.upkeep)
                )
                self.pay(i, min(upkeep, agent.energy))
                agent.shield = agent.energy > 0
            agent.pause = max(agent.pause - 1, 0)

    def attacks(self, chosen, order):
        aims = {}
        for i, agent in enumerate(self.agents):
            if not chosen[i].startswith("attack"):
                continue
            if not self.possible(agent, chosen[i]):
                self.out["failed"][i] = 1
                continue
            self.pay(i, self.cost(agent, chosen[i]))
            self.out["fired"][i] = 1
            if chosen[i] == "attack_nearest":
                j = self.nearest(agent)
                aims[i] = None if j is None else self.agents[j].cell
            else:
                n = int(chosen[i].split("_")[1]) - 1
                aims[i] = add(agent.cell, agent.head, 1 + n // 3, n % 3 - 1)
        self.struck = {cell for cell in aims.values() if cell is not None}
        held = [dict(agent.items) for agent in self.agents]
        for i in order:
            if aims.get(i) is not None:
                self.blow(i, aims[i], held)

    def blow(self, i, cell, held):
        p, me, j = self.p, self.agents[i], self.at(cell)
        if j is None:
            thing = self.things.get(cell)
            if p.destroy and thing:
                thing.hp -= 1
                if thing.hp == 0:
                    del self.things[cell]
                    self.out["destroyed"][i] += 1
            return
        you = self.agents[j]
        self.out["hit"][i, j] = 1
        axis = 0 if me.head % 2 == 0 else 1
        self.out["distance"][i, j] = abs(you.cell[axis] - me.cell[axis])
        me.hit = you.was_hit = True
        if you.frozen:
            you.frozen = p.freeze
            return
        damage = cents(p.attack_damage)
        if you.shield and you.energy >= damage:
            you.energy -= damage
            self.out["energy_lost"][j] += damage
            self.out["blocked"][i, j] = 1
            return
        self.out["froze"][i, j] = 1
        you.frozen, you.shield, lost, you.energy = p.freeze, False, you.energy, 0
        self.out["energy_lost"][j] += lost
        self.out["energy_stolen"][i] += self.gain(me, int(lost * p.steal_energy))
        if p.loot_mode == "on_attack":
            for item in self.items:
                self.take(i, you, item, held[j][item])

    def take(self, i, you, item, most):
        me = self.agents[i]
        n = min(most, self.p.inventory_cap - me.items[item])
        me.items[item] += n
        you.items[item] -= n
        self.out["looted"][i] += n

    # --- verbs: each returns whether it had an effect ------------------------------------------

    def move(self, i, agent, name):
        return self.leap(agent, 1 if name == "move_forward" else -1)

    def jump(self, i, agent, name):
        return self.leap(agent, 2)

    def go(self, i, agent, name):
        agent.head = self.verbs[name][1]
        return self.leap(agent, 1)

    def leap(self, agent, steps):
        goal = add(agent.cell, agent.head, steps)
        if not self.free(goal):
            return False
        agent.cell = goal
        return True

    def rotate(self, i, agent, name):
        agent.head = self.verbs[name][1]
        return True

    def shield(self, i, agent, name):
        agent.shield = not agent.shield
        return True

    def posture(self, i, agent, name):
        agent.posture, agent.pause = name[8:], self.p.posture_cooldown
        return True

    def mark(self, i, agent, name):
        agent.mark = self.out["marked"][i] = int(name[5:])
        if self.p.floor_marks:
            self.ink[agent.cell] = (agent.mark, self.p.floor_marks)
        return True

    def build(self, i, agent, name):
        cell = add(agent.cell, agent.head)
        if not self.free(cell):
            return False
        self.things[cell] = Thing("block", self.p.wall_hp)
        self.out["built"][i] = 1
        return True

    def swap(self, i, agent, name):
        cell = add(agent.cell, agent.head)
        j = self.at(cell)
        if j is not None:
            if not self.agents[j].frozen:
                return False
            self.agents[j].cell = agent.cell
        elif cell in self.things and self.things[cell].kind == "block":
            self.things[agent.cell] = self.things.pop(cell)
        else:
            return False
        agent.cell = cell
        self.out["swapped"][i] = 1
        return True

    def gift(self, i, agent, name):
        j = self.at(add(agent.cell, agent.head))
        if j is None:
            return False
        you = self.agents[j]
        if name == "gift_energy":
            moved = self.gain(you, min(cents(self.p.gift_energy), agent.energy))
            if not moved:
                return False
            agent.energy -= moved
            self.out["gave_energy"][i] += moved
            self.out["energy_received"][j] += moved
        else:
            item = name[5:]
            if you.items[item] >= self.p.inventory_cap:
                return False
            agent.items[item] -= 1
            you.items[item] += 1
            self.out["gave_items"][i] += 1
        self.out["gift_to"][i] = j
        return True

    def use(self, i, agent, name):
        p, cell = self.p, add(agent.cell, agent.head)
        j, thing = self.at(cell), self.things.get(cell)
        if j is not None:
            if p.loot_mode != "on_use" or not self.agents[j].frozen:
                return False
            for item in self.items:
                self.take(i, self.agents[j], item, self.agents[j].items[item])
            return self.out["looted"][i] > 0
        if thing is None or thing.kind in ("wall", "block", "station") or not self.ready(thing):
            return False
        if not (agent.body.can_harvest if thing.kind == "generator" else agent.body.can_charge):
            return False
        if thing.kind == "generator":
            item = self.items[thing.sub]
            if agent.items[item] >= p.inventory_cap:
                return False
            agent.items[item] += 1
            self.out["harvested"][i] += 1
            thing.wait = p.generator_cooldown
            thing.stock -= thing.stock > 0
            return True
        if thing.kind == "charger":
            return self.charge(i, agent, thing)
        if thing.kind == "altar":
            if p.altar_turns and cell != self.live:
                return False
            if agent.energy < cents(p.altar_cost):
                return False
            self.pay(i, cents(p.altar_cost))
            thing.wait = p.altar_cooldown
        else:
            thing.stock -= 1
        self.out["ate"][i] = 1
        agent.hearts += 1
        return True

    def charge(self, i, agent, thing):
        p = self.p
        bonus = thing.sub == p.kinds
        recipe = self.items[: p.kinds] if bonus else [self.items[thing.sub]]
        if not all(agent.items[item] for item in recipe):
            return False
        for item in recipe:
            agent.items[item] -= 1
        self.out["consumed"][i] += len(recipe)
        factor = agent.body.charge[thing.sub] if thing.sub < len(agent.body.charge) else 1.0
        amount = cents(p.charger_energy * (p.charger_bonus if bonus else 1.0) * factor)
        self.out["energy_charged"][i] += self.gain(agent, amount)
        thing.wait = p.charger_cooldown
        return True

    def put(self, i, agent, name):
        thing = self.things.get(add(agent.cell, agent.head))
        if thing is None or thing.kind != "station" or thing.work != "idle":
            return False
        station = self.p.stations[thing.sub]
        if not station.takes or sum(thing.out.values()) >= station.max_output:
            return False
        if any(agent.items[item] < n for item, n in station.takes.items()):
            return False
        for item, n in station.takes.items():
            agent.items[item] -= n
            self.out["consumed"][i] += n
        self.begin(thing)
        return True

    def get(self, i, agent, name):
        thing = self.things.get(add(agent.cell, agent.head))
        if thing is None or thing.kind != "station":
            return False
        for item in self.items:
            n = min(thing.out[item], self.p.inventory_cap - agent.items[item])
            thing.out[item] -= n
            agent.items[item] += n
            self.out["produced"][i] += n
        return self.out["produced"][i] > 0

    def court(self, i, agent, name):
        self.out["energy_court"][i] = self.cost(agent, name)
        j = self.at(add(agent.cell, agent.head))
        if j is None or j in agent.mates:
            return False
        self.out["court_to"][i] = j
        if len(agent.mates) == self.p.max_bonds:
            self.part(i, agent.mates[0])
        if self.agents[j].suit == i:
            for one, other in ((i, j), (j, i)):
                self.agents[one].mates.append(other)
                self.out["bonded"][one] += 1
                self.out["mate_hearts"][one] += self.agents[other].hearts
                self.agents[one].suit, self.agents[one].suit_left = None, 0
        else:
            agent.suit, agent.suit_left = j, self.p.court_steps + 1
        return True

    def part(self, i, j):
        for one, other in ((i, j), (j, i)):
            self.agents[one].mates.remove(other)
            self.out["parted"][one] += 1

    # --- the end of a step ----------------------------------------------------------------------

    def finish(self, worth):
        p, N = self.p, len(self.agents)
        self.reward = np.zeros(N)
        for i, agent in enumerate(self.agents):
            agent.failed = bool(self.out["failed"][i])
            self.reward[i] = p.reward_heart * self.out["ate"][i]
            self.reward[i] += p.reward_diamond * self.out["harvested"][i]
            self.reward[i] += p.reward_energy * self.out["energy_charged"][i] / 100
            self.reward[i] -= p.penalty_failure * self.out["failed"][i]
            self.reward[i] += self.worth(agent) - worth[i]
        if p.prestige and (self.t + 1) % p.prestige_every == 0 and N > 1:
            for i, agent in enumerate(self.agents):
                rank = sum(np.sign(agent.hearts - other.hearts) for other in self.agents)
                self.reward[i] += p.prestige * rank / (N - 1)
        for i, agent in enumerate(self.agents):
            agent.got = self.reward[i]
            if p.mortal and agent.energy == 0 and not agent.dead:
                agent.dead, agent.frozen, agent.shield, agent.cell = True, 0, False, None
            self.out["shielded"][i] = agent.shield
            self.out["energy"][i] = agent.energy
            near = agent.cell is not None and any(
                max(abs(row - agent.cell[0]), abs(col - agent.cell[1])) <= 2
                and thing.kind not in ("wall", "block")
                for (row, col), thing in self.things.items()
            )
            self.out["apple_ctx"][i] = near
        self.out["stock"] = sum(
            thing.kind == "generator" and self.ready(thing) for thing in self.things.values()
        )
        self.out["t"], self.out["g"] = self.t, self.g
        self.t += 1
        self.g += 1

    # --- what is seen -----------------------------------------------------------------------------

    def grid(self, i):
        """What agent i sees, (H, W, C)."""
        p, me = self.p, self.agents[i]
        R, C = p.view_radius, len(self.planes)
        seen = np.zeros((2 * R + 1, 2 * R + 1, C), int)
        if me.cell is None:
            return seen
        sight = R if me.body.view is None else min(me.body.view, R)
        up = me.head if p.egocentric_rotate else 0
        for ahead in range(-sight, sight + 1):
            for aside in range(-sight, sight + 1):
                cell = add(me.cell, up, ahead, aside)
                here = self.look(i, cell, up)
                for name, value in here.items():
                    if name in self.planes:
                        seen[R - ahead, R + aside, self.planes.index(name)] = value
        return seen

    def look(self, i, cell, up):
        """What lies and stands on a cell, by name of the plane."""
        if not self.inside(cell):
            return {"wall": 1}
        here = {}
        thing, j = self.things.get(cell), self.at(cell)
        if thing:
            here["altar" if "altar" in thing.kind else thing.kind] = 1
            if thing.kind not in ("wall", "block"):
                here["kind"], here["ready"] = thing.sub + 1, self.ready(thing)
        if cell in self.ink:
            here["floor"] = self.ink[cell][0] + 1
        if j is None or j == i:
            return here
        you = self.agents[j]
        turned = AHEAD_NAMES[(you.head - up) % 4]
        here |= {"agent": 1, "frozen": you.frozen > 0, "shield": you.shield}
        here |= {f"heading_{turned}": 1, "marker": 0 if you.mark is None else you.mark + 1}
        here |= {"body": you.number + 1, "posture": k.POSTURES.index(you.posture) + 1}
        here["courting"] = 0 if you.suit is None else 1 + (you.suit == i)
        here["bonded"] = bool(you.mates) + (i in you.mates)
        here |= {"kin": self.kin[i, j], "others_energy": 255 * you.energy // max(self.most(you), 1)}
        return here | {f"others_{item}": min(n, 255) for item, n in you.items.items()}

    def vec(self, i):
        """What agent i feels, (D,)."""
        p, me = self.p, self.agents[i]
        felt = {
            "energy": me.energy / max(self.most(me), 1),
            "frozen_left": me.frozen / p.freeze,
            "shield": me.shield,
            "was_hit": me.was_hit,
            "hit_agent": me.hit,
            "failed": me.failed,
            "last_reward": np.clip(me.got, -1, 1),
            "time_left": 1 - self.t / p.max_steps,
            f"heading_{AHEAD_NAMES[me.head]}": 1,
            "own_marker": 0 if me.mark is None else (me.mark + 1) / p.marks,
            f"body_{me.body.name}": 1,
            f"posture_{me.posture}": 1,
            "courting_left": me.suit_left / p.court_steps,
            "bonds": len(me.mates) / p.max_bonds,
        }
        felt |= {item: n / p.inventory_cap for item, n in me.items.items()}
        if me.last is not None:
            felt[f"last_{self.names[me.last]}"] = 1
        felt |= {f"can_{name}": self.possible(me, name) for name in self.names}
        return np.array([float(felt.get(name, 0)) for name in self.vec_names])
