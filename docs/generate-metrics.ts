import { writeFileSync } from "node:fs";
import { metricsPage } from "../broker/metrics/metrics-page.ts";

writeFileSync(new URL("metrics.md", import.meta.url), metricsPage());
