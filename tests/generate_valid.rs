//! `generate --valid`: whatever the model has learned, the tunes pass the check.
#![cfg(feature = "cli")]

mod support;

use hornpipe::abc::{Key, check, read};
use hornpipe::corpus::split;
use hornpipe::judge::{Training, rate};
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused_with, succeeds, train};

/// A model that has learned next to nothing, `run`.
static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("generate_valid");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    folder
});

fn generate(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe(["generate"]);
    command.arg(MODEL.path("run")).args(["--valid", "--seed", "3"]).args(arguments);
    command
}

/// Tunes that pass, with nothing said of any.
fn tunes(arguments: &[&str]) -> Vec<hornpipe::abc::Tune> {
    let text = succeeds(&mut generate(arguments));
    let tunes = read(&text);
    for tune in &tunes {
        let report = check(tune);
        assert!(report.passes() && report.diagnostics.is_empty(), "{text}\n{:?}", report.diagnostics);
    }
    tunes
}

#[test]
fn every_tune_passes_whatever_the_sampling() {
    assert_eq!(tunes(&["--tunes", "12", "--temperature", "1.5", "--length", "300"]).len(), 12);
    tunes(&["--tunes", "3", "--greedy", "--length", "200"]);
    tunes(&["--tunes", "3", "--top-k", "3", "--top-p", "0.5", "--length", "200"]);
    tunes(&["--tunes", "2", "--window", "9", "--length", "120"]);
}

#[test]
fn the_same_seed_writes_the_same_tunes_on_any_number_of_threads() {
    let text = |more: &[&str]| succeeds(generate(&["--length", "200"]).args(more));
    assert_eq!(text(&["--tunes", "5"]), text(&["--tunes", "5", "--threads", "1"]));
    assert!(text(&["--tunes", "5"]).starts_with(text(&[]).trim_end()));
    let mut other = hornpipe(["generate", "--valid", "--seed", "4", "--length", "200"]);
    assert_ne!(succeeds(other.arg(MODEL.path("run"))), text(&[]));
}

#[test]
fn constraints_are_met() {
    let asked = ["--key", "Ador", "--meter", "6/8", "--rhythm", "jig", "--title", "Rain", "--bars", "16"];
    for tune in tunes(&[&asked[..], &["--tunes", "4"]].concat()) {
        assert_eq!(Some(tune.header.key), Key::parse("Ador"));
        assert_eq!(tune.header.meter.unwrap().to_string(), "6/8");
        assert_eq!((tune.header.text('R'), tune.header.title()), (Some("jig"), "Rain"));
        assert!(check(&tune).full >= 14);
    }
}

#[test]
fn a_given_tune_goes_on() {
    let folder = Folder::new();
    let given = "X:7\nT:Mine\nM:6/8\nL:1/8\nK:Em\n|:e|\"Em\"gfe bge|\"D\"afd d2";
    let file = folder.file("mine.abc", given);
    let text = succeeds(&mut generate(&["--prime-file", &file, "--bars", "8"]));
    assert!(text.starts_with(&given.replace("X:7", "X:1")) && check(&read(&text)[0]).passes(), "{text}");
    // Blank lines at its end would end the tune.
    let file = folder.file("lines.abc", format!("{given}e|\n\n\n"));
    let text = succeeds(&mut generate(&["--prime-file", &file, "--bars", "8", "--key", "E minor"]));
    assert!(check(&read(&text)[0]).passes() && text.len() > given.len() + 20, "{text}");
    for (flag, value, says) in
        [("--key", "G", "--key G, but the given text says K:Em"), ("--meter", "4/4", "says M:6/8")]
    {
        refused_with(&mut generate(&["--prime-file", &file, flag, value]), says);
    }
    let wrong = folder.file("wrong.abc", format!("{given}|"));
    refused_with(&mut generate(&["--prime-file", &wrong]), "line 6, column 26");
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    for (arguments, says) in [
        (&["--bars", "0"][..], "'0'"),
        (&["--key", "H"], "the key \"H\" does not do: give a key such as G, F#m or Ador"),
        (&["--meter", "4/5"], "give a meter such as 4/4"),
        (&["--title", "Ω"], "its training text has no 'Ω'"),
        (&["--bars", "100", "--length", "50"], "it needs"),
        (&["--no-until-end"], "--no-until-end"),
        (&["--tunes", "1000", "--best-of", "1000"], "more than 100,000"),
    ] {
        refused_with(&mut generate(arguments), says);
    }
    refused_with(hornpipe(["generate"]).arg(MODEL.path("run")).args(["--key", "G"]), "--valid");
}

#[test]
fn the_best_of_several_is_the_best_rated() {
    let json = |command: &mut assert_cmd::Command| -> serde_json::Value {
        serde_json::from_str(&succeeds(command.args(["--length", "300", "--json"]))).unwrap()
    };
    let training = Training::new(&split(&support::corpus(), 5, 0.3).train);
    let all = json(&mut generate(&["--tunes", "6", "--best-of", "1"]));
    let all = all["tunes"].as_array().unwrap();
    assert!(all.iter().all(|tune| tune.get("rating").is_none()));
    let rating = |text: &str| rate(text, Some(&training)).map_or(0.0, |rating| rating.total);
    let totals: Vec<f64> = all.iter().map(|tune| rating(tune["text"].as_str().unwrap())).collect();
    let most = totals.iter().copied().fold(0.0, f64::max);
    assert!(most > 1.0, "the valid ones are above 1: {totals:?}");

    let best = json(&mut generate(&["--best-of", "6"]));
    assert_eq!(best["tunes"].as_array().unwrap().len(), 1);
    let best = &best["tunes"][0];
    assert_eq!(rating(best["text"].as_str().unwrap()), most);
    assert_eq!(best["rating"]["total"], most);
    assert!(best["rating"]["newness"].as_f64().unwrap() > 0.0);
    assert!(best["log_probability"].as_f64().unwrap() < 0.0);

    // Without --valid, and a checkpoint that no run's folder stands around.
    let folder = Folder::new();
    std::fs::copy(MODEL.path("run/best.hornpipe"), folder.path("alone.hornpipe")).unwrap();
    let mut command = hornpipe(["generate"]);
    command.arg(folder.path("alone.hornpipe")).args([
        "--best-of",
        "3",
        "--seed",
        "4",
        "--length",
        "300",
        "--json",
    ]);
    let output = command.output().unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains("--best-of ranks without the training tunes: "), "{says}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["tunes"].as_array().unwrap().len(), 1);
    assert!(json["tunes"][0]["rating"]["newness"].is_null());
}
