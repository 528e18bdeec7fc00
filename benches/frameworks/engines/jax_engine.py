#!/usr/bin/env python3
"""JAX by hand: `lax.scan` over time, the input products of all steps before it, one jitted program for a whole step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import contract


def parameters(job):
    """Products take `[in, out]`: PyTorch's matrices are turned once, here. One bias a layer."""
    kept = {name: array for name, array in contract.weights(job).items() if "bias_hh" not in name}
    return {name: jnp.asarray(array if name == "embedding.weight" else array.T) for name, array in kept.items()}


def layer(p, l, x, state):
    """`x [T, B, I]` to outputs `[T, B, H]` and the state `(h, c)` after the last."""
    w_hh = p[f"lstm.weight_hh_l{l}"]

    def cell(state, before):
        h, c = state
        i, f, g, o = jnp.split(before + h @ w_hh, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    state, out = jax.lax.scan(cell, state, x @ p[f"lstm.weight_ih_l{l}"] + p[f"lstm.bias_ih_l{l}"])
    return out, state


def network(p, tokens, states, dropout, key, last_only):
    x, after = p["embedding.weight"][tokens], []
    for l, state in enumerate(states):
        x, state = layer(p, l, x, state)
        if last_only and l == len(states) - 1:
            x = x[-1:]
        if dropout > 0:
            kept = jax.random.bernoulli(jax.random.fold_in(key, l), 1 - dropout, x.shape)
            x = jnp.where(kept, x / (1 - dropout), 0)
        after.append(state)
    return x @ p["linear.weight"] + p["linear.bias"], after


def zeros(job):
    return [(jnp.zeros((job["batch"], job["hidden"])),) * 2 for _ in range(job["layers"])]


class About:
    def about(self):
        return {"versions": {"jax": jax.__version__, "jaxlib": jax.lib.__version__}}


class Training(About, contract.Training):
    def __init__(self, job):
        last_only = job["objective"] == "many-to-one"
        tokens, targets = (jnp.asarray(array) for array in contract.data(job))
        targets, states = (targets[-1:] if last_only else targets), zeros(job)

        def loss(p, key):
            logits, _ = network(p, tokens, states, job["dropout"], key, last_only)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)
            return -chosen.mean()

        def update(p, moments, grads, count):
            norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values()))
            scale = jnp.minimum(1.0, job["clip_norm"] / norm)
            bias1, bias2 = 1 - 0.9**count, 1 - 0.999**count
            new_p, new_moments = {}, {}
            for name, g in grads.items():
                m, v = moments[name]
                g = scale * g
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                new_p[name] = p[name] - job["learning_rate"] * (m / bias1) / (jnp.sqrt(v / bias2) + 1e-8)
                new_moments[name] = (m, v)
            return new_p, new_moments

        def whole(p, moments, key, count):
            value, grads = jax.value_and_grad(loss)(p, jax.random.fold_in(key, count))
            return *update(p, moments, grads, count), value

        self.loss, self.grad = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
        self.apply = jax.jit(update, donate_argnums=(0, 1))
        self.whole = jax.jit(whole, donate_argnums=(0, 1))
        self.p, self.key, self.count = parameters(job), jax.random.key(1), 0
        self.moments = {name: (jnp.zeros_like(a), jnp.zeros_like(a)) for name, a in self.p.items()}

    def forward(self):
        return self.loss(self.p, self.key).block_until_ready()

    def gradients(self):
        value, self.grads = jax.block_until_ready(self.grad(self.p, self.key))
        return value

    def update(self):
        self.count += 1
        self.p, self.moments = jax.block_until_ready(self.apply(self.p, self.moments, self.grads, float(self.count)))

    def step(self):
        self.count += 1
        self.p, self.moments, value = self.whole(self.p, self.moments, self.key, self.count)
        jax.block_until_ready((self.p, value))

    def named_gradients(self):
        return {name.replace("bias_ih", "bias"): np.asarray(g if name == "embedding.weight" else g.T)
                for name, g in self.grads.items()}


class Inference(About, contract.Inference):
    def __init__(self, job):
        super().__init__(job)
        self.p, self.zeros = parameters(job), zeros(job)
        self.run = jax.jit(functools.partial(network, dropout=0.0, key=None, last_only=True))
        self.rest()

    def rest(self):
        self.state = self.zeros

    def logits(self, tokens):
        logits, state = self.run(self.p, tokens if self.window else tokens[None], self.state)
        if not self.window:
            self.state = state
        return np.asarray(logits)[-1]


def make(job):
    return Training(job) if job["kind"] == "train" else Inference(job)


if __name__ == "__main__":
    contract.serve(make)
