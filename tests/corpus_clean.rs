//! The corpus's doctor and the splits, as commands.
#![cfg(feature = "cli")]

mod support;

use hornpipe::corpus::benchmark::Benchmark;
use hornpipe::corpus::{Corpus, parse, split};
use serde_json::Value;
use std::fs;
use support::{Folder, hornpipe, refused_with, succeeds};

const SICK: &str = "<pre>\nX:1\nT:One\nM:2/4\nL:1/8\nK:G\n|:GABc:|\n\nT:Two\nM:2/4\nL:1/8\nK:A\nAB cd|\n\nT:Three\nM:2/4\nL:1/8\nK:A\nABc|ABcd|d4|\n</pre>\n";

#[test]
fn the_report_has_file_line_and_sentence() {
    let folder = Folder::new();
    let sick = folder.file("sick.abc", SICK);
    let report = succeeds(&mut hornpipe(["corpus", "clean", &sick]));
    let lines: Vec<&str> = report.lines().collect();
    let found = |line: usize, message: &str| {
        assert!(lines.contains(&format!("{sick}:{line}: {message}").as_str()), "{line} {message}: {report}");
    };
    found(1, "HTML in \"<pre>\"; it is taken out");
    found(9, "a tune begins here without X:; it gets X:2");
    found(9, &format!("X:2 Two: the same notes as X:1 One ({sick}:2), in another key"));
    found(15, "a tune begins here without X:; it gets X:3");
    found(20, "HTML in \"</pre>\"; it is taken out");
    assert!(report.contains("\nleft              "), "{report}");
    assert_eq!(fs::read_to_string(&sick).unwrap(), SICK);

    let json: Value =
        serde_json::from_str(&succeeds(&mut hornpipe(["corpus", "clean", &sick, "--json"]))).unwrap();
    let summary = &json["summary"];
    assert_eq!(
        (&summary["tunes"], &summary["html_lines"], &summary["without_number"], &summary["duplicates"]),
        (&3.into(), &2.into(), &2.into(), &1.into())
    );
    assert_eq!(json["findings"][0]["kind"], "html");
    assert_eq!(json["findings"][0]["line"], 1);
}

#[test]
fn what_is_written_has_nothing_left_to_find() {
    let folder = Folder::new();
    let (sick, out) = (folder.file("sick.abc", SICK), folder.arg("clean.abc"));
    succeeds(&mut hornpipe(["corpus", "clean", &sick, "-o", &out]));
    let cleaned = fs::read_to_string(&out).unwrap();
    assert!(cleaned.starts_with("X:1\nT:One\nM:2/4\nL:1/8\nK:G\n|:GABc:|\n\n"), "{cleaned}");
    let again: Value =
        serde_json::from_str(&succeeds(&mut hornpipe(["corpus", "clean", &out, "--json"]))).unwrap();
    assert_eq!(again["findings"].as_array().unwrap().len(), 0, "{again}");
    assert_eq!(again["summary"]["tunes"], again["summary"]["kept"]);
}

#[test]
fn no_file_is_overwritten_that_is_read() {
    let folder = Folder::new();
    let sick = folder.file("sick.abc", SICK);
    refused_with(&mut hornpipe(["corpus", "clean", &sick, "-o", &sick]), "would overwrite it");
    let round_about = folder.path("x/../sick.abc").display().to_string();
    fs::create_dir(folder.path("x")).unwrap();
    refused_with(&mut hornpipe(["corpus", "clean", &sick, "-o", &round_about]), "would overwrite it");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&sick, folder.path("link.abc")).unwrap();
        refused_with(
            &mut hornpipe(["corpus", "clean", &folder.arg("link.abc"), "-o", &sick]),
            "would overwrite it",
        );
    }
    refused_with(&mut hornpipe(["corpus", "clean", &folder.arg("x/.."), "-o", &sick]), "would overwrite it");
    assert_eq!(fs::read_to_string(&sick).unwrap(), SICK);
}

#[test]
fn bad_input_gets_a_sentence() {
    let folder = Folder::new();
    refused_with(&mut hornpipe(["corpus", "clean", &folder.file("empty.abc", "")]), "is empty");
    refused_with(&mut hornpipe(["corpus", "clean", &folder.file("words.abc", "words\n")]), "holds no tune");
    let broken = folder.file("broken.abc", "X:1\nK:G\n?\n");
    // The report is told, but nothing written.
    let output = hornpipe(["corpus", "clean", &broken, "-o", &folder.arg("none.abc")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error: no tune is left"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("broken.abc:3: X:1: '?' means nothing here"));
    assert!(!folder.path("none.abc").exists());
    refused_with(&mut hornpipe(["corpus", "clean"]), "required");
}

#[test]
fn a_split_is_that_of_the_training() {
    let folder = Folder::new();
    let out = folder.arg("split");
    let corpus = folder.arg("corpus.abc");
    succeeds(&mut hornpipe([
        "corpus",
        "split",
        &corpus,
        "--out",
        &out,
        "--seed",
        "5",
        "--validation-fraction",
        "0.3",
    ]));
    let parts = split(&support::corpus(), 5, 0.3);
    let read = |name: &str| parse(name, &fs::read(folder.path("split").join(name)).unwrap()).unwrap();
    assert_eq!((read("train.abc"), read("held-out.abc")), (parts.train.clone(), parts.held_out.clone()));
    let list = fs::read_to_string(folder.path("split/split.txt")).unwrap();
    assert_eq!(Benchmark::read(&list).split(&support::corpus()), Ok((parts.train, parts.held_out)));
    refused_with(
        &mut hornpipe(["corpus", "split", &corpus, "--benchmark", "hornpipe-nottingham-1", "--out", &out]),
        "is not the benchmark's corpus",
    );
}

#[test]
fn an_n_gram_model_writes_tunes() {
    let folder = Folder::new();
    let corpus = folder.arg("corpus.abc");
    let write = |seed: &str| {
        succeeds(&mut hornpipe(["corpus", "ngram", &corpus, "--tunes", "3", "--order", "9", "--seed", seed]))
    };
    let text = write("1");
    assert_eq!(text, write("1"));
    assert_ne!(text, write("2"));
    // Nine characters of a dozen tunes know how a tune begins and ends.
    assert_eq!(parse("tunes", text.as_bytes()).unwrap().len(), 3, "{text}");
}

/// The benchmark is the split that `train` makes of the public file by default, for ever.
#[test]
fn the_benchmark_is_the_default_split_of_nottingham() {
    let Some(text) = support::nottingham() else { return };
    let corpus = Corpus { tunes: parse("Nottingham", text.as_bytes()).unwrap() };
    let parts = split(&corpus, 1, 0.1);
    assert_eq!(Benchmark::nottingham_1().split(&corpus), Ok((parts.train, parts.held_out)));
}
