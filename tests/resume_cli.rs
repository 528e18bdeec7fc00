//! `train --resume`: what it continues, what it refuses, and what it leaves alone.
#![cfg(feature = "cli")]

mod support;

use hornpipe::checkpoint::Checkpoint;
use hornpipe::corpus::split;
use hornpipe::nn::State;
use hornpipe::train::{EpochMetrics, Quality, Snapshot, Watched, read_metrics, write_metrics};
use std::fs;
use support::{Folder, hornpipe, refused, refused_with, result, resume, succeeds, train};

/// A run that the clock stopped somewhere after its first epoch.
fn stopped(folder: &Folder, objective: &str) {
    succeeds(&mut train(folder, objective, "run", "--epochs 3 --max-minutes 0.00001 --save-every 0"));
    while read_metrics(&fs::read_to_string(folder.path("run/metrics.csv")).unwrap_or_default()).0.is_empty() {
        succeeds(&mut resume(folder, "run", "--max-minutes 0.0003"));
    }
}

#[test]
fn stopped_by_the_clock_again_and_again() {
    for objective in ["many-to-many", "many-to-one"] {
        let folder = Folder::new();
        succeeds(&mut train(&folder, objective, "straight", "--epochs 3 --threads 2"));
        let straight = result(&folder.path("straight"));
        let first = train(&folder, objective, "run", "--epochs 3 --max-minutes 0.0001 --threads 1").output();
        let said = String::from_utf8(first.unwrap().stderr).unwrap();
        assert!(said.contains("stopped after step ") && said.contains("--resume"), "{said}");
        for threads in 1..=5 {
            succeeds(&mut resume(&folder, "run", &format!("--max-minutes 0.0003 --threads {threads}")));
        }
        succeeds(&mut resume(&folder, "run", ""));
        assert!(result(&folder.path("run")) == straight, "{objective}");
        // Once more after the end changes nothing.
        succeeds(&mut resume(&folder, "run", ""));
        assert!(result(&folder.path("run")) == straight, "{objective}");
    }
}

#[test]
fn metrics_are_cut_back_to_the_checkpoint() {
    let folder = Folder::new();
    succeeds(&mut train(&folder, "many-to-many", "straight", "--epochs 3"));
    stopped(&folder, "many-to-many");
    let path = folder.path("run/metrics.csv");
    let before = read_metrics(&fs::read_to_string(&path).unwrap()).0;
    let quality = Quality { nats_per_char: 0.5, accuracy: 0.5 };
    let mut more = before.clone();
    for epoch in before.len() as u32 + 1..9 {
        more.push(EpochMetrics { epoch, training: quality, held_out: Some(quality), ..before[0] });
    }
    fs::write(&path, write_metrics(&more, &Watched::default())).unwrap();
    succeeds(&mut resume(&folder, "run", "--max-minutes 0.00001"));
    let after = read_metrics(&fs::read_to_string(&path).unwrap()).0;
    assert!(after.len() < more.len() && after[..before.len()] == before[..], "{after:?}");
    succeeds(&mut resume(&folder, "run", ""));
    assert!(result(&folder.path("run")) == result(&folder.path("straight")));
}

#[test]
fn with_another_out_the_old_folder_stays() {
    let folder = Folder::new();
    succeeds(&mut train(&folder, "many-to-many", "straight", "--epochs 3"));
    stopped(&folder, "many-to-many");
    let before = result(&folder.path("run"));
    let new = folder.arg("new");
    succeeds(&mut resume(&folder, "run", &format!("--max-minutes 0.00001 --out {new}")));
    assert!(result(&folder.path("run")) == before, "the old folder is as it was");
    let finished = result(&folder.path("straight"));
    succeeds(&mut resume(&folder, "new", ""));
    assert!(result(&folder.path("new")) == finished);
    // The best model is carried over also where no epoch is left that could be better.
    succeeds(&mut resume(&folder, "new", &format!("--out {}", folder.arg("newer"))));
    assert!(result(&folder.path("newer")) == finished);
    // Not over another run; but its own folder, however it is spelt, is no other.
    refused_with(&mut resume(&folder, "run", &format!("--out {new}")), "already holds a run");
    assert!(result(&folder.path("new")) == finished);
    let same = folder.arg("new/../run");
    succeeds(&mut resume(&folder, "run", &format!("--out {same}")));
    assert!(result(&folder.path("run")) == finished);
}

#[test]
fn another_corpus_is_refused_and_which_part_of_it_is_said() {
    let folder = Folder::new();
    stopped(&folder, "many-to-many");
    let before = result(&folder.path("run"));
    let corpus = support::corpus();
    let parts = split(&corpus, 5, 0.3);
    let without = |name: &str, tune: &hornpipe::corpus::Tune| {
        let tunes = corpus.tunes.iter().filter(|t| *t != tune);
        folder.file(name, tunes.map(|t| t.text.as_str()).collect::<String>())
    };
    let training = without("training.abc", &parts.train[0]);
    let held_out = without("held-out.abc", &parts.held_out[0]);
    let unseen = folder.file("unseen.abc", support::text().replacen("T:", "T:Jämmer", 1));
    for (corpus, says) in [
        (&training, "the training tunes of this corpus are not those of the checkpoint"),
        (&held_out, "the held-out tunes of this corpus are not those of the checkpoint"),
        (&unseen, "'ä' (tune 1, line 2)"),
    ] {
        refused_with(&mut resume(&folder, "run", corpus), says);
    }
    assert!(result(&folder.path("run")) == before);
    // The same tunes in another place and with other line ends are the same corpus.
    let moved = folder.file("moved.abc", support::text().replace('\n', "\r\n"));
    fs::remove_file(folder.path("corpus.abc")).unwrap();
    refused_with(&mut resume(&folder, "run", ""), "corpus.abc");
    succeeds(&mut resume(&folder, "run", &moved));
}

#[test]
fn flags_that_are_settings_are_refused() {
    let folder = Folder::new();
    stopped(&folder, "many-to-one");
    let before = result(&folder.path("run"));
    for flag in [
        "--hidden 9",
        "--epochs 4",
        "--steps 9",
        "--lr 0.1",
        "--seed 5",
        "--stride 9",
        "--clip-norm 0",
        "--engine reference",
        "--shard-rows 2",
        "--validation-fraction 0.3",
        "--preset article",
        "--preset folk",
    ] {
        refused_with(&mut resume(&folder, "run", flag), "goes on with the run's own settings");
    }
    refused_with(&mut resume(&folder, "run", "--init-from run"), "cannot be used with");
    assert!(result(&folder.path("run")) == before);
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = Folder::new();
    refused_with(&mut resume(&folder, "nowhere", ""), "run.json");
    refused_with(
        &mut resume(&folder, "corpus.abc", ""),
        "the folder of a run, such as runs/NAME, has that file",
    );
    stopped(&folder, "many-to-many");
    let path = folder.path("run/last.hornpipe");
    let bytes = fs::read(&path).unwrap();
    for (damage, says) in [
        (bytes[..bytes.len() - 1].to_vec(), "damaged"),
        (bytes[..10].to_vec(), "damaged"),
        (Vec::new(), "not a Hornpipe checkpoint"),
        (bytes.iter().enumerate().map(|(i, b)| b ^ u8::from(i == bytes.len() / 2)).collect(), "damaged"),
    ] {
        fs::write(&path, &damage).unwrap();
        refused_with(&mut resume(&folder, "run", ""), says);
        assert!(fs::read(&path).unwrap() == damage);
    }
    fs::write(folder.path("run/run.json"), "{").unwrap();
    assert!(refused(&mut resume(&folder, "run", "")).contains("run.json is damaged"));
}

#[test]
fn a_corpus_from_standard_input_is_asked_for_again() {
    let folder = Folder::new();
    let mut command = hornpipe(["train", "-", "--epochs", "2", "--max-minutes", "0.00001"]);
    command.args(support::tiny("many-to-many")).arg("--out").arg(folder.path("run"));
    succeeds(command.write_stdin(support::text()));
    refused_with(&mut resume(&folder, "run", ""), "from standard input");
    succeeds(resume(&folder, "run", "- --max-minutes 0.00001").write_stdin(support::text()));
    succeeds(&mut resume(&folder, "run", &folder.arg("corpus.abc")));
    succeeds(&mut train(&folder, "many-to-many", "straight", "--epochs 2"));
    assert!(result(&folder.path("run")) == result(&folder.path("straight")));
}

/// As `train` does, before anything is made or changed: a run of another machine may need more memory than this one has.
#[cfg(target_os = "linux")]
#[test]
fn a_run_larger_than_the_memory() {
    let folder = Folder::new();
    stopped(&folder, "many-to-many");
    let path = folder.path("run/last.hornpipe");
    let mut snapshot = Snapshot::from_checkpoint(&Checkpoint::load(&path).unwrap()).unwrap();
    let settings = &mut snapshot.settings;
    (settings.seq_len, settings.batch_size, settings.shard_rows) = (65_536, 65_536, 65_536);
    snapshot.state = State::zeros(&settings.model(snapshot.vocabulary.len()), 65_536);
    snapshot.to_checkpoint().save(&path).unwrap();
    let metrics = fs::read(folder.path("run/metrics.csv")).unwrap();
    let says = "GB are free; a run keeps its sizes: resume it on a machine with more";
    let new = folder.arg("new");
    refused_with(&mut resume(&folder, "run", &format!("--out {new}")), says);
    assert!(!folder.path("new").exists());
    refused_with(&mut resume(&folder, "run", ""), says);
    assert!(fs::read(folder.path("run/metrics.csv")).unwrap() == metrics);
}
