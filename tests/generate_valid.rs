//! `generate --valid`: whatever the model has learned, the tunes pass the check.
#![cfg(feature = "cli")]

mod support;

use hornpipe::abc::{Key, check, read};
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
fn the_best_of_several_is_the_most_probable() {
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&succeeds(generate(&["--length", "120", "--json"]).args(arguments))).unwrap()
    };
    let best = json(&["--best-of", "6"]);
    let all = json(&["--tunes", "6", "--best-of", "1"]);
    let all: Vec<&str> =
        all["tunes"].as_array().unwrap().iter().map(|t| t["text"].as_str().unwrap()).collect();
    assert_eq!(best["tunes"].as_array().unwrap().len(), 1);
    assert!(all.contains(&best["tunes"][0]["text"].as_str().unwrap()));
    assert!(best["tunes"][0]["log_probability"].as_f64().unwrap() < 0.0);
}
