import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mutated, root } from "./mutant.ts";
import { mutants } from "./mutants.ts";

/** Preloaded (`--import`): this process runs the sources with the mutant that OTTLA_MUTANT names. The files stay as they are. */
const wanted = process.env.OTTLA_MUTANT;
if (wanted !== undefined) {
  const mutant = mutants.find(({ name }) => name === wanted);
  if (mutant === undefined) throw new Error(`there is no mutant ${wanted}`);
  const url = pathToFileURL(join(root, mutant.file)).href;
  registerHooks({
    load(asked, context, nextLoad) {
      const loaded = nextLoad(asked, context);
      return asked === url ? { ...loaded, source: mutated(mutant, String(loaded.source)) } : loaded;
    },
  });
}
