//! `hornpipe convert` from outside: what comes back is the same model, and what cannot be is refused before anything is written.
#![cfg(feature = "cli")]

mod common;
mod support;

use common::exchange::CHARACTERS;
use hornpipe::checkpoint::Checkpoint;
use hornpipe::exchange::{Model, safetensors};
use hornpipe::nn::Input;
use hornpipe::train::{Objective, Snapshot};
use serde_json::Value;
use std::fs;
use support::{Folder, hornpipe, refused_with, succeeds, train};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exchange");

fn model() -> Model {
    common::exchange::model(Objective::ManyToOne, Input::Embedding(5), 7, 2)
}

fn convert(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = hornpipe(["convert"]);
    command.args(arguments);
    command
}

#[test]
fn a_run_goes_out_and_comes_back() {
    let folder = Folder::new();
    for objective in ["many-to-many", "many-to-one"] {
        let [run, out, back, again] = ["run", "out.safetensors", "back.hornpipe", "again.safetensors"]
            .map(|n| folder.arg(&format!("{objective}-{n}")));
        succeeds(&mut train(&folder, objective, &format!("{objective}-run"), "--steps 4"));
        let report: Value = serde_json::from_str(&succeeds(&mut convert(&[&run, &out, "--json"]))).unwrap();
        assert_eq!((&report["format"], &report["file"]), (&"safetensors".into(), &out.as_str().into()));
        assert_eq!((&report["objective"], &report["hidden"]), (&objective.into(), &9.into()));
        succeeds(&mut convert(&[&out, &back]));
        succeeds(&mut convert(&[&back, &again]));
        assert!(fs::read(&out).unwrap() == fs::read(&again).unwrap(), "the same bytes");
        let tune = |path: &str| succeeds(&mut hornpipe(["generate", path, "--seed", "4", "--length", "60"]));
        assert_eq!(tune(&run), tune(&back));
        // The held-out tunes are the same ones, and so is the loss on them.
        let corpus = folder.arg("corpus.abc");
        let loss = |path: &str| succeeds(&mut hornpipe(["evaluate", path, &corpus, "--json"]));
        assert_eq!(loss(&run), loss(&back));
        let tuned = folder.arg(&format!("{objective}-tuned"));
        let mut command =
            hornpipe(["train", &corpus, "--init-from", &back, "--steps", "2", "--seq-len", "8", "--out"]);
        succeeds(command.args([&tuned, "--objective", objective, "--validation-fraction", "0.3"]));
    }
}

#[test]
fn a_model_of_pytorch_comes_in() {
    let folder = Folder::new();
    let plain = format!("{FIXTURES}/plain.safetensors");
    let out = folder.arg("plain.hornpipe");
    let vocabulary = folder.file("vocabulary.json", r#""AB|\ncde 'é#""#);
    let given = ["--objective", "many-to-one", "--seq-len", "12", "--vocabulary", &vocabulary];
    succeeds(convert(&[&plain, &out]).args(given));
    let snapshot =
        Snapshot::from_checkpoint(&Checkpoint::load(folder.path("plain.hornpipe").as_ref()).unwrap())
            .unwrap();
    assert_eq!((snapshot.settings.objective, snapshot.settings.seq_len), (Objective::ManyToOne, 12));
    let text = succeeds(&mut hornpipe(["generate", &out, "--length", "30", "--no-until-end"]));
    assert!(text.chars().count() >= 30, "{text}");

    // The characters from a corpus: there are as many, and they are sorted.
    let corpus = folder.file("sorted.abc", "X:1\nAB cdef\n");
    let other = folder.arg("other.hornpipe");
    succeeds(&mut convert(&[&plain, &other, "--corpus", &corpus]));
    let snapshot =
        Snapshot::from_checkpoint(&Checkpoint::load(folder.path("other.hornpipe").as_ref()).unwrap())
            .unwrap();
    assert_eq!(String::from(snapshot.vocabulary), "\n 1:ABXcdef");
    // And on to ONNX without a checkpoint.
    succeeds(&mut convert(&[&format!("{FIXTURES}/scalar.safetensors"), &folder.arg("scalar.onnx")]));
    assert!(fs::metadata(folder.path("scalar.onnx")).unwrap().len() > 1000);
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    let bytes = safetensors::to_bytes(&model()).unwrap();
    let good = folder.file("good.safetensors", &bytes);
    let plain = format!("{FIXTURES}/plain.safetensors");
    let (cut, text) =
        (folder.file("cut.safetensors", &bytes[..99]), folder.file("text.safetensors", "not a model"));
    let out = folder.arg("out.hornpipe");
    fs::create_dir(folder.path("folder.safetensors")).unwrap();
    let json = folder.file("json", "[\"a\", \"b\"]");
    let short = folder.file("short", "\"\\nab\"");
    let latin = folder.file("latin", b"\"\xE9\"");
    let cases: &[(&[&str], &str)] = &[
        (&[&cut, &out], "cut.safetensors: this is no whole safetensors file"),
        (&[&text, &out], "text.safetensors: this is no whole safetensors file"),
        (&[&folder.arg("nowhere.safetensors"), &out], "nowhere.safetensors: No such file"),
        (
            &[&folder.arg("folder.safetensors"), &folder.arg("a.onnx")],
            "folder.safetensors/best.hornpipe; name a checkpoint",
        ),
        (
            &[&folder.arg("corpus.abc"), &folder.arg("a.onnx")],
            "corpus.abc: this is not a Hornpipe checkpoint",
        ),
        (&[&folder.arg("model.pt"), &folder.arg("a.onnx")], "save the model as .safetensors first"),
        (&[&folder.arg("model.onnx"), &out], "ONNX is written but not read"),
        (&[&good, &folder.arg("b.safetensors")], "is of that kind already"),
        (&[&folder.arg("corpus.abc"), &out], "corpus.abc: this is not a Hornpipe checkpoint"),
        (&[&folder.arg("nowhere.txt"), &out], "there is no"),
        (&[&good, &folder.arg("b.pt")], "end it in .safetensors, .onnx or .hornpipe"),
        (&[&good, &folder.arg("b")], "end it in .safetensors, .onnx or .hornpipe"),
        (&[&good, &folder.arg("no/b.hornpipe")], "cannot write"),
        (&[&good, &out, "--vocabulary", &short], "the file itself says its vocabulary"),
        (&[&good, &out, "--seq-len", "5"], "the file itself says its settings"),
        (&[&plain, &out], "which characters its 11 integers mean"),
        (&[&plain, &out, "--vocabulary", &json], "json is not a vocabulary: it must hold one JSON string"),
        (&[&plain, &out, "--vocabulary", &latin], "latin"),
        (&[&plain, &out, "--vocabulary", &folder.arg("none")], "none: No such file"),
        (&[&plain, &out, "--vocabulary", &short], "there are 3 of them, and the model has 11"),
        (&[&plain, &out, "--corpus", &folder.arg("corpus.abc")], "of them, and the model has 11"),
        (&[&plain, &out, "--corpus", "x", "--vocabulary", "y"], "cannot be used with"),
        (
            &[&plain, &out, "--seq-len", "0", "--vocabulary", &short],
            "--seq-len must be from 1 to 65536, and not 0",
        ),
        (&[&plain, &out, "--objective", "both"], "invalid value 'both'"),
    ];
    let before = fs::read_dir(folder.path("")).unwrap().count();
    for (arguments, part) in cases {
        refused_with(&mut convert(arguments), part);
    }
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), before, "nothing was written");
    #[cfg(unix)]
    {
        refused_with(&mut convert(&[&good, "/dev/null"]), "end it in");
        // A file of zeros that takes no room on the disk.
        let hole = fs::File::create(folder.path("hole.safetensors")).unwrap();
        if cfg!(target_os = "linux") && hole.set_len(1 << 42).is_ok() {
            refused_with(&mut convert(&[&folder.arg("hole.safetensors"), &out]), "GB of memory are free");
        }
        let endless = "/dev/zero does not end within 16 MiB: name another file";
        refused_with(&mut convert(&[&plain, &out, "--vocabulary", "/dev/zero"]), endless);
        std::os::unix::fs::symlink("/dev/zero", folder.path("zero.safetensors")).unwrap();
        refused_with(&mut convert(&[&folder.arg("zero.safetensors"), &out]), "it is not a regular file");
    }
}

#[test]
fn no_file_is_written_over_unasked() {
    let folder = Folder::new();
    let good = folder.file("good.safetensors", safetensors::to_bytes(&model()).unwrap());
    let out = folder.file("out.hornpipe", "something dear");
    refused_with(&mut convert(&[&good, &out]), "is there already");
    assert_eq!(fs::read(&out).unwrap(), b"something dear");
    succeeds(&mut convert(&[&good, &out, "--force"]));
    let snapshot = Snapshot::from_checkpoint(&Checkpoint::load(out.as_ref()).unwrap()).unwrap();
    assert_eq!(String::from(snapshot.vocabulary), CHARACTERS);
    refused_with(
        &mut convert(&[&out, &good, "--vocabulary", "x", "--force"]),
        "a checkpoint says all of its model itself",
    );
    // A file that cannot be used leaves what was there.
    let bad = folder.file("bad.safetensors", "");
    let before = fs::read(&out).unwrap();
    refused_with(&mut convert(&[&bad, &out, "--force"]), "no whole safetensors file");
    assert!(fs::read(&out).unwrap() == before);
}
