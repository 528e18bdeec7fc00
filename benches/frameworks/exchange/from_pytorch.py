"""An LSTM trained in PyTorch, for Hornpipe to write tunes with.

    hornpipe corpus compose --tunes 400 -o tunes.abc
    python from_pytorch.py tunes.abc model.safetensors
    hornpipe convert model.safetensors model.hornpipe
    hornpipe generate model.hornpipe
"""

import json
import re
import sys

import torch
from safetensors.torch import save_file

T, B = 64, 32


def train(model, text, vocabulary, steps):
    tokens = torch.tensor([vocabulary.index(character) for character in text])
    # Hornpipe begins a tune with the zero state and a line feed; so do half of these pieces.
    tunes = torch.tensor([end.start() + 1 for end in re.finditer("\n\nX:", text[:-T])])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(steps):
        starts = torch.cat([tunes[torch.randint(len(tunes), (B // 2,))], torch.randint(len(tokens) - T, (B // 2,))])
        piece = tokens[starts + torch.arange(T + 1)[:, None]]  # [T + 1, B]
        output, _ = model["lstm"](model["embedding"](piece[:-1]))
        loss = torch.nn.functional.cross_entropy(model["linear"](output).flatten(0, 1), piece[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1}: {loss:.3f} nats per character")


if __name__ == "__main__":
    corpus, path, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    with open(corpus, encoding="utf-8") as file:
        text = file.read()
    torch.manual_seed(1)

    vocabulary = "".join(sorted(set(text)))
    model = torch.nn.ModuleDict({
        "embedding": torch.nn.Embedding(len(vocabulary), 32),
        "lstm": torch.nn.LSTM(32, 128, num_layers=2),
        "linear": torch.nn.Linear(128, len(vocabulary)),
    })
    train(model, text, vocabulary, steps)
    save_file(model.state_dict(), path, {"hornpipe": json.dumps({"vocabulary": vocabulary})})
