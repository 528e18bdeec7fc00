//! What several tests share: a small corpus, tiny settings, and the program.
#![allow(dead_code)] // Each test file uses its own part.

use assert_cmd::Command;
use hornpipe::corpus::{Corpus, composer::compose, parse};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The corpus that all tests train on: 12 tunes, of which [`tiny`] holds about a third out.
pub fn text() -> String {
    compose(12, 3)
}

/// The same, read.
pub fn corpus() -> Corpus {
    Corpus { tunes: parse("the test's corpus", text().as_bytes()).unwrap() }
}

/// A folder with that corpus in it, and paths within.
pub struct Folder {
    path: PathBuf,
    /// Removes it at the end.
    _temporary: Option<TempDir>,
}

impl Folder {
    /// A temporary one.
    pub fn new() -> Self {
        let temporary = TempDir::new().unwrap();
        let folder = Folder { path: temporary.path().to_path_buf(), _temporary: Some(temporary) };
        folder.file("corpus.abc", text());
        folder
    }

    /// One for a static, which nobody drops: it stays among the build's files until the next time.
    pub fn kept(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let folder = Folder { path, _temporary: None };
        folder.file("corpus.abc", text());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// As an argument.
    pub fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file, and returns it as an argument.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.arg(name)
    }
}

/// The program.
pub fn hornpipe<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hornpipe"));
    command.args(args);
    command
}

/// Flags of a run that takes a moment: sizes that no kernel likes, a last shard of one row, dropout.
pub fn tiny(objective: &str) -> Vec<String> {
    let mut flags =
        "--hidden 9 --layers 2 --embedding 5 --seq-len 8 --batch-size 7 --shard-rows 2 --dropout 0.2 \
                     --validation-fraction 0.3 --seed 5"
            .to_string();
    flags += &format!(" --objective {objective}");
    if objective == "many-to-one" {
        flags += " --stride 9";
    }
    flags.split_whitespace().map(str::to_string).collect()
}

/// `train`, with the corpus of the folder, tiny settings, and more flags.
pub fn train(folder: &Folder, objective: &str, out: &str, more: &str) -> Command {
    let mut command = hornpipe(["train"]);
    command.arg(folder.path("corpus.abc")).args(tiny(objective)).arg("--out").arg(folder.path(out));
    command.args(more.split_whitespace());
    command
}

/// `train --resume`, with more flags.
pub fn resume(folder: &Folder, run: &str, more: &str) -> Command {
    let mut command = hornpipe(["train", "--resume"]);
    command.arg(folder.path(run)).args(more.split_whitespace());
    command
}

/// What must be the same of two runs: both checkpoints, and the metrics without their seconds.
pub fn result(run: &Path) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let read = |name: &str| fs::read(run.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let metrics = String::from_utf8(read("metrics.csv")).unwrap();
    let metrics = metrics.lines().map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect();
    (read("last.hornpipe"), read("best.hornpipe"), metrics)
}

/// Runs what must fail with a sentence: returns stderr.
pub fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code();
    assert!(code.is_some_and(|code| code == 1 || code == 2), "{command:?} ended with {code:?}: {stderr}");
    assert!(stderr.lines().any(|line| line.starts_with("error: ")), "{command:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{command:?} printed a result");
    stderr
}

/// Asserts that the refusal says this.
pub fn refused_with(command: &mut Command, part: &str) {
    let stderr = refused(command);
    assert!(stderr.contains(part), "{command:?}: no {part:?} in {stderr}");
}

/// Runs what must succeed: returns stdout.
pub fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {:?}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The Nottingham Music Database where the environment names it. Tests skip without it, and fail where it is named but not there.
pub fn nottingham() -> Option<String> {
    let Some(path) = std::env::var_os("HORNPIPE_NOTTINGHAM") else {
        eprintln!("skipped: HORNPIPE_NOTTINGHAM does not name the Nottingham Music Database");
        return None;
    };
    Some(fs::read_to_string(path).expect("HORNPIPE_NOTTINGHAM names a file"))
}
