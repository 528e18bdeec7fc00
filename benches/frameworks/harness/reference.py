"""The arbiter: the network and its gradients in NumPy, in float64, as plainly as the equations.

    i, f, o = σ(·), g = tanh(·)   of   x·w_ihᵀ + h·w_hhᵀ + b,   gates in the order i, f, g, o
    c' = f·c + i·g,   h' = o·tanh(c')

Shapes: tokens and targets `[T, B]`, activations `[T, B, ·]`.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from . import jobs

# Updates before the loss is looked at again.
UPDATES = 2


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def lstm(x, w_ih, w_hh, bias):
    """Outputs `[T, B, H]` from the zero state, and what the backward pass needs."""
    steps, rows, hidden = x.shape[0], x.shape[1], w_hh.shape[1]
    pre = x @ w_ih.T + bias
    h, c = np.zeros((2, rows, hidden))
    hs, cs, gates = np.empty((steps, rows, hidden)), np.empty((steps, rows, hidden)), np.empty_like(pre)
    for t in range(steps):
        i, f, g, o = np.split(pre[t] + h @ w_hh.T, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        gates[t], hs[t], cs[t] = np.concatenate([i, f, g, o], axis=1), h, c
    return hs, (x, hs, cs, gates)


def lstm_backward(d_out, cache, w_ih, w_hh):
    """Gradients of x, w_ih, w_hh and the bias."""
    x, hs, cs, gates = cache
    steps, rows, hidden = hs.shape
    d_pre = np.empty_like(gates)
    d_h, d_c = np.zeros((2, rows, hidden))
    for t in reversed(range(steps)):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        before = cs[t - 1] if t else np.zeros_like(d_c)
        d_h = d_h + d_out[t]
        tanh_c = np.tanh(cs[t])
        d_c = d_c + d_h * o * (1 - tanh_c**2)
        d_pre[t] = np.concatenate(
            [d_c * g * i * (1 - i), d_c * before * f * (1 - f), d_c * i * (1 - g**2), d_h * tanh_c * o * (1 - o)], axis=1)
        d_h, d_c = d_pre[t] @ w_hh, d_c * f
    flat, h_before = d_pre.reshape(steps * rows, -1), np.concatenate([np.zeros((1, rows, hidden)), hs[:-1]])
    d_w_ih = flat.T @ x.reshape(steps * rows, -1)
    return d_pre @ w_ih, d_w_ih, flat.T @ h_before.reshape(steps * rows, -1), flat.sum(axis=0)


def loss_and_gradients(w, tokens, targets, job, with_gradients=True):
    """Nats per character that counts, and the gradients by name (one bias a layer, under `bias_ih`); without these the
    root mean square of the logits."""
    first = tokens.shape[0] - 1 if job["objective"] == "many-to-one" else 0
    x, caches = w["embedding.weight"][tokens], []
    for layer in range(job["layers"]):
        x, cache = lstm(x, w[f"lstm.weight_ih_l{layer}"], w[f"lstm.weight_hh_l{layer}"], w[f"lstm.bias_ih_l{layer}"])
        caches.append(cache)
    logits = (x[first:] @ w["linear.weight"].T + w["linear.bias"]).reshape(-1, job["vocabulary"])
    wanted = targets[first:].reshape(-1)
    size = float(np.sqrt((logits**2).mean()))
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    total = p.sum(axis=1, keepdims=True)
    loss = float((np.log(total[:, 0]) - logits[np.arange(len(wanted)), wanted]).mean())
    if not with_gradients:
        return loss, size

    d_logits = p / total
    d_logits[np.arange(len(wanted)), wanted] -= 1
    d_logits /= len(wanted)
    grads = {"linear.weight": d_logits.T @ x[first:].reshape(len(wanted), -1), "linear.bias": d_logits.sum(axis=0)}
    d_x = np.zeros_like(x)
    d_x[first:] = (d_logits @ w["linear.weight"]).reshape(x[first:].shape)
    for layer in reversed(range(job["layers"])):
        names = [f"lstm.{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih")]
        d_x, *found = lstm_backward(d_x, caches[layer], w[names[0]], w[names[1]])
        grads.update(zip(names, found))
    grads["embedding.weight"] = np.zeros_like(w["embedding.weight"])
    np.add.at(grads["embedding.weight"], tokens.reshape(-1), d_x.reshape(-1, d_x.shape[-1]))
    return loss, grads


def adam(w, grads, moments, step, job):
    """One update after clipping by the norm of all gradients, in place; β 0.9 and 0.999, ε 1e-8."""
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    scale = min(1.0, job["clip_norm"] / norm)
    for name, g in grads.items():
        m, v = moments.setdefault(name, [np.zeros_like(g), np.zeros_like(g)])
        m += 0.1 * (scale * g - m)
        v += 0.001 * ((scale * g) ** 2 - v)
        bias1, bias2 = 1 - 0.9**step, 1 - 0.999**step
        w[name] = w[name] - job["learning_rate"] * (m / bias1) / (np.sqrt(v / bias2) + 1e-8)


def measured(gradients):
    """Of gradients by name, in PyTorch's layouts: the norm of each and of all, and the product of each with a fixed vector, which
    also tells numbers in another order. Number `k` of that vector is `hash(k) / 2^31 - 1`, `k` counted row-major."""
    flat = {name: np.asarray(g, np.float64).ravel() for name, g in gradients.items()}
    norms = {name: float(np.linalg.norm(g)) for name, g in flat.items()}
    products = {name: float(g @ (jobs.hashed(np.arange(g.size)).astype(np.float64) / 2.0**31 - 1)) for name, g in flat.items()}
    return {"gradient_norm": sum(n**2 for n in norms.values()) ** 0.5, "gradients": norms, "products": products}


def expected(job, cache):
    """What every engine must come to on this job, from `cache` (a folder) if it was computed before."""
    relevant = {key: value for key, value in job.items() if key not in ("name", "title", "suite", "threads", "dropout")}
    # What these equations said before they were changed does not count.
    key = json.dumps(relevant, sort_keys=True) + Path(__file__).read_text()
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if path.is_file():
        return json.loads(path.read_text())
    w = {name: array.astype(np.float64) for name, array in jobs.weights(job).items()}
    tokens, targets = jobs.characters(job)
    if job["kind"] == "train":
        loss, grads = loss_and_gradients(w, tokens, targets, job)
        result = {"loss": loss, **measured({name.replace("bias_ih", "bias"): g for name, g in grads.items()})}
        moments = {}
        for step in range(1, UPDATES + 1):
            adam(w, grads, moments, step, job)
            after, grads = loss_and_gradients(w, tokens, targets, job, step < UPDATES)
        result["fall"] = loss - after
    else:
        # A window is judged by what follows its last character, a carried state by what follows each.
        objective = "many-to-one" if job["kind"] == "window" else "many-to-many"
        loss, size = loss_and_gradients(w, tokens, targets, {**job, "objective": objective}, False)
        result = {"loss": loss, "logits": size}
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


def differences(found, wanted, rtol):
    """Sentences on all that is not within `rtol`. The loss, which stands near ln V whatever a network computes, must be
    within a tenth of it. Its fall over the updates is a small difference of two losses: twenty times, and what these may be off,
    but never more than half of it."""
    within_loss = 0.1 * rtol * abs(wanted["loss"])
    values = {"loss": within_loss}
    if "fall" in wanted:
        values["fall"] = min(within_loss + 20 * rtol * abs(wanted["fall"]), 0.5 * abs(wanted["fall"]))
    values.update({name: rtol * abs(wanted[name]) for name in ("logits", "gradient_norm") if name in wanted})
    pairs = [(name, found.get(name), wanted[name], within) for name, within in values.items()]
    groups = found.get("gradients", {})
    pairs += [(f"gradient of {name}", groups.get(name), want, rtol * want) for name, want in wanted.get("gradients", {}).items()]
    products = found.get("products", {})
    # Of the gradient's size, or of the product's, which is the greater one where most numbers have one sign.
    pairs += [(f"gradient of {name} times a fixed vector", products.get(name), want, rtol * max(wanted["gradients"][name], abs(want)))
              for name, want in wanted.get("products", {}).items()]
    # `not <=`, so that NaN differs.
    return [f"{name} is {got}, not {want:.7g}" for name, got, want, within in pairs
            if got is None or not abs(got - want) <= within]
