"use strict";
// The viewer of one replay.

const SPEEDS = [1, 2, 4, 8, 15, 30, 60, 120];

class Viewer {
  constructor(stage, film) {
    Object.assign(this, {stage, film, f: 0, playing: false, speed: 3, due: 0, dirty: true});
    this.options = {follow: null, showDebt: true, showKin: stage.kin.length > 0, showView: true};
    this.painter = new Painter($("map"), stage);
    this.panel = new Panel(stage, (n) => this.follow(n === this.options.follow ? null : n));
    this.hitFrames = this.framesOf("hits_now");
    $("scrub").max = film.frames - 1;
    $("kin-toggle").hidden = $("kin-legend").hidden = !stage.kin.length;
    this.listen();
    this.paintTimeline();
    requestAnimationFrame((now) => this.tick(now));
  }

  framesOf(name) {
    const from = this.film[name + "_from"];
    return [...Array(this.film.frames).keys()].filter((f) => from[f + 1] > from[f]);
  }

  listen() {
    $("play").onclick = () => this.play(!this.playing);
    $("back").onclick = () => this.go(this.f - 1);
    $("next").onclick = () => this.go(this.f + 1);
    $("hit-back").onclick = () => this.goHit(-1);
    $("hit-next").onclick = () => this.goHit(1);
    $("scrub").oninput = () => this.go(Number($("scrub").value));
    $("speed").onchange = () => { this.speed = SPEEDS.indexOf(Number($("speed").value)); };
    for (const name of ["debt", "kin", "view"])
      $(`${name}-toggle`).onclick = () => this.toggle(name);
    $("map").onclick = (event) => {
      const [row, col] = this.painter.cellUnder(event);
      const n = this.film.frame(this.f).agents
        .findIndex((a) => a.present && a.row === row && a.col === col);
      this.follow(n < 0 ? null : n);
    };
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("resize", () => { this.dirty = true; this.paintTimeline(); });
  }

  key(event) {
    if (isTyping(event)) return;
    const far = event.shiftKey ? 10 : 1, n = this.options.follow, N = this.film.N;
    const action = {
      " ": () => this.play(!this.playing), k: () => this.toggle("kin"),
      ArrowLeft: () => this.go(this.f - far), ArrowRight: () => this.go(this.f + far),
      Home: () => this.go(0), End: () => this.go(this.film.frames - 1),
      "+": () => this.hurry(1), "=": () => this.hurry(1), "-": () => this.hurry(-1),
      n: () => this.follow(n === null ? 0 : (n + 1) % N),
      p: () => this.follow(n === null ? N - 1 : (n + N - 1) % N),
      Escape: () => this.follow(null), d: () => this.toggle("debt"), v: () => this.toggle("view"),
      e: () => this.goHit(1), E: () => this.goHit(-1),
      "?": () => { $("help").open = !$("help").open; },
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  play(on) {
    if (on && this.f === this.film.frames - 1) this.go(0);
    this.playing = on;
    $("play").textContent = on ? "Pause" : "Play";
    $("told").setAttribute("aria-live", on ? "off" : "polite");
  }

  go(f) {
    this.f = Math.max(0, Math.min(this.film.frames - 1, f));
    this.dirty = true;
  }

  goHit(way) {
    const frames = way > 0 ? this.hitFrames.filter((f) => f > this.f)
      : this.hitFrames.filter((f) => f < this.f).reverse();
    if (frames.length) this.go(frames[0]);
  }

  hurry(by) {
    this.speed = Math.max(0, Math.min(SPEEDS.length - 1, this.speed + by));
    $("speed").value = SPEEDS[this.speed];
  }

  follow(n) {
    this.options.follow = n;
    this.dirty = true;
  }

  toggle(name) {
    const option = `show${name[0].toUpperCase()}${name.slice(1)}`;
    this.options[option] = !this.options[option];
    this.dirty = true;
  }

  tick(now) {
    if (this.playing && now >= this.due) {
      const wait = 1000 / SPEEDS[this.speed];
      const steps = this.due ? Math.min(8, 1 + Math.floor((now - this.due) / wait)) : 1;
      this.due = now + wait;
      this.go(this.f + steps);
      if (this.f === this.film.frames - 1) this.play(false);
    }
    if (this.dirty) this.show();
    requestAnimationFrame((later) => this.tick(later));
  }

  show() {
    this.dirty = false;
    const frame = this.film.frame(this.f), {follow} = this.options;
    this.painter.paint(frame, this.options);
    this.panel.show(frame, follow, follow === null ? null : this.film.thought(this.f, follow));
    $("scrub").value = this.f;
    $("scrub").setAttribute("aria-valuetext", `step ${frame.t}`);
    $("clock").textContent = `step ${frame.t} of ${this.film.clock[this.film.frames - 1]}`;
    $("told").textContent = tell(this.stage, frame) || "\u00a0";
    for (const [name, on] of [["debt", this.options.showDebt], ["kin", this.options.showKin],
      ["view", this.options.showView]]) $(`${name}-toggle`).setAttribute("aria-pressed", String(on));
    this.paintCursor();
  }

  // Reward of all so far as an area, hits as ticks.
  paintTimeline() {
    const canvas = $("timeline"), ratio = window.devicePixelRatio || 1;
    const W = (canvas.width = Math.round(canvas.clientWidth * ratio));
    const H = (canvas.height = Math.round(canvas.clientHeight * ratio));
    const style = getComputedStyle(document.documentElement), {film} = this;
    const sums = Array.from({length: film.frames}, (_, f) => {
      let sum = 0;
      for (let n = 0; n < film.N; n++) sum += film.number("total", f, n);
      return sum;
    });
    const low = Math.min(0, ...sums), high = Math.max(1, ...sums);
    const x = (f) => (f / Math.max(1, film.frames - 1)) * W;
    const y = (v) => H * (0.94 - 0.6 * ((v - low) / (high - low)));
    const ctx = canvas.getContext("2d");
    path(ctx, [[0, y(0)], ...sums.map((v, f) => [x(f), y(v)]), [W, y(0)]],
      style.getPropertyValue("--line"), style.getPropertyValue("--good"), ratio);
    ctx.fillStyle = style.getPropertyValue("--bad");
    for (const f of this.hitFrames) ctx.fillRect(x(f), 0, Math.max(1, ratio), 0.24 * H);
    this.timeline = ctx.getImageData(0, 0, W, H);
  }

  paintCursor() {
    const canvas = $("timeline"), ctx = canvas.getContext("2d");
    ctx.putImageData(this.timeline, 0, 0);
    ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    ctx.fillRect((this.f / Math.max(1, this.film.frames - 1)) * (canvas.width - 2), 0, 2, canvas.height);
  }
}

async function open() {
  const data = JSON.parse($("data").textContent);
  const film = new Film(data.stage, data.film, await inflate(data.film.data));
  window.viewer = new Viewer(data.stage, film);
  window.viewer.show();
  document.documentElement.dataset.opened = String(Math.round(performance.now()));
}

open().catch((error) => {
  $("told").className = "error";
  $("told").textContent = `This page cannot be shown: ${error.message}`;
});
