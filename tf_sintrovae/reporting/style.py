"""The style of a report; it follows the browser's choice of light or dark."""

CSS = """
:root { color-scheme: light dark; --back: #fff; --front: #1c1e21; --soft: #5c636b; --line: #d9dde1;
  --panel: #f6f7f9; --red: #b3261e; --amber: #8a5a00; --green: #1e7b45; --blue: #1f62ad; }
@media (prefers-color-scheme: dark) {
  :root { --back: #15171a; --front: #e6e8ea; --soft: #9aa3ab; --line: #34393f; --panel: #1d2024;
    --red: #ff8a80; --amber: #f0b95a; --green: #6fd49b; --blue: #82b4f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 82rem; background: var(--back); color: var(--front);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .3rem 0; max-width: 60rem; }
small, .soft { color: var(--soft); }
a { color: var(--blue); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; }
pre { background: var(--panel); padding: .7rem; overflow-x: auto; font-size: .85rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.state { display: inline-block; padding: 0 .6rem; border-radius: 1rem; border: 1px solid currentColor; }
.running { color: var(--blue); } .finished { color: var(--green); }
.stopped, .incomplete, .warning { color: var(--amber); } .diverged, .failed, .error { color: var(--red); }
.cautions li { margin: .3rem 0; }
.cautions li span { color: var(--front); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .8rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1.2rem; }
.wide { grid-column: span 2; }
@media (max-width: 52rem) { .pictures, .charts { grid-template-columns: 1fr; }
  .wide { grid-column: auto; } }
figure { margin: 0; }
figcaption { font-size: .85rem; color: var(--soft); }
figcaption b { color: var(--front); }
figure svg { width: 100%; height: auto; display: block; stroke-linejoin: round; stroke-linecap: butt; }
figure img { width: 100%; height: auto; display: block; background: #fff; border-radius: 3px; }
figure img.small { image-rendering: pixelated; max-width: 30rem; }
svg text { font-family: system-ui, sans-serif; }
"""
