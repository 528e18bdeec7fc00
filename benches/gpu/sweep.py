#!/usr/bin/env python3
"""Training steps over sizes: Hornpipe on a GPU, on the CPU, and PyTorch's cuDNN LSTM on the same GPU, in turns (README.md).

Needs nothing but Python; PyTorch runs in a process of its own (torch_lstm.py), if it is there.
"""

import argparse
import csv
import json
import os
import select
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HORNPIPE = os.environ.get("HORNPIPE", str(HERE.parent.parent / "target/release/hornpipe"))
ENGINES = {"cpu": "Hornpipe, CPU", "gpu": "Hornpipe, GPU", "cudnn": "cuDNN, f32", "cudnn-tf32": "cuDNN, TF32"}
# How far losses and gradient norms may be apart, relatively. (A loss stands near ln V whatever a network computes.)
WITHIN = {"cpu": (1e-5, 1e-3), "gpu": (1e-5, 1e-3), "cudnn": (1e-5, 1e-3), "cudnn-tf32": (1e-4, 1e-2)}
# Seconds of one measurement.
AIM = 2.0


class Skipped(Exception):
    """Why there is no time."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/gpu", type=Path, help="the folder for sweep.csv and sweep.md")
    parser.add_argument("--device", default="gpu", help="as `hornpipe --device` has it")
    parser.add_argument("--batch-sizes", default="16,64,256,1024,4096", help="B, at H 256")
    parser.add_argument("--hidden", default="512,1024,2048", help="H, at B 256")
    parser.add_argument("--seconds", default=300.0, type=float, help="what does not fit into this time is skipped")
    parser.add_argument("--most", default=45.0, type=float, help="likewise for a single measurement")
    parser.add_argument("--rounds", default=2, type=int, help="turns of all engines over all sizes")
    parser.add_argument("--engines", default=",".join(ENGINES), help="of these")
    parser.add_argument("--tiny", action="store_true", help="sizes that take no time, without PyTorch; whatever is skipped fails")
    parser.add_argument("--torch-device", default="cuda", help="cpu tries the runner without a GPU")
    return parser.parse_args()


def sizes(args):
    """In the order of their work."""
    if args.tiny:
        return [{"hidden": 16, "layers": 2, "seq_len": 5, "batch_size": rows} for rows in (1, 3)]
    pairs = [(256, int(rows)) for rows in args.batch_sizes.split(",") if rows]
    pairs += [(int(hidden), 256) for hidden in args.hidden.split(",") if hidden]
    return sorted(({"hidden": h, "layers": 3, "seq_len": 100, "batch_size": b} for h, b in pairs), key=flops)


def flops(size):
    """Of a step: `2·4H·(I+H)` for each layer, character and pass."""
    hidden = size["hidden"]
    each = sum(8 * hidden * ((hidden if layer else 32) + hidden) for layer in range(size["layers"]))
    return 3 * each * size["seq_len"] * size["batch_size"]


def bench_train(device, size, steps, warm_up, limit):
    """What `hornpipe bench train --json` says."""
    command = [HORNPIPE, "bench", "train", "--json", "--device", device, "--steps", str(steps), "--warm-up", str(warm_up)]
    for name, value in size.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Skipped(f"no end after {limit:.0f} s") from None
    if done.returncode != 0:
        told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        raise Skipped((told or ["it failed"])[-1].removeprefix("error: "))
    return json.loads(done.stdout)


class Torch:
    """The runner; `cannot` says why there is none."""

    def __init__(self, device):
        self.about, self.cannot = {}, None
        command = [sys.executable, str(HERE / "torch_lstm.py"), device]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.about = self.answer(120.0)
        except Skipped as reason:
            self.cannot = str(reason)

    def answer(self, limit):
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.stop()
            self.cannot = f"no answer after {limit:.0f} s"
            raise Skipped(self.cannot)
        line = self.process.stdout.readline()
        if not line:
            self.cannot = "the runner ended"
            raise Skipped(self.cannot)
        said = json.loads(line)
        if "cannot" in said:
            raise Skipped(said["cannot"])
        return said

    def ask(self, request, limit):
        if self.cannot:
            raise Skipped(self.cannot)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer(limit)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Sweep:
    def __init__(self, args):
        self.args, self.ends = args, time.monotonic() + args.seconds
        self.speeds, self.rows, self.wrong, self.about = {}, {}, [], {}
        wanted = [name for name in args.engines.split(",") if name in ENGINES]
        if args.tiny:
            wanted = [name for name in wanted if not name.startswith("cudnn")]
        self.torch = Torch(args.torch_device) if any(name.startswith("cudnn") for name in wanted) else None
        if self.torch and self.torch.cannot:
            print(f"only Hornpipe's rows: {self.torch.cannot}", file=sys.stderr)
            wanted = [name for name in wanted if not name.startswith("cudnn")]
        self.engines = wanted
        # The CPU, which takes longest, comes last.
        self.order = sorted(wanted, key=lambda engine: engine == "cpu")

    def run(self):
        for turn in range(1 if self.args.tiny else self.args.rounds):
            for size in sizes(self.args):
                for engine in self.order:
                    self.turn(turn, size, engine)
                    write(self)

    def turn(self, turn, size, engine):
        row = self.rows.setdefault((size["hidden"], size["batch_size"], engine), {"size": size, "engine": engine, "ms": []})
        if turn > 0 and not row["ms"]:
            return
        try:
            found = self.measure(size, engine)
            self.check(found, size, engine)
            row["ms"].append(found["step_ms"])
            row.update({key: found[key] for key in ("loss", "gradient_norm")})
            self.speeds[engine] = flops(size) / found["step_ms"] / 1e6
        except Skipped as reason:
            said = f"skipped: {reason}"
            # What was measured in the turn before stays.
            if not row["ms"]:
                row["skipped"] = str(reason)
        else:
            said = f"{found['step_ms']:.2f} ms"
        print(f"H {size['hidden']}, B {size['batch_size']}, {ENGINES[engine]}: {said}", file=sys.stderr, flush=True)

    def measure(self, size, engine):
        if engine not in self.speeds:
            # One step, to know what many will take.
            self.speeds[engine] = flops(size) / self.ask(size, engine, 1, 0, 2 * self.args.most)["step_ms"] / 1e6
        each, left = flops(size) / self.speeds[engine] / 1e9, self.ends - time.monotonic()
        # A step more for the loss; parts of some steps are timed again.
        steps = max(1, min(15, int(AIM / each / 2.5)))
        warm_up = 1 if steps > 1 else 0
        needed = 1.0 + each * (1 + warm_up + 2.4 * steps)
        if needed > min(left, self.args.most):
            raise Skipped(f"it would take about {needed:.0f} s; {max(0, min(left, self.args.most)):.0f} s are left for it")
        return self.ask(size, engine, steps, warm_up, max(10.0, min(left + 10.0, 2 * self.args.most)))

    def ask(self, size, engine, steps, warm_up, limit):
        if engine in ("cpu", "gpu"):
            found = bench_train("cpu" if engine == "cpu" else self.args.device, size, steps, warm_up, limit)
            known = ("device",) if engine == "gpu" else ("cpu", "isa", "threads")
            self.about.update({key: found[key] for key in known})
            return found
        return self.torch.ask({**size, "tf32": engine == "cudnn-tf32", "count": steps, "warm_up": 1 + warm_up}, limit)

    def check(self, found, size, engine):
        """That it computes what the first engine does on this size."""
        first = next((row for row in self.rows.values() if row["size"] == size and "loss" in row), None)
        if first is None:
            return
        for key, within in zip(("loss", "gradient_norm"), WITHIN[engine]):
            # `not <=`, so that NaN differs.
            if not abs(found[key] - first[key]) <= within * abs(first[key]):
                reason = f"its {key} is {found[key]}, and {first[key]} by {ENGINES[first['engine']]}"
                self.wrong.append(f"H {size['hidden']}, B {size['batch_size']}, {ENGINES[engine]}: {reason}")
                raise Skipped(reason)


def median(row):
    return statistics.median(row["ms"]) if row and row["ms"] else None


def write(sweep):
    """CSV and Markdown, anew after each measurement: whatever ends the sweep leaves what there is."""
    with open(sweep.args.out / "sweep.csv", "w", newline="") as file:
        names = ["hidden", "batch_size", "seq_len", "layers", "engine", "step_ms", "turns", "gflops", "tokens_per_s", "loss",
                 "gradient_norm", "skipped"]
        to = csv.writer(file)
        to.writerow(names)
        for row in sweep.rows.values():
            size, ms = row["size"], median(row)
            speed = [ms, len(row["ms"]), flops(size) / ms / 1e6, 1e3 * size["seq_len"] * size["batch_size"] / ms] if ms else [None] * 4
            to.writerow([*(size[k] for k in names[:4]), row["engine"], *speed, row.get("loss"), row.get("gradient_norm"),
                         row.get("skipped")])
    (sweep.args.out / "sweep.md").write_text(markdown(sweep))


def markdown(sweep):
    about = {**sweep.about, **(sweep.torch.about if sweep.torch else {}), **versions()}
    lines = [", ".join(f"{key} {value}" for key, value in about.items()), ""]
    if sweep.torch and sweep.torch.cannot:
        lines += [f"Only Hornpipe's rows: {sweep.torch.cannot}.", ""]
    ratios = [("GPU over CPU", "cpu"), ("GPU over cuDNN f32", "cudnn"), ("GPU over cuDNN TF32", "cudnn-tf32")]
    ratios = [(name, other) for name, other in ratios if other in sweep.engines and "gpu" in sweep.engines]
    heads = ["H", "B", *(f"{ENGINES[engine]}, ms" for engine in sweep.engines), *(name for name, _ in ratios)]
    lines += [f"| {' | '.join(heads)} |", "|--:" * len(heads) + "|"]
    notes, paying = [], []
    for hidden, rows in dict.fromkeys((hidden, rows) for hidden, rows, _ in sweep.rows):
        ms = {engine: median(sweep.rows.get((hidden, rows, engine))) for engine in sweep.engines}
        times = ["" if ms[engine] is None else f"{ms[engine]:.2f}" for engine in sweep.engines]
        both = [ms[other] / ms["gpu"] if ms[other] and ms["gpu"] else None for _, other in ratios]
        lines.append(f"| {' | '.join([str(hidden), str(rows), *times, *('' if r is None else f'{r:.2f}' for r in both)])} |")
        if ms.get("cpu") and ms.get("gpu"):
            paying.append((hidden, rows, ms["cpu"] > ms["gpu"]))
        notes += [f"- H {hidden}, B {rows}, {ENGINES[engine]}: {sweep.rows[hidden, rows, engine]['skipped']}"
                  for engine in sweep.engines if "skipped" in sweep.rows.get((hidden, rows, engine), {})]
    lines += ["", "Ratios of speed: above 1 Hornpipe's GPU engine is the faster one.", "", crossover(paying), ""]
    return "\n".join(lines + (["Skipped:", "", *notes, ""] if notes else []))


def crossover(paying):
    """From which B on the GPU pays, at the H that most sizes have."""
    if not paying:
        return "Whether the GPU pays is not known: the two were not both measured."
    hidden = statistics.mode(hidden for hidden, _, _ in paying)
    rows = sorted((rows, pays) for h, rows, pays in paying if h == hidden)
    where = next((rows for rows, pays in rows if pays), None)
    measured = f"of B {', '.join(str(rows) for rows, _ in rows)} at H {hidden}"
    return f"The GPU pays from B {where} on, {measured}." if where else f"The GPU pays at no B, {measured}."


def versions():
    said = {"hornpipe": subprocess.run([HORNPIPE, "--version"], capture_output=True, text=True).stdout.split()[-1]}
    for name, command in (("commit", ["git", "-C", str(HERE), "describe", "--always", "--dirty=+", "--exclude=*"]),
                          ("driver", ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])):
        try:
            found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
            said.update({name: found} if found else {})
        except OSError:
            pass
    return said


def main():
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    sweep = Sweep(args)
    sweep.run()
    if sweep.torch:
        sweep.torch.stop()
    print((args.out / "sweep.md").read_text())
    missing = [key for key, row in sweep.rows.items() if not row["ms"]] if args.tiny else []
    for problem in [*sweep.wrong, *(f"not measured: {key}" for key in missing)]:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if sweep.wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main())
