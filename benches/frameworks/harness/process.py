"""A runner as a child process: started on fixed processors, asked in lines of JSON, watched from outside."""

import ctypes.util
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from .jobs import HERE

# What would steer an engine's choice of kernels or threads; taken out of its environment.
STEERING = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NVPL_BLAS_DEBUG_CPU_TYPE", "BLIS_ARCH_TYPE", "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "KMP_AFFINITY", "GOMP_CPU_AFFINITY", "XLA_FLAGS", "TF_XLA_FLAGS",
    "TF_ENABLE_ONEDNN_OPTS", "JAX_PLATFORMS", "KERAS_BACKEND", "HORNPIPE_ISA", "RUSTFLAGS",
    "LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_CONF",
)
# Where engines read their number of threads, besides what their runners set.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS", "NPROC",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Failed(Exception):
    """What went wrong with an engine, in a sentence."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


def command(engine, pythons):
    """How the engine's runner is started; Rust runners are built first."""
    if "rust" in engine:
        return [build(engine)]
    if "python" in engine:
        return [find_python(engine, pythons), str(HERE / "engines" / engine["python"])]
    raise Failed("cannot", "jobs.json names no runner for it")


def build(engine):
    """The path of a Rust runner, fresh. Flags other than none have a target folder of their own."""
    flags, profile = engine.get("rustflags", ""), os.environ.get("HORNPIPE_FRAMEWORKS_PROFILE", "release")
    target = Path(os.environ.get("HORNPIPE_FRAMEWORKS_TARGET", HERE / "rust" / "target")) / ("flags" if flags else "plain")
    env = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": flags}
    if not (target / profile / engine["rust"]).exists():
        print(f"building {engine['rust']}: the first time takes minutes", file=sys.stderr, flush=True)
    done = subprocess.run(["cargo", "build", "--profile", profile, "--quiet", "--package", engine["rust"]],
                          cwd=HERE / "rust", env=env, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed("not built", done.stderr.strip()[-500:])
    return str(target / profile / engine["rust"])


def hornpipe(*arguments):
    """What `hornpipe` with these arguments writes to standard output; built first."""
    cargo = ["cargo", "run", "--release", "--quiet", "--bin", "hornpipe", "--", *arguments]
    done = subprocess.run(cargo, cwd=HERE.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed("failed", f"hornpipe {arguments[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout


def onnx(job, path):
    """Writes the job's network as ONNX, by `hornpipe convert`."""
    objective = "many-to-one" if job["kind"] == "window" else "many-to-many"
    hornpipe("convert", job["weights"], str(path), "--objective", objective, "--force")
    return str(path)


def peak_gflops(threads):
    """What multiply-adds reach on so many threads, in f32, by `hornpipe bench peak`: of all instruction sets the most."""
    said = json.loads(hornpipe("bench", "peak", "--json", "--threads", str(threads)))
    return max(isa["all_gflops"] for isa in said["isas"])


def commit():
    """The state of Hornpipe that is measured, with a + where files other than the record differ from it."""
    described = subprocess.run(["git", "describe", "--always", "--exclude=*"], cwd=HERE, capture_output=True, text=True)
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ":/", ":(exclude)record"], cwd=HERE, capture_output=True)
    return (described.stdout.strip() or "unknown") + ("+" if changed.returncode else "")


def busy_seconds(cpus):
    """How long these processors have worked since the machine was started, for whomever, what the host took from them included.
    None where the system does not say."""
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    except OSError:
        return None
    # User, nice, system; not idle, waiting for disks; interrupts, soft ones, stolen.
    ticks = [sum(int(line[k]) for k in (1, 2, 3, 6, 7, 8)) for line in lines if line[0] in {f"cpu{cpu}" for cpu in cpus}]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def find_python(engine, pythons):
    """The first interpreter that has the engine's modules."""
    code = f"import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in {engine['modules']}))"
    for python in pythons:
        if subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    raise Failed("not installed", f"no Python given has {' and '.join(engine['modules'])}; benches/frameworks/setup installs them")


def library(name):
    """A shared library by its short name, for LD_PRELOAD."""
    found = ctypes.util.find_library(name)
    if not found:
        raise Failed("not installed", f"there is no lib{name}; Debian has it as lib{name.replace('_', '-')}4")
    return found


def warm_files(python, modules):
    """Imports them once, so that their files are in memory."""
    subprocess.run([python, "-c", "import " + ", ".join(modules)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Runner:
    """One engine on one job."""

    # Turns in which something else worked, to the last repetition.
    disturbed = 0

    def __init__(self, engine, command, job, cpus, scratch, limit):
        self.limit, self.buffer = limit, b""
        self.errors = open(scratch / f"{engine['name']}.stderr", "w+")
        env = {name: value for name, value in os.environ.items() if name not in STEERING}
        env.update({name: str(job["threads"]) for name in THREADS}, **engine.get("env", {}))
        if "preload" in engine:
            env["LD_PRELOAD"] = library(engine["preload"])
        env["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "inductor")
        pin = (lambda: os.sched_setaffinity(0, cpus)) if hasattr(os, "sched_setaffinity") else None
        self.began = time.perf_counter()
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                      env=env, cwd=scratch, preexec_fn=pin)
        self.send({**job, "options": engine.get("options", {})})

    def send(self, message):
        try:
            self.child.stdin.write(json.dumps(message).encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass  # `receive` says how the child ended.

    def receive(self):
        """The next line of the runner."""
        end = time.perf_counter() + self.limit
        while b"\n" not in self.buffer:
            left = end - time.perf_counter()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise Failed("too slow", f"no answer within {self.limit:.0f} s")
            data = os.read(self.child.stdout.fileno(), 1 << 16)
            if not data:
                code = self.child.wait()
                self.errors.seek(0)
                said = self.errors.read().strip().splitlines()
                raise Failed("failed", f"ended with {code}: {said[-1] if said else 'no message'}"[:500])
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        answer = json.loads(line)
        for key, status in (("cannot", "cannot"), ("error", "failed")):
            if key in answer:
                raise Failed(status, answer[key])
        return answer

    def ask(self, **request):
        self.send(request)
        return self.receive()

    def timed(self, part, count, warm_up):
        return self.ask(do="time", part=part, count=count, warm_up=warm_up)["seconds"]

    def peak_mb(self):
        """The most memory that was resident at any time so far, in MB of 10^6 bytes."""
        return self.proc("status", lambda text: 1024 * int(text.split("VmHWM:")[1].split()[0]) / 1e6)

    def cpu_seconds(self):
        """Processor time of all its threads so far."""
        ticks = self.proc("stat", lambda text: sum(int(x) for x in text.rsplit(")", 1)[1].split()[11:13]))
        return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")

    def proc(self, name, read):
        """What a file of /proc says of it; None where there is none."""
        try:
            return read(Path(f"/proc/{self.child.pid}/{name}").read_text())
        except (OSError, IndexError):
            return None

    def close(self):
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass  # It ended before it had read all.
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        self.errors.close()
