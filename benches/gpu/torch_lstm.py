#!/usr/bin/env python3
"""PyTorch's LSTM on a GPU, by cuDNN: the network of ../frameworks/engines/torch_engine.py, moved there.

Says first what it is, then answers each line of JSON: loss and gradient norm of the first batch without dropout, and the median time
of a whole step. Weights and characters come from the formula of ../frameworks/harness/jobs.py.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

FRAMEWORKS = Path(__file__).resolve().parent.parent / "frameworks"
sys.path[:0] = [str(FRAMEWORKS), str(FRAMEWORKS / "engines")]


def reply(to, message):
    print(json.dumps(message), file=to, flush=True)


def main(device):
    # Whatever libraries print goes to stderr.
    to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        import torch
        import torch_engine
        from harness import jobs
    except ImportError as error:
        return reply(to, {"cannot": f"no PyTorch ({error})"})
    if device == "cuda" and not torch.cuda.is_available():
        return reply(to, {"cannot": f"PyTorch {torch.__version__} has no CUDA here"})

    class Training(torch_engine.Training):
        def __init__(self, job):
            super().__init__(job)
            # The same Parameter objects, so the optimiser keeps its own.
            self.net.to(device)
            self.tokens, self.targets = self.tokens.to(device), self.targets.to(device)

        def norm(self):
            return float(torch.sqrt(sum(p.grad.double().pow(2).sum() for p in self.trained)))

        def wait(self):
            if device == "cuda":
                torch.cuda.synchronize()

        def seconds(self, count):
            times = []
            for _ in range(count):
                began = time.perf_counter()
                self.step()
                self.wait()
                times.append(time.perf_counter() - began)
            return times

    def measure(request, folder):
        job = {"kind": "train", "objective": "many-to-many", "vocabulary": 93, "embedding": 32, "hidden": request["hidden"],
               "layers": request["layers"], "steps": request["seq_len"], "batch": request["batch_size"], "dropout": 0.2,
               "learning_rate": 1e-4, "clip_norm": 1.0, "options": {}}
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = request["tf32"]
        job.update(jobs.files(job, folder))
        first = Training({**job, "dropout": 0.0})
        loss = float(first.gradients())
        found = {"loss": loss, "gradient_norm": first.norm()}
        del first
        work = Training(job)
        work.seconds(request["warm_up"])
        found["step_ms"] = 1e3 * statistics.median(work.seconds(request["count"]))
        return found

    about = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(), "cuda": torch.version.cuda}
    reply(to, {**about, "cuda device": torch.cuda.get_device_name()} if device == "cuda" else about)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            try:
                reply(to, measure(json.loads(line), Path(folder)))
            except RuntimeError as error:
                # No memory, or a shape that cuDNN does not take.
                reply(to, {"cannot": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"})
            if device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cuda")
