//! It learns: the default preset against the best Kneser-Ney model, on the built-in tunes and on the real ones.
//!
//! Each test trains for minutes: `cargo test --release --test learning -- --ignored --nocapture`. With `HORNPIPE_EPOCHS=N` they have so many
//! epochs to reach the same.
#![cfg(feature = "cli")]

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The last line of what a command prints, as JSON.
fn json(arguments: &[&str]) -> Value {
    let output = cargo_bin_cmd!("hornpipe").args(arguments).output().expect("the program starts");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// Trains with the default preset; gives the best held-out loss and how much better it is than the best n-gram model.
fn train(folder: &Path, corpus: &[&str]) -> (f64, f64) {
    let out = folder.to_str().expect("a UTF-8 path");
    let epochs = std::env::var("HORNPIPE_EPOCHS");
    let fewer = epochs.as_ref().map_or(vec![], |n| vec!["--epochs", n.as_str()]);
    let run = json(&[&["train", "--json", "--out", out], corpus, &fewer[..]].concat());
    let best = run["best_nats_per_char"].as_f64().expect("a loss");
    let report = json(&[&["evaluate", "--json", "--ngram", out], corpus].concat());
    let measured = report["nats_per_char"].as_f64().expect("a loss");
    assert!((measured - best).abs() < 1e-9, "evaluate says {measured}, train said {best}");
    let ngram = report["ngram"]["nats_per_char"].as_f64().expect("a loss");
    let (order, seconds) = (&report["ngram"]["order"], &run["seconds"]);
    eprintln!(
        "held out {best:.4} nats per character after {seconds} s; Kneser-Ney of order {order} {ngram:.4}"
    );
    (best, ngram - best)
}

#[test]
#[ignore = "trains for minutes"]
fn the_default_preset_learns_nottingham() {
    let Some(path) = std::env::var_os("HORNPIPE_NOTTINGHAM").map(PathBuf::from) else {
        eprintln!("skipped: HORNPIPE_NOTTINGHAM is not set");
        return;
    };
    assert!(path.is_file(), "HORNPIPE_NOTTINGHAM is set, but {} is no file", path.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (best, margin) = train(&folder.path().join("run"), &[path.to_str().expect("a UTF-8 path")]);
    assert!(best <= 1.10, "held-out loss {best}");
    assert!(margin >= 0.2, "only {margin} nats better than the best n-gram model");
}

#[test]
#[ignore = "trains for minutes"]
fn the_default_preset_learns_the_built_in_tunes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, margin) = train(&folder.path().join("run"), &[]);
    assert!(margin >= 0.2, "only {margin} nats better than the best n-gram model");
}

/// Seconds, so that every test run sees it: a small model comes well below the entropy of single characters.
#[test]
fn a_small_model_learns_in_seconds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let small = ["--hidden", "64", "--layers", "1", "--dropout", "0", "--lr", "0.01", "--epochs", "2"];
    let run =
        json(&[&["train", "--json", "--out", out.to_str().expect("a UTF-8 path")][..], &small].concat());
    let best = run["best_nats_per_char"].as_f64().expect("a loss");
    // Single characters of the built-in tunes have an entropy of 3.37 nats.
    assert!(best < 2.2, "held-out loss {best}");
}
