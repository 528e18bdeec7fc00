//! Whenever a run is killed, its folder holds a whole checkpoint; and Ctrl-C saves and ends.
#![cfg(all(unix, feature = "cli"))]

mod support;

use hornpipe::checkpoint::Checkpoint;
use hornpipe::train::Snapshot;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Folder, result, resume, succeeds, tiny, train};

/// Long enough that no kill comes too late, over in a moment where not every step is saved.
const STEPS: &str = "--steps 1000";

/// Starts or continues the run, saving at each step.
fn start(folder: &Folder, run: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hornpipe"));
    command.args(["train", "--save-every", "0", "--threads", "2"]);
    if folder.path(run).join("last.hornpipe").exists() {
        command.arg("--resume").arg(folder.path(run));
    } else {
        command.arg(folder.path("corpus.abc")).args(tiny("many-to-many")).args(STEPS.split(' '));
        command.arg("--out").arg(folder.path(run));
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// The step at which the checkpoint in the folder stands, which must be whole.
fn step(run: &Path) -> u64 {
    let checkpoint = Checkpoint::load(&run.join("last.hornpipe")).unwrap();
    Snapshot::from_checkpoint(&checkpoint).unwrap().progress.step
}

/// Waits until the run has saved something that it had not before.
fn wait_for_progress(run: &Path, before: u64) {
    let began = Instant::now();
    while !run.join("last.hornpipe").exists() || step(run) <= before {
        assert!(began.elapsed() < Duration::from_secs(30), "no step within 30 seconds");
        sleep(Duration::from_millis(2));
    }
}

fn straight(folder: &Folder) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    succeeds(&mut train(folder, "many-to-many", "straight", STEPS));
    result(&folder.path("straight"))
}

#[test]
fn killed_at_any_moment() {
    let folder = Folder::new();
    let run = folder.path("run");
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut before = 0;
    for _ in 0..10 {
        let mut child = start(&folder, "run");
        wait_for_progress(&run, before);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        sleep(Duration::from_micros(random >> 50));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = step(&run);
        assert!(after > before, "it went on where it was");
        before = after;
    }
    succeeds(&mut resume(&folder, "run", ""));
    assert!(result(&run) == straight(&folder), "the run ends as one that was never killed, after {before}");
}

#[test]
fn interrupted() {
    let folder = Folder::new();
    let run = folder.path("run");
    let mut before = 0;
    for signal in ["-INT", "-TERM"] {
        let child = start(&folder, "run");
        wait_for_progress(&run, before);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("stopping after this step and saving") && said.contains("--resume"), "{said}");
        let stands = said.split("stopped after step ").nth(1).unwrap().split(' ').next().unwrap();
        before = step(&run);
        assert_eq!(before.to_string(), stands, "the last step is saved");
    }
    succeeds(&mut resume(&folder, "run", ""));
    assert!(result(&run) == straight(&folder));
}

#[test]
fn interrupted_twice() {
    let folder = Folder::new();
    // One step of this takes longer than everything else here, so it is the second signal that ends the run.
    let flags = "train --preset article --batch-size 2048 --out";
    let mut command = Command::new(env!("CARGO_BIN_EXE_hornpipe"));
    command.args(flags.split(' ')).arg(folder.path("run")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("kernels: ")), "it trains");
    send("-INT", &child);
    assert!(said.any(|line| line.contains("Ctrl-C again stops at once")));
    send("-INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!folder.path("run/last.hornpipe").exists(), "at once");
}
