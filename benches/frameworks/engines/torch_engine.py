#!/usr/bin/env python3
"""PyTorch: eager, compiled (`"compile"`), or under bf16 autocast (`"bf16"`)."""

import contextlib

import numpy as np
import torch

import contract


class Net(torch.nn.Module):
    def __init__(self, job):
        super().__init__()
        vocabulary, hidden, layers = job["vocabulary"], job["hidden"], job["layers"]
        self.embedding = torch.nn.Embedding(vocabulary, job["embedding"])
        between = job["dropout"] if layers > 1 else 0.0
        self.lstm = torch.nn.LSTM(job["embedding"], hidden, layers, dropout=between)
        self.dropout = torch.nn.Dropout(job["dropout"])
        self.linear = torch.nn.Linear(hidden, vocabulary)
        # Copies: the arrays belong to the file that was read.
        self.load_state_dict({name: torch.tensor(array) for name, array in contract.weights(job).items()})
        # One bias a layer, as everywhere here: the second one stays 0.
        for layer in range(layers):
            getattr(self.lstm, f"bias_hh_l{layer}").requires_grad_(False)

    def forward(self, tokens, state=None, last_only=False):
        out, state = self.lstm(self.embedding(tokens), state)
        return self.linear(self.dropout(out[-1:] if last_only else out)), state


class About:
    def about(self):
        return {"threads": torch.get_num_threads(),
                "versions": {"torch": torch.__version__, "kernels": torch.backends.cpu.get_cpu_capability()}}

    def context(self):
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.bf16 else contextlib.nullcontext()


class Training(About, contract.Training):
    def __init__(self, job):
        self.bf16 = job["options"].get("bf16", False)
        self.net = Net(job).train()
        tokens, targets = (torch.from_numpy(array.astype(np.int64)) for array in contract.data(job))
        self.last_only = job["objective"] == "many-to-one"
        self.tokens, self.targets = tokens, targets[-1:] if self.last_only else targets
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.clip_norm = job["clip_norm"]
        self.optimizer = torch.optim.Adam(self.trained, lr=job["learning_rate"], fused=True)
        if job["options"].get("compile"):
            self.loss = torch.compile(self.loss)

    def loss(self):
        with self.context():
            logits, _ = self.net(self.tokens, last_only=self.last_only)
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), self.targets.flatten())

    def forward(self):
        return self.loss().detach()

    def gradients(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        return loss.detach()

    def update(self):
        torch.nn.utils.clip_grad_norm_(self.trained, self.clip_norm)
        self.optimizer.step()

    def named_gradients(self):
        return {name.replace("bias_ih", "bias"): p.grad.numpy()
                for name, p in self.net.named_parameters() if p.requires_grad}


class Inference(About, contract.Inference):
    def __init__(self, job):
        super().__init__(job)
        self.bf16 = job["options"].get("bf16", False)
        self.net = Net(job).eval()
        self.state = None
        if job["options"].get("compile"):
            # A step at a time gains from weights that are packed once, with the LSTM let into the graph; a window loses.
            torch._inductor.config.freezing = torch._dynamo.config.allow_rnn = not self.window
            self.net = torch.compile(self.net)

    def rest(self):
        self.state = None

    @torch.inference_mode()
    def logits(self, tokens):
        tokens = torch.from_numpy(tokens.astype(np.int64))
        with self.context():
            if self.window:
                return self.net(tokens, last_only=True)[0][-1].float().numpy()
            logits, self.state = self.net(tokens[None], self.state)
        return logits[0].float().numpy()


class Quality(About, contract.Quality):
    def __init__(self, job):
        torch.manual_seed(job["seed"])
        self.net, self.clip_norm = Net(job), job["clip_norm"]
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.trained, fused=True)

    def rest(self):
        self.state = None

    def train(self, tokens, targets, rate):
        self.net.train()
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        logits, state = self.net(torch.tensor(tokens), self.state)
        self.state = tuple(s.detach() for s in state)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(targets, dtype=torch.int64).flatten()).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.clip_norm)
        self.optimizer.step()

    @torch.inference_mode()
    def evaluate(self, tokens, targets, weights):
        self.net.eval()
        logits, _ = self.net(torch.tensor(tokens))
        wanted = torch.tensor(targets, dtype=torch.int64).flatten()
        nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted, reduction="none")
        return float((nats.double() * torch.tensor(weights).flatten()).sum())


def make(job):
    torch.set_num_threads(job["threads"])
    if job["kind"] == "quality":
        return Quality(job)
    return Training(job) if job["kind"] == "train" else Inference(job)


if __name__ == "__main__":
    contract.serve(make)
