"use strict";
// The panel beside the map: everyone in a table, one agent in detail. Text enters as text, never as
// markup, whatever it holds.

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

const tidy = (x) => (Math.abs(x) >= 100 ? x.toFixed(0) : String(Number(x.toFixed(2))));

function badge(n) {
  return make("span", {class: "badge", style: {background: agentColour(n)}, "aria-hidden": "true"}, n);
}

function gauge(value, full, name) {
  const part = Math.max(0, Math.min(1, value / full));
  return make("span", {class: `gauge${part <= 0.25 ? " low" : ""}`, role: "img",
    "aria-label": `${name} ${tidy(value)} of ${tidy(full)}`},
  make("i", {style: {width: `${100 * part}%`}}));
}

function stateOf(agent, stage) {
  const words = [];
  if (!agent.present) words.push("off the map");
  if (agent.frozen) words.push(agent.left > 0 ? `frozen, ${agent.left} left` : "frozen");
  if (agent.shield) words.push("shield");
  if (agent.role > 0) words.push(stage.roles[agent.role]);
  return words.join(", ");
}

class Panel {
  constructor(stage, follow, verb = "Follow") {
    this.stage = stage;
    this.rows = [];
    const heads = ["agent", "reward", stage.eats, "hits", "was hit"];
    if (stage.energy_max) heads.push("energy");
    $("crowd").replaceChildren(
      make("thead", {}, make("tr", {}, ...heads.map((h) => make("th", {scope: "col"}, h)))),
      make("tbody", {}, ...stage.agents.map((name, n) => {
        const title = `${name}, played by ${stage.policies[n]}`;
        const cells = heads.slice(1).map(() => make("td"));
        const button = make("button", {type: "button", title, "aria-pressed": "false",
          "aria-label": `${verb} ${title}`, onclick: () => follow(n)}, badge(n), stage.policies[n]);
        const state = make("span", {class: "state"});
        const row = make("tr", {}, make("td", {}, button, state), ...cells);
        this.rows.push({row, button, state, cells});
        return row;
      })),
    );
  }

  show(frame, followed, thought) {
    frame.agents.forEach((agent, n) => {
      const {row, button, state, cells} = this.rows[n];
      const values = [tidy(agent.total), agent.eaten, agent.hits, agent.struck];
      values.forEach((value, k) => { cells[k].textContent = value; });
      if (this.stage.energy_max)
        cells[4].replaceChildren(gauge(agent.energy, this.stage.energy_max, "energy"));
      state.textContent = agent.frozen ? " frozen" : agent.present ? "" : " away";
      row.classList.toggle("followed", n === followed);
      button.setAttribute("aria-pressed", String(n === followed));
    });
    $("detail").hidden = followed === null;
    if (followed !== null) this.detail(frame, followed, thought);
  }

  detail(frame, n, thought) {
    const stage = this.stage, me = frame.agents[n];
    $("who").replaceChildren(badge(n), `${stage.agents[n]} · ${stage.policies[n]}`,
      stage.bodies.length ? ` · ${stage.bodies[n]}` : "");
    const facts = [["state", stateOf(me, stage) || "free"]];
    facts.push(["last action", me.action < 0 ? "none yet" : stage.actions[me.action]]);
    facts.push(["reward", `${tidy(me.reward)} now, ${tidy(me.total)} so far`]);
    if (stage.energy_max) facts.push(["energy", [gauge(me.energy, stage.energy_max, "energy"),
      `${tidy(me.energy)} of ${tidy(stage.energy_max)}`]]);
    if (stage.items.length) facts.push(["holds", stage.items
      .map((item, k) => [item, me.items[k]]).filter(([, count]) => count)
      .map(([item, count]) => `${count} ${item}`).join(", ") || "nothing"]);
    if (me.mark >= 0) facts.push(["marker", me.mark]);
    const owed = (rows, other) => rows.map((row) => `${row[other]}: ${tidy(row[2])}`).join(", ");
    facts.push(["owes", owed(frame.debt.filter(([i]) => i === n), 1) || "nobody"]);
    facts.push(["is owed by", owed(frame.debt.filter(([, j]) => j === n), 0) || "nobody"]);
    if (stage.kin.length) {
      const kin = stage.kin[n].map((close, j) => [j, close]).filter(([j, c]) => j !== n && c >= 0.05);
      kin.sort((a, b) => b[1] - a[1]);
      facts.push(["kin", kin.slice(0, 8).map(([j, c]) => `${j}: ${tidy(c)}`).join(", ") || "none"]);
    }
    $("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name),
      make("dd", {}, ...(Array.isArray(value) ? value : [value]))]));
    paintView($("view"), stage, frame, n);
    this.thought(thought);
  }

  thought(thought) {
    $("thought").hidden = !thought;
    if (!thought) return;
    const parts = [];
    if (thought.value !== null) parts.push(make("p", {}, `expects ${tidy(thought.value)}`));
    if (thought.chance) {
      const ranked = thought.chance.map((p, a) => [p, a]).sort((x, y) => y[0] - x[0]).slice(0, 6);
      parts.push(make("div", {class: "thought"}, ...ranked.flatMap(([p, a]) => [
        make("span", {}, this.stage.actions[a]), make("i", {style: {width: `${100 * p}%`}}),
        make("span", {}, `${(100 * p).toFixed(0)} %`)])));
    }
    $("thought").replaceChildren(make("h2", {}, "What its policy thinks next"), ...parts);
  }
}

// One sentence about a frame, for those who listen.
function tell(stage, frame) {
  const parts = [];
  for (const [i, j] of frame.hits) parts.push(`${stage.agents[i]} hits ${stage.agents[j]}`);
  for (const [i, j] of frame.gifts) parts.push(`${stage.agents[i]} gives to ${stage.agents[j]}`);
  const ate = frame.agents.flatMap((a, n) => (a.ate ? [stage.agents[n]] : []));
  const thing = stage.eats.slice(0, -1);
  if (ate.length) parts.push(`${ate.slice(0, 6).join(", ")}${ate.length > 6 ? " and more" : ""} `
    + `${ate.length > 1 ? "get" : "gets"} ${thing === "apple" ? "an apple" : "a heart"}`);
  return parts.length ? `${parts.slice(0, 6).join("; ")}.` : "";
}

// Keys typed into a control belong to that control.
function isTyping(event) {
  const tag = event.target.tagName;
  if (event.ctrlKey || event.altKey || event.metaKey) return true;
  if (tag === "SELECT" || tag === "TEXTAREA") return true;
  if (tag === "INPUT" && event.target.type !== "range") return true;
  return (tag === "BUTTON" || tag === "SUMMARY") && (event.key === " " || event.key === "Enter");
}
