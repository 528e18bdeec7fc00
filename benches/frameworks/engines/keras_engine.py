#!/usr/bin/env python3
"""Keras: its own layers and Adam, in a jitted training step of the backend that KERAS_BACKEND names."""

import os

import keras
import numpy as np

import contract

BACKEND = keras.backend.backend()
# Keras' ε is "ε hat", which does not grow with the bias correction of the second moment. This is the others' 1e-8 in the first update.
EPSILON = 1e-8 * (1 - 0.999) ** 0.5


def network(job, states, last_only):
    """Characters `[B, T]`, and the states of each layer where they are carried, to logits and states."""
    rows, hidden = job["batch"], job["hidden"]
    steps = 1 if job["kind"] == "carried" else job["steps"]
    tokens = keras.Input(batch_shape=(rows, steps), dtype="int32")
    inputs = [keras.Input(batch_shape=(rows, hidden)) for _ in range(2 * job["layers"] if states else 0)]
    x, after = keras.layers.Embedding(job["vocabulary"], job["embedding"])(tokens), []
    for l in range(job["layers"]):
        sequences = not last_only or l < job["layers"] - 1
        lstm = keras.layers.LSTM(hidden, return_sequences=sequences, return_state=states)
        x, *state = lstm(x, initial_state=inputs[2 * l:2 * l + 2]) if states else [lstm(x)]
        after += state
        x = keras.layers.Dropout(job["dropout"])(x) if job["dropout"] > 0 else x
    logits = keras.layers.Dense(job["vocabulary"])(x)
    model = keras.Model([tokens, *inputs], [logits, *after]) if states else keras.Model(tokens, logits)
    load(model, job)
    return model


def load(model, job):
    """Keras' matrices are PyTorch's turned; the gates stand in the same order."""
    weights = contract.weights(job)
    values = [weights["embedding.weight"]]
    for l in range(job["layers"]):
        values += [weights[f"lstm.weight_ih_l{l}"].T, weights[f"lstm.weight_hh_l{l}"].T, weights[f"lstm.bias_ih_l{l}"]]
    model.set_weights([*values, weights["linear.weight"].T, weights["linear.bias"]])


def names(job):
    """Of the trainable variables, in their order."""
    lstm = [f"lstm.{kind}_l{l}" for l in range(job["layers"]) for kind in ("weight_ih", "weight_hh", "bias")]
    return ["embedding.weight", *lstm, "linear.weight", "linear.bias"]


class Training(contract.Training):
    """What both backends share; they compile `forward`, `gradients`, `update` and `step`."""

    def __init__(self, job):
        self.job, last_only = job, job["objective"] == "many-to-one"
        self.model = network(job, False, last_only)
        tokens, targets = contract.data(job)
        self.tokens = np.ascontiguousarray(tokens.T)
        self.targets = np.ascontiguousarray(targets[-1] if last_only else targets.T)
        self.entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.optimizer = keras.optimizers.Adam(job["learning_rate"], epsilon=EPSILON, global_clipnorm=job["clip_norm"])
        self.optimizer.build(self.model.trainable_variables)
        self.compile()

    def named_gradients(self):
        arrays = {name: np.asarray(keras.ops.convert_to_numpy(g)) for name, g in zip(names(self.job), self.grads)}
        return {name: array if name == "embedding.weight" else array.T for name, array in arrays.items()}

    def about(self):
        return about()


class TensorFlow(Training):
    def compile(self):
        tokens, targets = tf.constant(self.tokens), tf.constant(self.targets)
        variables = self.model.trainable_variables

        def loss():
            return self.entropy(targets, self.model(tokens, training=True))

        def gradients():
            with tf.GradientTape() as tape:
                value = loss()
            # An embedding's gradient comes as rows.
            return value, [tf.convert_to_tensor(g) for g in tape.gradient(value, variables)]

        def step():
            value, grads = gradients()
            self.optimizer.apply(grads, variables)
            return value

        def jit(function):
            return tf.function(function, jit_compile=True)

        self.jitted_loss, self.jitted_gradients, self.jitted_step = jit(loss), jit(gradients), jit(step)
        self.jitted_apply = jit(lambda grads: self.optimizer.apply(grads, variables))

    def forward(self):
        return float(self.jitted_loss())

    def gradients(self):
        value, self.grads = self.jitted_gradients()
        return float(value)

    def update(self):
        self.jitted_apply(self.grads)

    def step(self):
        float(self.jitted_step())


class Jax(Training):
    def compile(self):
        tokens, targets = jnp.asarray(self.tokens), jnp.asarray(self.targets)
        model, optimizer = self.model, self.optimizer

        def loss(trained, rest):
            logits, rest = model.stateless_call(trained, rest, tokens, training=True)
            return self.entropy(targets, logits), rest

        grad = jax.value_and_grad(loss, has_aux=True)

        def step(trained, rest, state):
            (value, rest), grads = grad(trained, rest)
            trained, state = optimizer.stateless_apply(state, grads, trained)
            return value, trained, rest, state

        self.trained = [v.value for v in model.trainable_variables]
        self.rest = [v.value for v in model.non_trainable_variables]
        self.state = [v.value for v in optimizer.variables]
        self.jitted_loss, self.jitted_gradients = jax.jit(loss), jax.jit(grad)
        self.jitted_step = jax.jit(step, donate_argnums=(0, 1, 2))
        self.jitted_apply = jax.jit(lambda state, grads, trained: optimizer.stateless_apply(state, grads, trained),
                                    donate_argnums=(0, 2))

    def forward(self):
        value, self.rest = self.jitted_loss(self.trained, self.rest)
        return float(value)

    def gradients(self):
        (value, self.rest), self.grads = jax.block_until_ready(self.jitted_gradients(self.trained, self.rest))
        return float(value)

    def update(self):
        self.trained, self.state = jax.block_until_ready(self.jitted_apply(self.state, self.grads, self.trained))

    def step(self):
        value, self.trained, self.rest, self.state = self.jitted_step(self.trained, self.rest, self.state)
        jax.block_until_ready((value, self.trained))


class Inference(contract.Inference):
    def __init__(self, job):
        super().__init__(job)
        self.model = network(job, not self.window, self.window)
        self.zeros = [np.zeros((job["batch"], job["hidden"]), np.float32)] * (0 if self.window else 2 * job["layers"])
        if BACKEND == "jax":
            weights = [v.value for v in self.model.trainable_variables], [v.value for v in self.model.non_trainable_variables]
            run = jax.jit(lambda trained, rest, inputs: self.model.stateless_call(trained, rest, inputs)[0])
            self.run = lambda inputs: run(*weights, inputs)
        else:
            self.run = tf.function(lambda inputs: self.model(inputs), jit_compile=True)
        self.rest()

    def rest(self):
        self.state = self.zeros

    def logits(self, tokens):
        if self.window:
            return np.asarray(self.run(np.ascontiguousarray(tokens.T)))
        logits, *self.state = self.run([tokens[:, None], *self.state])
        return np.asarray(logits)[:, -1]

    def about(self):
        return about()


def about():
    if BACKEND == "jax":
        return {"versions": {"keras": keras.__version__, "jax": jax.__version__}}
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {"threads": threads, "versions": {"keras": keras.__version__, "tensorflow": tf.__version__}}


def make(job):
    if BACKEND == "tensorflow" and not tf.config.threading.get_intra_op_parallelism_threads():
        tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if job["kind"] != "train":
        return Inference(job)
    return Jax(job) if BACKEND == "jax" else TensorFlow(job)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if BACKEND == "jax":
        import jax
        import jax.numpy as jnp
    else:
        import tensorflow as tf
    contract.serve(make)
