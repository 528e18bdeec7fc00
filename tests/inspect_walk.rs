//! `hornpipe inspect walk`: what the page on the theory quotes is what the command prints.
#![cfg(feature = "cli")]

mod support;

use support::{Folder, hornpipe, refused_with, succeeds, train};

const PAGE: &str = include_str!("../src/nn/lstm/README.md");

/// Lines with something on them.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

#[test]
fn the_theory_quotes_what_the_command_prints() {
    let printed = succeeds(&mut hornpipe(["inspect", "walk"]));
    let blocks = PAGE.split("```text walk\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let quoted: Vec<&str> = blocks.flat_map(lines).collect();
    assert_eq!(quoted, lines(&printed), "the blocks of src/nn/lstm/README.md, one after the other");
    assert!(quoted.len() > 60);
}

/// With a C library that computes exp and tanh in another way, whose last bits differ.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn the_last_bits_of_the_machine_do_not_count() {
    let plain = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-FMA,-AVX2,-FMA4");
    let walk = |environment: &[(&str, &str)]| {
        succeeds(hornpipe(["inspect", "walk"]).envs(environment.iter().copied()))
    };
    assert_eq!(walk(&[]), walk(&[plain]));
}

#[test]
fn a_checkpoint_walks_too() {
    let folder = Folder::new();
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    succeeds(&mut train(&folder, "many-to-one", "windows", "--epochs 1"));
    let walk = |run: &str, arguments: &[&str]| {
        let mut command = hornpipe(["inspect", "walk", &folder.arg(run)]);
        command.args(arguments);
        command
    };
    let text = succeeds(&mut walk("run", &["--text", "X: 1\\nT:The", "--units", "2"]));
    assert!(text.starts_with("step 9 reads 'h' and predicts 'e'\n"), "{text}");
    assert!(text.contains("layer 1, backward") && text.contains("…"));
    // A window of eight has eight steps.
    assert!(succeeds(&mut walk("windows", &["--text", "X: 1\\nT:The"])).starts_with("step 7 reads 'h'"));
    refused_with(&mut walk("run", &["--text", ""]), "the text is empty");
    refused_with(&mut walk("run", &["--text", "X:€"]), "'€' (line 1)");
    refused_with(&mut walk("run", &["--text", &"A".repeat(2001)]), "goes through 2000 at most");
    refused_with(&mut walk("run", &[]), "--text <TEXT>");
    refused_with(&mut walk("nowhere", &["--text", "X:"]), "there is no ");
    refused_with(&mut walk("corpus.abc", &["--text", "X:"]), "not a Hornpipe checkpoint");
    refused_with(&mut hornpipe(["inspect", "walk", "--text", "X"]), "'X' (line 1)");
    refused_with(&mut hornpipe(["inspect", "walk", "--units", "0"]), "0 is not in 1..");
}
