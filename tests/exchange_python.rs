//! The Python scripts of `benches/frameworks/exchange` against this program, where HORNPIPE_PYTHON names a Python with PyTorch and
//! safetensors.
#![cfg(feature = "cli")]

mod common;
mod support;

use common::exchange::{CHARACTERS, advance, model};
use common::{Bound, bits};
use hornpipe::checkpoint::Checkpoint;
use hornpipe::exchange::{Given, Model, onnx, safetensors};
use hornpipe::nn::Input;
use hornpipe::train::{Objective, Snapshot};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Folder, hornpipe, succeeds, train};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/frameworks/exchange");

/// Python, or none with a word about it where nobody named one.
fn python(variable: &str) -> Option<Command> {
    let Some(path) = std::env::var_os(variable) else {
        eprintln!("skipped: {variable} names no Python");
        return None;
    };
    let mut command = Command::new(path);
    command.env("PYTHONPATH", SCRIPTS).env("PYTHONDONTWRITEBYTECODE", "1").env("OMP_NUM_THREADS", "1");
    Some(command)
}

/// What a Python command prints; it must succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {:?}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn load(path: &Path) -> Model {
    Snapshot::from_checkpoint(&Checkpoint::load(path).unwrap()).unwrap().into()
}

/// Holds logits that Python printed as JSON, [T][V], against this program's for the same text.
fn compare(what: &str, model: &Model, text: &str, printed: &str) {
    let want: Vec<Vec<f64>> = serde_json::from_str(printed).unwrap();
    let own = advance(model, &[text.to_string()]);
    assert_eq!((own.len(), want.len()), (text.chars().count(), text.chars().count()));
    let mut bound = Bound::new(0.0, 1e-5);
    bound.check(what, own.concat(), want.concat());
    println!("{what}: {bound}");
}

const LOGITS: &str = "import sys, json, to_pytorch
model, vocabulary = to_pytorch.load(sys.argv[1])
print(json.dumps(to_pytorch.logits(model, vocabulary, sys.argv[2]).tolist()))";

#[test]
fn a_model_in_pytorch_gives_the_same_logits() {
    let Some(mut python) = python("HORNPIPE_PYTHON") else { return };
    let folder = Folder::new();
    succeeds(&mut train(&folder, "many-to-many", "run", "--steps 3 --lr 0.05"));
    let file = folder.arg("model.safetensors");
    succeeds(&mut hornpipe(["convert", &folder.arg("run"), &file]));
    let text = "X:1\nT:The Old Reel\n";
    let printed = output(python.args(["-c", LOGITS, &file, text]));
    compare("PyTorch", &load(&folder.path("run/best.hornpipe")), &format!("\n{text}"), &printed);
}

#[test]
fn a_model_of_pytorch_writes_tunes() {
    let Some(mut command) = python("HORNPIPE_PYTHON") else { return };
    let folder = Folder::new();
    let (file, checkpoint) = (folder.arg("model.safetensors"), folder.arg("model.hornpipe"));
    output(command.arg(format!("{SCRIPTS}/from_pytorch.py")).args([&folder.arg("corpus.abc"), &file, "3"]));
    succeeds(&mut hornpipe(["convert", &file, &checkpoint]));
    let text =
        succeeds(&mut hornpipe(["generate", &checkpoint, "--length", "50", "--seed", "1", "--no-until-end"]));
    assert!(text.chars().count() >= 50, "{text}");
    let mut command = python("HORNPIPE_PYTHON").unwrap();
    let printed = output(command.args(["-c", LOGITS, &file, &text]));
    let model = load(&folder.path("model.hornpipe"));
    compare("PyTorch's own", &model, &format!("\n{text}"), &printed);
}

/// onnx.checker takes what is written, and onnxruntime computes the same: both inputs, both objectives, one layer and several, both
/// from a model of this program and from one of PyTorch's.
#[test]
fn onnxruntime_gives_the_same_logits() {
    let Some(_) = python("HORNPIPE_PYTHON") else { return };
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exchange/check_onnx.py");
    let mut count = 0;
    for objective in [Objective::ManyToMany, Objective::ManyToOne] {
        for (input, hidden, layers) in [(Input::Embedding(5), 7, 3), (Input::Scalar, 4, 1)] {
            let model = model(objective, input, hidden, layers);
            let file = folder.file("model.onnx", onnx::to_bytes(&model).unwrap());
            let text = "\nABBA |é D";
            let printed = output(python("HORNPIPE_PYTHON").unwrap().args([script, &file, text]));
            compare(&format!("onnxruntime, {objective:?}, {input:?}"), &model, text, &printed);
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

/// Models go to Keras and come back, in both of its files; a model that Keras made alone comes in.
#[test]
fn keras_gives_the_same_logits() {
    let keras = || {
        let backend = std::env::var("KERAS_BACKEND").unwrap_or("jax".to_string());
        let mut command = python("HORNPIPE_KERAS")?;
        command.env("KERAS_BACKEND", backend);
        Some(command)
    };
    let Some(_) = keras() else { return };
    let convert = format!("{SCRIPTS}/keras_weights.py");
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exchange/check_keras.py");
    let folder = Folder::new();
    let text = "\nABBA |é D";
    let cases: [(_, _, _, _, &[&str]); 2] = [
        (Objective::ManyToMany, Input::Embedding(5), 7, 3, &["model.keras", "model.weights.h5"]),
        (Objective::ManyToOne, Input::Scalar, 4, 1, &["model.keras"]),
    ];
    for (objective, input, hidden, layers, names) in cases {
        let model = model(objective, input, hidden, layers);
        let file = folder.file("model.safetensors", safetensors::to_bytes(&model).unwrap());
        for name in names {
            let (theirs, back) = (folder.arg(name), folder.arg("back.safetensors"));
            output(keras().unwrap().args([&convert, &file, &theirs]));
            output(keras().unwrap().args([&convert, &theirs, &back]));
            let back = safetensors::from_bytes(&fs::read(back).unwrap(), &Given::default()).unwrap();
            assert!(bits(back.parameters.values()) == bits(model.parameters.values()));
            assert_eq!((back.settings, back.vocabulary), (model.settings.clone(), model.vocabulary.clone()));
        }
        let vocabulary = String::from(model.vocabulary.clone());
        let printed = output(keras().unwrap().args([check, &folder.arg("model.keras"), &vocabulary, text]));
        let want: Vec<Vec<f64>> = serde_json::from_str(&printed).unwrap();
        let own = advance(&model, &[text.to_string()]);
        let own = if objective == Objective::ManyToOne { &own[own.len() - 1..] } else { &own };
        let mut bound = Bound::new(0.0, 1e-5);
        bound.check("Keras", own.concat(), want.concat());
        println!("Keras, {objective:?}, {input:?}: {bound}");
    }

    let (theirs, file) = (folder.arg("theirs.keras"), folder.arg("theirs.safetensors"));
    output(keras().unwrap().args([check, "--make", &theirs, "8", "3", "6", "2"]));
    let said = output(keras().unwrap().args([&convert, &theirs, &file]));
    assert!(said.contains("--objective many-to-many"), "{said}");
    let given = Given { vocabulary: Some(CHARACTERS.chars().collect()), ..Given::default() };
    let model = safetensors::from_bytes(&fs::read(file).unwrap(), &given).unwrap();
    let printed = output(keras().unwrap().args([check, &theirs, CHARACTERS, text]));
    compare("Keras' own", &model, text, &printed);
}
