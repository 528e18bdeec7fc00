#!/usr/bin/env python3
"""onnxruntime on the file that `hornpipe convert` writes: inference alone."""

import numpy as np
import onnxruntime

import contract


class Inference(contract.Inference):
    def __init__(self, job):
        super().__init__(job)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = job["threads"], 1
        self.session = onnxruntime.InferenceSession(job["onnx"], options, providers=["CPUExecutionProvider"])
        self.zeros = np.zeros((job["layers"], job["batch"], job["hidden"]), np.float32)
        self.rest()

    def about(self):
        threads = self.session.get_session_options().intra_op_num_threads
        return {"threads": threads, "versions": {"onnxruntime": onnxruntime.__version__}}

    def rest(self):
        self.state = {"h_0": self.zeros, "c_0": self.zeros}

    def logits(self, tokens):
        if self.window:
            return self.session.run(["logits"], {"tokens": tokens.astype(np.int64), **self.state})[0]
        inputs = {"tokens": tokens.astype(np.int64)[None], **self.state}
        logits, h, c = self.session.run(["logits", "h_n", "c_n"], inputs)
        self.state = {"h_0": h, "c_0": c}
        return logits[0]


def make(job):
    if job["kind"] == "train":
        raise contract.CannotDo("onnxruntime runs networks and does not train them")
    return Inference(job)


if __name__ == "__main__":
    contract.serve(make)
