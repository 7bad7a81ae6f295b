"""From runs to rows: medians with their range, in words for people and one line a scenario for machines."""
import json, pathlib, statistics

import plot

OUT = pathlib.Path("bench/out")
median = statistics.median


def us(seconds, messages):
    return seconds / messages * 1e6 if messages else 0.0


def row(scenario, runs):
    """runs: what Stage.run returned, all of one scenario."""
    rates = [r["delivered"] / r["seconds"] for r in runs]
    part = lambda name: median([us(r["used"].get(name, 0), r["delivered"]) for r in runs])
    fill = median([us(r.get("redis_fill", 0), r["delivered"]) for r in runs])
    made = dict(name=scenario["name"], text=scenario["text"], n=len(runs), rate=median(rates), low=min(rates), high=max(rates),
                engine_us=part("engine"), redis_us=part("redis") + fill, fill_us=fill, sink_us=part("sink"), delay_us=part("delay"),
                kernel_us=part("kernel"), reader_us=part("reader"), load_us=part("load"),
                memory_mb=max([s["memory_mb"].get("engine", s["memory_mb"].get("peer", 0)) for r in runs for s in r["samples"]] or [0]),
                foreign=max(r["used"]["foreign"] for r in runs), repeated=sum(r["repeated"] for r in runs),
                noisy=sum(r["noisy"] for r in runs), extra=[r["extra"] for r in runs])
    bares = [r["bare"] for r in runs if r["bare"]]
    if bares:
        made["bare_rate"], made["bare_us"] = median([b["rate"] for b in bares]), median([b["cpu_us"] for b in bares])
        made["ceiling"], made["cpu_ratio"] = made["rate"] / made["bare_rate"], made["engine_us"] / made["bare_us"]
    return made


def words(row):
    """For people."""
    lines = [row["text"], "  median %.0f/s (%.0f to %.0f, n=%d)" % (row["rate"], row["low"], row["high"], row["n"])]
    engine = "peer" if row["name"].startswith("peer-") else "engine"
    parts = [(engine, "engine_us"), ("Redis", "redis_us"), ("sink", "sink_us"), ("delay line", "delay_us"), ("reader", "reader_us"),
             ("load", "load_us"), ("kernel threads", "kernel_us")]
    lines.append("  CPU a message: " + ", ".join("%s %.1f us" % (label, row[key]) for label, key in parts if row[key] >= 0.05)
                 + (" (%.1f of Redis's before sending)" % row["fill_us"] if row["fill_us"] else "")
                 + "; memory %.0f MB" % row["memory_mb"])
    if "ceiling" in row:
        lines.append("  bare client: %.0f/s at %.1f us; this is %.2f of its rate for %.2f times its CPU"
                     % (row["bare_rate"], row["bare_us"], row["ceiling"], row["cpu_ratio"]))
    for key in sorted({key for extra in row["extra"] for key in extra}):
        lines.append("  %s: %s" % (key.replace("_", " "), ", ".join("%g" % round(e[key], 2) for e in row["extra"] if key in e)))
    if row["repeated"] or row["noisy"]:
        lines.append("  others used up to %.0f %% of the machine; %d runs were repeated for it, %d kept in spite of it"
                     % (100 * row["foreign"], row["repeated"], row["noisy"]))
    return "\n".join(lines)


def line(row):
    """For machines."""
    share = "%.2f" % row["ceiling"] if "ceiling" in row else "-"
    return "%s %.0f/s ceiling=%s cpu_us=%.1f redis_us=%.1f spread=%.0f-%.0f" % (
        row["name"], row["rate"], share, row["engine_us"], row["redis_us"], row["low"], row["high"])


def write(machine, rows, runs, settings):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "report.json").write_text(json.dumps(dict(machine=machine, rows=rows, runs=runs, settings=settings), indent=1))
    (OUT / "report.html").write_text(plot.page(machine, rows, runs, settings))
