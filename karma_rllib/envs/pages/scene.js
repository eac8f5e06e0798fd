"use strict";
// Frames of an episode, unpacked from the page or told one by one. A frame is
//   {t, tiles, agents: [{row, col, ... flags, items}], shots, hits, gifts, lit, debt: [[i, j, v]]}
// with energies, rewards and debts as plain numbers again.

const FROZEN = 1, SHIELD = 2, PRESENT = 4, FIRED = 8, ATE = 16, STRUCK = 32, MILLI = 1000;
const THOUSANDTHS = new Set(["energy", "reward", "total"]);
const KEYFRAME = 64;

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function agentOf(stage, numbers, items) {
  const agent = {items};
  stage.per_agent.forEach((name, q) => {
    agent[name] = THOUSANDTHS.has(name) ? numbers[q] / MILLI : numbers[q];
  });
  for (const [name, bit] of Object.entries({frozen: FROZEN, shield: SHIELD, present: PRESENT,
    fired: FIRED, ate: ATE, wasHit: STRUCK})) agent[name] = (agent.flags & bit) > 0;
  return agent;
}

// One frame as `karma play` tells it.
function toldFrame(stage, told) {
  return {
    ...told,
    agents: told.agents.map((numbers, n) => agentOf(stage, numbers, told.items[n])),
    debt: told.debt.map(([i, j, v]) => [i, j, v / MILLI]),
  };
}

class Film {
  constructor(stage, film, buffer) {
    this.stage = stage;
    this.frames = film.frames;
    this.N = stage.agents.length;
    let offset = 0;
    for (const [name, kind, shape] of film.arrays) {
      const length = shape.reduce((a, b) => a * b, 1);
      this[name] = kind === "i4" ? new Int32Array(buffer, offset, length)
        : new Uint8Array(buffer, offset, length);
      offset += length * (kind === "i4" ? 4 : 1);
      if (["tiles", "debt", "shots", "hits_now", "gifts", "lit"].includes(name)) {
        this[name + "_from"] = this.index(this[name], shape[1]);
        this[name + "_width"] = shape[1];
      }
    }
    this.undo(this.agents, stage.per_agent.length, this.N);
    this.undo(this.items, stage.items.length, this.N);
    this.undo(this.clock, 1, 1);
    this.keepTiles();
  }

  // Sum differences up, in place: (quantities, frames, width).
  undo(array, quantities, width) {
    for (let q = 0; q < quantities; q++) {
      const base = q * this.frames * width;
      for (let k = width; k < this.frames * width; k++) array[base + k] += array[base + k - width];
    }
  }

  // Row at which each frame's rows begin; one more at the end.
  index(rows, width) {
    const from = new Int32Array(this.frames + 1);
    for (let r = 0; r < rows.length; r += width) from[rows[r] + 1]++;
    for (let f = 0; f < this.frames; f++) from[f + 1] += from[f];
    return from;
  }

  rows(name, frame) {
    const width = this[name + "_width"], out = [];
    for (let r = this[name + "_from"][frame]; r < this[name + "_from"][frame + 1]; r++)
      out.push(Array.from(this[name].subarray(r * width + 1, (r + 1) * width)));
    return out;
  }

  // Tiles and debts are stored as changes: keep every 64th frame whole.
  keepTiles() {
    const tiles = new Uint8Array(this.stage.size ** 2), debt = new Map();
    this.kept = [];
    for (let f = 0; f < this.frames; f++) {
      this.apply(f, tiles, debt);
      if (f % KEYFRAME === 0) this.kept.push([tiles.slice(), new Map(debt)]);
    }
  }

  apply(f, tiles, debt) {
    for (let r = this.tiles_from[f]; r < this.tiles_from[f + 1]; r++)
      tiles[this.tiles[3 * r + 1]] = this.tiles[3 * r + 2];
    for (let r = this.debt_from[f]; r < this.debt_from[f + 1]; r++) {
      const [i, j, v] = this.debt.subarray(4 * r + 1, 4 * r + 4);
      if (v) debt.set(i * this.N + j, v / MILLI); else debt.delete(i * this.N + j);
    }
  }

  number(name, f, n) {
    const q = this.stage.per_agent.indexOf(name);
    return this.agents[(q * this.frames + f) * this.N + n];
  }

  frame(f) {
    const key = Math.floor(f / KEYFRAME), tiles = this.kept[key][0].slice();
    const debt = new Map(this.kept[key][1]);
    for (let g = key * KEYFRAME + 1; g <= f; g++) this.apply(g, tiles, debt);
    const agents = [];
    for (let n = 0; n < this.N; n++) {
      const at = (array, q) => array[(q * this.frames + f) * this.N + n];
      agents.push(agentOf(this.stage, this.stage.per_agent.map((_, q) => at(this.agents, q)),
        this.stage.items.map((_, q) => at(this.items, q))));
    }
    return {
      f, t: this.clock[f], tiles, agents, shots: this.rows("shots", f),
      hits: this.rows("hits_now", f), gifts: this.rows("gifts", f),
      lit: this.rows("lit", f).map((row) => row[0]),
      debt: [...debt].map(([key, v]) => [Math.floor(key / this.N), key % this.N, v]),
    };
  }

  // What agent n's policy thought in frame f, of the step that follows; null without a record.
  thought(f, n) {
    if (f >= this.frames - 1 || (!this.value && !this.chance)) return null;
    const A = this.stage.actions.length, row = f * this.N + n;
    return {
      value: this.value ? this.value[row] / MILLI : null,
      chance: this.chance
        ? Array.from(this.chance.subarray(row * A, (row + 1) * A), (x) => x / 255) : null,
    };
  }
}
