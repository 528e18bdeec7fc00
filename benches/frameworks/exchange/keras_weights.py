"""Hornpipe's models for Keras, and Keras' for Hornpipe, by way of safetensors.

    hornpipe convert runs/mine model.safetensors
    python keras_weights.py model.safetensors model.keras          (or model.weights.h5)

    python keras_weights.py model.keras model.safetensors          (or model.weights.h5)
    hornpipe convert model.safetensors model.hornpipe --corpus tunes.abc

Keras' layouts are PyTorch's transposed: `kernel [I, 4H]`, `recurrent_kernel [H, 4H]`, one bias `[4H]`, gates i, f, c, o, where c is
g; `Dense` has `kernel [H, V]`. The model takes integers [B, T]; without an embedding it takes `integer / V` as [B, T, 1]. It gives logits, after every
character or (many-to-one) after the last. What Hornpipe says of its model (characters, settings) stands in the .keras file as
`hornpipe.json`, in the .weights.h5 file as the data set `hornpipe`, and comes back from there. A model that Keras made may have layers
Embedding, LSTM, Dropout and one Dense; only weights are read, so an activation after the Dense layer does not matter.
"""

import json
import sys
import zipfile

import h5py
import keras
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def build(V, E, H, L, dropout=0.0, many_to_one=False):
    """The network; E is None where the input is a number."""
    layers = [keras.Input((None,), dtype="int32"), keras.layers.Embedding(V, E)] if E else [keras.Input((None, 1))]
    for layer in range(L):
        layers.append(keras.layers.LSTM(H, return_sequences=layer < L - 1 or not many_to_one))
        layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential([*layers, keras.layers.Dense(V)])


def to_keras(source, target):
    weights = load_file(source)
    with safe_open(source, "np") as file:
        said = (file.metadata() or {}).get("hornpipe")
    settings = json.loads(said).get("settings") if said else None
    V, H = weights["linear.weight"].shape
    E = weights["embedding.weight"].shape[1] if "embedding.weight" in weights else None
    L = sum(name.startswith("lstm.weight_ih") for name in weights)
    more = (settings["dropout"], settings["objective"] == "many-to-one") if settings else ()
    model = build(V, E, H, L, *more)
    values = [weights["embedding.weight"]] if E else []
    for layer in range(L):
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        values += [weights[f"lstm.weight_ih_l{layer}"].T, weights[f"lstm.weight_hh_l{layer}"].T, bias]
    model.set_weights([*values, weights["linear.weight"].T, weights["linear.bias"]])
    if target.endswith(".keras"):
        model.save(target)
        if said:
            with zipfile.ZipFile(target, "a") as file:
                file.writestr(zipfile.ZipInfo("hornpipe.json"), said)
    else:
        model.save_weights(target)
        if said:
            with h5py.File(target, "a") as file:
                file["hornpipe"] = said


def read(source):
    """A model with the weights of a file, and what Hornpipe said of it, or None."""
    if source.endswith(".keras"):
        with zipfile.ZipFile(source) as file:
            said = file.read("hornpipe.json").decode() if "hornpipe.json" in file.namelist() else None
        return keras.models.load_model(source, compile=False), said
    with h5py.File(source) as file:
        layers = file.get("layers", {})
        if "lstm" not in layers or "dense" not in layers:
            sys.exit(f"{source} is not what save_weights of a model with layers LSTM and Dense writes")
        H, V = layers["dense/vars/0"].shape
        E = layers["embedding/vars/0"].shape[1] if "embedding" in layers else None
        model = build(V, E, H, sum(name.split("_")[0] == "lstm" for name in layers))
        said = file["hornpipe"][()].decode() if "hornpipe" in file else None
    model.load_weights(source)
    return model, said


def from_keras(source, target):
    model, said = read(source)
    tensors, lstms = {}, []
    for layer in model.layers:
        kind, values = type(layer).__name__, layer.get_weights()
        if kind == "LSTM":
            wanted = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "go_backwards": False}
            wrong = {name: value for name, value in layer.get_config().items() if wanted.get(name, value) != value}
            if wrong:
                sys.exit(f"{layer.name} has {wrong}, and Hornpipe's LSTM has {wanted}")
            l, H = len(lstms), layer.units
            lstms.append(layer)
            tensors[f"lstm.weight_ih_l{l}"], tensors[f"lstm.weight_hh_l{l}"] = values[0].T, values[1].T
            tensors[f"lstm.bias_ih_l{l}"], tensors[f"lstm.bias_hh_l{l}"] = values[2], np.zeros(4 * H, np.float32)
        elif kind == "Embedding" and not lstms and not layer.mask_zero:
            tensors["embedding.weight"] = values[0]
        elif kind == "Dense" and layer.use_bias and "linear.weight" not in tensors:
            tensors["linear.weight"], tensors["linear.bias"] = values[0].T, values[1]
        elif values:
            sys.exit(f"{layer.name} is a layer that Hornpipe does not have: it has Embedding, LSTM, Dropout and one Dense")
    tensors = {name: np.ascontiguousarray(values, np.float32) for name, values in tensors.items()}
    save_file(tensors, target, {"hornpipe": said} if said else None)
    if not said:
        objective = "many-to-many" if lstms and lstms[-1].return_sequences else "many-to-one"
        print(f"hornpipe convert {target} model.hornpipe --objective {objective} --corpus CORPUS")


def main():
    if len(sys.argv) != 3 or sum(name.endswith(".safetensors") for name in sys.argv[1:]) != 1:
        sys.exit(__doc__)
    source, target = sys.argv[1:]
    to_keras(source, target) if source.endswith(".safetensors") else from_keras(source, target)


if __name__ == "__main__":
    main()
