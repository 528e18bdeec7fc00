//! `--device` and `bench devices` on the command line, in builds with the feature `gpu` and without.

use assert_cmd::Command;
use predicates::prelude::*;
use std::path::Path;

fn hornpipe() -> Command {
    assert_cmd::cargo::cargo_bin_cmd!("hornpipe")
}

/// A run of a few steps of a small network, on this device.
fn train(folder: &Path, device: &str) -> Command {
    let mut command = hornpipe();
    command.args([
        "train",
        "--device",
        device,
        "--hidden",
        "8",
        "--layers",
        "2",
        "--embedding",
        "4",
        "--steps",
        "4",
    ]);
    command.arg("--out").arg(folder);
    command
}

#[test]
fn a_device_that_is_none_is_refused() {
    for device in ["cuda", "gpu:", "cpu:1", ""] {
        let refusal = hornpipe().args(["train", "--device", device]).assert().failure();
        refusal.stderr(predicate::str::contains("must be cpu, gpu, gpu:NUMBER or gpu:NAME"));
    }
}

#[cfg(not(feature = "gpu"))]
#[test]
fn a_build_without_gpus_says_how_to_get_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let how = || predicate::str::contains("cargo install --path . --features gpu");
    hornpipe().args(["bench", "devices"]).assert().failure().stderr(how());
    hornpipe().args(["bench", "train", "--device", "gpu"]).assert().failure().stderr(how());
    hornpipe().args(["bench", "gpu"]).assert().failure().stderr(how());
    hornpipe().args(["bench", "gpu", "--device", "gpu:1", "--json"]).assert().failure().stderr(how());
    train(&folder.path().join("run"), "gpu").assert().failure().stderr(how());
    assert!(!folder.path().join("run").exists(), "nothing was begun");
}

#[cfg(feature = "gpu")]
mod with_gpus {
    use super::*;
    use hornpipe::checkpoint::Checkpoint;
    use hornpipe::train::Snapshot;
    use hornpipe_kernels::gpu::adapters;

    /// The device to test on; none, with a message, where there is none and `HORNPIPE_GPU` does not demand one.
    fn device() -> Option<String> {
        let demanded = std::env::var("HORNPIPE_GPU").ok().filter(|name| !name.is_empty());
        if demanded.is_none() && adapters().is_empty() {
            println!("skipped: no GPU was found");
            return None;
        }
        Some(demanded.map_or("gpu".to_string(), |name| format!("gpu:{name}")))
    }

    fn json(command: &mut Command) -> serde_json::Value {
        let output = command.assert().success().get_output().stdout.clone();
        serde_json::from_slice(&output).expect("one line of JSON")
    }

    #[test]
    fn devices_are_listed() {
        let Some(_) = device() else { return };
        let report = json(hornpipe().args(["bench", "devices", "--json"]));
        let devices = report["devices"].as_array().expect("a list");
        assert_eq!(devices.len(), adapters().len());
        for (number, device) in devices.iter().enumerate() {
            assert_eq!(device["number"], number);
            let name = device["name"].as_str().expect("a name");
            assert!(device["array_bytes"].as_u64().expect("a limit") > 0);
            hornpipe().args(["bench", "devices"]).assert().success().stdout(predicate::str::contains(name));
        }
        let refusal = hornpipe().args(["bench", "train", "--device", "gpu:no such card"]).assert().failure();
        refusal.stderr(
            predicate::str::is_match(r"no GPU is called no such card; there (is|are) 0 \(")
                .expect("a pattern"),
        );
    }

    /// The step that a run stands at.
    fn step(run: &Path) -> u64 {
        let checkpoint = Checkpoint::load(&run.join("last.hornpipe")).expect("a checkpoint");
        Snapshot::from_checkpoint(&checkpoint).expect("of a run").progress.step
    }

    /// Stopped early on one device, it goes on to its end on the other; what is at its end has nothing left to do on either.
    #[test]
    fn a_run_goes_on_elsewhere_and_a_model_writes_the_same_tune_anywhere() {
        let Some(device) = device() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        for (name, first, second) in [("there", device.as_str(), "cpu"), ("here", "cpu", device.as_str())] {
            let run = folder.path().join(name);
            let path = run.to_str().expect("a path");
            let mut begun = train(&run, first);
            begun.args(["--max-minutes", "0.000001"]).assert().success();
            assert!(step(&run) < 4, "stopped early");
            let resume = |device: &str| {
                let mut command = hornpipe();
                command.args(["train", "--resume", path, "--device", device]);
                command.assert().success()
            };
            resume(second);
            assert_eq!(step(&run), 4, "the other device took the rest");
            let end = std::fs::read(run.join("last.hornpipe")).expect("a checkpoint");
            for device in [first, second] {
                resume(device);
                assert!(
                    end == std::fs::read(run.join("last.hornpipe")).expect("a checkpoint"),
                    "nothing left to do"
                );
            }
            let written = |device: &str| {
                let flags = ["generate", path, "--seed", "3", "--length", "40", "--device", device];
                hornpipe().args(flags).assert().success().get_output().stdout.clone()
            };
            assert_eq!(written(first), written(second));
            let measured = |device: &str| {
                let report = json(hornpipe().args(["evaluate", path, "--json", "--device", device]));
                report["nats_per_char"].as_f64().expect("a number")
            };
            let (there, here) = (measured(first), measured(second));
            assert!((there - here).abs() <= 1e-5 * here, "{there} and {here}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_anything_is_made() {
        let Some(device) = device() else { return };
        let shape = ["--seq-len", "65536", "--batch-size", "65536", "--hidden", "8", "--layers", "1"];
        let refusal = hornpipe().args(["bench", "train", "--device", &device]).args(shape).assert().failure();
        // Either this machine has no room for the batch, or the GPU none for its array.
        refusal.stderr(
            predicate::str::is_match("(needs at least|there is no room for) .* lower ").expect("a pattern"),
        );
        let shape = ["--seq-len", "512", "--batch-size", "8192", "--hidden", "256", "--layers", "1"];
        let refusal = hornpipe().args(["bench", "train", "--device", &device]).args(shape).assert();
        let limit = adapters().iter().map(|info| info.array_bytes).max().unwrap_or(0);
        if limit < 16 * 512 * 8192 * 256 {
            let sentence = "there is no room for the gates of layer 0: 17180 MB in one array, ";
            refusal.failure().stderr(predicate::str::contains(sentence));
        }
    }

    #[test]
    fn what_a_gpu_cannot_is_refused() {
        let Some(device) = device() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        for (flags, sentence) in [
            (["--cell", "gru"], "on a GPU there is only the LSTM; use --device cpu with --cell gru"),
            (["--engine", "reference"], "the engine reference runs on the CPU alone"),
        ] {
            let run = folder.path().join("run");
            let refusal = train(&run, &device).args(flags).assert().failure();
            refusal.stderr(predicate::str::contains(sentence));
            assert!(!run.exists(), "nothing was begun");
        }
    }

    #[test]
    fn a_gpu_is_measured() {
        let Some(device) = device() else { return };
        let size = ["--hidden", "8", "--layers", "1", "--batch-size", "3", "--json", "--device", &device];
        let report = json(hornpipe().args(["bench", "train", "--seq-len", "4", "--steps", "2"]).args(size));
        assert!(report["step_ms"].as_f64().expect("a time") > 0.0 && report["peak_gflops"].is_null());
        assert_ne!(report["device"], "cpu");
        let on_cpu = &size[..size.len() - 2];
        let cpu = json(hornpipe().args(["bench", "train", "--seq-len", "4", "--steps", "2"]).args(on_cpu));
        let loss = |report: &serde_json::Value| report["loss"].as_f64().expect("a loss");
        assert!((loss(&report) - loss(&cpu)).abs() <= 1e-4 * loss(&cpu));
        let report = json(hornpipe().args(["bench", "generate", "--characters", "5"]).args(size));
        assert!(report["characters_per_s"].as_f64().expect("a rate") > 0.0);
    }

    /// By either clock: as many dispatches as the network has, whose times are those that the step is said to be made of.
    #[test]
    fn each_shader_is_measured() {
        let Some(device) = device() else { return };
        let size = ["--hidden", "24", "--layers", "2", "--batch-size", "5", "--seq-len", "6", "--steps", "3"];
        for (clock, flags) in [("device", &[][..]), ("host", &["--host-clock"])] {
            let bench = || {
                let mut command = hornpipe();
                command.args(["bench", "gpu", "--device", &device]).args(size).args(flags);
                command
            };
            let report = json(bench().arg("--json"));
            // A device without timestamps has only one.
            assert!(report["clock"] == clock || report["clock"] == "host", "{report}");
            let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
            let split = |name: &str| number(&report["split"][name]);
            let parts =
                ["dispatches_ms", "products_ms", "gates_ms", "others_ms"].map(split).iter().sum::<f64>();
            let rows = report["shaders"].as_array().expect("a list").iter();
            let sum: f64 = rows.map(|row| number(&row["ms"])).sum();
            assert!(sum > 0.0 && (sum - parts).abs() < 1e-6 * sum, "{report}");
            assert!(split("recording_ms") > 0.0, "{report}");
            for key in ["step_ms", "gflops", "peak_gflops", "empty_dispatch_us", "launch_us"] {
                assert!(number(&report[key]) > 0.0, "{key}: {report}");
            }
            let shaders = report["shaders"].as_array().expect("a list");
            let dispatches = |shader: &str, purpose: &str| -> u64 {
                let same = |row: &&serde_json::Value| row["shader"] == shader && row["purpose"] == purpose;
                shaders.iter().filter(same).map(|row| row["dispatches"].as_u64().expect("a count")).sum()
            };
            for (shader, purpose, count) in [
                ("gemm32", "table of characters", 1),
                ("gemm32", "input", 1),
                ("gemm32", "recurrent", 12),
                ("gemm32", "gradients, recurrent", 10),
                ("gemm32", "gradients, weights", 3),
                ("gemm32", "gradients, input", 1),
                ("lstm_forward", "", 12),
                ("lstm_backward", "", 12),
                ("dropout", "", 4),
                ("gather", "", 1),
                ("scatter_add", "", 1),
                ("cross_entropy", "", 1),
                ("adam", "", 1),
            ] {
                assert_eq!(dispatches(shader, purpose), count, "{shader} {purpose}: {report}");
            }
            let all: u64 = shaders.iter().map(|row| row["dispatches"].as_u64().expect("a count")).sum();
            assert_eq!(report["dispatches"], all);
            let table = bench().assert().success();
            table.stdout(
                predicate::str::contains("gradients, recurrent").and(predicate::str::contains("GB/s")),
            );
        }
        let refusal = hornpipe().args(["bench", "gpu", "--device", "cpu"]).assert().failure();
        refusal.stderr(predicate::str::contains("the processor has no shaders"));
    }
}
