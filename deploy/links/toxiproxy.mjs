// What can be done to a link, as Toxiproxy's API has it. A link has one fault at a time.

/** A fault's toxics go both ways. */
const bothWays = (type, attributes) =>
  ["upstream", "downstream"].map((stream) => ({ name: `${type}_${stream}`, type, stream, attributes }));

/** By name, what Toxiproxy is told; `number` is the word after the name, where there has to be one. */
export const faults = {
  /** Its connections are closed, and new ones refused. */
  cut: { number: null, toxics: () => [], isEnabled: false },
  /** Connections are accepted and stay open, and nothing passes: what was sent is lost. Removing it closes them. */
  silence: { number: null, toxics: () => bothWays("timeout", { timeout: 0 }), isEnabled: true },
  delay: { number: "MILLISECONDS", toxics: (latency) => bothWays("latency", { latency, jitter: 0 }), isEnabled: true },
  /** Of each connection. */
  limit: { number: "KB/S", toxics: (rate) => bothWays("bandwidth", { rate }), isEnabled: true },
};

export class Toxiproxy {
  #url;

  constructor(url) {
    this.#url = url;
  }

  /** By name, a link's fault; null where there is none. */
  async links() {
    const proxies = Object.values(await this.#ask("GET", "/proxies"));
    return new Map(proxies.map((proxy) => [proxy.name, describe(proxy)]));
  }

  async heal(link) {
    await this.#ask("POST", `/proxies/${link}`, { enabled: true });
    const { toxics } = await this.#ask("GET", `/proxies/${link}`);
    for (const { name } of toxics) await this.#ask("DELETE", `/proxies/${link}/toxics/${name}`);
  }

  async disturb(link, { toxics, isEnabled }, number) {
    await this.heal(link);
    for (const toxic of toxics(number)) await this.#ask("POST", `/proxies/${link}/toxics`, toxic);
    if (!isEnabled) await this.#ask("POST", `/proxies/${link}`, { enabled: false });
  }

  async #ask(method, path, body) {
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const answer = await fetch(`${this.#url}${path}`, { method, ...sent }).catch(() => {
      throw new Error(`no Toxiproxy answers at ${this.#url}: is docker-compose.chaos.yml up?`);
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text.trim()}`);
    return text === "" ? null : JSON.parse(text);
  }
}

/** Toxics that were made otherwise, with its own command say, are told of by their types. */
function describe({ enabled, toxics }) {
  if (!enabled) return "cut";
  const texts = toxics.map(({ type, attributes }) => {
    if (type === "timeout" && attributes.timeout === 0) return "silent";
    if (type === "latency") return `${attributes.latency} ms late`;
    if (type === "bandwidth") return `${attributes.rate} KB/s`;
    return type;
  });
  return texts.length === 0 ? null : [...new Set(texts)].join(", ");
}
