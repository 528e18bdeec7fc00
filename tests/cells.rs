//! Every cell through the command line: trained, read by whatever reads a checkpoint, and refused where it makes no sense.
#![cfg(feature = "cli")]

mod support;

use hornpipe::checkpoint::{Checkpoint, CheckpointError};
use hornpipe::nn::Cell;
use hornpipe::train::{Snapshot, SnapshotError};
use serde_json::Value;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused_with, result, resume, succeeds, train};

/// A tiny run of each cell, named after it; trained once for all tests here.
static RUNS: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("cells");
    for cell in Cell::ALL {
        succeeds(&mut train(
            &folder,
            "many-to-many",
            cell.name(),
            &format!("--epochs 6 --lr 0.02 --cell {cell}"),
        ));
    }
    folder
});

fn checkpoint(cell: Cell) -> Checkpoint {
    Checkpoint::load(&RUNS.path(cell.name()).join("last.hornpipe")).unwrap()
}

/// `command… RUN flags…`
fn on_run(command: &str, cell: Cell, flags: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe(command.split(' '));
    command.arg(RUNS.path(cell.name())).args(flags);
    command
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn each_learns_and_writes_a_tune() {
    for cell in Cell::ALL {
        let metrics = fs::read_to_string(RUNS.path(cell.name()).join("metrics.csv")).unwrap();
        let mut lines = metrics.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap();
        let column = names.iter().position(|&name| name == "training_nats_per_char");
        let losses: Vec<f64> = lines.map(|line| line[column.expect("a loss")].parse().unwrap()).collect();
        assert_eq!(losses.len(), 6);
        assert!(losses[5] < 0.9 * losses[0], "{cell}: {losses:?}");
        let tunes = ["--tunes", "2", "--seed", "3", "--length", "60"];
        let text = succeeds(&mut on_run("generate", cell, &tunes));
        assert!(text.starts_with("X:"), "{cell}: {text}");
        assert_eq!(succeeds(&mut on_run("generate", cell, &tunes)), text, "{cell}: the same again");
    }
}

#[test]
fn a_summary_names_the_cell_and_counts_its_parameters() {
    for (cell, title, layer) in [
        (Cell::Lstm, "LSTM 0", 4 * 9 * (5 + 9 + 1)),
        (Cell::Coupled, "LSTM with coupled gates 0", 3 * 9 * (5 + 9 + 1)),
        (Cell::Peepholes, "LSTM with peepholes 0", 4 * 9 * (5 + 9 + 1) + 3 * 9),
        (Cell::Gru, "GRU 0", 3 * 9 * (5 + 9 + 1) + 9),
        (Cell::Rnn, "RNN 0", 9 * (5 + 9 + 1)),
    ] {
        let summary = json(&succeeds(&mut on_run("summary", cell, &["--json"])));
        let row = summary["layers"].as_array().unwrap().iter().find(|row| row["layer"] == title);
        assert_eq!(row.expect("the first layer")["parameters"], layer, "{cell}");
        let flops = 3 * 2 * cell.gates() * 9 * ((5 + 9) + (9 + 9));
        assert_eq!(summary["training_flops_per_token"], flops as f64, "{cell}");
        let table = succeeds(&mut on_run("summary", cell, &[]));
        let wide: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(wide.iter().all(|&n| n == wide[0]), "{table}");
    }
}

#[test]
fn a_presets_network_with_another_cell() {
    let of = |more: &[&str]| {
        let mut command = hornpipe(["summary", "--preset", "article", "--json"]);
        json(&succeeds(command.args(more)))["parameters"].as_u64()
    };
    // Embedding and linear layer, and 256·(32 + 256 + 1) + 2·256·(256 + 256 + 1) for each gate.
    let (around, gate) = (93 * 32 + 93 * 256 + 93, 256 * 289 + 2 * 256 * 513);
    assert_eq!((of(&[]), of(&["--cell", "lstm"])), (Some(around + 4 * gate), Some(1_373_437)));
    assert_eq!(of(&["--cell", "gru"]), Some(around + 3 * gate + 3 * 256));
    assert_eq!(of(&["--cell", "rnn"]), Some(around + gate));
    refused_with(&mut on_run("summary", Cell::Gru, &["--cell", "rnn"]), "cannot be used with");
}

#[test]
fn a_checkpoint_of_another_cell_is_its_own() {
    for cell in Cell::ALL {
        let checkpoint = checkpoint(cell);
        let snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
        assert_eq!(snapshot.settings.cell, cell);
        assert!(snapshot.to_checkpoint() == checkpoint, "{cell}: what is read is written again");
        checkpoint.array(&format!("{cell}.weight_ih_l1")).unwrap();
        assert_eq!(checkpoint.array("state.c_l0").is_ok(), cell.has_memory(), "{cell}");
        assert_eq!(
            checkpoint.config.contains("\"cell\""),
            cell != Cell::Lstm,
            "{cell}: as before there were others"
        );
    }
}

/// A program that knows only LSTMs passes over the entry `cell`, and must not take the weights for an LSTM's, whose shapes some have.
#[test]
fn an_old_program_refuses_another_cell() {
    for cell in Cell::ALL.into_iter().filter(|&cell| cell != Cell::Lstm) {
        let mut checkpoint = checkpoint(cell);
        let entry = format!("\"cell\":\"{cell}\",");
        assert!(checkpoint.config.contains(&entry), "{}", checkpoint.config);
        checkpoint.config = checkpoint.config.replace(&entry, "");
        match Snapshot::from_checkpoint(&checkpoint) {
            Err(SnapshotError::Checkpoint(CheckpointError::Missing(name))) => {
                assert_eq!(name, "lstm.weight_ih_l0", "{cell}");
            }
            Err(other) => panic!("{cell}: {other}"),
            Ok(_) => panic!("{cell} was taken for an LSTM"),
        }
    }
}

#[test]
fn an_unknown_cell_is_refused_with_a_sentence() {
    let mut checkpoint = checkpoint(Cell::Gru);
    checkpoint.config = checkpoint.config.replace("\"gru\"", "\"transformer\"");
    let error = Snapshot::from_checkpoint(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("another version of hornpipe") && error.contains("transformer"), "{error}");
    let folder = Folder::new();
    refused_with(&mut train(&folder, "many-to-many", "run", "--cell transformer"), "no-forget-gate");
    refused_with(&mut hornpipe(["bench", "train", "--cell", "mamba"]), "peepholes");
}

#[test]
fn any_number_of_threads_writes_the_same_checkpoint() {
    let folder = Folder::new();
    for cell in [Cell::Gru, Cell::Peepholes, Cell::Rnn] {
        let run = |name: &str, more: &str| {
            let out = format!("{cell}-{name}");
            succeeds(&mut train(&folder, "many-to-one", &out, &format!("--cell {cell} {more}")));
            result(&folder.path(&out))
        };
        let one = run("one", "--steps 30 --threads 1");
        assert!(run("five", "--steps 30 --threads 5") == one, "{cell}");
        // A finished run stays as it is, and says so.
        succeeds(&mut resume(&folder, &format!("{cell}-one"), ""));
        assert!(result(&folder.path(&format!("{cell}-one"))) == one, "{cell}");
    }
}

#[test]
fn a_model_is_trained_further_with_its_own_cell() {
    let folder = Folder::new();
    let base = RUNS.arg("gru");
    succeeds(&mut train_from(&folder, "further", &base, &[]));
    let checkpoint = Checkpoint::load(&folder.path("further/last.hornpipe")).unwrap();
    assert_eq!(Snapshot::from_checkpoint(&checkpoint).unwrap().settings.cell, Cell::Gru);
    refused_with(&mut train_from(&folder, "other", &base, &["--cell", "rnn"]), "leave out --cell");
}

fn train_from(folder: &Folder, out: &str, base: &str, more: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe(["train"]);
    command.arg(folder.path("corpus.abc")).args(["--init-from", base, "--steps", "3", "--seq-len", "8"]);
    command.args(["--batch-size", "7", "--validation-fraction", "0.3", "--out", &folder.arg(out)]).args(more);
    command
}

#[test]
fn every_cell_is_inspected() {
    let folder = Folder::new();
    let corpus = folder.arg("corpus.abc");
    for cell in Cell::ALL {
        succeeds(&mut on_run("evaluate", cell, &[&corpus]));
        let checked = succeeds(&mut on_run("inspect check", cell, &["--samples", "2"]));
        assert!(checked.contains(&format!("{cell}.weight_hh_l1")), "{checked}");

        let names: Vec<&str> = hornpipe::inspect::signals(cell).iter().map(|signal| signal.name).collect();
        let page = folder.arg("page.html");
        succeeds(&mut on_run("inspect trace", cell, &["--text", "abc", "-o", &page]));
        let html = fs::read_to_string(&page).unwrap();
        let npz = folder.arg("trace.npz");
        succeeds(&mut on_run("inspect export", cell, &["--text", "abc", "-o", &npz]));
        let archive = fs::read(&npz).unwrap();
        let exported = |name: &str| {
            let file = format!("{name}_l1.npy");
            archive.windows(file.len()).any(|part| part == file.as_bytes())
        };
        for name in ["i", "f", "g", "o", "r", "z", "n", "c", "h"] {
            let there = names.contains(&name);
            assert_eq!(html.contains(&format!("\"name\":\"{name}\"")), there, "{cell}: {name} in the page");
            assert_eq!(exported(name), there, "{cell}: {name} in the export");
        }

        succeeds(&mut on_run("inspect units", cell, &[&corpus, "--untrained", "1", "--permutations", "2"]));
        let only = if cell == Cell::Rnn { "layers" } else { "gates" };
        let flags = [&corpus, "--only", only, "--json", "--length", "200", "--all"];
        let ablated = json(&succeeds(&mut on_run("inspect ablate", cell, &flags)));
        let counts = if cell == Cell::Rnn { 2 * 2 } else { 2 * 3 * cell.gates() };
        assert_eq!(ablated["changes"].as_array().unwrap().len(), counts, "{cell}");
        let mut walk = on_run("inspect walk", cell, &["--text", "abc"]);
        if cell == Cell::Lstm {
            succeeds(&mut walk);
        } else {
            refused_with(&mut walk, &format!("this model has another cell ({})", cell.title()));
        }

        let picture = folder.arg("picture.svg");
        let gradients =
            json(&succeeds(&mut on_run("inspect gradients", cell, &[&corpus, "--lags", "6", "--json"])));
        assert_eq!(gradients["layers"][1]["c"].is_array(), cell.has_memory(), "{cell}: {gradients}");
        assert!(gradients["layers"][1]["h"][6]["median"].as_f64().unwrap() > 0.0, "{cell}");
        let flags = [&corpus, "--lags", "6", "--svg", &picture].map(AsRef::as_ref);
        let table = succeeds(&mut on_run("inspect gradients", cell, &flags));
        assert_eq!(table.contains("\n1      c  "), cell.has_memory(), "{cell}: {table}");
        assert!(fs::read_to_string(&picture).unwrap().contains("</svg>"));
    }
}

#[test]
fn only_gates_that_exist_are_measured() {
    let folder = Folder::new();
    let corpus = folder.arg("corpus.abc");
    for (cell, gates, lives) in [
        (Cell::Lstm, &["f", "i", "o"][..], true),
        (Cell::NoInputGate, &["f", "o"], true),
        (Cell::NoForgetGate, &["i", "o"], false),
        (Cell::Coupled, &["i", "o"], true),
        (Cell::NoOutputGate, &["f", "i"], true),
        (Cell::Gru, &["r", "z"], true),
    ] {
        let report = json(&succeeds(&mut on_run("inspect gates", cell, &[&corpus, "--json"])));
        let layer = &report["layers"][0];
        let names: Vec<&String> = layer["gates"].as_object().unwrap().keys().collect();
        assert_eq!(names, gates, "{cell}");
        assert_eq!(layer["half_life"].is_array(), lives, "{cell}");
    }
    refused_with(&mut on_run("inspect gates", Cell::Rnn, &[&corpus]), "has no gates");
    let flags = [&corpus, "--only", "gates", "--all"];
    refused_with(&mut on_run("inspect ablate", Cell::Rnn, &flags), "has no gates");
}

#[test]
fn what_other_programs_do_not_have_is_not_written_for_them() {
    let folder = Folder::new();
    for cell in Cell::ALL.into_iter().filter(|&cell| cell != Cell::Lstm) {
        for name in ["model.onnx", "model.safetensors"] {
            let format = if name.ends_with("onnx") { "ONNX" } else { "safetensors" };
            let says = format!(
                "only models of LSTMs are written as {format}, and this one is made of {}",
                cell.title()
            );
            refused_with(&mut on_run("convert", cell, &[&folder.arg(name)]), &says);
            assert!(!folder.path(name).exists());
        }
    }
}

#[test]
fn bench_says_which_path_ran() {
    let sizes = ["--hidden", "9", "--layers", "2", "--batch-size", "5", "--seq-len", "6", "--steps", "2"];
    for cell in Cell::ALL {
        let path = if cell == Cell::Lstm { "fused" } else { "batched" };
        let run = |more: &[&str]| {
            let mut command = hornpipe(["bench", "train", "--cell", cell.name()]);
            succeeds(command.args(sizes).args(more))
        };
        let report = json(&run(&["--json"]));
        assert_eq!((&report["path"], &report["cell"]), (&path.into(), &cell.name().into()));
        // The formula's weights, near zero, hardly choose.
        assert!((report["loss"].as_f64().unwrap() - 93f64.ln()).abs() < 0.2, "{cell}: {report}");
        assert!(run(&[]).contains(&format!("{}, {path}:", cell.title())));
    }
    let mut command = hornpipe(["bench", "generate", "--cell", "gru", "--hidden", "9", "--characters", "5"]);
    assert_eq!(
        json(&succeeds(command.arg("--json")))["characters_per_s"].as_f64().map(|x| x > 0.0),
        Some(true)
    );
}
