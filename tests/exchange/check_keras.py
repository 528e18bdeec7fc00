#!/usr/bin/env python3
"""Prints the logits that a .keras file gives for a text, as JSON: [T][V], or [1][V] of a many-to-one model.

    python tests/exchange/check_keras.py model.keras VOCABULARY TEXT
    python tests/exchange/check_keras.py --make model.keras V E H L          makes one with Keras alone
"""

import json
import sys

import keras
import numpy as np

if sys.argv[1] == "--make":
    path, (V, E, H, L) = sys.argv[2], map(int, sys.argv[3:])
    keras.utils.set_random_seed(1)
    layers = [keras.Input((None,)), keras.layers.Embedding(V, E)]
    layers += [keras.layers.LSTM(H, return_sequences=True, name=f"layer_{k}") for k in range(L)]
    model = keras.Sequential([*layers, keras.layers.Dropout(0.2), keras.layers.Dense(V)])
    model.set_weights([keras.random.normal(w.shape) * 0.5 for w in model.weights])
    model.save(path)
else:
    path, vocabulary, text = sys.argv[1:]
    model = keras.models.load_model(path, compile=False)
    tokens = np.array([[vocabulary.index(character) for character in text]])
    embedded = any(isinstance(layer, keras.layers.Embedding) for layer in model.layers)
    x = tokens if embedded else (tokens / len(vocabulary)).astype(np.float32)[..., None]
    print(json.dumps(np.asarray(model(x, training=False)).reshape(-1, len(vocabulary)).tolist()))
