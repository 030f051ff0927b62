"""Compares what `warren bench` has found with the limit program and with Dramatiq, and with what Warren is to reach.

    python ratios.py REPORT [NAME=RATE]…        NAME is limit-schedule, limit-process or dramatiq; several of one: the best
"""

import json
import sys

report = json.load(open(sys.argv[1]))
rates = {}
for argument in sys.argv[2:]:
    name, rate = argument.split("=")
    rates.setdefault(name, []).append(float(rate))


def found(*path):
    """The number at a path; nothing if that phase was not run."""
    value = report["phases"]
    for key in path:
        value = value.get(key) if value is not None else None
    return value


def line(what, value, aim, holds, unit=""):
    if value is None:
        print(f"{what:<52} not measured")
    else:
        verdict = "" if holds is None else f"aim {aim}  {'reached' if holds(value) else 'NOT reached'}"
        print(f"{what:<52} {value:>9.2f} {unit:<6} {verdict}".rstrip())


def ratio(what, rate, name, aim):
    best = max(rates[name]) if name in rates else None
    value = rate / best if rate and best else None
    line(what, value, f"≥ {aim}", lambda value: value >= aim)


schedule = found("schedule", "rates", "stored", "per_second")
process = found("process", "rates", "completed", "per_second")
for name, each in rates.items():
    print(f"{name}: {', '.join(f'{rate:.0f}' for rate in each)} jobs/s")
ratio("schedule : limit schedule", schedule, "limit-schedule", 0.5)
ratio("process : limit process", process, "limit-process", 0.5)
ratio("process : Dramatiq without status", process, "dramatiq", 1.5)
line(
    "http", found("http", "rates", "accepted", "per_second"), "≥ 6000", lambda value: value >= 6000,
    "jobs/s")
line("http, p99", found("http", "latencies_ms", "POST__jobs", "p99"), "≤ 30", lambda value: value <= 30, "ms")
starting = ("latency", "latencies_ms", "accepted_to_running")
line(
    "request to running, p50", found("latency", "latencies_ms", "request_to_running", "p50"), None,
    None, "ms")
line("accepted to running, p50", found(*starting, "p50"), "≤ 3", lambda value: value <= 3, "ms")
line("accepted to running, p99", found(*starting, "p99"), "≤ 10", lambda value: value <= 10, "ms")
big = found("big_store", "latencies_ms") or {}
for name, values in big.items():
    line(f"big store, {name}, p99", values["p99"], None, None, "ms")
for name, unit in (("server_s_start", "s"), ("big___empty", "")):
    if big:
        line(f"big store, {name}", found("big_store", "figures", name, "value"), None, None, unit)
