/** Colours of the systems, in their order, that stay apart for those who see few colours, on light and on dark ground. */
const light = ["#1f6feb", "#d9730d", "#7a3e9d", "#b58900", "#6b7280", "#0f9d74"];
const dark = ["#6aa8ff", "#f2994a", "#c58af9", "#e3c04d", "#a3aab5", "#4fd1a5"];
const dashes = ["none", "5 3", "1.5 3", "8 3 1.5 3"];

const variables = (colors: readonly string[]) => colors.map((color, index) => `--series-${index}:${color};`).join("");
const classes = light
  .map((_, index) => `.fill-${index}{fill:var(--series-${index})}.stroke-${index}{stroke:var(--series-${index})}`)
  .join("");
const dashClasses = dashes.map((dash, index) => `.dash-${index}{stroke-dasharray:${dash}}`).join("");

export const colors = light.length;

const palette = `
:root{--ground:#fff;--text:#1b1f24;--faint:#667080;--rule:#d8dde3;--panel:#f6f8fa;${variables(light)}}
@media(prefers-color-scheme:dark){:root{--ground:#12161b;--text:#e4e8ed;--faint:#97a1ad;--rule:#2d343d;--panel:#1a2027;${variables(dark)}}}
`;

const chartRules = `
.axis{stroke:var(--faint);stroke-width:1}
.grid{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
${classes}${dashClasses}
`;

/** Of a chart that is a file of its own. */
export const chartFileStyle = `${palette}
text{fill:var(--text);font:12px system-ui,sans-serif}
.tick,.axis-label{fill:var(--faint);font-size:11px}
.ground{fill:var(--ground)}
${chartRules}`.replaceAll("\n", "");

export const pageStyle = `${palette}
*{box-sizing:border-box}
body{margin:0 auto;padding:32px 24px 80px;max-width:1080px;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0 0 4px}
h2{font-size:18px;margin:48px 0 4px;padding-top:16px;border-top:1px solid var(--rule)}
h3{font-size:15px;margin:28px 0 2px;font-family:ui-monospace,monospace;overflow-wrap:anywhere}
h4{font-size:13px;margin:12px 0 0;font-weight:600}
p{margin:2px 0 8px}
.faint,figcaption{color:var(--faint)}
.charts{display:flex;flex-wrap:wrap;gap:8px 40px}
figure{margin:8px 0;max-width:100%}
figcaption{font-size:12px}
figure svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--text);font:12px system-ui,sans-serif}
svg .tick,svg .axis-label,svg .faint{fill:var(--faint);font-size:11px}
.whisker{stroke:var(--text);stroke-width:1.3;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:12px;max-width:460px;color:var(--faint)}
.legend svg{display:inline-block;margin-right:5px;vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;margin:8px 0}
th,td{text-align:right;padding:3px 12px 3px 0;border-bottom:1px solid var(--rule);white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:240px}
th{font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:12px 0;font-size:14px}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
.note{border-left:3px solid var(--series-1);padding-left:8px;margin:4px 0;font-size:13px}
details summary{cursor:pointer;color:var(--faint);font-size:13px}
code{font-family:ui-monospace,monospace;font-size:13px}
${chartRules}`;
