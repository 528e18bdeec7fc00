#!/usr/bin/env python3
"""Writes PyTorch's numbers, in float64, that the engine's tests are held against.

    python tests/reference/make.py            writes the JSON files beside this script
    python tests/reference/make.py --check    makes them again in memory and compares to 1e-12

Shapes: B batch, T time, V vocabulary, E embedding, H hidden, I input, L layers; gates i, f, g, o (GRU: r, z, n).
What stands in the files is described in README.md.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
CHECK_TOLERANCE = 1e-12

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


# --- the model -----------------------------------------------------------------------------------


class Model(nn.Module):
    """Embedding (or the scalar token / V) -> LSTM, GRU or RNN of L layers -> Linear."""

    def __init__(self, V, E, H, L, random, cell="lstm"):
        super().__init__()
        self.V, self.H, self.cell = V, H, cell
        self.embedding = nn.Embedding(V, E) if E else None
        self.add_module(cell, {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](E or 1, H, L))
        self.linear = nn.Linear(H, V)
        for name, parameter in self.named_parameters():
            # One bias a layer: PyTorch's second one is zero and stays so, but for the candidate of a GRU, which has both.
            if "bias_hh" not in name:
                parameter.data.copy_(draw(random, parameter.shape, 0.5))
            elif cell == "gru":
                parameter.data.zero_()
                parameter.data[2 * H :] = draw(random, (H,), 0.5)
            else:
                parameter.data.zero_()
                parameter.requires_grad_(False)

    def named(self, of=lambda parameter: parameter):
        """The trained parameters under this project's names; or what `of` takes of each."""
        named = {}
        for name, parameter in self.named_parameters():
            if "bias_hh" not in name:
                named[name.replace("bias_ih", "bias")] = of(parameter)
            elif self.cell == "gru":
                named[name.replace("bias_hh", "bias_hn")] = of(parameter)[2 * self.H :]
        return named

    def recurrent(self, x, h0, c0):
        """x [T, B, I] -> output [T, B, H], h_n, c_n; only an LSTM has a c."""
        module = getattr(self, self.cell)
        if c0 is None:
            output, h = module(x, h0)
            return output, h, None
        output, (h, c) = module(x, (h0, c0))
        return output, h, c

    def forward(self, tokens, resets, h0, c0):
        """tokens, resets [T, B]; h0, c0 [L, B, H] -> output [T, B, H], logits [T, B, V], h_n, c_n."""
        if self.embedding is not None:
            x = self.embedding(tokens)
        else:
            x = (tokens.to(h0.dtype) / self.V).unsqueeze(-1)
        if not resets.any():
            output, h, c = self.recurrent(x, h0, c0)
        else:
            h, c, steps = h0, c0, []
            for t in range(len(x)):
                keep = (1.0 - resets[t].to(h.dtype))[None, :, None]
                y, h, c = self.recurrent(x[t : t + 1], h * keep, None if c is None else c * keep)
                steps.append(y)
            output = torch.cat(steps)
        return output, self.linear(output), h, c


def weighted_loss(logits, targets, weights):
    """sum(w * nll) / sum(w) over all T x B positions."""
    nll = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return (weights.flatten() * nll).sum() / weights.sum()


# --- the cases -----------------------------------------------------------------------------------


def draw(random, shape, scale):
    """Normal numbers that float32 holds exactly, so that an f32 engine starts from the same point."""
    values = scale * random.standard_normal(tuple(shape))
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


def make_case(
    seed, cell="lstm", V=11, E=5, H=7, L=1, B=3, T=7, many_to_one=False, with_resets=False, optimise=False
):
    random = np.random.RandomState(seed)  # frozen: its streams never change between versions
    model = Model(V, E, H, L, random, cell)
    tokens = torch.from_numpy(random.randint(0, V, (T, B)))
    targets = torch.from_numpy(random.randint(0, V, (T, B)))
    if many_to_one:
        weights = torch.zeros(T, B)
        weights[-1] = 1.0
    else:
        # Multiples of 1/4 in [0, 2], about one in four of them 0.
        weights = torch.from_numpy(np.maximum(random.randint(-2, 9, (T, B)), 0) / 4.0)
    resets = torch.zeros(T, B, dtype=torch.bool)
    if with_resets:
        # At the very start, in the middle, twice running, at the last step; row 1 once only.
        for t, b in [(0, 0), (3, 0), (4, 0), (2, 1), (1, 2), (T - 1, 2)]:
            resets[t, b] = True
    h0 = draw(random, (L, B, H), 0.6).requires_grad_()
    c0 = draw(random, (L, B, H), 0.9).requires_grad_() if cell == "lstm" else None

    case = {
        "config": {
            "vocabulary": V,
            "embedding": E,
            "hidden": H,
            "layers": L,
            "batch": B,
            "steps": T,
        },
        "parameters": {name: array(p) for name, p in model.named().items()},
        "tokens": array(tokens),
        "targets": array(targets),
        "weights": array(weights),
        "resets": array(resets.to(torch.int64)),
        "h0": array(h0),
    }
    if cell != "lstm":
        case["config"]["cell"] = cell
    else:
        case["c0"] = array(c0)

    output, logits, h_n, c_n = model(tokens, resets, h0, c0)
    loss = weighted_loss(logits, targets, weights)
    loss.backward()
    case |= {
        "output": array(output),
        "logits": array(logits),
        "h_n": array(h_n),
    }
    if c0 is not None:
        case["c_n"] = array(c_n)
    case |= {
        "loss": loss.item(),
        "gradients": {name: array(d) for name, d in model.named(lambda p: p.grad).items()},
        "d_h0": array(h0.grad),
    }
    if c0 is not None:
        case["d_c0"] = array(c0.grad)

    if optimise:
        start = {name: p.detach().clone() for name, p in model.named().items()}
        batch = (tokens, targets, weights, resets, h0.detach(), c0.detach())
        case["adam"] = descend(model, start, batch, torch.optim.Adam, max_norm=0.4)
        case["rmsprop"] = descend(model, start, batch, torch.optim.RMSprop, max_norm=0.3)
    return case


def descend(model, start, batch, optimiser_class, max_norm, lr=0.01, steps=10):
    """Ten steps on one batch from the case's parameters, gradients clipped to a global norm."""
    tokens, targets, weights, resets, h0, c0 = batch
    parameters = model.named()
    for name, parameter in parameters.items():
        parameter.data.copy_(start[name])
    optimiser = optimiser_class(parameters.values(), lr=lr)
    losses, norms = [], []
    for _ in range(steps):
        optimiser.zero_grad()
        _, logits, _, _ = model(tokens, resets, h0, c0)
        loss = weighted_loss(logits, targets, weights)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(parameters.values(), max_norm).item())
        optimiser.step()
        losses.append(loss.item())
    clipped = sum(norm > max_norm for norm in norms)
    assert 0 < clipped < steps, f"clipping must bite in some steps only: {norms}"
    return {
        "lr": lr,
        "max_norm": max_norm,
        "losses": losses,
        "gradient_norms": norms,
        "parameters": {name: array(p) for name, p in parameters.items()},
    }


def make_optimizers(seed, n=37, steps=10, lr=0.003):
    """Parameter vectors after each of ten steps from given gradients."""
    random = np.random.RandomState(seed)
    initial = draw(random, (n,), 0.5)
    # Each value has its own magnitude, from far below Adam's eps to huge.
    scale = torch.from_numpy(10.0 ** random.uniform(-12, 4, n))
    scale[:6] = torch.tensor([0.0, 1e-20, 1e-12, 1e-8, 1e4, 1e6])
    gradients = [draw(random, (n,), 1.0) * scale for _ in range(steps)]
    gradients = [g.to(torch.float32).to(torch.float64) for g in gradients]
    for step, gradient in enumerate(gradients):
        gradient[6] = 0.0 if step < 5 else gradient[6]  # wakes late
        gradient[7] = 0.0 if step > 0 else gradient[7]  # one kick, then only momentum
        gradient[8] = (-1.0) ** step  # alternates
        gradient[9] = 1.0  # constant

    def run(optimiser_class):
        parameter = nn.Parameter(initial.clone())
        optimiser = optimiser_class([parameter], lr=lr)
        after = []
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimiser.step()
            after.append(array(parameter))
        return after

    return {
        "lr": lr,
        "initial": array(initial),
        "gradients": [array(gradient) for gradient in gradients],
        "adam": run(torch.optim.Adam),
        "rmsprop": run(torch.optim.RMSprop),
    }


def make_all():
    return {
        "many_to_many_l1": make_case(seed=1, L=1),
        "many_to_many_l2": make_case(seed=2, L=2, optimise=True),
        "many_to_many_l3": make_case(seed=3, L=3),
        "many_to_one": make_case(seed=4, L=2, B=4, T=6, many_to_one=True),
        "resets": make_case(seed=5, L=2, with_resets=True),
        "scalar_input": make_case(seed=6, E=None, L=2, B=2, T=9),
        "optimizers": make_optimizers(seed=7),
        "gru": make_case(seed=8, cell="gru", L=2),
        "gru_resets": make_case(seed=9, cell="gru", B=4, with_resets=True),
        "rnn": make_case(seed=10, cell="rnn", L=2),
        "rnn_resets": make_case(seed=11, cell="rnn", B=4, with_resets=True),
    }


# --- the files -----------------------------------------------------------------------------------


def array(tensor):
    """A tensor as its shape and its values, row-major."""
    return {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}


def text(case):
    """Compact JSON; Python writes a float as the shortest digits that read back the same."""
    return json.dumps(case, separators=(",", ":"), allow_nan=False) + "\n"


def differences(made, stored, where):
    """Yields one line for each place where two JSON values disagree."""
    if isinstance(made, dict) and isinstance(stored, dict) and made.keys() == stored.keys():
        for key in made:
            yield from differences(made[key], stored[key], f"{where}.{key}")
    elif isinstance(made, list) and isinstance(stored, list) and len(made) == len(stored):
        for index, (a, b) in enumerate(zip(made, stored)):
            yield from differences(a, b, f"{where}[{index}]")
    elif isinstance(made, float) and isinstance(stored, float):
        if not abs(made - stored) <= CHECK_TOLERANCE * (1.0 + abs(stored)):
            yield f"{where}: made {made!r}, stored {stored!r}"
    elif made != stored or type(made) is not type(stored):
        yield f"{where}: not the same"


def check():
    """Compares the committed files to what this machine's PyTorch says now."""
    bad = []
    for name, case in make_all().items():
        path = HERE / f"{name}.json"
        if path.exists():
            bad += differences(case, json.loads(path.read_text()), name)
        else:
            bad.append(f"{path.name} is missing")
    for line in bad[:20]:
        print(line, file=sys.stderr)
    print(f"{len(bad)} differences beyond {CHECK_TOLERANCE}")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if parser.parse_args().check:
        return check()
    for name, case in make_all().items():
        path = HERE / f"{name}.json"
        path.write_text(text(case))
        print(f"{path.name}: {path.stat().st_size} bytes")
    print(f"PyTorch {torch.__version__}, NumPy {np.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
