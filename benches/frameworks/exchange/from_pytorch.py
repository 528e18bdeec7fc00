"""An LSTM trained in PyTorch, for Hornpipe to write tunes with.

    hornpipe corpus compose --tunes 400 -o tunes.abc
    python from_pytorch.py tunes.abc model.safetensors
    hornpipe convert model.safetensors model.hornpipe
    hornpipe generate model.hornpipe
"""

import json
import sys

import torch
from safetensors.torch import save_file

corpus, path, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1000
text = open(corpus, encoding="utf-8").read()
vocabulary = "".join(sorted(set(text)))
tokens = torch.tensor([vocabulary.index(character) for character in text])

torch.manual_seed(1)
V, E, H, L, T, B = len(vocabulary), 32, 128, 2, 64, 32
model = torch.nn.ModuleDict({
    "embedding": torch.nn.Embedding(V, E),
    "lstm": torch.nn.LSTM(E, H, L),
    "linear": torch.nn.Linear(H, V),
})
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(steps):
    starts = torch.randint(len(tokens) - T, (B,))
    piece = torch.stack([tokens[start:start + T + 1] for start in starts], dim=1)  # [T + 1, B]
    output, _ = model["lstm"](model["embedding"](piece[:-1]))
    loss = torch.nn.functional.cross_entropy(model["linear"](output).flatten(0, 1), piece[1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1}: {loss:.3f} nats per character")

save_file(model.state_dict(), path, {"hornpipe": json.dumps({"vocabulary": vocabulary})})
