//! `hornpipe inspect` on the command line: what it writes, and what it says of bad input.
#![cfg(feature = "cli")]

mod support;

use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused_with, succeeds, train};

/// Small trained models that no test here may change: `run`, many-to-many, and `windows`, many-to-one.
static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("inspect_cli");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    succeeds(&mut train(&folder, "many-to-one", "windows", "--epochs 1"));
    folder
});

/// `inspect COMMAND MODEL arguments…`
fn inspect(command: &str, arguments: &[&str]) -> assert_cmd::Command {
    let mut inspect = hornpipe(["inspect", command]);
    inspect.arg(MODEL.path("run")).args(arguments);
    inspect
}

#[test]
fn a_trace_is_written_of_a_text_a_file_and_a_tune_of_the_models_own() {
    let folder = Folder::new();
    let page = folder.arg("page.html");
    let text = |arguments: &[&str], stdin: Option<&str>| {
        let mut command = inspect("trace", arguments);
        command.args(["-o", &page]);
        stdin.map(|text| command.write_stdin(text));
        assert_eq!(succeeds(&mut command), format!("{page}\n"));
        let html = fs::read_to_string(&page).unwrap();
        fs::remove_file(&page).unwrap();
        let (_, meta) = html.split_once("id=\"meta\">").unwrap();
        let meta: serde_json::Value = serde_json::from_str(meta.split_once("</script>").unwrap().0).unwrap();
        meta["text"].as_str().unwrap().to_string()
    };
    assert_eq!(text(&["--text", "X: 1\\nA|"], None), "X: 1\nA|");
    assert_eq!(text(&["--file", "-"], Some("abc\r\nd")), "abc\nd");
    let corpus = folder.arg("corpus.abc");
    assert_eq!(text(&["--file", &corpus, "--length", "50"], None), support::text()[..50]);
    // Of tunes, what training keeps.
    assert_eq!(text(&["--file", "-"], Some("X:1\nA|\n\n\n\nX:2\nB|")), "X:1\nA|\n\nX:2\nB|\n\n");
    let tune = text(&[], None);
    assert_eq!(text(&["--generate", "--seed", "1"], None), tune);
    assert_ne!(text(&["--seed", "2"], None), tune);
}

#[test]
fn a_many_to_one_model_is_seen_through_its_window() {
    let folder = Folder::new();
    let mut command = hornpipe(["inspect", "trace"]);
    command.arg(MODEL.path("windows")).args(["--text", "abc", "-o"]).arg(folder.path("page.html"));
    succeeds(&mut command);
    let html = fs::read_to_string(folder.path("page.html")).unwrap();
    assert!(html.contains("each character seen through a window of 8"));
}

#[test]
fn bad_texts_for_a_trace() {
    let folder = Folder::new();
    let page = folder.arg("page.html");
    let refusal = |arguments: &[&str], says: &str| {
        refused_with(inspect("trace", arguments).args(["-o", &page]), says);
        assert!(!folder.path("page.html").exists());
    };
    refusal(&["--text", "abc\\n€ é"], "'€' (line 2), 'é' (line 2)");
    refusal(&["--text", ""], "the text is empty");
    refusal(&["--file", &folder.file("empty.txt", "")], "the text is empty");
    refusal(&["--file", &folder.file("latin.txt", b"caf\xE9")], "latin.txt is not UTF-8");
    refusal(&["--file", &folder.arg("nowhere")], "cannot read");
    refusal(&["--text", "a", "--file", "b"], "cannot be used with");
    refusal(&["--text", "a", "--length", "0"], "0 is not in 1..=1000000");
    refused_with(
        inspect("trace", &["--text", "abc"]).args(["-o", &folder.arg("no/folder.html")]),
        "cannot write",
    );
}

#[test]
fn a_checkpoint_that_is_none() {
    let folder = Folder::new();
    for command in ["trace"] {
        let refusal = |path: &str, says: &str| {
            let mut command = hornpipe(["inspect", command, path]);
            refused_with(command.current_dir(folder.path("")), says);
        };
        refusal(&folder.arg("nowhere"), "there is no ");
        refusal(&folder.arg("corpus.abc"), "not a Hornpipe checkpoint");
    }
}
