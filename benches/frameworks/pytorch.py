#!/usr/bin/env python3
"""Times PyTorch and Hornpipe in turns on the same work, after checking that both compute the same.

    pip install torch numpy
    cargo build --release
    python benches/frameworks/pytorch.py                  # all rows, some minutes
    python benches/frameworks/pytorch.py --quick --rows 1,6

Both sides have the article's model (`Embedding(93, 32)`, three `LSTM(256)`, `Linear(93)`, f32), the weights and
characters of one formula (see README.md beside this file), the same shapes and the same number of threads.

- A row is checked first, without dropout: loss and gradient norm of the first batch (training), or loss and
  characters of the first steps (generation) must agree to a relative 1e-4. A row that fails has no ratio.
- Then both are timed in turns, round after round. A training step is everything: forward, backward, clipping to a
  norm of 1, Adam; dropout 0.2 after each layer. Each side's warm-up is not counted.
- A round's number is the median of its steps. The ratio is the median of PyTorch's rounds by the median of
  Hornpipe's; in brackets its least and greatest within a round.
- GFLOP/s count 2*4H*(I+H) a layer, character and pass on both sides, three passes in training. The peak of the
  multiply-adds is what Hornpipe measures in the same round, on as many threads.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# What would steer either side's choice of kernels or threads; must be gone before torch is imported.
STEERING = (
    "OPENBLAS_CORETYPE", "NVPL_BLAS_DEBUG_CPU_TYPE", "BLIS_ARCH_TYPE", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "HORNPIPE_ISA", "RAYON_NUM_THREADS",
)
UNSET = [name for name in STEERING if os.environ.pop(name, None) is not None]

import numpy as np  # noqa: E402
import torch  # noqa: E402

V, E, H, L = 93, 32, 256, 3
CHECKED_CHARACTERS = 32
RTOL = 1e-4


@dataclass(frozen=True)
class Row:
    name: str
    kind: str  # train, carried or window
    batch: int
    threads: int
    steps: int = 100
    objective: str = "many-to-many"

    def tokens(self):
        """Characters that go through the network in one timed step."""
        return self.batch * (1 if self.kind == "carried" else self.steps)

    def gflop(self):
        """Of one timed step."""
        flops = sum(2 * 4 * H * ((E if layer == 0 else H) + H) for layer in range(L))
        return flops * self.tokens() * (3 if self.kind == "train" else 1) / 1e9


ROWS = [
    Row("B 64, T 100, many-to-many", "train", 64, 2),
    Row("B 64, T 100, many-to-many", "train", 64, 1),
    Row("B 16, T 100, many-to-many", "train", 16, 2),
    Row("B 32, T 100, many-to-many", "train", 32, 2),
    Row("B 128, T 100, many-to-one (the article)", "train", 128, 2, objective="many-to-one"),
    Row("generation, state carried, one tune", "carried", 1, 2),
    Row("generation, state carried, one tune", "carried", 1, 1),
    Row("generation, window of 100 recomputed", "window", 1, 2),
    Row("generation, window of 100 recomputed", "window", 1, 1),
    Row("generation, 64 tunes as one batch", "carried", 64, 2),
]


# ---------------------------------------------------------------------------------------------- the formula


def hashed(n):
    return (n.astype(np.uint64) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)


def parameters(count):
    """The flat buffer: ((hash(k) / 2^32) - 0.5) * 0.2 in f64, rounded to f32."""
    return ((hashed(np.arange(count)).astype(np.float64) / 2.0**32 - 0.5) * 0.2).astype(np.float32)


def characters(first, count):
    return ((hashed(np.arange(first, first + count)) >> np.uint64(16)) % np.uint64(V)).astype(np.int64)


# ---------------------------------------------------------------------------------------------- PyTorch's side


class Model(torch.nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, E)
        self.lstm = torch.nn.LSTM(E, H, L, dropout=dropout)
        self.dropout = torch.nn.Dropout(dropout)
        self.linear = torch.nn.Linear(H, V)
        self.fill()

    def named(self):
        """In the order of Hornpipe's buffer. Hornpipe has one bias a layer, so `bias_hh` is zero and not among them."""
        yield self.embedding.weight
        for layer in range(L):
            for name in ("weight_ih", "weight_hh", "bias_ih"):
                yield getattr(self.lstm, f"{name}_l{layer}")
        yield self.linear.weight
        yield self.linear.bias

    def fill(self):
        flat = torch.from_numpy(parameters(sum(p.numel() for p in self.named())))
        at = 0
        with torch.no_grad():
            for p in self.named():
                p.copy_(flat[at:at + p.numel()].view_as(p))
                at += p.numel()
            for layer in range(L):
                getattr(self.lstm, f"bias_hh_l{layer}").zero_()

    def logits(self, tokens, last_only):
        out, _ = self.lstm(self.embedding(tokens))
        return self.linear(self.dropout(out[-1:] if last_only else out))


class Training:
    """Whole training steps on one batch."""

    def __init__(self, row, dropout, fused):
        self.model = Model(dropout).train()
        self.last_only = row.objective == "many-to-one"
        n = row.steps * row.batch
        self.tokens = torch.from_numpy(characters(0, n).reshape(row.steps, row.batch))
        targets = torch.from_numpy(characters(n, n).reshape(row.steps, row.batch))
        self.targets = (targets[-1:] if self.last_only else targets).reshape(-1)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, fused=fused or None)

    def loss(self):
        logits = self.model.logits(self.tokens, self.last_only)
        return torch.nn.functional.cross_entropy(logits.reshape(-1, V), self.targets)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def check(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        squares = sum(float((p.grad.double() ** 2).sum()) for p in self.model.named())
        return {"loss": float(loss.detach()), "gradient_norm": squares**0.5}


class Generation:
    """One character of each tune a step, always the likeliest."""

    def __init__(self, row):
        self.model = Model(0.0).eval()
        self.row = row
        self.start()

    def start(self):
        steps = self.row.steps if self.row.kind == "window" else 1
        self.window = torch.from_numpy(characters(0, steps * self.row.batch).reshape(steps, self.row.batch))
        self.state = None

    @torch.inference_mode()
    def step(self):
        out, state = self.model.lstm(self.model.embedding(self.window), self.state)
        logits = self.model.linear(out[-1])
        chosen = logits.argmax(-1, keepdim=False).unsqueeze(0)
        if self.row.kind == "window":
            self.window = torch.cat([self.window[1:], chosen])
        else:
            self.window, self.state = chosen, state
        return logits

    def check(self):
        nats, first = 0.0, []
        for _ in range(CHECKED_CHARACTERS):
            logits = self.step().double()
            chosen = self.window[-1]
            first.append(int(chosen[0]))
            nats += float(torch.nn.functional.cross_entropy(logits, chosen, reduction="sum"))
        self.start()
        return {"loss": nats / (CHECKED_CHARACTERS * self.row.batch), "first_characters": first}


def timed(work, count, warm_up):
    """Seconds of each of `count` calls."""
    for _ in range(warm_up):
        work()
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def set_threads(threads):
    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        sys.exit(f"PyTorch works on {torch.get_num_threads()} threads and not on {threads}")


# ---------------------------------------------------------------------------------------------- Hornpipe's side


def hornpipe(binary, row, steps, warm_up, dropout):
    command = [str(binary), "bench"]
    if row.kind == "train":
        command += ["train", "--seq-len", row.steps, "--objective", row.objective, "--dropout", dropout]
        command += ["--clip-norm", 1, "--steps", steps, "--warm-up", warm_up]
    else:
        command += ["generate", "--characters", steps]
        command += ["--window", row.steps] if row.kind == "window" else []
    command += ["--batch-size", row.batch, "--threads", row.threads, "--hidden", H, "--layers", L]
    command += ["--embedding", E, "--vocab", V, "--json"]
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(str(c) for c in command)}\n{done.stderr}")
    report = json.loads(done.stdout)
    if report["threads"] != row.threads:
        sys.exit(f"Hornpipe works on {report['threads']} threads and not on {row.threads}")
    unit = 1e3 if row.kind == "train" else 1e6
    name = "step_ms" if row.kind == "train" else "step_us"
    report["seconds"] = [report[name + suffix] / unit for suffix in ("_min", "", "_max")]
    return report


# ---------------------------------------------------------------------------------------------- the comparison


def check(row, binary, fused):
    """What differs, or None."""
    work = Training(row, 0.0, fused) if row.kind == "train" else Generation(row)
    ours, theirs = hornpipe(binary, row, 1, 0, 0.0), work.check()
    differing = []
    for key, want in theirs.items():
        got = ours[key]
        # `not <=`, so that NaN differs.
        same = got == want if isinstance(want, list) else abs(got - want) <= RTOL * abs(want)
        if not same:
            differing.append(f"{key}: PyTorch {want}, Hornpipe {got}")
    checked = {"pytorch": theirs, "hornpipe": {key: ours[key] for key in theirs}}
    return "; ".join(differing) or None, checked


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def compare(row, args, fused):
    set_threads(row.threads)
    wrong, checked = check(row, args.hornpipe, fused)
    result = {"row": row.name, "kind": row.kind, "batch": row.batch, "steps": row.steps, "threads": row.threads,
              "objective": row.objective, "checked": checked, "failed": wrong}
    if wrong:
        return result
    work = Training(row, 0.2, fused) if row.kind == "train" else Generation(row)
    count = {"train": args.steps, "carried": args.characters, "window": max(3, args.characters // 20)}[row.kind]
    warm_up = max(2, count // 5)
    timed(work.step, warm_up, 0)
    rounds, peaks, isa = [], [], {}
    for k in range(args.rounds):
        # A short warm-up in each turn: threads and caches were the other side's.
        theirs = timed(work.step, count, warm_up)
        ours = hornpipe(args.hornpipe, row, count, warm_up, 0.2)
        isa = {key: ours[key] for key in ("isa", "gemm")}
        peaks.append(ours["peak_gflops"])
        rounds.append({"pytorch": spread(theirs), "hornpipe": dict(zip(("min", "median", "max"), ours["seconds"]))})
        print(f"  round {k + 1}: PyTorch {1e3 * rounds[-1]['pytorch']['median']:.3f} ms, "
              f"Hornpipe {1e3 * rounds[-1]['hornpipe']['median']:.3f} ms", file=sys.stderr)
    peak = statistics.median(peaks)
    for side in ("pytorch", "hornpipe"):
        median = statistics.median(r[side]["median"] for r in rounds)
        result[side] = {
            "min_s": min(r[side]["min"] for r in rounds), "median_s": median, "max_s": max(r[side]["max"] for r in rounds),
            "gflops": row.gflop() / median, "share_of_peak": row.gflop() / median / peak,
            "characters_per_s": (row.tokens() if row.kind == "train" else row.batch) / median,
        }
    ratios = [r["pytorch"]["median"] / r["hornpipe"]["median"] for r in rounds]
    ratio = result["pytorch"]["median_s"] / result["hornpipe"]["median_s"]
    result.update(ratio=ratio, ratio_min=min(ratios), ratio_max=max(ratios), peak_gflops=peak, rounds=rounds, **isa)
    return result


def host(fused):
    name = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return {
        "cpu": name, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(),
        "torch": torch.__version__, "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(), "onednn": torch.backends.mkldnn.is_available(),
        "adam": "fused" if fused else "default", "unset": UNSET,
    }


def markdown(record):
    h = record["host"]
    lines = [
        f"{h['cpu']}, {h['cores']} cores; PyTorch {h['torch']} ({h['torch_cpu_capability']}, "
        f"{'MKL' if h['mkl'] else 'no MKL'}, {'oneDNN' if h['onednn'] else 'no oneDNN'}, Adam: {h['adam']}); "
        f"{record['rounds']} rounds in turns", "",
        "| | threads | PyTorch: min / median / max | GFLOP/s | of peak | Hornpipe: min / median / max | GFLOP/s | of peak "
        "| ratio (min to max) |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in record["rows"]:
        if r["failed"]:
            lines.append(f"| {r['row']} | {r['threads']} | FAILED: {r['failed']} | | | | | | |")
            continue
        scale, unit, digits = (1e3, "ms", 1) if r["kind"] == "train" else (1e6, "µs", 1)

        def side(s):
            times = " / ".join(f"{scale * s[key]:.{digits}f}" for key in ("min_s", "median_s", "max_s"))
            return f"{times} {unit} | {s['gflops']:.0f} | {100 * s['share_of_peak']:.0f} %"

        rate = f", {r['hornpipe']['characters_per_s']:,.0f} characters/s" if r["kind"] != "train" else ""
        lines.append(f"| {r['row']}{rate} | {r['threads']} | {side(r['pytorch'])} | {side(r['hornpipe'])} | "
                     f"**{r['ratio']:.2f}** ({r['ratio_min']:.2f} to {r['ratio_max']:.2f}) |")
    shown = [r for r in record["rows"] if not r["failed"]]
    if shown:
        peaks = {r["threads"]: r["peak_gflops"] for r in shown}
        lines += ["", "Peak of the multiply-adds in the same run: "
                  + ", ".join(f"{p:.0f} GFLOP/s on {t} thread{'s' * (t > 1)}" for t, p in sorted(peaks.items()))
                  + f". Hornpipe: {shown[-1]['isa']}, weight gradients by {shown[-1]['gemm']}."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hornpipe", type=Path, default=Path("target/release/hornpipe"), help="the release binary")
    parser.add_argument("--rows", help="numbers of the rows to run, from 1 on, with commas between; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--steps", type=int, default=10, help="training steps of a turn")
    parser.add_argument("--characters", type=int, default=1000, help="characters of a turn; a twentieth with a window")
    parser.add_argument("--threads", type=int, help="instead of 2, where a row says so")
    parser.add_argument("--quick", action="store_true", help="two short rounds: shows that it works, measures nothing")
    parser.add_argument("--default-adam", action="store_true", help="torch.optim.Adam without fused=True")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all numbers, with the host, as JSON")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.steps, args.characters = 2, 2, 100
    if min(args.rounds, args.steps, args.characters) < 1:
        parser.error("--rounds, --steps and --characters must be at least 1")
    if not args.hornpipe.is_file():
        parser.error(f"there is no {args.hornpipe}; cargo build --release makes it")
    args.hornpipe = args.hornpipe.resolve()
    try:
        chosen = [ROWS[int(k) - 1] for k in args.rows.split(",")] if args.rows else ROWS
    except (ValueError, IndexError):
        parser.error(f"--rows: numbers from 1 to {len(ROWS)}")
    if args.threads:
        chosen = [Row(r.name, r.kind, r.batch, args.threads if r.threads > 1 else 1, r.steps, r.objective) for r in chosen]

    fused = not args.default_adam
    rows = []
    for row in chosen:
        print(f"{row.name}, {row.threads} thread{'s' * (row.threads > 1)}", file=sys.stderr)
        rows.append(compare(row, args, fused))
    record = {"host": host(fused), "rounds": args.rounds, "steps": args.steps, "characters": args.characters, "rows": rows}
    print(markdown(record))
    if args.json:
        args.json.write_text(json.dumps(record, indent=1) + "\n")
    # A wrong result is a failure, however fast.
    return 1 if any(row["failed"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
