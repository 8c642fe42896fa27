/**
 * As in package.json. Imported first: on an older Node one sentence, rather than whatever is missing there. Others say for which Node they
 * stand.
 */
const oldest = 24;

if (Number(process.versions.node.split(".")[0]) < oldest)
  throw new Error(`Ottla's client needs Node ${oldest} or newer, and this is ${process.versions.node}`);

export {};
