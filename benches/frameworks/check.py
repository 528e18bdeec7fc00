#!/usr/bin/env python3
"""Tests of the driver itself: is the arbiter right, and does it notice what is wrong?"""

import argparse
import itertools
import math
import os
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

import bench
from harness import chart, jobs, process, quality, record, reference, tensors

SMALL = {"name": "small", "kind": "train", "objective": "many-to-many", "vocabulary": 7, "embedding": 3, "hidden": 4, "layers": 2,
         "steps": 5, "batch": 2, "dropout": 0.0, "learning_rate": 1e-3, "clip_norm": 1.0}


def inputs(job):
    # Ten times the formula's weights, so that the gates are not all near a half.
    weights = {name: 10 * array.astype(np.float64) for name, array in jobs.weights(job).items()}
    return weights, *jobs.characters(job)


class Arbiter(unittest.TestCase):
    def test_gradients_are_those_of_central_differences(self):
        for objective in ("many-to-many", "many-to-one"):
            job = {**SMALL, "objective": objective}
            weights, tokens, targets = inputs(job)
            _, grads = reference.loss_and_gradients(weights, tokens, targets, job)
            for name, grad in grads.items():
                for at in list(np.ndindex(grad.shape))[::3]:
                    kept, losses = weights[name][at], []
                    for shift in (1e-6, -1e-6):
                        weights[name][at] = kept + shift
                        losses.append(reference.loss_and_gradients(weights, tokens, targets, job, False)[0])
                    weights[name][at] = kept
                    self.assertAlmostEqual((losses[0] - losses[1]) / 2e-6, grad[at], delta=1e-8, msg=f"{name}{at}")

    def test_adam_moves_each_weight_by_the_learning_rate_at_first(self):
        weights, tokens, targets = inputs(SMALL)
        _, grads = reference.loss_and_gradients(weights, tokens, targets, SMALL)
        before = {name: array.copy() for name, array in weights.items()}
        reference.adam(weights, grads, {}, 1, SMALL)
        moved = (before["linear.bias"] - weights["linear.bias"]) / np.sign(grads["linear.bias"])
        np.testing.assert_allclose(moved, SMALL["learning_rate"], rtol=1e-5)

    def expected(self, job):
        with tempfile.TemporaryDirectory() as folder:
            first = reference.expected(job, Path(folder))
            self.assertEqual(first, reference.expected(job, Path(folder)), "kept on disk as it was")
            return first

    def test_what_is_wrong_is_noticed(self):
        want = self.expected(SMALL)
        right = {**want, "gradients": dict(want["gradients"])}
        self.assertEqual(reference.differences(right, want, 1e-5), [])
        for wrong in ({**right, "loss": math.nan}, {**right, "loss": right["loss"] * (1 + 2e-6)}, {**right, "fall": 0.0},
                      {**right, "gradient_norm": right["gradient_norm"] * 1.0001}, {"loss": right["loss"]},
                      {**right, "gradients": {**right["gradients"], "lstm.bias_l1": math.nan}}):
            self.assertNotEqual(reference.differences(wrong, want, 1e-5), [])

    def test_gates_in_another_order_are_noticed(self):
        weights, tokens, targets = inputs(SMALL)
        weights = {name: array / 10 for name, array in weights.items()}
        for name, array in weights.items():
            if name.startswith("lstm."):
                i, f, g, o = np.split(array, 4)
                weights[name] = np.concatenate([i, f, o, g])
        loss, grads = reference.loss_and_gradients(weights, tokens, targets, SMALL)
        found = {"loss": loss, **reference.measured({name.replace("bias_ih", "bias"): g for name, g in grads.items()})}
        wrong = reference.differences(found, self.expected(SMALL), 1e-5)
        self.assertTrue(any("lstm" in sentence for sentence in wrong), wrong)

    def test_gradients_in_another_order_are_noticed(self):
        weights, tokens, targets = inputs(SMALL)
        weights = {name: array / 10 for name, array in weights.items()}
        loss, grads = reference.loss_and_gradients(weights, tokens, targets, SMALL)
        grads = {name.replace("bias_ih", "bias"): g for name, g in grads.items()}
        want = self.expected(SMALL)
        for name, other in (("lstm.weight_hh_l0", grads["lstm.weight_hh_l0"][:, ::-1]), ("linear.weight", grads["linear.weight"].T),
                            ("lstm.bias_l1", np.roll(grads["lstm.bias_l1"], 1))):
            for found, many in (({**grads, name: other}, 1), (grads, 0)):
                wrong = reference.differences({"loss": loss, "fall": want["fall"], **reference.measured(found)}, want, 1e-5)
                self.assertEqual(len(wrong), many, wrong)
                self.assertTrue(all(f"{name} times" in sentence for sentence in wrong), wrong)

    def test_inference_has_a_reference_of_its_own(self):
        carried = self.expected({**SMALL, "kind": "carried", "steps": 1})
        window = self.expected({**SMALL, "kind": "window"})
        self.assertEqual(set(carried), {"loss", "logits"})
        self.assertNotAlmostEqual(carried["logits"], window["logits"], places=6)


class Files(unittest.TestCase):
    def test_the_formula_gives_the_documented_numbers(self):
        job = {**SMALL, "vocabulary": 93, "embedding": 32, "hidden": 8}
        first = jobs.weights(job)["embedding.weight"].ravel()[:4].view(np.uint32).tolist()
        self.assertEqual(first, [0xBDCCCCCD, 0x3CC1630B, 0xBD58368F, 0x3D910A48])
        self.assertEqual(jobs.characters({**job, "steps": 3})[0].ravel().tolist(), [0, 48, 32, 81, 65, 50])

    def test_tensors_come_back(self):
        arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2], np.int32), "c": np.zeros((0,), np.uint8)}
        with tempfile.TemporaryDirectory() as folder:
            tensors.write(Path(folder) / "x", arrays, {"said": "é"})
            for name, array in tensors.read(Path(folder) / "x").items():
                np.testing.assert_array_equal(array, arrays[name])
                self.assertEqual(array.dtype, arrays[name].dtype)

    def test_every_job_has_what_it_needs(self):
        all_jobs, engines = jobs.load()
        for job in all_jobs.values():
            self.assertIn(job["kind"], ("train", "carried", "window", "quality"))
            self.assertTrue(set(job.get("engines", [])) <= set(engines))
            self.assertGreater(jobs.flops(job), 0)
        self.assertEqual(jobs.flops({**all_jobs["b64"], "batch": 1, "steps": 1}), 3 * 2 * 4 * 256 * (32 + 5 * 256))

    def test_quality_data(self):
        if not os.environ.get("HORNPIPE_NOTTINGHAM"):
            self.skipTest("HORNPIPE_NOTTINGHAM is not set")
        job = {**SMALL, "kind": "quality", "epochs": 2, "steps": 4, "batch": 3, "learning_rate": 1.0, "tunes": 30}
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            sides = quality.split(os.environ["HORNPIPE_NOTTINGHAM"], folder / "split")
            self.assertEqual([len(texts) for texts in sides], [938, 95])
            self.assertTrue(all(text.startswith("X:") and text.endswith("\n\n") for texts in sides for text in texts))
            arrays = tensors.read(quality.files(job, folder / "q")["data"])
        np.testing.assert_array_equal(arrays["tokens"][:, :, 1:], arrays["targets"][:, :, :-1])
        self.assertEqual(arrays["tokens"].shape[2] % 4, 0)
        self.assertEqual(len(arrays["rates"]), 2 * arrays["tokens"].shape[2] // 4)
        self.assertAlmostEqual(arrays["rates"].max(), 1.0, places=2)
        weights = arrays["held_out.0.weights"]
        self.assertEqual(weights.sum(axis=0).tolist(), sorted(weights.sum(axis=0).tolist()))


    def test_losses_that_differ_are_told(self):
        quality.agree([4.5, 4.2, 3.9], [4.5, 4.2, 3.900003])
        for wrong in ([4.5, 4.2, 3.90001], [4.50001, 4.2, 3.9], [4.5, math.nan, 3.9], [4.5, 4.2], [4.5]):
            with self.assertRaises(process.Failed) as failed:
                quality.agree(wrong, [4.5, 4.2, 3.9])
            self.assertEqual(failed.exception.status, "disagrees")

    def test_a_round_that_never_comes_so_far_counts_as_the_slowest(self):
        def curve(*losses):
            return [{"loss": loss, "wall_s": 10.0 * k, "training_s": 9.0 * k, "step": 100 * k} for k, loss in enumerate(losses)]

        job = {"quality": [2.0, 1.0], "epochs": 3}
        entry = {"status": "ok", "curves": [curve(3, 2, 1), curve(3, 2, 1.1), curve(3, 2.1, 1.5, 1)]}
        quality.conclude(entry, job)
        self.assertEqual((entry["status"], entry["reached_in"], entry["median_s"]), ("ok", "2 of 3", 30.0))
        self.assertEqual(entry["reached"]["2"], {"wall_s": 10.0, "training_s": 9.0, "step": 100})
        entry["curves"][0] = curve(3, 2, 1.2)
        quality.conclude(entry, job)
        self.assertEqual((entry["status"], entry["reason"]), ("too slow", "after 3 epochs held-out losses of 1.2000, 1.1000, 1.0000"))


class Record(unittest.TestCase):
    def entry(self, engine, **more):
        times = {"status": "ok", "samples": 3, "min_s": 0.1, "median_s": 0.2, "p99_s": 0.3, "forward_s": 0.1, "backward_s": 0.1,
                 "update_s": 1e-3, "gflops": 5.0, "characters_per_s": 9.0, "cores_used": 1.9, "peak_mb": 50.0, "first_step_s": 2.0,
                 "versions": {"x": "1"}, "check": {"loss": 4.5}, "rounds": [0.2]}
        return {"job": "b64", "engine": engine, "threads": 2, **times, **more}

    def test_it_is_kept_and_says_what_failed(self):
        all_jobs, engines = jobs.load()
        machine = {"cpu": "a | b", "family": "1", "model": "2", "cores": 2, "flags": [], "system": "Linux", "kernel": "6"}
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            kept = record.Record(folder, machine)
            kept.put(self.entry("hornpipe"))
            kept.put(self.entry("pytorch", ratio=0.5, ratio_min=0.4, ratio_max=0.6))
            kept.put({"job": "b64", "engine": "burn", "threads": 2, "status": "disagrees", "reason": "loss is nan, not 4.5"})
            chart.write(folder / "ratios.svg", kept.save(all_jobs, engines), all_jobs, engines, machine)
            again = record.Record(folder, machine)
            self.assertEqual(again.entries, kept.entries)
            text = (folder / "results.md").read_text()
            self.assertIn("**0.50** (0.40 to 0.60)", text)
            self.assertIn("DISAGREES: loss is nan", text)
            self.assertEqual(len((folder / "results.csv").read_text().splitlines()), 4)
            self.assertIn("0.50 (0.40 to 0.60)", (folder / "ratios.svg").read_text())
            for other in ({"cpu": "another"}, {"model": "3"}, {"flags": ["avx2"]}):
                with self.assertRaises(SystemExit):
                    record.Record(folder, {**machine, **other})

    def test_the_readme_table_has_what_both_can_do(self):
        all_jobs, _ = jobs.load()
        both = [self.entry("hornpipe", of_peak=0.5), self.entry("pytorch", ratio=0.5, ratio_min=0.4, ratio_max=0.6)]
        more = [{**e, "job": "b16"} for e in both]
        more[1]["status"] = "failed"
        lines = record.readme_table({(e["job"], e["engine"]): e for e in both + more}, all_jobs).splitlines()
        ratio = "**0.50** (0.40 to 0.60)"
        self.assertEqual(lines[2:], [f"| B 64, T 100, many-to-many | 2 | 5 GFLOP/s | 5 GFLOP/s | 5 GFLOP/s | 50% | {ratio} | {ratio} |"])
        both.append(self.entry("pytorch-tcmalloc", ratio=0.3, ratio_min=0.2, ratio_max=0.4, gflops=7.0))
        line = record.readme_table({(e["job"], e["engine"]): e for e in both}, all_jobs).splitlines()[2]
        self.assertIn(f"| 7 GFLOP/s, TCMalloc | 5 GFLOP/s | 50% | {ratio} | **0.30** (0.20 to 0.40) |", line)

    def test_parts_that_do_not_add_up_are_left_out(self):
        _, engines = jobs.load()
        engines = {**engines, "one": {"title": "One"}}
        good, bad = self.entry("one"), self.entry("one", backward_s=0.3)
        self.assertIn("| 100 ms | 100 ms | 1.00 ms |", record.train_table([good], engines)[2])
        self.assertIn("| – | – | – |", record.train_table([bad], engines)[2])

    def test_what_runs_along_does_not_replace_its_entry(self):
        entry, said = self.entry, bench.say
        with tempfile.TemporaryDirectory() as folder:
            kept = record.Record(Path(folder), record.host(jobs.cores()))
            kept.put(entry("hornpipe", median_s=1.0))
            kept.save(*jobs.load())
            bench.say, run = lambda text: None, bench.run
            bench.run = lambda job, engines, *_: [entry(e["name"], median_s=9.0, ratio=1.0, ratio_min=1.0, ratio_max=1.0) for e in engines]
            argv = sys.argv
            sys.argv = ["bench.py", "--only", "b64", "--engine", "candle", "--record", folder]
            try:
                bench.main()
            finally:
                bench.say, bench.run, sys.argv = said, run, argv
            entries = record.Record(Path(folder)).entries
        self.assertEqual(entries["b64", "hornpipe"]["median_s"], 1.0)
        self.assertEqual(entries["b64", "candle"]["median_s"], 9.0)

    def test_a_runner_that_died_can_be_closed(self):
        with tempfile.TemporaryDirectory() as folder:
            runner = process.Runner({"name": "dead"}, ["true"], {"threads": 1}, set(jobs.cores()), Path(folder), 1.0)
            runner.child.wait()
            with self.assertRaises(process.Failed):
                runner.ask(do="check")
            runner.close()


class Fake:
    """A runner whose steps take as long as it is told, by its own word."""

    compiles, disturbed = False, 0

    def __init__(self, seconds):
        self.seconds = self.estimate = seconds
        self.asked = []

    def timed(self, part, count, warm_up):
        self.asked += [part] * (count + warm_up)
        return [self.seconds] * count

    def cpu_seconds(self):
        return None


class Turns(unittest.TestCase):
    def test_a_disturbed_turn_is_repeated(self):
        # Seconds that the processor has worked in all: much more than the engine's none in the first turn, nothing in the second.
        clock = iter([0.0, 60.0, 60.0, 60.0])
        bench.busy_seconds, busy = lambda cpus: next(clock), bench.busy_seconds
        bench.say, said = lambda text: None, bench.say
        runner = Fake(0.1)
        runner.cpu_seconds = lambda: 0.0
        try:
            bench.undisturbed_turn(runner, "fake", (), [0], argparse.Namespace(tiny=False, seconds=0.5))
        finally:
            bench.say, bench.busy_seconds = said, busy
        self.assertEqual(len(runner.asked), 12, "two turns of a warm-up and five steps")
        self.assertEqual(list(clock), [])
        self.assertEqual(runner.disturbed, 0)

    def test_a_turn_that_stays_disturbed_is_told(self):
        clock = itertools.count(0.0, 60.0)
        bench.busy_seconds, busy = lambda cpus: next(clock), bench.busy_seconds
        bench.say, said = lambda text: None, bench.say
        runner, entry = Fake(0.1), {"job": "small", "engine": "one", "status": "ok"}
        runner.cpu_seconds = lambda: 0.0
        try:
            bench.turns(SMALL, [(runner, entry)], [0], argparse.Namespace(tiny=False, rounds=2, seconds=0.5, budget=20.0))
        finally:
            bench.say, bench.busy_seconds = said, busy
        self.assertEqual(entry["disturbed"], 2)
        group = [entry, {"engine": "two", "median_s": 1.0, "hornpipe_median_s": 0.5}, {"engine": "hornpipe", "median_s": 0.6}]
        engines = {name: {"title": name} for name in ("one", "two", "hornpipe")}
        remarks = record.remarks(group, engines)
        self.assertIn("one: something else worked in 2 of its 2 turns.", remarks)
        self.assertIn("two was measured beside another run of Hornpipe, which took 500 ms; its ratio is of that.", remarks)
        self.assertEqual(len(remarks), 4)

    def turns(self, budget=20.0, **seconds):
        runners = [(Fake(s), {"job": "small", "engine": name, "status": "ok"}) for name, s in seconds.items()]
        bench.say, said = lambda text: None, bench.say
        bench.busy_seconds, busy = lambda cpus: None, bench.busy_seconds
        try:
            bench.turns(SMALL, runners, [0], argparse.Namespace(tiny=False, rounds=3, seconds=0.5, budget=budget))
        finally:
            bench.say, bench.busy_seconds = said, busy
        return {entry["engine"]: (runner, entry) for runner, entry in runners}

    def test_slow_engines_have_fewer_steps_and_rounds(self):
        found = self.turns(hornpipe=0.01, brisk=0.4, middling=0.6, slow=6.0, very_slow=30.0)
        self.assertEqual([len(entry["rounds"]) for _, entry in found.values()], [3, 3, 3, 3, 1])
        self.assertEqual([entry["samples"] for _, entry in found.values()], [150, 15, 9, 3, 1])
        self.assertEqual(found["slow"][0].asked.count("forward"), 1, "once apart, no warm-up")
        bench.compare(found["very_slow"][1], found["hornpipe"][1])
        self.assertAlmostEqual(found["very_slow"][1]["ratio"], 3000)

    def test_no_round_begins_beyond_the_budget(self):
        self.assertEqual(len(self.turns(budget=1.0, one=1.5)["one"][1]["rounds"]), 1)

    def test_a_ratio_is_of_the_same_rounds(self):
        few, many = {"rounds": [2.0], "median_s": 2.0}, {"rounds": [1.0, 4.0, 4.0], "median_s": 4.0}
        bench.compare(few, many)
        self.assertEqual((few["ratio"], few["ratio_min"], few["ratio_max"]), (2.0, 2.0, 2.0))


if __name__ == "__main__":
    unittest.main()
