#!/usr/bin/env python3
"""Runs the same LSTM jobs in Hornpipe and other frameworks, in turns, after checking that all compute the same.

    benches/frameworks/setup                                   # once: the Python engines (gigabytes), the Rust ones
    python benches/frameworks/bench.py                         # every job in every engine: an hour and a half on two cores
    python benches/frameworks/bench.py --only b64 --engine pytorch --engine candle
    python benches/frameworks/bench.py --tiny                  # every job at a size that takes no time: checks, no figures
    python benches/frameworks/bench.py --table                 # measures nothing: prints the table of the project's README

Jobs and engines are data (jobs.json). Each entry of the record is replaced as a whole, so that a long measurement can be made
piece by piece and go on where it stopped (--missing). Hornpipe runs along in each: a ratio is always one of the same turns.
README.md beside this file says what is measured, ../README.md what is comparable.
"""

import argparse
import atexit
import concurrent.futures
import datetime
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy  # noqa: F401
except ImportError:
    sys.exit("this Python has no NumPy: run the one that benches/frameworks/setup made, ~/.cache/hornpipe/frameworks/bin/python")

from harness import chart, jobs, quality, record, reference
from harness.process import Failed, Runner, busy_seconds, command, commit, onnx, peak_gflops, warm_files

BASELINE = "hornpipe"
# Seconds. A turn has at least 5 steps of up to BRISK and 3 of up to SLOW. A step that takes longer than SLOW is its own warm-up, and
# its parts are timed once; one that takes longer than VERY_SLOW has one round.
BRISK, SLOW, VERY_SLOW = 0.5, 2.0, 20.0
# A turn in which something else took more than this share of its processors (and of 50 ms) is repeated, this often at most.
DISTURBED, REPEATS = 0.1, 3


def main():
    args = arguments()
    all_jobs, engines = jobs.load()
    if args.table:
        print(record.readme_table(record.Record(args.record).entries, all_jobs))
        return 0
    chosen_jobs = choose(args.only, all_jobs, "--only")
    chosen_engines = choose(args.engine, engines, "--engine")
    cpus = jobs.cores()
    args.threads = args.threads or len(cpus)
    if not 1 <= args.threads <= len(cpus):
        sys.exit(f"--threads must be from 1 to {len(cpus)}, the processors that this process may run on")
    kept = record.Record(args.record, record.host(cpus))
    unwell, first_use = False, set()
    for name in chosen_jobs:
        job = {**all_jobs[name], "threads": min(all_jobs[name].get("threads", args.threads), args.threads)}
        asked = [e for e in chosen_engines if not (args.missing and (name, e) in kept.entries)]
        if not asked:
            continue
        names = asked if BASELINE in asked else [BASELINE, *asked]
        say(f"{name}: {job['suite']}, {job['title']}, {job['threads']} threads")
        entries = run(jobs.tiny(job) if args.tiny else job, [engines[n] for n in names], cpus[: job["threads"]], args, first_use)
        for entry in entries:
            # What only ran along for the ratio does not replace what the other engines were compared with.
            if entry["engine"] in asked or (name, entry["engine"]) not in kept.entries:
                kept.put(entry)
            unwell |= entry["status"] not in (("ok", "cannot") if args.tiny else ("ok", "cannot", "too slow", "not installed"))
        everything = kept.save(all_jobs, engines)
        chart.write(args.record / "ratios.svg", everything, all_jobs, engines, kept.host)
    print(f"{args.record / 'results.md'}")
    # A wrong result is a failure, however fast.
    return 1 if unwell else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="JOB", help="a job, or all of a suite; may be repeated")
    parser.add_argument("--engine", action="append", metavar="E", help="an engine besides Hornpipe; may be repeated")
    parser.add_argument("--missing", action="store_true", help="leave out what the record has")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, one short round: does everything agree?")
    parser.add_argument("--table", action="store_true", help="print the README's table of the article's jobs from the record, and end")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each engine [%(default)s]")
    parser.add_argument("--seconds", type=float, default=0.5, help="of whole steps in a turn, at least 5 steps, or 3 of more than half a second [%(default)s]")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that an engine may take for an answer [%(default)s]")
    parser.add_argument("--budget", type=float, default=60.0,
                        help="seconds of an engine's turns in a job, after which no further round begins [%(default)s]")
    parser.add_argument("--threads", type=int, help="where a job does not say [all cores]")
    parser.add_argument("--record", type=Path, help="the folder of the record [record/ here, which is the project's; for --tiny a temporary one]")
    parser.add_argument("--python", action="append", metavar="PATH", default=[],
                        help="an interpreter with frameworks; may be repeated. Then follow those of HORNPIPE_FRAMEWORKS (virtual "
                             "environments, with colons between), ~/.cache/hornpipe/frameworks, and this one")
    args = parser.parse_args()
    if args.rounds < 1 or min(args.seconds, args.limit, args.budget) <= 0:
        parser.error("--rounds must be at least 1, --seconds, --limit and --budget above 0")
    folders = os.environ.get("HORNPIPE_FRAMEWORKS", "").split(":")
    folders = [Path(folder) for folder in folders if folder] + [Path.home() / ".cache/hornpipe/frameworks"]
    args.python += [str(folder / "bin/python") for folder in folders if (folder / "bin/python").exists()] + [sys.executable]
    args.scratch = Path(tempfile.mkdtemp(prefix="hornpipe-frameworks-"))
    atexit.register(shutil.rmtree, args.scratch, ignore_errors=True)
    args.cache = Path(tempfile.gettempdir()) / "hornpipe-frameworks-expected"
    if args.tiny:
        args.rounds, args.seconds = 1, 0.01
        args.record = args.record or Path(tempfile.mkdtemp(prefix="hornpipe-tiny-record-"))
    args.record = args.record or jobs.HERE / "record"
    return args


def choose(names, among, flag):
    """All, or those of the names given, which may be suites; in the order of jobs.json."""
    if not names:
        return list(among)
    known = set(among) | {entry.get("suite") for entry in among.values()} - {None}
    for name in names:
        if name not in known:
            sys.exit(f"{flag}: there is no {name}; there are {', '.join(sorted(known))}")
    return [name for name, entry in among.items() if name in names or entry.get("suite") in names]


def run(job, engines, cpus, args, first_use):
    """The entries of one job: all engines checked, then timed in turns."""
    if job["kind"] == "quality":
        entries = reach_quality(job, engines, cpus, args)
        return finished(entries)
    job = {**job, **jobs.files(job, args.scratch / job["name"])}
    wanted = reference.expected(job, args.cache)
    entries = [{"job": job["name"], "engine": engine["name"], "threads": job["threads"]} for engine in engines]
    # One after the other where the time to the first step counts; else as many at a time as there are processors.
    workers = 1 if job.get("first_step") else len(cpus)
    running = []
    try:
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            started = pool.map(lambda pair: start(pair[0], job, cpus, wanted, args, first_use, pair[1]), zip(engines, entries))
            for engine, entry, runner in zip(engines, entries, started):
                if runner:
                    running.append((runner, entry))
                    said = f"; first step after {record.time(entry['first_step_s'])}" if "first_step_s" in entry else ""
                    say(f"  {engine['title']}: agrees{said}")
                else:
                    say(f"  {engine['title']}: {record.STATUSES[entry['status']]}: {entry['reason']}")
        before = 0.0 if args.tiny else peak_gflops(job["threads"])
        turns(job, running, cpus, args)
        peak = 0.0 if args.tiny else max(before, peak_gflops(job["threads"]))
        for _, entry in running:
            if peak and "gflops" in entry:
                entry.update(peak_gflops=peak, of_peak=entry["gflops"] / peak)
    finally:
        for runner, _ in running:
            runner.close()
        shutil.rmtree(args.scratch / job["name"], ignore_errors=True)
    return finished(entries)


def finished(entries):
    """Says when they were measured, and compares those that have times with the baseline's."""
    baseline = next((e for e in entries if e["engine"] == BASELINE and e["status"] == "ok"), None)
    for entry in entries:
        entry["measured"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        if entry["status"] == "ok" and "median_s" not in entry:
            entry.update(status="failed", reason="it ended before its turns were over")
        if entry["status"] == "ok" and baseline and entry is not baseline:
            compare(entry, baseline)
    return entries


def reach_quality(job, engines, cpus, args):
    """The entries of time to quality, of the engines that take part; none without the corpus."""
    added = quality.files(job, args.scratch / job["name"])
    if added is None:
        say("  skipped: HORNPIPE_NOTTINGHAM does not say where nottingham.abc is")
        return []

    def begin(engine, job):
        return Runner(engine, command(engine, args.python), job, set(cpus), args.scratch, 10 * args.limit)

    taking_part = [engine for engine in engines if engine["name"] in job["engines"]]
    return quality.run({**job, **added}, taking_part, begin, args, say)


def start(engine, job, cpus, wanted, args, first_use, entry):
    """Starts a runner, which must do some steps and agree, and returns it. None, and the reason in the entry, where it does not."""
    runner = None
    try:
        argv = command(engine, args.python)
        if "python" in engine and job.get("first_step") and tuple(argv) not in first_use and not args.tiny:
            # The time to the first step is that of a program that was started before: its files are in memory.
            first_use.add(tuple(argv))
            warm_files(argv[0], engine["modules"])
        if engine.get("onnx") and job["kind"] != "train":
            job = {**job, "onnx": onnx(job, Path(job["weights"]).with_name("model.onnx"))}
        runner = Runner(engine, argv, job, set(cpus), args.scratch, args.limit)
        about = runner.receive()
        took = time.perf_counter() - runner.began
        if job.get("first_step"):
            entry["first_step_s"] = took
        entry["versions"] = about["versions"]
        if engine["name"] == BASELINE:
            entry["versions"]["commit"] = commit()
        if about.get("threads", job["threads"]) != job["threads"]:
            raise Failed("failed", f"it works on {about['threads']} threads and not on {job['threads']}")
        # What neither imports nor compiles has shown how long a step takes.
        slow = "rust" in engine and took > SLOW
        runner.estimate = took if slow else min(runner.timed("step", 2, 0))
        runner.compiles = "python" in engine
        entry["peak_mb"] = runner.peak_mb()
        entry["check"] = runner.ask(do="check")
        wrong = reference.differences(entry["check"], wanted, engine.get("rtol", 1e-5))
        if wrong:
            raise Failed("disagrees", "; ".join(wrong))
    except Failed as failed:
        if runner:
            runner.close()
        entry.update(status=failed.status, reason=str(failed))
        return None
    entry["status"] = "ok"
    return runner


def turns(job, running, cpus, args):
    """Times all that agreed, round after round, each round in the other direction."""
    kinds = ("forward", "gradients", "update") if job["kind"] == "train" else ()
    found = {entry["engine"]: {"rounds": [], "step": [], "cpu": 0.0, "wall": 0.0, **{k: [] for k in kinds}} for _, entry in running}
    alive, spent = list(running), {entry["engine"]: 0.0 for _, entry in running}
    for k in range(args.rounds):
        for pair in list(alive)[:: 1 if k % 2 == 0 else -1]:
            runner, entry = pair
            name = entry["engine"]
            if k > 0 and (runner.estimate > VERY_SLOW or spent[name] + runner.estimate > args.budget):
                continue
            began = time.perf_counter()
            try:
                for part, values in undisturbed_turn(runner, name, kinds if k == 0 else (), cpus, args).items():
                    found[name][part] += values
            except Failed as failed:
                entry.update(status=failed.status, reason=str(failed))
                alive.remove(pair)
            spent[name] += time.perf_counter() - began
        now = {e["engine"]: found[e["engine"]]["rounds"][k:] for _, e in alive}
        say(f"  round {k + 1}: " + ", ".join(f"{name} {record.time(median)}" for name, rounds in now.items() for median in rounds))
    for runner, entry in alive:
        got = found[entry["engine"]]
        steps = sorted(got["step"])
        entry.update(samples=len(steps), min_s=steps[0], median_s=statistics.median(got["rounds"]),
                     p99_s=steps[min(len(steps) - 1, int(0.99 * len(steps)))], rounds=got["rounds"],
                     cores_used=got["cpu"] / got["wall"] if got["wall"] else None)
        if kinds:
            forward, both, update = (statistics.median(got[kind]) for kind in kinds)
            entry.update(forward_s=forward, backward_s=both - forward, update_s=update)
        if runner.disturbed:
            entry["disturbed"] = runner.disturbed
        record.summary(entry, job)


def undisturbed_turn(runner, name, kinds, cpus, args):
    """A turn in which nothing else worked on the processors: neither another program nor another engine's waiting threads."""
    for attempt in range(REPEATS):
        # Threads that wait in a loop have given up by then.
        time.sleep(0 if args.tiny else 0.3)
        busy, own, began = busy_seconds(cpus), runner.cpu_seconds(), time.perf_counter()
        got = turn(runner, kinds, args)
        wall = time.perf_counter() - began
        if busy is None or args.tiny:
            break
        others = busy_seconds(cpus) - busy - (runner.cpu_seconds() - own)
        if others <= 0.05 + DISTURBED * wall * len(cpus):
            break
        runner.disturbed += attempt + 1 == REPEATS
        say(f"  something else worked {others:.2f} s in the {wall:.2f} s of {name}'s turn"
            + ("; once more" if attempt + 1 < REPEATS else ""))
    return got


def turn(runner, kinds, args):
    """One engine's part of a round: whole steps, then parts, after a warm-up of its own, since threads and caches were others'.
    Lists of seconds by what they are of."""
    slow = runner.estimate > SLOW
    if not slow:
        runner.estimate = min(runner.timed("step", max(1, min(50, round(args.seconds / 5 / runner.estimate))), 0))
    least = 1 if slow or args.tiny else 3 if runner.estimate > BRISK else 5
    count = max(least, min(5000, round(args.seconds / runner.estimate)))
    cpu, began = runner.cpu_seconds(), time.perf_counter()
    steps = runner.timed("step", count, 0)
    got = {"rounds": [statistics.median(steps)], "step": steps}
    if cpu is not None:
        got.update(cpu=runner.cpu_seconds() - cpu, wall=time.perf_counter() - began)
    runner.estimate = min(steps)
    for kind in kinds:
        # What compiles does so at a part's first time.
        got[kind] = runner.timed(kind, 1 if slow else max(2, min(7, count // 2)), 1 if runner.compiles or not slow else 0)
    return got


def compare(entry, baseline):
    """The ratio of the medians over the rounds of both, and its least and greatest within a round."""
    ours = statistics.median(baseline["rounds"][: len(entry["rounds"])])
    ratios = [theirs / ours for theirs, ours in zip(entry["rounds"], baseline["rounds"])]
    entry.update(hornpipe_median_s=baseline["median_s"], ratio=entry["median_s"] / ours,
                 ratio_min=min(ratios), ratio_max=max(ratios))


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
