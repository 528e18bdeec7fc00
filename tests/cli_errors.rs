//! Each kind of bad input gives a sentence and a failure, and loses nothing.
#![cfg(feature = "cli")]

mod support;

use hornpipe::checkpoint::Checkpoint;
use hornpipe::train::Snapshot;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused, refused_with, resume, succeeds, tiny, train};

/// A trained model, `run`, which no test here may change.
static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("cli_errors");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    folder
});

/// `command MODEL arguments…`
fn on_model(command: &str, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe([command]);
    command.arg(MODEL.path("run")).args(arguments);
    command
}

#[test]
fn a_corpus_that_is_none() {
    let folder = Folder::new();
    fs::create_dir(folder.path("folder")).unwrap();
    let text = support::text();
    let bad = [
        (folder.file("empty.abc", ""), "empty.abc is empty"),
        (folder.file("latin.abc", b"X:1\nT:caf\xE9\n"), "latin.abc is not UTF-8: line 2, byte 9 is 0xE9"),
        (
            folder.file("mark.abc", format!("\u{FEFF}{text}")),
            "mark.abc has a byte-order mark at line 1, byte 0",
        ),
        (folder.file("wide.abc", b"\xFF\xFEX\0"), "wide.abc is UTF-16"),
        (folder.file("none.abc", "T:A tune without a number\nabc\n"), "none.abc holds no tune"),
        (folder.arg("nowhere.abc"), "nowhere.abc: No such file"),
        (folder.arg("corpus.abc/below.abc"), "cannot read"),
        (folder.arg("folder"), "folder holds no .abc files"),
    ];
    for (path, says) in &bad {
        let mut command = hornpipe(["train", path]);
        refused_with(command.args(tiny("many-to-many")).arg("--out").arg(folder.path("run")), says);
        assert!(!folder.path("run").exists(), "{path}: no folder for nothing");
        refused_with(&mut hornpipe(["corpus", "stats", path]), says);
        refused_with(&mut on_model("evaluate", &[path]), says);
        refused_with(&mut on_model("generate", &["--random-window", path]), says);
    }
    refused_with(hornpipe(["corpus", "stats", "-"]).write_stdin(""), "standard input is empty");
    refused_with(hornpipe(["train", "-"]).write_stdin(b"X:\xFF".as_slice()), "standard input is not UTF-8");
}

#[test]
fn a_corpus_too_small() {
    let folder = Folder::new();
    let one = folder.file("one.abc", "X:1\nT:A\nK:C\nCDEF|\n");
    let refusal = |flags: &str, says: &str| {
        let mut command = hornpipe(["train", &one, "--out"]);
        refused_with(command.arg(folder.path("run")).args(flags.split_whitespace()), says);
        assert!(!folder.path("run").exists());
    };
    refusal("", "none is left held out with a held-out fraction of 0.1");
    refusal("--preset article", "the text has 19 characters, but one window needs 101");
    refused_with(
        &mut on_model("generate", &["--random-window", &one, "--window", "50"]),
        "the window needs more",
    );
}

#[test]
fn a_checkpoint_that_is_none() {
    let folder = Folder::new();
    let bytes = fs::read(MODEL.path("run/best.hornpipe")).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    let bad = [
        (folder.file("truncated", &bytes[..bytes.len() - 9]), "truncated: this checkpoint is damaged"),
        (folder.file("header", &bytes[..12]), "header: this checkpoint is damaged"),
        (folder.file("flipped", flipped), "flipped: this checkpoint is damaged"),
        (folder.file("longer", [&bytes[..], b"!"].concat()), "longer: this checkpoint is damaged"),
        (folder.file("nothing", ""), "nothing: this is not a Hornpipe checkpoint"),
        (folder.arg("corpus.abc"), "corpus.abc: this is not a Hornpipe checkpoint"),
        (folder.arg("nowhere"), "nowhere; name a checkpoint"),
        (folder.arg(""), "best.hornpipe; name a checkpoint"),
    ];
    for (path, says) in &bad {
        for command in ["generate", "evaluate", "summary"] {
            refused_with(&mut hornpipe([command, path]), says);
        }
        let mut command = hornpipe(["train", "--init-from", path, "--out"]);
        refused_with(command.arg(folder.path("run")), says);
        assert!(!folder.path("run").exists());
    }
}

#[test]
fn characters_that_the_model_has_never_seen() {
    let folder = Folder::new();
    refused_with(&mut on_model("generate", &["--prime", "X:1\nT:Ø"]), "'Ø' (line 2)");
    let prime = folder.file("prime", "X:1\nT:ab§");
    refused_with(&mut on_model("generate", &["--prime-file", &prime]), "'§' (line 2)");
    let binary = folder.file("binary", b"X:\xFF");
    refused_with(&mut on_model("generate", &["--prime-file", &binary]), "binary is not UTF-8");
    refused_with(&mut on_model("generate", &["--prime-file", &folder.arg("no")]), "no: No such file");
    let corpus = folder.file("other.abc", "X:1\nT:Ж\nabc\n");
    refused_with(&mut on_model("generate", &["--random-window", &corpus]), "'Ж' (tune 1, line 2)");
    refused_with(&mut on_model("evaluate", &[&corpus, "--all"]), "'Ж' (tune 1, line 2)");
    let mut command = hornpipe(["train", &corpus, "--validation-fraction", "0", "--init-from"]);
    command.arg(MODEL.path("run")).arg("--out").arg(folder.path("run"));
    let said = refused(&mut command);
    assert!(said.contains("'Ж'") && said.contains("the model knows only"), "{said}");
}

#[test]
fn a_folder_that_cannot_be() {
    let folder = Folder::new();
    succeeds(&mut train(&folder, "many-to-many", "run", "--steps 2"));
    let before = support::result(&folder.path("run"));
    refused_with(
        &mut train(&folder, "many-to-many", "run", "--steps 2"),
        "already holds a run; continue it with",
    );
    assert!(support::result(&folder.path("run")) == before);
    refused_with(&mut train(&folder, "many-to-many", "corpus.abc", "--steps 2"), "cannot make the folder");
    refused_with(
        &mut train(&folder, "many-to-many", "corpus.abc/run", "--steps 2"),
        "cannot make the folder",
    );
    assert_eq!(fs::read_to_string(folder.path("corpus.abc")).unwrap(), support::text());
    // As for results: -o below a file, and onto a folder.
    for target in ["corpus.abc/tune.abc", "run"] {
        let target = folder.arg(target);
        refused_with(&mut on_model("generate", &["--length", "5", "-o", &target]), "cannot write");
        refused_with(&mut hornpipe(["corpus", "compose", "-o", &target]), "cannot write");
    }
}

#[test]
fn an_instruction_set_that_is_not_there() {
    let folder = Folder::new();
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let missing = format!("HORNPIPE_ISA={foreign} is forced, but this machine has only scalar");
    for (name, says) in [("mmx", "HORNPIPE_ISA=mmx is no instruction set"), (foreign, &missing)] {
        refused_with(train(&folder, "many-to-many", "run", "--steps 1").env("HORNPIPE_ISA", name), says);
        refused_with(on_model("generate", &["--length", "5"]).env("HORNPIPE_ISA", name), says);
        refused_with(hornpipe(["bench", "generate"]).env("HORNPIPE_ISA", name), says);
    }
    assert!(!folder.path("run").exists());
}

#[test]
fn training_that_diverges_stops_and_keeps_what_was_good() {
    let folder = Folder::new();
    let diverging = "--lr 3e38 --schedule constant --clip-norm 0";
    let said = refused(&mut train(&folder, "many-to-many", "run", &format!("{diverging} --epochs 2")));
    assert!(said.contains("training has diverged at step 2"), "{said}");
    assert!(said.contains("no checkpoint was saved yet"), "{said}");
    assert!(!folder.path("run/last.hornpipe").exists());

    // The first step's weights are not finite, which the second step's loss tells: nothing is saved in between.
    let said = refused(&mut train(
        &folder,
        "many-to-many",
        "at-once",
        &format!("{diverging} --epochs 2 --save-every 0"),
    ));
    assert!(said.contains("no checkpoint was saved yet"), "{said}");
    assert!(!folder.path("at-once/last.hornpipe").exists());

    // The first step's learning rate is a 25th of the peak, so that its weights are finite.
    let later = "--lr 3e38 --schedule one-cycle --clip-norm 0 --epochs 2 --save-every 0";
    let said = refused(&mut train(&folder, "many-to-many", "saved", later));
    assert!(said.contains("the last good checkpoint is") && said.contains("last.hornpipe"), "{said}");
    let checkpoint = Checkpoint::load(&folder.path("saved/last.hornpipe")).unwrap();
    let snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
    assert!(snapshot.parameters.values().iter().all(|weight| weight.is_finite()));

    // The first step's loss is fine; what it leads to shows on the held-out tunes alone.
    let said = refused(&mut train(&folder, "many-to-many", "short", &format!("{diverging} --steps 1")));
    assert!(said.contains("held-out") && said.contains("diverged by step 1"), "{said}");
    assert!(!folder.path("short/best.hornpipe").exists(), "such weights are not the best");

    // With nothing held out, the weights themselves tell.
    let shorter = format!("--hidden 9 --layers 1 --validation-fraction 0 --steps 1 {diverging}");
    let mut command = hornpipe(["train"]);
    command.arg(folder.path("corpus.abc")).args(shorter.split(' '));
    let said = refused(command.arg("--out").arg(folder.path("shorter")));
    assert!(said.contains("a weight is not finite") && said.contains("diverged by step 1"), "{said}");
    assert!(!folder.path("shorter/best.hornpipe").exists(), "such weights are not the best");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::process::{Command, Stdio};

    /// What the shell says to a line in which `hornpipe` is the program: its code, and stderr.
    fn shell(line: &str) -> (i32, String) {
        let program = env!("CARGO_BIN_EXE_hornpipe");
        let line = format!("hornpipe() {{ \"{program}\" \"$@\"; }}; {line}");
        let output = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        (output.status.code().unwrap(), stderr)
    }

    #[test]
    fn whoever_stops_reading_has_had_enough() {
        let model = MODEL.arg("run");
        for line in [
            "corpus compose".to_string(),
            "corpus compose --tunes 3000".to_string(),
            "completions zsh".to_string(),
            "train --help".to_string(),
            format!("generate {model} --seed 1 --tunes 1000 --length 100"),
        ] {
            let code = format!("{{ hornpipe {line}; echo code $? >&2; }} | head -1 > /dev/null");
            let (_, said) = shell(&code);
            assert!(said.contains("code 0") && !said.contains("error"), "{line}: {said}");
        }
    }

    /// A device that never ends is refused, by each flag that names a file to read.
    #[test]
    fn endless_files() {
        let run = MODEL.arg("run");
        for line in [
            "train /dev/zero",
            "abc check /dev/zero",
            &format!("evaluate {run} /dev/zero"),
            &format!("generate {run} --prime-file /dev/zero"),
            &format!("generate {run} --random-window /dev/zero"),
            &format!("inspect trace {run} -o /dev/null --file /dev/zero"),
            &format!("inspect gates {run} /dev/zero"),
        ] {
            let says = "/dev/zero does not end within 256 MiB: name another file";
            refused_with(&mut hornpipe(line.split(' ')), says);
        }
        let (code, said) = shell(&format!("hornpipe inspect gates {run} - < /dev/zero"));
        assert!(code == 1 && said.contains("standard input does not end within 256 MiB"), "{said}");
    }

    #[test]
    fn a_closed_stderr_does_not_stop_a_run() {
        let folder = Folder::new();
        let flags = tiny("many-to-many").join(" ");
        let (corpus, run) = (folder.arg("corpus.abc"), folder.arg("run"));
        // The reader of stderr ends at once.
        let line = format!("hornpipe train {corpus} {flags} --steps 60 --out {run} 2>&1 >/dev/null | true");
        shell(&line);
        assert!(folder.path("run/best.hornpipe").exists());
        let (code, _) = shell(&format!("hornpipe evaluate {run} {corpus} 2>&- >/dev/null"));
        assert_eq!(code, 0);
    }

    /// A file may have so many blocks of at most 1 kB.
    fn with_limit(blocks: u32, line: &str) -> (i32, String) {
        shell(&format!("trap '' XFSZ; ulimit -f {blocks}; hornpipe {line}"))
    }

    #[test]
    fn a_full_disk_leaves_the_old_checkpoint() {
        let folder = Folder::new();
        succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 2 --max-minutes 0.00001"));
        let bytes = fs::read(folder.path("run/last.hornpipe")).unwrap();
        let run = folder.arg("run");
        for blocks in [1, 8] {
            let (code, said) = with_limit(blocks, &format!("train --resume {run} --save-every 0"));
            assert!(code == 1 && said.contains("error: ") && said.contains("cannot write"), "{said}");
            assert!(fs::read(folder.path("run/last.hornpipe")).unwrap() == bytes, "the old one is whole");
        }
        let parts = fs::read_dir(folder.path("run")).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            parts.into_iter().all(|name| !name.to_string_lossy().ends_with(".tmp")),
            "nothing is left beside it"
        );
        succeeds(&mut resume(&folder, "run", ""));
        succeeds(&mut train(&folder, "many-to-many", "straight", "--epochs 2"));
        assert!(support::result(&folder.path("run")) == support::result(&folder.path("straight")));

        let file = folder.file("tunes.abc", "mine");
        let (code, said) = with_limit(1, &format!("corpus compose -o {file}"));
        assert!(code == 1 && said.contains("cannot write"), "{said}");
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");
        let (code, said) = with_limit(1, &format!("corpus compose > {}", folder.arg("stdout")));
        assert!(code == 1 && said.contains("cannot write to standard output"), "{said}");
    }
}
