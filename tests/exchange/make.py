#!/usr/bin/env python3
"""Writes models as a plain PyTorch script does, and the logits that they give in float64.

    python tests/exchange/make.py            writes the files beside this script
    python tests/exchange/make.py --check    makes them again in memory and compares: weights to the bit, logits to 1e-12

Shapes: B batch, T time, V vocabulary, E embedding, H hidden, L layers. Nothing of Hornpipe is used here.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent


class Model(nn.Module):
    """Embedding (or the scalar token / V) -> LSTM -> Linear."""

    def __init__(self, V, E, H, L):
        super().__init__()
        self.V = V
        if E:
            self.embedding = nn.Embedding(V, E)
        self.lstm = nn.LSTM(E or 1, H, L)
        self.linear = nn.Linear(H, V)

    def forward(self, tokens):
        if hasattr(self, "embedding"):
            x = self.embedding(tokens)
        else:
            # Divided in float32, as a script in float32 does.
            x = (tokens.float() / self.V).to(self.linear.weight.dtype).unsqueeze(-1)
        return self.linear(self.lstm(x)[0])


def make(seed, vocabulary, rows, E, H, L, said):
    random = np.random.RandomState(seed)  # frozen: its streams never change between versions
    model = Model(len(vocabulary), E, H, L)
    for _, parameter in sorted(model.named_parameters()):
        values = 0.6 * random.standard_normal(tuple(parameter.shape))
        parameter.data.copy_(torch.from_numpy(values))
    metadata = {"hornpipe": json.dumps({"vocabulary": vocabulary})} if said else None
    file = save(model.state_dict(), metadata)
    tokens = torch.tensor([[vocabulary.index(c) for c in row] for row in rows]).T  # [T, B]
    with torch.no_grad():
        logits = model.double()(tokens)
    shape, data = list(logits.shape), logits.flatten().tolist()
    return file, {"vocabulary": vocabulary, "rows": rows, "logits": {"shape": shape, "data": data}}


CASES = {
    # The characters in an order of their own, and not a word about them in the file.
    "plain": dict(seed=1, vocabulary="AB|\ncde 'é#", rows=["\nABc|é", "\nde A|", "c 'é#B"], E=5, H=7, L=2, said=False),
    # The input is one number; the file says its characters.
    "scalar": dict(seed=2, vocabulary="\n ABCabc|", rows=["\nABc|a", "| CaAb"], E=None, H=6, L=1, said=True),
    "deep": dict(seed=3, vocabulary="\n ABCabc|", rows=["\nABc|aBCba |"], E=3, H=4, L=4, said=True),
}


def main():
    wrong = []
    made = {name: make(**case) for name, case in CASES.items()}
    numbers = {name: case for name, (_, case) in made.items()}
    for name, (file, _) in made.items():
        path = HERE / f"{name}.safetensors"
        if "--check" not in sys.argv:
            path.write_bytes(file)
        elif path.read_bytes() != file:
            wrong.append(str(path))
    path = HERE / "logits.json"
    if "--check" not in sys.argv:
        path.write_text(json.dumps(numbers, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        stored = json.loads(path.read_text(encoding="utf-8"))
        for name, case in numbers.items():
            got, want = (np.array(x[name]["logits"]["data"]) for x in (numbers, stored))
            if {**case, "logits": 0} != {**stored[name], "logits": 0} or not np.allclose(got, want, 1e-12, 1e-12):
                wrong.append(f"{path}: {name}")
    for name in wrong:
        print(f"{name} is not what this script makes", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
