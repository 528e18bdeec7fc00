//! The same bits, whatever the number of threads.
#![cfg(feature = "cli")]

mod support;

use std::fs;
use support::{Folder, result, succeeds, train};

#[test]
fn any_number_of_threads_writes_the_same_checkpoints() {
    let folder = Folder::new();
    // Each ends within an epoch, in the second one.
    for (objective, steps, more) in [("many-to-many", 70, "--weight-drop 0.2"), ("many-to-one", 50, "")] {
        let run = |threads: u32| {
            let out = format!("{objective}-{threads}");
            succeeds(&mut train(
                &folder,
                objective,
                &out,
                &format!("--steps {steps} --threads {threads} {more}"),
            ));
            let tune = fs::read_to_string(folder.path(&out).join("tune.abc")).unwrap();
            (result(&folder.path(&out)), tune)
        };
        let one = run(1);
        assert_eq!(one.0.2.len(), 3, "{objective}: a header and two epochs");
        for threads in [2, 5] {
            assert!(run(threads) == one, "{objective}: {threads} threads differ from one");
        }
    }
}

#[test]
fn so_does_plain_code_without_vectors() {
    let folder = Folder::new();
    let run = |threads: u32| {
        let out = format!("run-{threads}");
        let more = format!("--steps 20 --threads {threads} --optimizer rmsprop --input scalar");
        // A scalar input has no embedding, so the flags of the tiny model but that.
        let mut command = support::hornpipe(["train"]);
        let flags = support::tiny("many-to-many").join(" ").replace("--embedding 5 ", "");
        command.arg(folder.path("corpus.abc")).args(flags.split(' ')).args(more.split(' '));
        command.arg("--out").arg(folder.path(&out)).env("HORNPIPE_ISA", "scalar");
        succeeds(&mut command);
        result(&folder.path(&out))
    };
    assert!(run(1) == run(3));
}

#[test]
fn the_seed_and_the_shards_decide_the_bits() {
    let folder = Folder::new();
    let run = |out: &str, more: &str| {
        succeeds(&mut train(&folder, "many-to-many", out, &format!("--steps 5 --threads 2 {more}")));
        result(&folder.path(out)).0
    };
    let first = run("first", "");
    assert!(run("again", "") == first, "the same again");
    // The settings are in the file, so it is the weights that tell.
    let weights = |bytes: &[u8]| {
        let checkpoint = hornpipe::checkpoint::Checkpoint::from_bytes(bytes).unwrap();
        hornpipe::train::Snapshot::from_checkpoint(&checkpoint).unwrap().parameters.values().to_vec()
    };
    let mut other = support::tiny("many-to-many");
    let at = other.iter().position(|flag| flag == "--seed").unwrap();
    other[at + 1] = "6".to_string();
    let mut command = support::hornpipe(["train"]);
    command.arg(folder.path("corpus.abc")).args(other).arg("--steps").arg("5");
    succeeds(command.arg("--out").arg(folder.path("other")));
    assert!(weights(&result(&folder.path("other")).0) != weights(&first), "another seed, other weights");
}
