import { writeFileSync } from "node:fs";
import { referencePage } from "../broker/runtime/config/reference-page.ts";

writeFileSync(new URL("configuration.md", import.meta.url), referencePage());
