//! `hornpipe abc` as it is typed.
#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use support::{Folder, hornpipe, refused_with, succeeds};

const GOOD: &str = "X:1\nT:Good\nM:4/4\nL:1/4\nK:G\n|:A|BcdB|G3:|\n";
const BAD: &str = "X:2\nT:Bad\nM:4/4\nL:1/4\nK:G\n|:A4|^f3|f4|\n\nX:3\nT:Worse\nK:G\nA?|\n";

/// Runs a check that finds something: a failure that says so, and the report on stdout.
fn fails(command: &mut assert_cmd::Command, says: &str) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, format!("error: {says}\n"));
    String::from_utf8(output.stdout).unwrap()
}

fn stdout(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let folder = Folder::new();
    let good = folder.file("good.abc", GOOD);
    let bad = folder.file("bad.abc", BAD);
    let text = succeeds(&mut hornpipe(["abc", "check", &good]));
    assert!(text.contains("1 readable, 1 pass") && !text.contains("Good"), "{text}");
    let text = stdout(hornpipe(["abc", "check", "--all"]).arg(&good));
    assert!(text.contains("good.abc:1: X:1 Good: readable, 0 of 3 bars wrong; passes"), "{text}");
    let text = fails(&mut hornpipe(["abc", "check", &good, &bad]), "2 of 3 tunes do not pass");
    assert!(
        text.contains("bad.abc:1: X:2 Bad: readable, 1 of 3 bars wrong, 1 fault of repeats; does not pass"),
        "{text}"
    );
    assert!(text.contains("  6:6: warning: bar 2 is 3/4 long instead of 1"), "{text}");
    assert!(text.contains("  6:1: warning: the repeat that begins here is never closed"), "{text}");
    assert!(
        text.contains("X:3 Worse: not readable") && text.contains("  11:2: error: '?' means nothing here"),
        "{text}"
    );
    assert!(text.contains("2 readable, 1 pass"), "{text}");
    fails(&mut hornpipe(["abc", "check", &folder.file("one.abc", "X:1\nK:C\n")]), "the tune does not pass");
}

#[test]
fn check_as_json() {
    let folder = Folder::new();
    let bad = folder.file("bad.abc", BAD);
    let text = fails(&mut hornpipe(["abc", "check", "--json", &bad]), "2 of 2 tunes do not pass");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["summary"]["tunes"], 2);
    assert_eq!(json["summary"]["readable"], 1);
    assert_eq!(json["summary"]["wrong"], 1);
    let tune = &json["tunes"][0];
    assert_eq!(
        (&tune["title"], &tune["line"], &tune["bars"], &tune["full"]),
        (&"Bad".into(), &1.into(), &3.into(), &2.into())
    );
    assert_eq!(tune["outside_key_written"], 0);
    assert_eq!(tune["passes"], false);
    assert_eq!(json["tunes"][1]["diagnostics"][0]["severity"], "error");
    assert_eq!(json["tunes"][1]["diagnostics"][0]["column"], 2);
}

#[test]
fn the_built_in_tunes_pass() {
    let folder = Folder::new();
    let text = succeeds(&mut hornpipe(["corpus", "compose", "--tunes", "50", "--seed", "3"]));
    let composed = folder.file("composed.abc", &text);
    let text = succeeds(&mut hornpipe(["abc", "check", &composed]));
    assert!(text.contains("50 readable, 50 pass"), "{text}");
    let text = stdout(hornpipe(["abc", "check", "-"]).write_stdin(GOOD));
    assert!(text.contains("1 pass"), "{text}");
}

#[test]
fn files_that_hold_no_tunes() {
    let folder = Folder::new();
    for (path, says) in [
        (folder.file("empty.abc", ""), "empty.abc is empty"),
        (folder.file("none.abc", "K:C\nABC|\n"), "none.abc holds no tune"),
        (folder.file("latin.abc", b"X:1\nT:caf\xE9\n"), "latin.abc is not UTF-8: line 2, byte 9 is 0xE9"),
        (folder.arg("nowhere.abc"), "cannot read"),
    ] {
        refused_with(&mut hornpipe(["abc", "check", &path]), says);
    }
    hornpipe(["abc", "check"]).assert().failure();
}
