"""Value transport as plain loops over plain lists: slow, obvious, and written from the formulas.

An event is a dict; a memory is a list of them, newest last. Nothing is shared with the package
but the parameters.
"""

import math

AGGRESSOR, VICTIM, CLEANER = 1, 2, 3


class SlowSociety:
    """Memories, blame, usual values and snapshot numbers of W worlds with N agents."""

    def __init__(self, worlds, agents, params, exclusion):
        self.params, self.exclusion = params, exclusion
        self.memory = [[[] for _ in range(agents)] for _ in range(worlds)]
        self.usual = [[None] * agents for _ in range(worlds)]
        self.fragment, self.snapshots = -1, 0

    def play(self, frag, gamma, timeout):
        """Recall, remember and charge one fragment; returns (readings, delta, retro, sums)."""
        self.fragment += 1
        T, W, N = frag["reward"].shape
        links, readings = [], {}
        for t in range(T):
            for w in range(W):
                for v in range(N):
                    found = []
                    for i in range(N):
                        if frag["hit"][t, w, i, v]:
                            found.append(self.recall(frag, t, w, v, i))
                            links.append((t, w, v, i, found[-1]))
                    reading = [f for f in found if f]
                    if reading:
                        readings[t, w, v] = sum(
                            sum(share * event["value"] for share, event in f) for f in reading
                        ) / len(reading)
                self.remember(frag, t, w)
                if frag["truncated"][t, w] and not self.params.memory_persist:
                    for mine in self.memory[w]:
                        mine.clear()
        return readings, *self.charge(frag, links, gamma, timeout)

    def recall(self, frag, t, w, v, i):
        """[(share, event), ...] of the punishment of v by i, best first."""
        p, g = self.params, frag["g"][t, w]
        options = []
        for event in reversed(self.memory[w][v]):  # newest first: sorting is stable
            age = g - event["g"]
            crime, opponent = event["role"] == AGGRESSOR, event["opp"] == i
            if age <= self.exclusion:
                continue
            if p.match == "hard_opp" and not (crime and opponent):
                continue
            if p.match == "hard_role" and not crime:
                continue
            cosine = sum(a * b for a, b in zip(event["key"], frag["query"][t, w, v]))
            options.append((crime + opponent + float(cosine) - age / p.tau_age, event))
        if not (p.read_top_k == 1 and p.match != "soft"):
            options.sort(key=lambda option: -option[0])
        options = options[: p.read_top_k]
        if not options or (p.match == "soft" and options[0][0] < p.theta_read):
            return []
        weight = [math.exp(p.beta * (score - options[0][0])) for score, _ in options]
        return [(x / sum(weight), event) for x, (_, event) in zip(weight, options)]

    def remember(self, frag, t, w):
        N = frag["hit"].shape[2]
        for i in range(N):
            for j in range(N):
                if frag["hit"][t, w, i, j]:
                    self.write(frag, t, w, i, AGGRESSOR, j)
                    self.write(frag, t, w, j, VICTIM, i)
            if frag["cleaned"][t, w, i]:
                self.write(frag, t, w, i, CLEANER, -1)

    def write(self, frag, t, w, n, role, opp):
        mine = self.memory[w][n]
        mine.append(
            {
                "role": role,
                "opp": opp,
                "g": frag["g"][t, w],
                "key": frag["key"][t, w, n],
                "value": frag["value_vector"][t, w, n],
                "agent": n,
                "row": t,
                "fragment": self.fragment,
                "blame": 0.0,
                "snap": None,
            }
        )
        if len(mine) > self.params.memory_slots:
            mine.pop(0)

    def harm(self, frag, t, w, v, gamma, timeout, usual):
        p = self.params
        T = len(frag["reward"])
        if p.harm == "reward":
            return max(-p.harm_max, min(0.0, frag["reward"][t, w, v]))
        if p.harm == "value":
            after = self.next_value(frag, t, w, v)
            return max(-p.harm_max, min(p.harm_max, after))
        total, factor = 0.0, 1.0
        for u in range(t, min(t + timeout + 1, T)):
            total += factor * frag["reward"][u, w, v]
            factor *= gamma
            if frag["truncated"][u, w] or u + 1 == min(t + timeout + 1, T):
                total += factor * self.next_value(frag, u, w, v)
                break
        expected = frag["value"][t, w, v] if p.harm == "surprise" else usual[w][v]
        return max(-p.harm_max, min(0.0, total - expected))

    @staticmethod
    def next_value(frag, t, w, v):
        if frag["truncated"][t, w]:
            return float(frag["final_value"][t, w, v])
        if t + 1 < len(frag["value"]):
            return float(frag["value"][t + 1, w, v])
        return float(frag["last_value"][w, v])

    def charge(self, frag, links, gamma, timeout):
        p = self.params
        _, W, N = frag["reward"].shape
        usual = [[self.usual_value(frag, w, n, first=True) for n in range(N)] for w in range(W)]
        delta, retro = {}, []
        sums = dict.fromkeys(("harm", "now", "late", "lost", "stale", "capped"), 0.0)
        for t, w, v, _, found in links:
            loss = self.harm(frag, t, w, v, gamma, timeout, usual)
            sums["harm"] += loss
            for share, event in found:
                wanted = p.alpha * share * loss
                now = event["fragment"] == self.fragment
                if not now and self.fragment - event["fragment"] > p.retro_max_age:
                    sums["stale"] += 1
                    continue
                first_held = self.snapshots - p.snapshots
                if not now and (event["snap"] is None or event["snap"] < first_held):
                    sums["lost"] += 1
                    continue
                borne = event["blame"]
                paid = max(-p.blame_cap, min(p.blame_cap, borne + wanted)) - borne
                if wanted * paid < 0:  # a cap never takes back what was charged
                    paid = 0.0
                event["blame"] = borne + paid
                sums["capped"] += wanted - paid
                if now:
                    at = event["row"], w, v
                    delta[at] = delta.get(at, 0.0) + paid
                    sums["now"] += paid
                elif paid:
                    retro.append((w, v, event["snap"], paid, self.fragment - event["fragment"]))
                    sums["late"] += paid
        for w in range(W):
            for n in range(N):
                self.usual[w][n] = self.usual_value(frag, w, n, first=False)
        self.take_snapshots()
        return delta, retro, sums

    def usual_value(self, frag, w, n, first):
        """What `gap` compares with (`first`), or the mean that the next fragment sees."""
        old = self.usual[w][n]
        if first and old is not None:
            return old
        own = [frag["value"][t, w, n] for t in range(len(frag["g"])) if frag["active"][t, w, n]]
        if not own:
            return old
        mean = float(sum(own)) / len(own)
        keep = 0.0 if old is None else 0.999 ** len(own)
        return keep * (old or 0.0) + (1 - keep) * mean

    def take_snapshots(self):
        """One number per (row, world, agent) of this fragment's crimes still in memory."""
        crimes = {}
        for w, agents in enumerate(self.memory):
            for n, mine in enumerate(agents):
                for event in mine:
                    if event["fragment"] == self.fragment and event["role"] == AGGRESSOR:
                        crimes.setdefault((event["row"], w, n), []).append(event)
        for number, shot in enumerate(sorted(crimes)):
            for event in crimes[shot]:
                event["snap"] = self.snapshots + number
        self.snapshots += len(crimes)
