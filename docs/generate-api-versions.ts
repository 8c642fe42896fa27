import { writeFileSync } from "node:fs";
import { apiVersionsPage } from "../broker/api/api-versions-page.ts";

writeFileSync(new URL("api-versions.md", import.meta.url), apiVersionsPage());
