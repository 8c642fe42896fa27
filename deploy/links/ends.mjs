// Which links are meant: a link is called `broker1-to-zookeeper2` and has two ends; the first opens the connections.

const ends = /^(?:(?:broker|zookeeper)[1-9]|brokers|zookeepers|clients)$/;

const isEnd = (word) => ends.test(word);

/** `brokers` means every broker; `broker2` itself only. */
const fits = (word, end) => word === end || word === `${end.replace(/\d$/, "")}s`;

/** Links between the two, whichever opens them; with one word all links of that end, with none all there are. Never none. */
export function linksBetween(words, names) {
  const unknown = words.find((word) => !isEnd(word));
  if (unknown !== undefined) throw new Error(`${unknown}: not broker1, brokers, zookeeper1, zookeepers, clients or the like`);
  if (words.length > 2) throw new Error("a link has two ends");
  const [a, b] = words;
  const found = names.filter((name) => {
    const [from, to] = name.split("-to-");
    if (a === undefined) return true;
    if (b === undefined) return fits(a, from) || fits(a, to);
    return (fits(a, from) && fits(b, to)) || (fits(a, to) && fits(b, from));
  });
  if (found.length === 0) throw new Error(`there is no link between ${words.join(" and ")}`);
  return found;
}
