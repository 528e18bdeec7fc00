"""Jobs and engines as data (../jobs.json), and the files that a job's weights and characters stand in."""

import json
import os
from pathlib import Path

import numpy as np

from . import tensors

HERE = Path(__file__).resolve().parent.parent

# Characters of each row that an inference job is checked on.
CHECKED = 32
# What every training job shares: enough to see in the loss whether two updates did what they should.
LEARNING_RATE = 1e-3
CLIP_NORM = 1.0


def load():
    """Jobs and engines by name, in the order of the file."""
    data = json.loads((HERE / "jobs.json").read_text())
    jobs = {}
    for job in data["jobs"]:
        job = {**data["defaults"], **job}
        job.setdefault("learning_rate", LEARNING_RATE)
        job["clip_norm"] = CLIP_NORM
        jobs[job["name"]] = job
    return jobs, {engine["name"]: engine for engine in data["engines"]}


def tiny(job):
    """The same job at a size that takes no time."""
    most = {"vocabulary": 11, "embedding": 6, "hidden": 16, "steps": 5, "batch": 3}
    if job["kind"] == "quality":
        most = {"hidden": 32, "layers": 1, "steps": 16, "epochs": 2, "tunes": 60}
        return {**job, **most, "quality": [3.5, 3.1]}
    return {**job, **{key: min(job[key], size) for key, size in most.items()}}


def flops(job):
    """Floating-point operations of a step: `2·4H·(I+H)` for each layer, character and pass."""
    hidden, embedding, layers = job["hidden"], job["embedding"], job["layers"]
    passes = 3 if job["kind"] == "train" else 1
    each = sum(2 * 4 * hidden * ((hidden if layer else embedding) + hidden) for layer in range(layers))
    return passes * each * characters_per_step(job)


def characters_per_step(job):
    """Characters that go through the network in a step."""
    return job["batch"] * (1 if job["kind"] == "carried" else job["steps"])


# ------------------------------------------------------------------------------------------------ the formula


def hashed(n):
    """Knuth's multiplicative hash, `n·2654435761 mod 2^32`."""
    return (n.astype(np.uint64) * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)


def names_and_shapes(job):
    """The parameters in the order of the formula's flat buffer."""
    vocabulary, hidden, size = job["vocabulary"], job["hidden"], job["embedding"]
    yield "embedding.weight", (vocabulary, size)
    for layer in range(job["layers"]):
        yield f"lstm.weight_ih_l{layer}", (4 * hidden, size)
        yield f"lstm.weight_hh_l{layer}", (4 * hidden, hidden)
        yield f"lstm.bias_ih_l{layer}", (4 * hidden,)
        size = hidden
    yield "linear.weight", (vocabulary, hidden)
    yield "linear.bias", (vocabulary,)


def weights(job):
    """Every parameter by PyTorch's name: number `k` is `(hash(k) / 2^32 - 0.5)·0.2` in f64, rounded to f32 once."""
    result, at = {}, 0
    for name, shape in names_and_shapes(job):
        count = int(np.prod(shape))
        values = (hashed(np.arange(at, at + count)).astype(np.float64) / 2.0**32 - 0.5) * 0.2
        result[name] = values.astype(np.float32).reshape(shape)
        if "bias_ih" in name:
            result[name.replace("bias_ih", "bias_hh")] = np.zeros(shape, np.float32)
        at += count
    return result


def characters(job):
    """Tokens and targets `[T, B]`; character `n` is `(hash(n) >> 16) mod V`."""
    steps = CHECKED if job["kind"] == "carried" else job["steps"]
    count = steps * job["batch"]
    values = ((hashed(np.arange(2 * count)) >> np.uint64(16)) % np.uint64(job["vocabulary"])).astype(np.int32)
    return values[:count].reshape(steps, -1), values[count:].reshape(steps, -1)


def metadata(vocabulary):
    """The characters, as Hornpipe wants to know them."""
    return {"hornpipe": json.dumps({"vocabulary": vocabulary})}


def files(job, folder):
    """Writes the job's weights and characters, and returns what is added to the job for its runners."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens, targets = characters(job)
    paths = {"weights": folder / "weights.safetensors", "data": folder / "data.safetensors"}
    # Any characters will do.
    said = metadata("\n" + "".join(chr(32 + k) for k in range(1, job["vocabulary"])))
    tensors.write(paths["weights"], weights(job), said)
    tensors.write(paths["data"], {"tokens": tokens, "targets": targets})
    return {key: str(path) for key, path in paths.items()}


def cores():
    """The processors that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
