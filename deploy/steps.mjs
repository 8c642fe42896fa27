// Tells how a set-up gets on: which step of how many, and how long it takes. Plain JavaScript, as set-up.mjs.

const tickMs = 1000;

/** `stream`: standard error; a terminal sees the seconds pass, a pipe or a file gets a line when a step begins and one when it ends. */
export class Steps {
  #begun = 0;
  #total;
  #stream;
  #nowMs;

  constructor(total, { stream = process.stderr, nowMs = () => performance.now() } = {}) {
    this.#total = total;
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /** Runs `work`, whose failure ends the step, and passes its result on. */
  async run(what, work) {
    const title = `set-up ${++this.#begun}/${this.#total}: ${what}`;
    const startedMs = this.#nowMs();
    const seconds = (digits) => `${((this.#nowMs() - startedMs) / 1000).toFixed(digits)} s`;
    const isTerminal = this.#stream.isTTY === true;
    const draw = (news, end) => this.#stream.write(isTerminal ? `\r${this.#fitted(title, news)}\u001b[K${end}` : `${title}${news}\n`);
    draw(" …", "");
    const ticking = isTerminal ? setInterval(() => draw(` … ${seconds(0)}`, ""), tickMs) : null;
    let outcome = "failed";
    try {
      const result = await work();
      outcome = "done";
      return result;
    } finally {
      clearInterval(ticking);
      draw(`: ${outcome} after ${seconds(1)}`, "\n");
    }
  }

  /** A line that the terminal breaks could not be drawn anew. */
  #fitted(title, news) {
    const room = (this.#stream.columns || 80) - news.length - 1;
    return `${title.length <= room ? title : `${title.slice(0, room - 1)}…`}${news}`;
  }
}
