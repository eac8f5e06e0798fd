"use strict";
// From a frame to a picture. Kinds differ by shape and lightness, not by hue alone; hues are those
// of Okabe and Ito (Color Universal Design, 2008), as in the films.

const AGENT_COLOURS = ["#e69f00", "#56b4e9", "#d55e00", "#cc79a7", "#4084d6", "#f0e442", "#dededf",
  "#8c92a2"];
const GEMS = ["#56b4e9", "#cc79a7", "#f0e442", "#00c48c"];
const INK = "#12141c", FLOOR = ["#1e222f", "#232736"], BORDER = "#13161f";
const COMPASS = [[-1, 0], [0, 1], [1, 0], [0, -1]];
const WALL = 3, APPLE = 1, WASTE = 2, COLOUR = 4, BLOCK = 12, MACHINE = 16;
const GENERATOR = 0, CHARGER = 1, ALTAR = 2, FREE_ALTAR = 3, STATION = 4;
const TILE_NAMES = {0: "floor", 1: "apple", 2: "waste", 3: "wall", 12: "block"};
const MACHINE_NAMES = ["generator", "charger", "heart altar", "free altar", "station"];

function tileName(tile) {
  if (tile >= MACHINE) {
    const code = Math.floor((tile - MACHINE) / 32), ready = (tile - MACHINE) % 2;
    return MACHINE_NAMES[code] + (ready ? "" : " (pausing)");
  }
  return TILE_NAMES[tile] ?? `colour ${tile - COLOUR + 1}`;
}

const agentColour = (n) => AGENT_COLOURS[n % AGENT_COLOURS.length];

function path(ctx, points, fill, stroke, width) {
  ctx.beginPath();
  points.forEach(([x, y], k) => (k ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.closePath();
  if (fill) { ctx.fillStyle = fill; ctx.fill(); }
  if (stroke) { ctx.strokeStyle = stroke; ctx.lineWidth = width; ctx.stroke(); }
}

function disc(ctx, x, y, r, fill, stroke, width) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  if (fill) { ctx.fillStyle = fill; ctx.fill(); }
  if (stroke) { ctx.strokeStyle = stroke; ctx.lineWidth = width; ctx.stroke(); }
}

function box(ctx, x, y, w, h, r, fill, stroke, width) {
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, r);
  if (fill) { ctx.fillStyle = fill; ctx.fill(); }
  if (stroke) { ctx.strokeStyle = stroke; ctx.lineWidth = width; ctx.stroke(); }
}

const star = (x, y, r) => Array.from({length: 20}, (_, k) => {
  const a = (k * Math.PI) / 10, s = k % 2 ? 0.64 * r : r;
  return [x + s * Math.sin(a), y - s * Math.cos(a)];
});

const HEART = Array.from({length: 40}, (_, k) => {
  const a = (k * Math.PI) / 20;
  return [0.5 + 0.4 * Math.sin(a) ** 3, 0.46 - 0.025 * (13 * Math.cos(a) - 5 * Math.cos(2 * a)
    - 2 * Math.cos(3 * a) - Math.cos(4 * a))];
});
const COG = Array.from({length: 40}, (_, k) => {
  const a = (k * Math.PI) / 20, r = k % 4 < 2 ? 0.42 : 0.3;
  return [0.5 + r * Math.cos(a), 0.5 + r * Math.sin(a)];
});
const MACHINE_SHAPES = [
  [[0.5, 0.12], [0.86, 0.42], [0.5, 0.9], [0.14, 0.42]],
  [[0.56, 0.08], [0.22, 0.56], [0.46, 0.56], [0.4, 0.92], [0.78, 0.42], [0.54, 0.42]],
  HEART, HEART, COG,
];

// One tile on a unit square at (x, y) with side s.
function drawTile(ctx, tile, x, y, s, dark) {
  ctx.fillStyle = FLOOR[dark];
  ctx.fillRect(x, y, s, s);
  if (tile === APPLE) {
    disc(ctx, x + 0.5 * s, y + 0.56 * s, 0.26 * s, "#009e73", INK, 0.04 * s);
    disc(ctx, x + 0.42 * s, y + 0.48 * s, 0.07 * s, "#bef0d8");
    path(ctx, [[x + 0.5 * s, y + 0.34 * s], [x + 0.58 * s, y + 0.2 * s], [x + 0.72 * s, y + 0.22 * s],
      [x + 0.64 * s, y + 0.33 * s]], "#78d6aa");
  } else if (tile === WASTE) {
    box(ctx, x + 0.05 * s, y + 0.05 * s, 0.9 * s, 0.9 * s, 0.26 * s, "#745434", "#523a24", 0.06 * s);
    for (const [u, v, r] of [[0.32, 0.34, 0.1], [0.66, 0.56, 0.13], [0.34, 0.7, 0.08]])
      disc(ctx, x + u * s, y + v * s, r * s, "#a07c54", "#523a24", 0.03 * s);
  } else if (tile === WALL) {
    ctx.fillStyle = "#54596a";
    ctx.fillRect(x, y, s, s);
    ctx.fillStyle = "#6e7486";
    ctx.fillRect(x, y, s, 0.16 * s);
  } else if (tile === BLOCK) {
    box(ctx, x + 0.1 * s, y + 0.1 * s, 0.8 * s, 0.8 * s, 0.06 * s, "#967046", "#60462a", 0.07 * s);
    path(ctx, [[x + 0.15 * s, y + 0.15 * s], [x + 0.85 * s, y + 0.85 * s]], null, "#60462a", 0.06 * s);
  } else if (tile >= MACHINE) {
    drawMachine(ctx, tile - MACHINE, x, y, s);
  } else if (tile >= COLOUR) {
    box(ctx, x + 0.06 * s, y + 0.06 * s, 0.88 * s, 0.88 * s, 0.1 * s,
      agentColour(7 - 2 * (tile - COLOUR)), INK, 0.05 * s);
  }
}

function drawMachine(ctx, number, x, y, s) {
  const code = Math.floor(number / 32), kind = Math.floor((number % 32) / 2), ready = number % 2;
  const colour = [GEMS[kind % 4], "#f0e442", "#ff6f4d", GEMS[1], "#aab0c0"][code];
  const points = MACHINE_SHAPES[code].map(([u, v]) => [x + u * s, y + v * s]);
  ctx.save();
  if (!ready) ctx.globalAlpha = 0.35;
  box(ctx, x + 0.04 * s, y + 0.04 * s, 0.92 * s, 0.92 * s, 0.16 * s, "#2f3547");
  path(ctx, points, colour, INK, 0.04 * s);
  if ((code === GENERATOR || code === CHARGER || code === STATION) && kind > 0) {
    ctx.fillStyle = INK;
    ctx.font = `bold ${0.34 * s}px system-ui, sans-serif`;
    ctx.fillText(String(kind + 1), x + 0.5 * s, y + 0.54 * s);
  }
  ctx.restore();
}

// A body in a cell; `turn` adds to its heading, for views that turn with the agent.
function drawAgent(ctx, n, agent, x, y, s, stage, turn = 0) {
  const cx = x + 0.5 * s, cy = y + 0.5 * s, angle = ((agent.head + turn) * Math.PI) / 2;
  const polar = (r, a) => [cx + r * s * Math.sin(angle + a), cy - r * s * Math.cos(angle + a)];
  const drop = (grow) => [polar(0.47 + 1.4 * grow, 0), polar(0.31 + grow, 1.15),
    polar(0.31 + grow, -1.15)];
  if (agent.wasHit) path(ctx, star(cx, cy, 0.8 * s), "rgba(255,236,130,.85)");
  path(ctx, drop(0.04), INK);
  disc(ctx, cx, cy, 0.35 * s, INK);
  path(ctx, drop(0), agentColour(n));
  disc(ctx, cx, cy, 0.31 * s, agentColour(n));
  ctx.fillStyle = INK;
  ctx.font = `bold ${(n > 9 ? 0.34 : 0.42) * s}px system-ui, sans-serif`;
  ctx.fillText(String(n), cx, cy + 0.02 * s);
  if (agent.shield) disc(ctx, cx, cy, 0.46 * s, null, "#a0dcff", 0.07 * s);
  if (agent.mark >= 0) {
    box(ctx, x + 0.7 * s, y, 0.3 * s, 0.3 * s, 0.05 * s, agentColour(agent.mark), INK, 0.03 * s);
    ctx.fillStyle = INK;
    ctx.font = `bold ${0.24 * s}px system-ui, sans-serif`;
    ctx.fillText(String(agent.mark), x + 0.85 * s, y + 0.16 * s);
  }
  if (stage.energy_max && s >= 10) {
    const full = Math.min(1, agent.energy / stage.energy_max);
    ctx.fillStyle = INK;
    ctx.fillRect(x + 0.08 * s, y + 0.9 * s, 0.84 * s, 0.1 * s);
    ctx.fillStyle = full > 0.25 ? "#00c48c" : "#ff6f4d";
    ctx.fillRect(x + 0.08 * s, y + 0.91 * s, 0.84 * s * full, 0.08 * s);
  }
  if (agent.frozen) {
    box(ctx, x + 0.03 * s, y + 0.03 * s, 0.94 * s, 0.94 * s, 0.14 * s, "rgba(190,230,255,.45)",
      "#e8f8ff", 0.07 * s);
    ctx.beginPath();
    for (const d of [0, 0.13]) {
      ctx.moveTo(x + 0.15 * s, y + (0.36 + d) * s);
      ctx.lineTo(x + (0.36 + d) * s, y + 0.15 * s);
    }
    ctx.strokeStyle = "#e8f8ff";
    ctx.lineWidth = 0.04 * s;
    ctx.stroke();
  }
}

// A bent arrow from one body to another.
function drawArrow(ctx, a, b, s, colour, width, dashes = []) {
  const dx = b[0] - a[0], dy = b[1] - a[1], far = Math.hypot(dx, dy) || 1;
  const mid = [(a[0] + b[0]) / 2 - 0.16 * dy, (a[1] + b[1]) / 2 + 0.16 * dx];
  const angle = Math.atan2(b[1] - mid[1], b[0] - mid[0]);
  const end = [b[0] - 0.42 * s * Math.cos(angle), b[1] - 0.42 * s * Math.sin(angle)];
  const head = Math.max(0.24 * s, 2.2 * width);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dashes);
  ctx.beginPath();
  ctx.moveTo(a[0] + (0.3 * s * dx) / far, a[1] + (0.3 * s * dy) / far);
  ctx.quadraticCurveTo(mid[0], mid[1], end[0], end[1]);
  ctx.stroke();
  path(ctx, [end, ...[2.6, -2.6].map((d) => [end[0] + head * Math.cos(angle + d),
    end[1] + head * Math.sin(angle + d)])], colour);
  ctx.restore();
}

const DEBT = "#ff8f6b", KIN = "#6fe3c4";

class Painter {
  constructor(canvas, stage) {
    this.canvas = canvas;
    this.stage = stage;
    this.ground = document.createElement("canvas");
    this.drawn = null;
  }

  // Fit the canvas to its place; returns whether its size changed.
  fit() {
    const side = Math.max(160, Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1)));
    const cell = Math.max(4, Math.floor(side / (this.stage.size + 1)));
    if (cell === this.cell) return false;
    this.cell = cell;
    this.canvas.width = this.canvas.height = cell * (this.stage.size + 1);
    this.ground.width = this.ground.height = cell * this.stage.size;
    this.drawn = null;
    return true;
  }

  at(agent) {
    return [(agent.col + 1) * this.cell, (agent.row + 1) * this.cell];
  }

  cellUnder(event) {
    const r = this.canvas.getBoundingClientRect(), part = this.canvas.width / r.width;
    return [event.clientY - r.top, event.clientX - r.left]
      .map((v) => Math.floor((v * part) / this.cell - 0.5));
  }

  // options: follow (agent or null), showDebt, showKin, showView
  paint(frame, options) {
    this.fit();
    this.paintGround(frame.tiles);
    const ctx = this.canvas.getContext("2d"), s = this.cell, half = s / 2;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillStyle = BORDER;
    ctx.fillRect(0, 0, this.canvas.width, this.canvas.height);
    ctx.drawImage(this.ground, half, half);
    for (const cell of frame.lit) {
      ctx.fillStyle = "rgba(255,246,196,.24)";
      ctx.fillRect(half + (cell % this.stage.size) * s,
        half + Math.floor(cell / this.stage.size) * s, s, s);
    }
    if (options.showKin) this.paintKin(ctx, frame, options.follow);
    this.paintShots(ctx, frame);
    frame.agents.forEach((agent, n) => {
      if (agent.present)
        drawAgent(ctx, n, agent, half + agent.col * s, half + agent.row * s, s, this.stage);
    });
    for (const [i, j] of frame.gifts)
      drawArrow(ctx, this.at(frame.agents[i]), this.at(frame.agents[j]), s, "#f0e442", 0.1 * s);
    if (options.showDebt) this.paintDebt(ctx, frame, options.follow);
    if (options.follow !== null) this.paintFollow(ctx, frame.agents[options.follow], options);
  }

  paintGround(tiles) {
    const ctx = this.ground.getContext("2d"), G = this.stage.size;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    for (let c = 0; c < tiles.length; c++) {
      if (this.drawn && this.drawn[c] === tiles[c]) continue;
      const row = Math.floor(c / G), col = c % G;
      drawTile(ctx, tiles[c], col * this.cell, row * this.cell, this.cell, (row + col) % 2);
    }
    this.drawn = Uint8Array.from(tiles);
  }

  paintShots(ctx, frame) {
    const s = this.cell;
    ctx.lineCap = "round";
    for (const [i, row, col] of frame.shots) {
      for (const [width, alpha] of [[0.4, 0.25], [0.24, 0.5], [0.1, 1]]) {
        ctx.beginPath();
        ctx.moveTo(...this.at(frame.agents[i]));
        ctx.lineTo((col + 1) * s, (row + 1) * s);
        ctx.strokeStyle = `rgba(255,246,196,${alpha})`;
        ctx.lineWidth = width * s;
        ctx.stroke();
      }
    }
    ctx.lineCap = "butt";
  }

  paintDebt(ctx, frame, follow) {
    for (const [i, j, owed] of frame.debt) {
      const [a, b] = [frame.agents[i], frame.agents[j]];
      if (!a.present || !b.present) continue;
      const mine = follow === null || i === follow || j === follow;
      ctx.globalAlpha = mine ? 0.9 : 0.15;
      drawArrow(ctx, this.at(a), this.at(b), this.cell, DEBT,
        Math.min(0.22, 0.05 + 0.03 * Math.sqrt(owed)) * this.cell);
    }
    ctx.globalAlpha = 1;
  }

  paintKin(ctx, frame, follow) {
    const K = this.stage.kin;
    for (let i = 0; i < K.length; i++) {
      for (let j = 0; j < i; j++) {
        const close = Math.max(K[i][j], K[j][i]), [a, b] = [frame.agents[i], frame.agents[j]];
        const mine = follow === null || i === follow || j === follow;
        if (close < 0.05 || !a.present || !b.present || !mine) continue;
        ctx.globalAlpha = Math.min(1, (follow === null ? 0.1 : 0.25) + 0.75 * close ** 1.5);
        ctx.strokeStyle = KIN;
        ctx.lineWidth = (0.03 + 0.1 * close) * this.cell;
        ctx.beginPath();
        ctx.moveTo(...this.at(a));
        ctx.lineTo(...this.at(b));
        ctx.stroke();
      }
    }
    ctx.globalAlpha = 1;
  }

  paintFollow(ctx, agent, options) {
    if (!agent.present) return;
    const s = this.cell, R = this.stage.view.radius;
    const x = (agent.col - R) * s + s / 2, y = (agent.row - R) * s + s / 2, side = (2 * R + 1) * s;
    if (options.showView && R > 0) {
      ctx.fillStyle = "rgba(8,10,16,.38)";
      ctx.beginPath();
      ctx.rect(0, 0, this.canvas.width, this.canvas.height);
      ctx.rect(x, y, side, side);
      ctx.fill("evenodd");
    }
    disc(ctx, ...this.at(agent), 0.62 * s, null, "#ffffff", Math.max(1.5, 0.06 * s));
  }
}

// What one agent sees: the window around it, turned as it is turned, itself in the centre.
function paintView(canvas, stage, frame, n) {
  const ctx = canvas.getContext("2d"), me = frame.agents[n], R = stage.view.radius, side = 2 * R + 1;
  const s = Math.max(4, Math.floor(canvas.width / side)), turns = stage.view.turns ? me.head : 0;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = BORDER;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  if (!me.present) return;
  const [uy, ux] = COMPASS[turns], [vy, vx] = COMPASS[(turns + 1) % 4]; // ahead, right
  const here = new Map(frame.agents.map((a, k) => [a.row * 1000 + a.col, k]));
  for (let a = -R; a <= R; a++) {
    for (let b = -R; b <= R; b++) {
      const row = me.row - a * uy + b * vy, col = me.col - a * ux + b * vx;
      const x = (b + R) * s, y = (a + R) * s;
      const inside = row >= 0 && col >= 0 && row < stage.size && col < stage.size;
      drawTile(ctx, inside ? frame.tiles[row * stage.size + col] : WALL, x, y, s, (a + b + 2 * R) % 2);
      if (inside && frame.lit.includes(row * stage.size + col)) {
        ctx.fillStyle = "rgba(255,246,196,.3)";
        ctx.fillRect(x, y, s, s);
      }
      const k = inside ? here.get(row * 1000 + col) : undefined;
      if (k !== undefined && frame.agents[k].present)
        drawAgent(ctx, k, frame.agents[k], x, y, s, stage, -turns);
    }
  }
}
