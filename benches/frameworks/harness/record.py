"""The record: one entry a job and engine (results.json), the host (host.json), and what people read, made from these."""

import csv
import json
import os
import platform
import subprocess
from pathlib import Path

from . import jobs as data
from .process import STEERING

STATUSES = {"ok": "agrees", "disagrees": "DISAGREES", "cannot": "cannot do it", "too slow": "too slow", "failed": "failed",
            "not installed": "not installed", "not built": "not built"}


# What makes a machine another one.
MACHINE = ("cpu", "family", "model", "flags", "cores")


def host(cpus):
    """What the machine is."""
    info = {}
    for line in read("/proc/cpuinfo").splitlines():
        if ":" in line:
            key, value = line.split(":", 1)
            info.setdefault(key.strip(), value.strip())
    memory = read("/proc/meminfo").split("MemTotal:")
    wanted = ("avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve")
    flags = (info.get("flags") or info.get("Features") or "").split()
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    return {
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "family": info.get("cpu family"), "model": info.get("model"), "flags": [flag for flag in wanted if flag in flags],
        "cores": len(cpus), "memory_gb": round(int(memory[1].split()[0]) * 1024 / 1e9) if len(memory) > 1 else None,
        "governor": governor or None, "virtual": "hypervisor" in flags, "system": platform.system(),
        "kernel": platform.release(), "libc": " ".join(platform.libc_ver()), "python": platform.python_version(),
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip(),
        "unset": [name for name in STEERING if name in os.environ],
    }


def read(path):
    try:
        return Path(path).read_text()
    except OSError:
        return ""


class Record:
    """A folder that keeps its entries from run to run; an entry is replaced as a whole."""

    def __init__(self, folder, machine=None):
        self.folder, self.host = folder, machine
        path = folder / "results.json"
        self.entries = {}
        if path.is_file():
            before = json.loads((folder / "host.json").read_text())
            if machine and any(before[what] != machine[what] for what in MACHINE):
                raise SystemExit(f"{folder} is the record of another machine ({before['cpu']}, family {before['family']}, model "
                                 f"{before['model']}, {before['cores']} cores); give another with --record, or remove it")
            self.entries = {(e["job"], e["engine"]): e for e in json.loads(path.read_text())}

    def put(self, entry):
        self.entries[entry["job"], entry["engine"]] = entry

    def save(self, all_jobs, engines):
        """Writes everything anew, each file whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = [self.entries[job, engine] for job in all_jobs for engine in engines if (job, engine) in self.entries]
        write(self.folder / "host.json", json.dumps(self.host, indent=1) + "\n")
        write(self.folder / "results.json", "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")
        write(self.folder / "results.md", markdown(entries, all_jobs, engines, self.host))
        with open(self.folder / "results.csv.new", "w", newline="") as file:
            table(entries, all_jobs, file)
        os.replace(self.folder / "results.csv.new", self.folder / "results.csv")
        return entries


def write(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


COLUMNS = ("suite", "job", "engine", "status", "reason", "threads", "cores_used", "samples", "min_s", "median_s", "p99_s",
           "forward_s", "backward_s", "update_s", "gflops", "of_peak", "characters_per_s", "first_step_s", "peak_mb", "loss",
           "gradient_norm", "hornpipe_median_s", "ratio", "ratio_min", "ratio_max", "measured")


def table(entries, all_jobs, file):
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for e in entries:
        row = {**e, **e.get("check", {}), "suite": all_jobs[e["job"]]["suite"]}
        writer.writerow({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()})


def time(seconds):
    """Three figures and a unit."""
    for size, unit in ((1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{figures(seconds / size)} {unit}"
    return f"{figures(seconds / 1e-6)} µs"


def figures(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def markdown(entries, all_jobs, engines, machine):
    lines = ["# Hornpipe beside other frameworks", "",
             f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])}); "
             f"{machine['system']} {machine['kernel']}.", "",
             "*GFLOP/s*: in brackets the share of what multiply-adds in f32 reach on as many threads, measured just before and just after. "
             "*Ratio*: the engine's time by Hornpipe's in the same turns: above 1 Hornpipe is faster, **below 1 it loses**; in "
             "brackets the least and greatest of the rounds. *Rounds*: a slow engine has fewer. *Cores*: processor time by wall time. "
             "*First step*: from the start of the process, imports and compilation included, in one job of each kind. "
             "../../README.md says the rest.", ""]
    by_job = {}
    for entry in entries:
        by_job.setdefault(entry["job"], []).append(entry)
    for name, group in by_job.items():
        job = all_jobs[name]
        threads = next((e["threads"] for e in group if "threads" in e), "?")
        lines += [f"## {job['suite']}: {job['title']} (`{name}`)", "", describe(job, threads), ""]
        table = {"train": train_table, "quality": quality_table}.get(job["kind"], inference_table)
        lines += table(group, engines)
        lines += ["", *remarks(group, engines)]
    versions = {}
    for e in entries:
        said = ", ".join(f"{k} {x}" for k, x in e.get("versions", {}).items())
        if said and said not in versions.setdefault(e["engine"], []):
            versions[e["engine"]].append(said)
    lines += ["## Versions", ""] + [f"- {engines[n]['title']}{how_built(engines[n])}: " + "; ".join(v) for n, v in versions.items()]
    return "\n".join(lines) + "\n"


def remarks(group, engines):
    """What else is to be known of a job's entries, a paragraph each."""
    own = next((e["median_s"] for e in group if e["engine"] == "hornpipe" and "median_s" in e), None)
    found = []
    for e in group:
        title, beside = engines[e["engine"]]["title"], e.get("hornpipe_median_s")
        if own and beside and abs(beside / own - 1) > 0.02:
            found.append(f"{title} was measured beside another run of Hornpipe, which took {time(beside)}; its ratio is of that.")
        if e.get("disturbed"):
            found.append(f"{title}: something else worked in {e['disturbed']} of its {len(e['rounds'])} turns.")
    return [line for text in found for line in (text, "")]


def how_built(engine):
    return "".join(f" ({engine[what]})" for what in ("rustflags", "preload") if what in engine)


def describe(job, threads):
    sizes = f"V {job['vocabulary']}, E {job['embedding']}, {job['layers']}×{job['hidden']}, B {job['batch']}"
    sizes += f", T {job['steps']}" if job["kind"] != "carried" else ""
    sizes += f", {job['objective']}, dropout {job['dropout']:g}" if job["kind"] in ("train", "quality") else ""
    return f"{sizes}; {threads} thread{'s' if threads != 1 else ''}."


def train_table(group, engines):
    def cells(e):
        parts = [e[k] for k in ("forward_s", "backward_s", "update_s")]
        # They were timed apart, once: something else came between where they do not add up.
        add_up = abs(sum(parts) / e["median_s"] - 1) < 0.25
        return [spread(e), *(time(part) if add_up else "–" for part in parts), gflops(e), *tail(e)]

    return rows(["step: min / median / p99", "forward", "backward", "update", "GFLOP/s", *TAIL], cells, group, engines)


def gflops(e):
    share = f" ({e['of_peak']:.0%})" if e.get("of_peak") else ""
    return f"{e['gflops']:.0f}{share}"


# The ways to run PyTorch in f32, and how the README's table names them.
PYTORCH = {"pytorch": "", "pytorch-tcmalloc": ", TCMalloc", "pytorch-compile": ", compiled"}


def readme_table(entries, all_jobs):
    """The article's jobs and the inference, PyTorch beside Hornpipe: what the project's README shows."""
    lines = ["| | threads | PyTorch, eager | its fastest in f32 | Hornpipe | of peak | ratio, eager | ratio, fastest |",
             "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for job in all_jobs.values():
        found = [entries.get((job["name"], engine), {"status": "missing"}) for engine in ("hornpipe", *PYTORCH)]
        if job["suite"] not in ("article", "inference") or found[0]["status"] != "ok" or found[1]["status"] != "ok":
            continue
        ours, eager, *_ = found
        fastest = min((e for e in found[1:] if e["status"] == "ok"), key=lambda e: e["ratio"])
        cells = [f"{e['gflops']:.0f} GFLOP/s" if job["kind"] == "train" else f"{e['characters_per_s']:,.0f} characters/s"
                 if job["batch"] > 1 else time(e["median_s"]) for e in (eager, fastest, ours)]
        cells[1] += PYTORCH[fastest["engine"]]
        share = f"{ours['of_peak']:.0%}" if ours.get("of_peak") and (job["kind"] == "train" or job["batch"] > 16) else ""
        lines.append(f"| {job['title']} | {ours['threads']} | {' | '.join(cells)} | {share} | {ratio(eager)} | {ratio(fastest)} |")
    return "\n".join(lines)


def inference_table(group, engines):
    def cells(e):
        return [spread(e), f"{e['characters_per_s']:,.0f}", *tail(e)]

    return rows(["step: min / median / p99", "characters/s", *TAIL], cells, group, engines)


def quality_table(group, engines):
    goals = next((list(e["reached"]) for e in group if "reached" in e), [])
    said = ("Wall time from the start of the process, the looks at the held-out loss included; in brackets the seconds of training "
            "alone and the steps. Medians over rounds, each with another seed of dropout.")

    def cells(e):
        reached = [f"{r['wall_s']:.1f} s ({r['training_s']:.1f} s, {r['step']:.0f})" for r in e["reached"].values()]
        return [*reached, e["reached_in"], ratio(e), megabytes(e)]

    return [said, "", *rows([*(f"to {goal}" for goal in goals), "rounds", "ratio", "memory"], cells, group, engines)]


def rows(heads, cells, group, engines):
    """A line for each entry: its cells, or why it has none."""
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for e in group:
        if e["status"] == "ok":
            of_it = cells(e)
        else:
            reason = e["reason"].replace("|", "\\|").replace("\n", " ")
            of_it = [f"{STATUSES[e['status']]}: {reason}"] + [""] * (len(heads) - 1)
        lines.append(f"| {engines[e['engine']]['title']} | {' | '.join(of_it)} |")
    return lines


def spread(e):
    return " / ".join(time(e[k]) for k in ("min_s", "median_s", "p99_s"))


def ratio(e):
    if "ratio" not in e:
        return ""
    text = figures(e["ratio"])
    return f"{f'**{text}**' if e['ratio'] < 1 else text} ({figures(e['ratio_min'])} to {figures(e['ratio_max'])})"


TAIL = ("ratio", "rounds", "cores", "memory", "first step")


def tail(e):
    cores = "" if e["cores_used"] is None else f"{e['cores_used']:.2f}"
    first = time(e["first_step_s"]) if "first_step_s" in e else ""
    return [ratio(e), str(len(e["rounds"])), cores, megabytes(e), first]


def megabytes(e):
    return "" if e["peak_mb"] is None else f"{e['peak_mb']:,.0f} MB"


def summary(entry, job):
    """What is added to an entry once its times are there."""
    median = entry["median_s"]
    entry["gflops"] = data.flops(job) / median / 1e9
    entry["characters_per_s"] = (data.characters_per_step(job) if job["kind"] == "train" else job["batch"]) / median
