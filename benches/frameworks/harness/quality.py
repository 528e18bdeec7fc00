"""Time to quality: one recipe, one split, one order of the tunes and the same first weights for every engine.

    stream    the tunes of an epoch one after the other, a line feed before the first; cut into `B` rows
    tokens    [E, B, N]        targets   the same, one character further
    a step    T characters of each row, the state carried from step to step and cut from the gradient; zero at an epoch's start
    held out  a tenth of the tunes, by the split of `hornpipe-nottingham-1`, each whole from the zero state, in chunks [T, B] of similar length, padding of weight 0
"""

import math
import os
import statistics
import time
from pathlib import Path

import numpy as np

from . import jobs, tensors
from .process import Failed, hornpipe

# How many held-out tunes are evaluated side by side.
CHUNK = 32
SEED = 1


def split(path, folder):
    """The training and the held-out tunes, each text ended by a blank line, as `hornpipe corpus split --benchmark` writes them: by
    whole tunes, with no copy, transposed or not, on the other side."""
    hornpipe("corpus", "split", path, "--benchmark", "hornpipe-nottingham-1", "--out", str(folder))
    return tuple([tune.strip("\n") + "\n\n" for tune in (folder / name).read_text().split("\n\n") if tune.strip()]
                 for name in ("train.abc", "held-out.abc"))


def one_cycle(peak, steps):
    """PyTorch's `OneCycleLR` with a tenth of the steps rising, from a 25th of the peak up and down to a 250,000th of it."""
    def cosine(a, b, x):
        return b + (a - b) * (1 + math.cos(math.pi * min(1.0, x))) / 2

    top = 0.1 * steps - 1
    return [cosine(peak / 25, peak, k / max(1.0, top)) if k <= top
            else cosine(peak, peak / 250_000, (k - max(0.0, top)) / max(1.0, steps - 1 - max(0.0, top))) for k in range(steps)]


def first_weights(job, rng):
    """As PyTorch's own, but for the biases: embedding N(0, 1), all else uniform within ±1/√H; forget bias 1, second bias 0."""
    bound, hidden, result = job["hidden"] ** -0.5, job["hidden"], {}
    for name, shape in jobs.names_and_shapes(job):
        values = rng.standard_normal(shape) if name == "embedding.weight" else rng.uniform(-bound, bound, shape)
        if "bias_ih" in name:
            values[hidden:2 * hidden] = 1.0
            result[name.replace("bias_ih", "bias_hh")] = np.zeros(shape, np.float32)
        result[name] = values.astype(np.float32)
    return result


def files(job, folder):
    """Writes weights and data, and returns what is added to the job for its runners; None without the corpus."""
    path = os.environ.get("HORNPIPE_NOTTINGHAM")
    if not path:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    sides = [texts[: job.get("tunes")] for texts in split(path, folder)]
    vocabulary = sorted(set("".join(text for texts in sides for text in texts)))
    index = {character: k for k, character in enumerate(vocabulary)}
    train, held_out = ([np.array([index[c] for c in text], np.uint8) for text in texts] for texts in sides)
    held_out.sort(key=len)

    rows, steps, newline = job["batch"], job["steps"], index["\n"]
    streams = []
    for _ in range(job["epochs"]):
        stream = np.concatenate([[newline], *(train[k] for k in rng.permutation(len(train)))]).astype(np.uint8)
        # Whole steps of all rows; what is left over has its turn in another epoch's order.
        long = (len(stream) - 1) // (rows * steps) * steps
        streams.append((stream[: rows * long].reshape(rows, long), stream[1: rows * long + 1].reshape(rows, long)))
    arrays = {"tokens": np.stack([s[0] for s in streams]), "targets": np.stack([s[1] for s in streams])}
    arrays["rates"] = np.array(one_cycle(job["learning_rate"], job["epochs"] * (arrays["tokens"].shape[2] // steps)))
    for k in range(0, len(held_out), CHUNK):
        chunk = held_out[k: k + CHUNK]
        shape = (len(chunk[-1]), len(chunk))
        tokens, targets, weights = np.full(shape, newline, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        for b, tune in enumerate(chunk):
            tokens[1: len(tune), b], targets[: len(tune), b], weights[: len(tune), b] = tune[:-1], tune, 1
        arrays.update({f"held_out.{k // CHUNK}.{n}": a for n, a in (("tokens", tokens), ("targets", targets), ("weights", weights))})
    job = {**job, "vocabulary": len(vocabulary)}
    tensors.write(folder / "weights.safetensors", first_weights(job, rng), jobs.metadata("".join(vocabulary)))
    tensors.write(folder / "data.safetensors", arrays)
    return {"weights": str(folder / "weights.safetensors"), "data": str(folder / "data.safetensors"), "vocabulary": len(vocabulary)}


def run(job, engines, start, args, say):
    """The entries of the job: in turns, each round with another seed of dropout. `start(engine, job)` gives a runner."""
    entries = [{"job": job["name"], "engine": engine["name"], "threads": job["threads"], "status": "ok", "curves": []}
               for engine in engines]
    wanted = []
    for engine, entry in zip(engines, entries):
        try:
            curve = [point["loss"] for point in learn(engine, few_steps(job), start, entry)]
            wanted = wanted or curve
            agree(curve, wanted)
        except Failed as failed:
            entry.update(status=failed.status, reason=str(failed))
            say(f"  {engine['title']}: {failed}")
    for k in range(min(args.rounds, job["rounds"])):
        for engine, entry in list(zip(engines, entries))[:: 1 if k % 2 == 0 else -1]:
            if entry["status"] != "ok":
                continue
            try:
                curve = learn(engine, {**job, "seed": k + 1}, start, entry)
                entry["curves"].append(curve)
                say(f"  {engine['title']}: {curve[-1]['loss']:.4f} held out after {curve[-1]['wall_s']:.1f} s")
            except Failed as failed:
                entry.update(status=failed.status, reason=str(failed))
                say(f"  {engine['title']}: {failed}")
    for entry in entries:
        if entry["status"] == "ok":
            conclude(entry, job)
    return entries


def few_steps(job):
    """The job cut to some steps on some tunes without dropout, so that all engines should come to the same."""
    short = {**job, "tunes": 40, "epochs": 1, "every": 3, "dropout": 0.0, "quality": [0.0], "seed": 0}
    return {**short, **files(short, Path(job["weights"]).with_name("check"))}


def agree(curve, wanted):
    """Held-out losses within 1e-6 of the first engine's, those of the first weights and those after some steps."""
    close = [abs(loss - other) <= 1e-6 * other for loss, other in zip(curve, wanted)]
    if len(curve) < 3 or len(curve) != len(wanted) or not all(close):
        curve, wanted = (", ".join(f"{loss:.6f}" for loss in losses) for losses in (curve, wanted))
        raise Failed("disagrees", f"without dropout the held-out losses are {curve}, not {wanted}")


def conclude(entry, job):
    """Medians over the rounds. One that does not come so far, as happens with some seeds of dropout in any engine, takes for ever."""
    found = {goal: [reached(c, goal) for c in entry["curves"]] for goal in job["quality"]}
    medians = {f"{goal:g}": {of: statistics.median(p[of] for p in points) for of in ("wall_s", "training_s", "step")}
               for goal, points in found.items()}
    rounds = [p["wall_s"] for p in found[min(job["quality"])]]
    done = [seconds for seconds in rounds if seconds < math.inf]
    if any(m["wall_s"] == math.inf for m in medians.values()):
        last = ", ".join(f"{c[-1]['loss']:.4f}" for c in entry["curves"])
        entry.update(status="too slow", reason=f"after {job['epochs']} epochs held-out losses of {last}")
        return
    entry.update(reached=medians, rounds=done, reached_in=f"{len(done)} of {len(rounds)}", samples=len(done), min_s=min(done),
                 median_s=medians[f"{min(job['quality']):g}"]["wall_s"], p99_s=max(done))


def learn(engine, job, start, entry):
    """One training; wall time counts from the start of the process."""
    began = time.time()
    runner = start(engine, job)
    try:
        entry["versions"] = runner.receive()["versions"]
        curve = runner.ask(do="learn")["curve"]
        entry["peak_mb"] = runner.peak_mb()
    finally:
        runner.close()
    return [{"step": p["step"], "loss": p["loss"], "wall_s": p["at"] - began, "training_s": p["training_s"]} for p in curve]


def reached(curve, goal):
    never = {"wall_s": math.inf, "training_s": math.inf, "step": math.inf}
    return next((point for point in curve if point["loss"] <= goal), never)
