#!/usr/bin/env python3
"""Checks an ONNX file that Hornpipe wrote, and prints the logits [T][V] that onnxruntime gives for a text, as JSON.

    python tests/exchange/check_onnx.py model.onnx TEXT

The text is fed a character at a time, the state carried along; then all at once, twice side by side. Both must agree.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime

path, text = sys.argv[1:]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)], model.opset_import

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
said = json.loads(session.get_modelmeta().custom_metadata_map["hornpipe"])
tokens = np.array([said["vocabulary"].index(character) for character in text], np.int64)
layers, hidden = said["settings"]["layers"], said["settings"]["hidden"]
many_to_one = said["settings"]["objective"] == "many-to-one"


def run(tokens, h, c):
    return session.run(["logits", "h_n", "c_n"], {"tokens": tokens, "h_0": h, "c_0": c})


h = c = np.zeros((layers, 1, hidden), np.float32)
steps = []
for token in tokens:
    logits, h, c = run(token.reshape(1, 1), h, c)
    steps.append(logits.reshape(-1))

zeros = np.zeros((layers, 2, hidden), np.float32)
logits, h_n, c_n = run(np.stack([tokens, tokens], axis=1), zeros, zeros)
V = len(said["vocabulary"])
assert logits.shape == ((2, V) if many_to_one else (len(tokens), 2, V)), logits.shape
want = steps[-1:] if many_to_one else steps
for row in range(2):
    np.testing.assert_allclose(logits.reshape(-1, 2, V)[:, row], want, rtol=0, atol=2e-6)
    np.testing.assert_allclose(h_n[:, row], h[:, 0], rtol=0, atol=2e-6)
    np.testing.assert_allclose(c_n[:, row], c[:, 0], rtol=0, atol=2e-6)
print(json.dumps([step.tolist() for step in steps]))
