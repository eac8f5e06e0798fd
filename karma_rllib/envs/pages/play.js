"use strict";
// A person among policies. The world stands still between steps; running is stepping by a clock.

const COLUMNS = ["agent", "player", "reward", "eaten", "hits", "was_hit", "owes"];
const KEY_NAMES = {" ": "Space", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→"};

class Game {
  constructor({stage, ...told}) {
    Object.assign(this, {stage, taken: null, running: false, busy: false, wish: null});
    this.options = {follow: null, showDebt: true, showKin: true, showView: true};
    this.painter = new Painter($("map"), stage);
    this.panel = new Panel(stage, (n) => this.take(n === this.taken ? null : n),
      "Take over");
    this.keyList();
    this.listen();
    this.hear(told);
  }

  keyList() {
    const shown = Object.entries(this.stage.keys).filter(([key]) => !"wasd".includes(key));
    const more = [["Enter", "run, pause"], ["Esc", "let go"]];
    $("keys").replaceChildren(...[...shown, ...more].map(([key, what]) =>
      make("li", {}, make("kbd", {}, KEY_NAMES[key] ?? key.toUpperCase()), ` ${what}`)));
    $("actions").replaceChildren(...this.stage.actions.map((name) =>
      make("button", {type: "button", onclick: () => this.act({action: name})}, name)));
  }

  listen() {
    $("play").onclick = () => this.run(!this.running);
    $("next").onclick = () => this.step(this.person());
    $("again").onclick = () => this.ask("again", {});
    $("release").onclick = () => this.take(null);
    for (const name of ["debt", "kin", "view"]) $(`${name}-toggle`).onclick = () => {
      const option = `show${name[0].toUpperCase()}${name.slice(1)}`;
      this.options[option] = !this.options[option];
      this.show();
    };
    $("map").onclick = (event) => {
      const [row, col] = this.painter.cellUnder(event);
      const n = this.frame.agents.findIndex((a) => a.present && a.row === row && a.col === col);
      this.take(n < 0 ? null : n);
    };
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("resize", () => this.show());
  }

  key(event) {
    if (isTyping(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "Enter") this.run(!this.running);
    else if (key === "Escape") this.take(null);
    else if (key in this.stage.keys && this.taken !== null) this.act({key});
    else return;
    event.preventDefault();
  }

  take(n) {
    this.taken = this.options.follow = n;
    this.wish = null;
    this.show();
    if (n !== null && document.activeElement) document.activeElement.blur();
  }

  person() {
    return this.taken === null ? {} : {agent: this.taken};
  }

  act(wish) {
    if (this.taken === null) {
      $("told").textContent = "Take an agent over first.";
      return;
    }
    if (this.running) this.wish = wish;
    else this.step({...this.person(), ...wish});
  }

  run(on) {
    this.running = on && !this.over;
    $("play").textContent = this.running ? "Pause" : "Run";
    clearTimeout(this.timer);
    if (this.running) this.beat();
  }

  async beat() {
    const wish = this.wish, start = performance.now();
    this.wish = null;
    await this.step({...this.person(), ...wish});
    if (!this.running) return;
    const rest = 1000 / Number($("speed").value) - (performance.now() - start);
    this.timer = setTimeout(() => this.beat(), Math.max(0, rest));
  }

  step(wish) {
    return this.over ? Promise.resolve() : this.ask("step", wish);
  }

  async ask(what, wish) {
    if (this.busy) return;
    this.busy = true;
    try {
      const answer = await fetch(what, {method: "POST", body: JSON.stringify(wish)});
      const told = await answer.json();
      if (told.error) throw new Error(told.error);
      this.hear(told);
    } catch (error) {
      this.run(false);
      $("told").textContent = `The world does not answer: ${error.message}`;
    } finally {
      this.busy = false;
    }
  }

  hear({frame, over, table, kin}) {
    this.stage.kin = kin;
    this.frame = toldFrame(this.stage, frame);
    this.over = over;
    $("over").hidden = !over;
    if (over) {
      this.run(false);
      $("result").replaceChildren(
        make("tr", {}, ...COLUMNS.map((c) => make("th", {scope: "col"}, c.replace("_", " ")))),
        ...table.map((row) => make("tr", {}, ...COLUMNS.map((c) => make("td", {},
          typeof row[c] === "number" ? tidy(row[c]) : row[c])))));
    }
    this.show();
  }

  show() {
    this.painter.paint(this.frame, this.options);
    this.panel.show(this.frame, this.taken, null);
    $("clock").textContent = `step ${this.frame.t} of ${this.stage.max_steps}`;
    $("told").textContent = tell(this.stage, this.frame) || "\u00a0";
    $("release").disabled = this.taken === null;
    $("kin-toggle").hidden = $("kin-legend").hidden = !this.stage.kin.length;
    for (const [name, on] of [["debt", this.options.showDebt], ["kin", this.options.showKin],
      ["view", this.options.showView]]) $(`${name}-toggle`).setAttribute("aria-pressed", String(on));
    for (const button of $("actions").children) button.disabled = this.taken === null;
  }
}

window.game = new Game(JSON.parse($("data").textContent));
