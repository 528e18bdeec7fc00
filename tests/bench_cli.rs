//! `hornpipe bench`, end to end: each measurement at sizes that take a moment.
#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use std::fs;
use support::{Folder, hornpipe, refused_with, succeeds};

/// The only line that the command prints.
fn json(command: &str) -> Value {
    let text = succeeds(&mut hornpipe(command.split_whitespace()));
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Asserts that each key holds a number above 0.
fn positive(report: &Value, keys: &[&str]) {
    for key in keys {
        assert!(report[key].as_f64().is_some_and(|x| x > 0.0), "{key}: {report}");
    }
}

const TRAIN: &str = "bench train --hidden 9 --layers 2 --batch-size 5 --seq-len 6 --steps 2";
const GENERATE: &str = "bench generate --hidden 9 --layers 2 --characters 5";

#[test]
fn each_measurement_has_help() {
    for command in ["train", "generate", "gpu", "peak", "sweep"] {
        let help = succeeds(&mut hornpipe(["bench", command, "--help"]));
        assert!(help.contains("Usage: hornpipe bench"), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: narrow enough\n{help}");
    }
}

#[test]
fn train_says_how_near_to_the_peak_it_is() {
    let report = json(&format!("{TRAIN} --json --threads 2"));
    let times = ["step_ms", "step_ms_min", "step_ms_max", "forward_ms", "optimizer_ms"];
    positive(&report, &times);
    positive(&report, &["gflops", "peak_gflops", "share_of_peak", "tokens_per_s", "loss", "gradient_norm"]);
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!(number("step_ms_min") <= number("step_ms") && number("step_ms") <= number("step_ms_max"));
    assert!((number("share_of_peak") - number("gflops") / number("peak_gflops")).abs() < 1e-12);
    for (key, value) in [("threads", 2), ("batch_size", 5), ("seq_len", 6), ("hidden", 9), ("vocab", 93)] {
        assert_eq!(report[key], value, "{key}: {report}");
    }
    let text = succeeds(&mut hornpipe(TRAIN.split(' ')));
    assert!(text.contains("GFLOP/s") && text.contains("% of the"), "{text}");
}

/// What another framework is compared with depends on the network and the batch, and on nothing else.
#[test]
fn loss_and_gradient_norm_come_from_the_formula() {
    let of = |more: &str| {
        let report = json(&format!("{TRAIN} --json {more}"));
        [report["loss"].as_f64().unwrap(), report["gradient_norm"].as_f64().unwrap()]
    };
    let first = of("");
    // Weights within ±0.1 hardly choose, so the loss is near the 93 characters' logarithm.
    assert!((first[0] - 93f64.ln()).abs() < 0.2, "{first:?}");
    for more in ["--dropout 0.5 --threads 1", "--clip-norm 0 --warm-up 1", "--optimizer rmsprop --warm-up 0"]
    {
        assert_eq!(of(more), first, "{more}");
    }
    let close = |a: [f64; 2], b: [f64; 2]| (0..2).all(|k| (a[k] - b[k]).abs() <= 1e-5 * b[k]);
    assert!(close(of("--shard-rows 1"), first));
    assert!(!close(of("--objective many-to-one"), first));
}

#[test]
fn generate_with_carried_state_and_with_a_window() {
    for (flags, tunes, window) in [("", 1, Value::Null), (" --batch-size 3 --window 4", 3, 4.into())] {
        let report = json(&format!("{GENERATE} --json{flags}"));
        positive(&report, &["characters_per_s", "step_us", "gflops", "peak_gflops", "share_of_peak", "loss"]);
        assert_eq!((&report["tunes"], &report["window"]), (&tunes.into(), &window), "{report}");
        let first = report["first_characters"].as_array().unwrap();
        assert_eq!(first.len(), 32);
        assert!(first.iter().all(|c| c.as_u64().unwrap() < 93), "{report}");
        let text = succeeds(&mut hornpipe(format!("{GENERATE}{flags}").split(' ')));
        assert!(text.contains("characters/s") && text.contains("% of the"), "{text}");
    }
}

#[test]
fn peak_has_a_line_for_each_instruction_set() {
    let report = json("bench peak --json --threads 2");
    positive(&report, &["cores", "threads", "array_mb", "seconds"]);
    let isas = report["isas"].as_array().unwrap();
    assert_eq!(isas[0]["isa"], "scalar");
    for isa in isas {
        positive(isa, &["lanes", "core_gflops", "all_gflops"]);
        for place in ["core", "all"] {
            positive(&isa[place], &["read_gb_s", "copy_gb_s", "triad_gb_s"]);
        }
    }
    let table = succeeds(&mut hornpipe(["bench", "peak", "--threads", "1"]));
    assert!(isas.iter().all(|isa| table.contains(isa["isa"].as_str().unwrap())), "{table}");
}

#[test]
fn sweep_leaves_a_table_a_csv_and_a_plot() {
    let folder = Folder::new();
    let sweep = |more: &str| {
        let axes = "--quick --hidden 8,16 --batch-size 1,3 --seq-len 2 --layers 1";
        format!("bench sweep {axes} --out {} {more}", folder.arg("sweep"))
    };
    let table = succeeds(&mut hornpipe(sweep("--threads 1").split_whitespace()));
    assert_eq!(table.lines().filter(|line| line.contains('%')).count(), 4, "{table}");

    let report = json(&sweep("--threads 1,2 --json"));
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.len(), 8, "{report}");
    for point in points {
        positive(
            point,
            &["hidden", "batch_size", "seq_len", "threads", "step_ms", "gflops", "share_of_peak"],
        );
        assert!(point["skipped"].is_null());
    }
    assert_eq!(report["interrupted"], false);
    let csv = fs::read_to_string(folder.path("sweep/sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9, "{csv}");
    let columns = |line: &str| line.split(',').count();
    assert!(csv.lines().all(|line| columns(line) == columns(csv.lines().next().unwrap())), "{csv}");
    let svg = fs::read_to_string(folder.path("sweep/sweep.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("H 16") && svg.contains("GFLOP/s"));
}

#[test]
fn sweep_leaves_out_what_takes_too_long_and_says_so() {
    let folder = Folder::new();
    let out = folder.arg("sweep");
    let sizes = "--hidden 8 --batch-size 1,4096 --seq-len 1,4096 --layers 1 --threads 1";
    let report = json(&format!("bench sweep --quick {sizes} --max-seconds 0.05 --json --out {out}"));
    let points = report["points"].as_array().unwrap();
    let last = points.last().unwrap();
    assert!(last["skipped"].as_str().unwrap().contains("a step would take"), "{report}");
    assert!(last.get("step_ms").is_none(), "{report}");
    assert!(points[0]["skipped"].is_null(), "{report}");

    // A network that no memory holds, where the system tells how much there is.
    if cfg!(target_os = "linux") {
        let report = json(&format!(
            "bench sweep --hidden 32768 --layers 64 --batch-size 1 --seq-len 1 --json --out {out}"
        ));
        let points = report["points"].as_array().unwrap();
        assert!(points.iter().all(|p| p["skipped"].as_str().unwrap().contains("GB")), "{report}");
    }
}

#[test]
fn flags_out_of_range() {
    for (arguments, says) in [
        ("train --clip-norm -1", "--clip-norm must be a number from 0, and not -1"),
        ("train --clip-norm nan", "--clip-norm"),
        ("train --warm-up 18446744073709551615", "--warm-up"),
        ("generate --window 0", "--window must be from 1 to 65536"),
        ("peak --threads 5000", "must be from 0 (all cores) to 1024"),
        ("sweep --hidden 0", "the hidden size must be from 1 to 32768, and not 0"),
        ("sweep --hidden 64,x", "invalid value"),
        ("sweep --batch-size 1,0", "--batch-size and --seq-len must be from 1 to 65536"),
        ("sweep --seq-len 70000", "--batch-size and --seq-len must be from 1 to 65536"),
        ("sweep --threads 5000", "must be from 0 (all cores) to 1024"),
        ("sweep --max-seconds 0", "--max-seconds must be a number above 0, and not 0"),
        ("sweep --max-seconds nan", "--max-seconds"),
    ] {
        refused_with(hornpipe(["bench"]).args(arguments.split(' ')), says);
    }
}

/// Ctrl-C ends a sweep of many sizes after the one at hand; what was measured stays.
#[cfg(unix)]
#[test]
fn sweep_interrupted() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let folder = Folder::new();
    let csv = folder.path("sweep/sweep.csv");
    let sizes: Vec<String> = (1..=400).map(|b| b.to_string()).collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hornpipe"))
        .args(["bench", "sweep", "--hidden", "8", "--seq-len", "1", "--threads", "1", "--layers", "1"])
        .args(["--batch-size", &sizes.join(","), "--json", "--out", &folder.arg("sweep")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !csv.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the first size takes a moment");
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["interrupted"], true);
    let points = report["points"].as_array().unwrap().len();
    assert!((1..400).contains(&points), "{points}");
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 1 + points);
    assert!(folder.path("sweep/sweep.svg").exists());
}
