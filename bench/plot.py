"""The report as one page that needs nothing else: tables, and plots as inline SVG."""
import html, math

COLOURS = dict(engine="#1f5f99", redis="#c8553d", sink="#8a97a3", delay="#b59f3b", reader="#5b8c5a", load="#a77fb8",
               nameserver="#3aa6a6", peer="#6b4e9b", kernel="#d8dde2")
NAMES = dict(engine="engine", redis="Redis", sink="sink", delay="delay line", reader="reader", load="load", nameserver="name server",
             peer="peer", kernel="kernel threads")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 430, 210, 58, 12, 12, 34
STYLE = """
:root { --ink: #1c2733; --soft: #5d6b78; --line: #e3e8ed; --paper: #ffffff; --ground: #f4f6f8; --mark: #1f5f99; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0; }
p { margin: 4px 0 0; color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px; margin-top: 20px; }
dl { display: grid; grid-template-columns: repeat(3, auto 1fr); gap: 4px 14px; margin: 0; font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: right; color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); padding: 6px 8px; vertical-align: bottom; }
td { text-align: right; padding: 6px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
a { color: var(--mark); text-decoration: none; } a:hover { text-decoration: underline; }
.range { color: var(--soft); }
.figure { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 12px 0 4px; }
.figure div { font-size: 13px; color: var(--soft); } .figure b { display: block; font-size: 22px; color: var(--ink); font-weight: 600; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 14px 28px; margin-top: 12px; }
.plots h3 { font-size: 13px; font-weight: 600; margin: 0 0 2px; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #5d6b78; }
.key { font-size: 12px; color: var(--soft); } .key i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 5px 0 12px; }
.key i:first-child { margin-left: 0; }
.noisy { color: #a05a00; }
@media (max-width: 800px) { .plots { grid-template-columns: 1fr; } dl { grid-template-columns: auto 1fr; } }
"""


def short(n):
    """1234567 as 1.23 M."""
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if abs(n) >= limit * 10:
            return "%.0f%s" % (n / limit, unit)
        if abs(n) >= limit:
            return ("%.1f" % (n / limit)).removesuffix(".0") + unit
    return "%.0f" % n if n >= 10 or n == round(n) else "%.1f" % n


def ticks(most, count=4):
    """Round numbers from 0 to the first that is at least most."""
    step = 10 ** math.floor(math.log10(most / count)) if most > 0 else 1
    step = next(step * m for m in (1, 2, 2.5, 5, 10) if step * m * count >= most)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)] if most > 0 else [0, 1]


def frame(xs, ys, x_of, y_of, x_unit, y_text=short, x_text=short):
    """Grid, numbers and the name of the x axis."""
    parts = []
    for y in ys:
        parts.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e3e8ed"/>' % (LEFT, WIDTH - RIGHT, y_of(y), y_of(y)))
        parts.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (LEFT - 7, y_of(y) + 4, y_text(y)))
    for x in xs:
        anchor = "end" if x == xs[-1] else "middle"
        parts.append('<text x="%.1f" y="%d" text-anchor="%s">%s</text>' % (x_of(x), HEIGHT - BOTTOM + 15, anchor, x_text(x)))
    parts.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (WIDTH - RIGHT, HEIGHT - 3, x_unit))
    return parts


def svg(parts, title):
    return ('<svg viewBox="0 0 %d %d" role="img" aria-label="%s">' % (WIDTH, HEIGHT, html.escape(title))) + "".join(parts) + "</svg>"


def scale(most, low, high):
    return lambda value: low + (high - low) * value / most


def lines(series, x_unit, title, colours=None):
    """series: lists of (x, y), from zero."""
    xs = ticks(max((x for one in series for x, _ in one), default=0), 5)
    ys = ticks(max((y for one in series for _, y in one), default=0))
    x_of, y_of = scale(xs[-1], LEFT, WIDTH - RIGHT), scale(ys[-1], HEIGHT - BOTTOM, TOP)
    parts = frame(xs, ys, x_of, y_of, x_unit)
    for number, one in enumerate(series):
        points = " ".join("%.1f,%.1f" % (x_of(x), y_of(y)) for x, y in one)
        colour = colours[number] if colours else COLOURS["engine"]
        faint = 1 if colours or len(series) == 1 else 0.55
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-opacity="%s" stroke-linejoin="round"/>'
                     % (points, colour, faint))
        if len(one) == 1:
            parts.append('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x_of(one[0][0]), y_of(one[0][1]), colour))
    return svg(parts, title)


def spread(series, title):
    """Distributions: milliseconds on a logarithmic axis, the share that took at most so long upwards, 99 % marked."""
    low = max(1, min((ms for one in series for _, ms in one), default=1))
    high = max(low * 10, max((ms for one in series for _, ms in one), default=10))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) - 1e-9)
    x_of = lambda ms: LEFT + (WIDTH - RIGHT - LEFT) * (math.log10(max(ms, 10 ** first)) - first) / (last - first)
    y_of = scale(1.0, HEIGHT - BOTTOM, TOP)
    parts = frame([10 ** n for n in range(first, last + 1)], (0, 0.25, 0.5, 0.75, 1), x_of, y_of, "milliseconds",
                  lambda y: "%.0f %%" % (100 * y))
    for one in series:
        points = " ".join("%.1f,%.1f" % (x_of(ms), y_of(share)) for share, ms in one)
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-opacity="%s"/>'
                     % (points, COLOURS["engine"], 1 if len(series) == 1 else 0.55))
        p99 = dict(map(tuple, one)).get(0.99)
        if p99 is not None:
            parts.append('<circle cx="%.1f" cy="%.1f" r="3.2" fill="%s"/>' % (x_of(p99), y_of(0.99), COLOURS["redis"]))
    return svg(parts, title)


def layers(samples, cores, title):
    """CPU of each part on top of each other, in cores."""
    roles = [role for role in COLOURS if any(s["cpu"].get(role, 0) >= 0.005 for s in samples)]
    xs, ys = ticks(max((s["at"] for s in samples), default=1), 5), ticks(cores, cores)
    x_of, y_of = scale(xs[-1], LEFT, WIDTH - RIGHT), scale(ys[-1], HEIGHT - BOTTOM, TOP)
    parts = []
    points = [dict(samples[0], at=0)] + samples if samples else []
    base = [0.0] * len(points)
    for role in roles:
        top = [min(ys[-1], below + s["cpu"].get(role, 0)) for below, s in zip(base, points)]
        outline = [(s["at"], y) for s, y in zip(points, top)] + [(s["at"], y) for s, y in reversed(list(zip(points, base)))]
        parts.append('<polygon points="%s" fill="%s"/>' % (" ".join("%.1f,%.1f" % (x_of(x), y_of(y)) for x, y in outline), COLOURS[role]))
        base = top
    key = "".join('<i style="background:%s"></i>%s' % (COLOURS[role], NAMES[role]) for role in roles)
    return svg(parts + frame(xs, ys, x_of, y_of, "seconds"), title), '<div class="key">%s</div>' % key


def memory(samples, title):
    roles = [role for role in ("engine", "redis", "peer") if any(role in s["memory_mb"] for s in samples)]
    series = [[(s["at"], s["memory_mb"][role]) for s in samples if role in s["memory_mb"]] for role in roles]
    key = "".join('<i style="background:%s"></i>%s' % (COLOURS[role], NAMES[role]) for role in roles)
    return lines(series, "seconds", title, [COLOURS[role] for role in roles]), '<div class="key">%s</div>' % key


def rates(run):
    """Whole seconds only: the first and the last are cut."""
    return [(n, count) for n, count in enumerate(run["events"]["seconds"][1:-1], 1)]


def plots(runs, scenario, cores):
    last = runs[-1]
    made = []
    if any(rates(run) for run in runs):
        made.append(("Delivered a second, each run", lines([rates(run) for run in runs if rates(run)], "seconds", "rate over time"), ""))
    from_acceptance = scenario["submit"] or scenario["kind"] == "transactional"  # a filled queue waited before it was measured
    waits = [run["events"]["latency"] for run in runs if from_acceptance and run["events"]["latency"]]
    if waits:
        made.append(("From submission to the last reply; the dot is p99", spread(waits, "latency"), ""))
    dialogues = [run["events"]["dialogue"] for run in runs if run["events"]["dialogue"]]
    if dialogues and not waits:
        made.append(("A transaction, from its begin to the last reply; the dot is p99", spread(dialogues, "dialogue"), ""))
    if last["samples"]:
        made.append(("CPU in cores, last run", *layers(last["samples"], cores, "CPU split")))
        made.append(("Resident memory in MB, last run", *memory(last["samples"], "memory")))
    return '<div class="plots">%s</div>' % "".join("<div><h3>%s</h3>%s%s</div>" % one for one in made)


def figures(row):
    """The large numbers of a scenario."""
    made = [("%s/s" % format(round(row["rate"]), ","), "%s to %s, n=%d" % (format(round(row["low"]), ","), format(round(row["high"]), ","), row["n"])),
            ("%.1f µs" % row["engine_us"], "CPU of the %s a message" % ("peer" if row["name"].startswith("peer-") else "engine"))]
    if row["redis_us"]:
        made.append(("%.1f µs" % row["redis_us"], "of Redis"))
    made.append(("%.1f µs" % row["sink_us"], "of the sink"))
    if "ceiling" in row:
        made.append(("%.0f %%" % (100 * row["ceiling"]), "of the bare client's %s/s" % format(round(row["bare_rate"]), ",")))
    for key in sorted({key for extra in row["extra"] for key in extra} - {"queue_bytes"}):
        values = [extra[key] for extra in row["extra"] if key in extra]
        made.append((short(values[len(values) // 2]), key.replace("_", " ")))
    return '<div class="figure">%s</div>' % "".join("<div><b>%s</b>%s</div>" % one for one in made)


def noise(row):
    if not row["repeated"] and not row["noisy"]:
        return ""
    return ('<p class="noisy">Others used up to %.0f %% of the machine; %d runs were repeated for it, %d kept in spite of it.</p>'
            % (100 * row["foreign"], row["repeated"], row["noisy"]))


def settings_of(scenario):
    """What differs from nothing, in one line."""
    shown = ("recipients", "fsync", "body", "vars", "per_job", "domains", "connections", "per_connection", "window", "learning", "tls", "distance_ms")
    return ", ".join("%s %s" % (key.replace("_", " "), scenario[key]) for key in shown if scenario.get(key))


def card(row, runs, scenario, cores):
    return '<section id="%s"><h2>%s</h2><p>%s</p>%s%s%s<p class="key">%s</p></section>' % (
        row["name"], row["name"], html.escape(row["text"]), figures(row), noise(row), plots(runs, scenario, cores), html.escape(settings_of(scenario)))


def table(rows):
    head = "<tr><th>scenario</th><th>delivered a second</th><th>range</th><th>of the ceiling</th><th>engine µs</th><th>Redis µs</th><th>sink µs</th><th>MB</th></tr>"
    lines_of = []
    for row in rows:
        share = "%.0f %%" % (100 * row["ceiling"]) if "ceiling" in row else "–"
        lines_of.append('<tr><td><a href="#%s">%s</a></td><td><b>%s</b></td><td class="range">%s – %s</td><td>%s</td><td>%.1f</td><td>%.1f</td><td>%.1f</td>'
                        "<td>%.0f</td></tr>" % (row["name"], row["name"], format(round(row["rate"]), ","), format(round(row["low"]), ","),
                                              format(round(row["high"]), ","), share, row["engine_us"], row["redis_us"], row["sink_us"], row["memory_mb"]))
    return "<section><table>%s%s</table></section>" % (head, "".join(lines_of))


def page(machine, rows, runs, settings):
    facts = "".join("<dt>%s</dt><dd>%s</dd>" % (html.escape(k), html.escape(str(v))) for k, v in machine.items() if k != "date")
    cards = "".join(card(row, runs[row["name"]], settings[row["name"]], machine["cores"]) for row in rows)
    return ('<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            "<title>Hikyaku, measured</title><style>%s</style><main><h1>Hikyaku, measured</h1><p>%s. Engine, Redis, name server and sink share "
            "this machine. CPU includes soft interrupts; a message is delivered when its event can be read and the sink counted it.</p>"
            "<section><dl>%s</dl></section>%s%s</main></html>\n" % (STYLE, machine["date"], facts, table(rows), cards))
