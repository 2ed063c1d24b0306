import { CHART_STYLE } from './charts/index.ts';

/** The style sheet of a page. Sizes in rem follow the reader's settings; only system fonts, nothing is loaded. */
export const PAGE_STYLE = `:root{color-scheme:light dark;--paper:#ffffff;--ink:#1f2328;--quiet:#59636e;--line:#d8dee4;--tint:#f4f6f8;--accent:#0060a0;--good:#00674a;--caution:#9a3d00;--shade:rgba(31,35,40,.38);--mark:rgba(101,117,133,.09)}
@media screen and (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--quiet:#9198a1;--line:#30363d;--tint:#161b22;--accent:#6cb6ff;--good:#2fbf96;--caution:#f0a04b;--shade:rgba(230,237,243,.42);--mark:rgba(139,152,165,.12)}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1rem 4rem}
h1{margin:0;font-size:1.75rem;line-height:1.2;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:3rem 0 .75rem;font-size:1.2rem;line-height:1.3;font-weight:650;overflow-wrap:anywhere}
p{margin:.75rem 0;max-width:42rem;overflow-wrap:anywhere}
.summary{margin:.75rem 0 0;font-size:1.125rem;line-height:1.5}
pre{margin:1.25rem 0 0;padding:.75rem 1rem;background:var(--tint);border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
pre,.hash{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.verdict{padding:.1rem 0 .1rem 1rem;border-left:3px solid var(--quiet)}
.good{border-color:var(--good)}.caution{border-color:var(--caution)}
figure{margin:1.5rem 0}
figcaption{margin:0 0 .75rem}
figcaption strong{font-weight:600;overflow-wrap:anywhere}
figcaption span{display:block;max-width:42rem;color:var(--quiet);font-size:.875rem;overflow-wrap:anywhere}
.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:0 2rem}
svg.chart{display:block;width:100%;height:auto}
svg.narrow{display:none;max-width:30rem}
.row svg.chart{max-width:27rem}
.scroll{margin:1.5rem 0;overflow-x:auto;scrollbar-width:thin;background:linear-gradient(to left,var(--paper) 40%,transparent) right/2.5rem 100% no-repeat local,linear-gradient(to left,var(--shade),transparent) right/1rem 100% no-repeat scroll}
.sideways{display:none;color:var(--accent)}
.scroll:focus-visible,button:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:separate;border-spacing:0;min-width:100%;font-size:.875rem;line-height:1.4;font-variant-numeric:tabular-nums}
caption{padding:0 0 .5rem;text-align:left;color:var(--quiet);font-size:.875rem}
caption span{position:sticky;left:0;display:inline-block;max-width:min(42rem,calc(100vw - 2rem))}
th,td{padding:.4rem .75rem;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
thead th{min-width:4.75rem;font-weight:600;vertical-align:bottom;border-bottom:1.5px solid var(--quiet)}
th:first-child,td:first-child{position:sticky;left:0;background:var(--paper)}
.number{text-align:right}
td.number{white-space:nowrap}
.picture{display:block;height:4rem;max-width:8rem;object-fit:contain;object-position:left}
tr:has(.picture) td{vertical-align:middle}
.interval{display:block;color:var(--quiet);font-size:.857em}
td:not(.number){max-width:22rem;overflow-wrap:break-word}
.highlight td{background:var(--mark);font-weight:600}
.highlight td:first-child{background:linear-gradient(var(--mark),var(--mark)) var(--paper)}
.highlight .interval{font-weight:400}
th button{margin:0;padding:0;border:0;background:none;color:inherit;font:inherit;text-align:inherit;cursor:pointer}
th button::after{content:"\\2195";padding-left:.3em;color:var(--quiet);opacity:.6;font-weight:400}
th[aria-sort=ascending] button::after{content:"\\2191";color:var(--accent);opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";color:var(--accent);opacity:1}
details{margin:.5rem 0;font-size:.875rem}
summary{color:var(--quiet);cursor:pointer}
dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.3rem 1.5rem;margin:0;font-size:.875rem}
dt{color:var(--quiet);overflow-wrap:anywhere}
dd{margin:0;min-width:0;overflow-wrap:anywhere}
@media (min-width:64rem){.scroll{width:fit-content;min-width:100%;max-width:calc(50vw + 27rem)}}
@media (max-width:40rem){main{padding-top:1.5rem}caption .sideways{display:block}td:not(.number){max-width:9rem}svg.wide{display:none}svg.narrow{display:block}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}
@media print{@page{margin:15mm}main{max-width:none;padding:0}h2{break-after:avoid}figure,tr,.verdict{break-inside:avoid}thead{display:table-header-group}.scroll{overflow:visible;max-width:none;background:none}table{font-size:.7rem}th,td{padding:.25rem .4rem}th button::after{content:""}details:not([open]){display:none}}
${CHART_STYLE}`;
