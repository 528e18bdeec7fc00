"""The Python side of the contract between the driver and a runner (../README.md says it in full).

A runner calls `serve(make)`. `make(job)` returns the work: for training an object with `forward()` and `gradients()` (both
return the loss), `update()`, `step()` and `named_gradients()`; for inference one with `logits(tokens)` and `rest()`; for time to quality one
with `train(tokens, targets, rate)`, `evaluate(tokens, targets, weights)` and `rest()`; for all `about()`.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import tensors  # noqa: E402
from harness.reference import UPDATES, measured  # noqa: E402


class CannotDo(Exception):
    """The engine has not what the job asks for; the message says what."""


class Training:
    """What training engines share."""

    def step(self):
        self.gradients()
        self.update()

    def check(self):
        """Loss and gradients of the first batch, and how far the loss falls."""
        loss = float(self.gradients())
        found = measured(self.named_gradients())
        for _ in range(UPDATES):
            self.step()
        return {"loss": loss, **found, "fall": loss - float(self.forward())}

    def timed(self, part, count):
        """Seconds of `count` times a part; the update's gradients are computed apart."""
        seconds = []
        for _ in range(count):
            if part == "update":
                self.gradients()
            began = time.perf_counter()
            getattr(self, part)()
            seconds.append(time.perf_counter() - began)
        return seconds


class Inference:
    """What inference engines share: `logits(tokens)` takes `[B]` and carries the state, or takes a window `[T, B]`; it
    returns `[B, V]` in NumPy. `rest()` goes back to the zero state."""

    def __init__(self, job):
        self.window = job["kind"] == "window"
        self.tokens, self.targets = data(job)
        self.at = 0

    def step(self):
        if self.window:
            return self.logits(self.tokens)
        tokens = self.tokens[self.at]
        self.at = (self.at + 1) % len(self.tokens)
        return self.logits(tokens)

    def check(self):
        self.rest()
        self.at = 0
        steps = 1 if self.window else len(self.tokens)
        logits = np.stack([np.array(self.step(), np.float64) for _ in range(steps)])
        shifted = logits - logits.max(axis=-1, keepdims=True)
        wanted = np.take_along_axis(shifted, self.targets[-steps:][..., None], axis=-1)[..., 0]
        self.rest()
        return {"loss": float((np.log(np.exp(shifted).sum(axis=-1)) - wanted).mean()),
                "logits": float(np.sqrt((logits**2).mean()))}

    def timed(self, part, count):
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - began)
        return seconds


class Quality:
    """What engines share that train until a held-out loss is reached. `train` takes a step on `[T, B]`, the state carried;
    `evaluate` starts from the zero state, leaves the carried one alone, and returns the nats of all that has a weight."""

    def learn(self, job):
        """The held-out loss every so many steps, with the time of day and the seconds of training so far."""
        arrays = tensors.read(job["data"])
        tokens, targets = (arrays[name].astype(np.int32) for name in ("tokens", "targets"))
        chunks, curve, seconds, step = [], [], 0.0, 0
        while f"held_out.{len(chunks)}.tokens" in arrays:
            chunks.append([arrays[f"held_out.{len(chunks)}.{name}"].astype(np.int32) for name in ("tokens", "targets", "weights")])
        characters = sum(int(weights.sum()) for _, _, weights in chunks)
        length = tokens.shape[2] // job["steps"]
        for epoch in range(len(tokens)):
            self.rest()
            for segment in range(length):
                if step % job["every"] == 0:
                    loss = sum(self.evaluate(*chunk) for chunk in chunks) / characters
                    curve.append({"step": step, "loss": loss, "at": time.time(), "training_s": seconds})
                    if loss <= min(job["quality"]):
                        return curve
                began, cut = time.perf_counter(), slice(segment * job["steps"], (segment + 1) * job["steps"])
                self.train(tokens[epoch, :, cut].T, targets[epoch, :, cut].T, float(arrays["rates"][step]))
                seconds += time.perf_counter() - began
                step += 1
        return curve


def data(job):
    """Tokens and targets `[T, B]`, i32."""
    arrays = tensors.read(job["data"])
    return arrays["tokens"], arrays["targets"]


def weights(job):
    """The parameters by PyTorch's names, f32."""
    return tensors.read(job["weights"])


def serve(make):
    """Answers the driver until it closes the pipe. Everything else that is printed goes to stderr."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message):
        print(json.dumps(message), file=replies, flush=True)

    job = json.loads(sys.stdin.readline())
    try:
        work = make(job)
        if job["kind"] != "quality":
            work.step()
        reply(work.about())
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "learn":
                reply({"curve": work.learn(job)})
            elif request["do"] == "check":
                reply(make({**job, "dropout": 0.0}).check())
            else:
                work.timed(request["part"], request["warm_up"])
                reply({"seconds": work.timed(request["part"], request["count"])})
    except CannotDo as reason:
        reply({"cannot": str(reason)})
    except Exception as error:
        reply({"error": f"{type(error).__name__}: {error}"[:2000]})
        raise
