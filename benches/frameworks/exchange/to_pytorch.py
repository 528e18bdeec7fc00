"""A Hornpipe model in torch.nn.LSTM: the same logits.

    hornpipe convert runs/mine model.safetensors
    python to_pytorch.py model.safetensors 'X: 1'
"""

import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file


def load(path):
    """The network and its characters, that of integer 0 first."""
    with safe_open(path, "pt") as file:
        vocabulary = json.loads(file.metadata()["hornpipe"])["vocabulary"]
    weights = load_file(path)
    (V, E), H = weights["embedding.weight"].shape, weights["linear.weight"].shape[1]
    L = sum(name.startswith("lstm.weight_ih") for name in weights)
    model = torch.nn.ModuleDict({
        "embedding": torch.nn.Embedding(V, E),
        "lstm": torch.nn.LSTM(E, H, L),
        "linear": torch.nn.Linear(H, V),
    })
    model.load_state_dict(weights)
    return model, vocabulary


@torch.inference_mode()
def logits(model, vocabulary, text):
    """[T, V]: after each character of the text, how likely each is as the next. A tune begins after a line feed."""
    tokens = torch.tensor([vocabulary.index(character) for character in "\n" + text])
    output, _ = model["lstm"](model["embedding"](tokens))
    return model["linear"](output)


if __name__ == "__main__":
    model, vocabulary = load(sys.argv[1])
    best = logits(model, vocabulary, sys.argv[2])[-1].softmax(0).topk(3)
    for probability, index in zip(*best):
        print(f"{vocabulary[index]!r} {probability:.3f}")
