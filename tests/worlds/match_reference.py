"""A slow, plain match world: one episode at a time, dicts and tuples, written from the docstring.

It shares with the fast world the addresses of random draws and nothing else.
"""

import numpy as np

from tests.worlds.harvest_reference import Stream

CUE, PADS, SPROUT = 1, 2, 16  # purposes of random streams
MOVES = {0: (0, 0), 1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}


class ReferenceMatch:
    """One world."""

    def __init__(self, params, seed, uid):
        self.p, self.seed, self.uid = params, seed, uid
        self.g, self.episode = 0, -1

    def stream(self, purpose):
        counter = self.g if purpose == SPROUT else self.episode
        return Stream(self.seed, self.uid, counter, purpose)

    def reset(self):
        p, last, mid = self.p, self.p.room_size - 1, self.p.room_size // 2
        self.episode += 1
        self.t, self.action, self.reward, self.seen, self.things = 0, None, 0.0, False, {}
        self.at = (mid, mid)
        stream = self.stream(CUE)
        self.colour = stream.below(0, p.colours)
        corners = [(0, 0), (last, last), (0, last), (last, 0)][: p.cue_places]
        place = corners[stream.below(1, p.cue_places)]
        self.things[place if p.cue == "hidden" else (mid - 1, mid)] = f"colour_{self.colour}"
        self.see()

    def step(self, action):
        p, n = self.p, self.p.room_size
        phase, self.action, self.reward, self.match, self.ate = self.phase(), action, 0.0, 0, False
        there = tuple(np.clip(np.add(self.at, MOVES[action]), 0, n - 1))
        self.at = there
        thing = self.things.get(there, "")
        if thing == "apple":
            del self.things[there]
            self.reward, self.ate = p.reward_apple, True
        elif thing and phase == 2:
            right = thing == f"colour_{self.colour}"
            self.reward, self.match = (p.reward_match, 4) if right else (0.0, 8)
            self.things = {}
        if phase == 1:
            stream = self.stream(SPROUT)
            for y in range(n):
                for x in range(n):
                    bare = (y, x) not in self.things and (y, x) != self.at
                    if bare and stream.unit(y * n + x) < p.apple_prob:
                        self.things[y, x] = "apple"
        self.t, self.g = self.t + 1, self.g + 1
        mid = n // 2
        if self.t == p.look_steps:
            self.things, self.at = {}, (mid, mid)
        if self.t == p.look_steps + p.delay_steps:
            self.things, self.at = self.pads(mid), (mid, mid)
            self.match |= 1 | (2 if self.seen else 0)
        self.see()
        return self.t == p.max_steps

    def pads(self, mid):
        places, order = list(MOVES.values())[1:], list(range(4))
        stream = self.stream(PADS)
        if self.p.pads == "shuffled":
            for k in (3, 2, 1):
                j = stream.below(k, k + 1)
                order[k], order[j] = order[j], order[k]
        return {
            tuple(int(c) for c in np.add((mid, mid), places[order[k]])): f"colour_{k}"
            for k in range(self.p.colours)
        }

    def phase(self):
        return (self.t >= self.p.look_steps) + (self.t >= self.p.look_steps + self.p.delay_steps)

    def see(self):
        p, n, r = self.p, self.p.room_size, self.p.view_radius
        names = ["wall", "apple", "floor_look", "floor_delay", "floor_choose"]
        names += [f"colour_{k}" for k in range(p.colours)]
        self.grid = np.zeros((2 * r + 1, 2 * r + 1, len(names)), np.uint8)
        window = [
            ((y, x), (int(self.at[0]) + y, int(self.at[1]) + x))
            for y in range(-r, r + 1)
            for x in range(-r, r + 1)
        ]
        if self.phase() == 0 and any("colour" in self.things.get(cell, "") for _, cell in window):
            self.seen = True
        floor = names[2 + self.phase()]
        if self.phase() == 0 and self.seen and p.glow:
            floor = f"colour_{self.colour}"
        for (y, x), cell in window:
            inside = 0 <= cell[0] < n and 0 <= cell[1] < n
            for thing in [floor, self.things.get(cell, floor)] if inside else ["wall"]:
                self.grid[y + r, x + r, names.index(thing)] = 1
        lengths = (p.look_steps, p.delay_steps, p.choose_steps)
        elapsed = (self.t - sum(lengths[: self.phase()])) / max(1, lengths[self.phase()])
        acted = [float(self.action == a) for a in range(5)]
        self.vec = np.array([np.clip(self.reward, -1, 1), *acted, elapsed], np.float32)
