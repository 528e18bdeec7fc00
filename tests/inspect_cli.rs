//! `hornpipe inspect` on the command line: what it writes, and what it says of bad input.
#![cfg(feature = "cli")]

mod support;

use hornpipe::checkpoint::Checkpoint;
use hornpipe::nn::Batch;
use hornpipe::nn::reference::{Network, forward, zero_states};
use hornpipe::train::{Snapshot, read_metrics};
use ndarray::{Array1, Array2, s};
use ndarray_npy::NpzReader;
use std::fs;
use std::fs::File;
use std::sync::LazyLock;
use support::{Folder, hornpipe, refused_with, resume, succeeds, train};

/// Small trained models that no test here may change: `run`, many-to-many, and `windows`, many-to-one.
static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("inspect_cli");
    succeeds(&mut train(&folder, "many-to-many", "run", "--epochs 1"));
    succeeds(&mut train(&folder, "many-to-one", "windows", "--epochs 1"));
    folder
});

/// The commands that take a corpus.
const ON_CORPUS: &[&str] = &["gates", "gradients", "units", "ablate"];

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
    refusal(&["--file", &folder.file("empty.txt", "")], "empty.txt is empty");
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
fn an_export_holds_the_references_numbers() {
    let folder = Folder::new();
    let (file, text) = (folder.arg("trace.npz"), "X: 1\nT:A\n\nX: 2\nabc|\n\n\n");
    assert_eq!(succeeds(&mut inspect("export", &["--text", text, "-o", &file])), format!("{file}\n"));
    let mut npz = NpzReader::new(File::open(&file).unwrap()).unwrap();

    let checkpoint = Checkpoint::load(&MODEL.path("run/best.hornpipe")).unwrap();
    let snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
    let model = snapshot.model();
    let characters: Array1<u32> = npz.by_name("vocabulary").unwrap();
    let characters: Vec<char> = characters.iter().map(|&c| char::from_u32(c).unwrap()).collect();
    assert_eq!(characters, snapshot.vocabulary.chars());
    let tokens: Array1<u32> = npz.by_name("tokens").unwrap();
    let read: String = tokens.iter().map(|&token| characters[token as usize]).collect();
    assert_eq!(read, format!("\n{text}"));
    let resets: Array1<bool> = npz.by_name("resets").unwrap();
    let begins: Vec<usize> = (0..resets.len()).filter(|&t| resets[t]).collect();
    // The line feed in front, and the second and third of those that run together.
    assert_eq!(begins, [0, 10, 21, 22]);

    let steps = tokens.len();
    let network = Network::<f64>::from_parameters(&model, &snapshot.parameters);
    let mut batch = Batch::zeros(steps, 1);
    (0..steps).for_each(|t| (batch.tokens[[t, 0]], batch.resets[[t, 0]]) = (tokens[t], resets[t]));
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);
    let close = |what: &str, got: Array2<f32>, want: Array2<f64>| {
        assert_eq!(got.dim(), want.dim(), "{what}");
        for (at, &want) in want.indexed_iter() {
            let got = f64::from(got[at]);
            assert!((got - want).abs() <= 1e-5 + 1e-5 * want.abs(), "{what} {at:?}: {got} for {want}");
        }
    };
    for (l, cache) in pass.layers.iter().enumerate() {
        for (q, name) in ["i", "f", "g", "o"].into_iter().enumerate() {
            let units = q * model.hidden..(q + 1) * model.hidden;
            let want = cache.gates.slice(s![.., 0, units]).to_owned();
            close(name, npz.by_name(&format!("{name}_l{l}")).unwrap(), want);
        }
        close("c", npz.by_name(&format!("c_l{l}")).unwrap(), cache.c.slice(s![.., 0, ..]).to_owned());
        close("h", npz.by_name(&format!("h_l{l}")).unwrap(), cache.h.slice(s![.., 0, ..]).to_owned());
    }
    let logits = pass.logits.slice(s![.., 0, ..]).to_owned();
    close("logits", npz.by_name("logits").unwrap(), logits.clone());
    let nats: Array1<f64> = npz.by_name("nats").unwrap();
    assert_eq!(nats.len(), steps - 1);
    for (t, nats) in nats.iter().enumerate() {
        let want = logits.row(t).mapv(f64::exp).sum().ln() - logits[[t, tokens[t + 1] as usize]];
        assert!((nats - want).abs() <= 1e-5, "character {t}: {nats} for {want}");
    }
    assert_eq!(npz.names().unwrap().len(), 4 + 2 * 6 + 1);
}

#[test]
fn an_export_of_some_arrays_and_of_none() {
    let folder = Folder::new();
    let file = folder.arg("trace.npz");
    let corpus = folder.arg("corpus.abc");
    succeeds(&mut inspect("export", &["--file", &corpus, "--length", "9", "--only", "c,h", "-o", &file]));
    let mut npz = NpzReader::new(File::open(&file).unwrap()).unwrap();
    let names = npz.names().unwrap();
    let want = ["tokens", "vocabulary", "resets", "nats", "c_l0", "h_l0", "c_l1", "h_l1"];
    assert_eq!(names, want);
    let c: Array2<f32> = npz.by_name("c_l1").unwrap();
    assert_eq!(c.dim(), (10, 9));

    // What cannot be written leaves what was there.
    let before = fs::read(&file).unwrap();
    let refusal = |arguments: &[&str], says: &str| {
        refused_with(inspect("export", arguments).args(["-o", &file]), says);
        assert_eq!(fs::read(&file).unwrap(), before);
    };
    refusal(
        &["--text", "abc", "--only", "c,z"],
        "there is no \"z\" to export; --only takes some of i,f,g,o,c,h,logits",
    );
    refusal(&["--text", "€"], "'€' (line 1)");
    refusal(&["--text", ""], "the text is empty");
    refusal(&["--text", "a", "--length", "0"], "0 is not in 1..");
    refused_with(&mut inspect("export", &["--text", "a", "-o", &folder.arg("no/file.npz")]), "cannot write");
    refused_with(&mut inspect("export", &["--text", "a", "-o", "/dev/null"]), "it is not a regular file");
}

#[test]
fn a_gradient_check_tells_a_sound_model_from_a_damaged_one() {
    let table = succeeds(&mut inspect("check", &["--samples", "3"]));
    for name in ["embedding.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l1", "linear.bias", "allowed"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{name}: {table}");
    }
    assert!(!table.contains("wrong"), "{table}");
    let json = succeeds(&mut inspect("check", &["--samples", "3", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["passed"], &report["parameters"][1]["sampled"]), (&true.into(), &3.into()));

    let checkpoint = Checkpoint::load(&MODEL.path("run/best.hornpipe")).unwrap();
    let mut snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
    let at = snapshot.parameters.layout().layer(1).w_hh;
    snapshot.parameters.slice_mut(at)[7] = f32::NAN;
    let folder = Folder::new();
    snapshot.to_checkpoint().save(&folder.path("damaged")).unwrap();
    let output = hornpipe(["inspect", "check", &folder.arg("damaged")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("are not the slopes of the loss"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("wrong"));
}

#[test]
fn gates_are_a_table_a_line_of_json_and_a_picture() {
    let folder = Folder::new();
    let (corpus, svg) = (folder.arg("corpus.abc"), folder.arg("gates.svg"));
    let table = succeeds(&mut inspect("gates", &[&corpus, "--svg", &svg]));
    assert!(table.contains("half-life of the memories"), "{table}");
    assert_eq!(
        table.lines().filter(|line| line.starts_with("1      ")).count(),
        4,
        "three gates and a memory"
    );
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.contains("layer 1, gate o") && picture.contains("layer 0, memories"));
    let report: serde_json::Value =
        serde_json::from_str(&succeeds(&mut inspect("gates", &[&corpus, "--json"]))).unwrap();
    let lengths: Vec<usize> = support::corpus().tunes.iter().map(|tune| tune.text.chars().count()).collect();
    assert_eq!(report["steps"], lengths.iter().sum::<usize>());
    let gates = report["layers"][1]["gates"]["f"].as_array().unwrap();
    assert_eq!((gates.len(), report["layers"][1]["half_life"].as_array().unwrap().len()), (9, 9));
    // Whole tunes, as far as asked for.
    let json = succeeds(&mut inspect("gates", &[&corpus, "--json", "--length", "1"]));
    assert!(json.starts_with(&format!("{{\"steps\":{},", lengths[0])), "{json}");
}

#[test]
fn gradients_are_tables_a_line_of_json_and_a_picture() {
    let folder = Folder::new();
    let (corpus, svg) = (folder.arg("corpus.abc"), folder.arg("gradients.svg"));
    let common = [&corpus, "--windows", "20", "--batches", "3"];
    let tables = succeeds(inspect("gradients", &common).args(["--lags", "12", "--svg", &svg]));
    assert!(tables.contains("medians over 24 windows"), "{tables}");
    assert!(tables.lines().any(|line| line.starts_with("lstm.weight_hh_l1 ")), "{tables}");
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.contains("layer 1") && picture.contains("lag in steps"));
    let json = succeeds(inspect("gradients", &common).args(["--lags", "12", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let layers = report["layers"].as_array().unwrap();
    assert_eq!((layers.len(), layers[1]["c"].as_array().unwrap().len()), (2, 13));
    assert_eq!(report["parameters"].as_array().unwrap().len(), 9);
    // A window is no longer than the model's own.
    let mut windows = hornpipe(["inspect", "gradients"]);
    let json = succeeds(windows.arg(MODEL.path("windows")).args(common).arg("--json"));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["layers"][0]["h"].as_array().unwrap().len(), 8);
    refused_with(inspect("gradients", &common).args(["--lags", "0"]), "0 is not in 1..");
}

#[test]
fn gradients_that_are_watched_stand_in_the_metrics_and_change_nothing() {
    let folder = Folder::new();
    for objective in ["many-to-many", "many-to-one"] {
        let run = |name: &str| format!("{objective}-{name}");
        succeeds(&mut train(&folder, objective, &run("plain"), "--epochs 3"));
        succeeds(&mut train(&folder, objective, &run("watched"), "--epochs 3 --watch gradients"));
        let read = |name: &str, file: &str| fs::read(folder.path(&format!("{}/{file}", run(name)))).unwrap();
        for file in ["best.hornpipe", "last.hornpipe"] {
            assert!(read("plain", file) == read("watched", file), "{objective}: {file} is another");
        }
        let (rows, watched) = read_metrics(&String::from_utf8(read("watched", "metrics.csv")).unwrap());
        assert_eq!((rows.len(), watched.epochs.len(), watched.names.len()), (3, 3, 2 * 9 + 4));
        let at = |name: &str| watched.names.iter().position(|n| n == name).unwrap();
        let column = |name: &str| watched.epochs.values().map(|row| row[at(name)]).collect::<Vec<f64>>();
        let weights = column("weight_norm.lstm.weight_hh_l1");
        assert!(weights[0] > 0.0 && weights[0] != weights[2], "{weights:?}");
        assert!(column("gradient_norm.linear.bias").iter().all(|&norm| norm > 0.0 && norm < 10.0));
        assert!(column("reach_c_l0").iter().all(|&reach| (1.0..=8.0).contains(&reach)));
        assert!(String::from_utf8(read("watched", "gradients.svg")).unwrap().contains("reach by c"));
    }
    // It may begin at a resume, and end at another.
    let mut stopped = train(&folder, "many-to-many", "later", "--epochs 3 --max-minutes 0.00001");
    succeeds(&mut stopped);
    succeeds(&mut resume(&folder, "later", "--watch gradients"));
    let straight = fs::read(folder.path("many-to-many-plain/last.hornpipe")).unwrap();
    assert!(fs::read(folder.path("later/last.hornpipe")).unwrap() == straight);
    let text = fs::read_to_string(folder.path("later/metrics.csv")).unwrap();
    let whole = fs::read_to_string(folder.path("many-to-many-watched/metrics.csv")).unwrap();
    let (rows, watched) = read_metrics(&text);
    assert_eq!((rows.len(), &watched), (3, &read_metrics(&whole).1), "the same numbers");
    succeeds(&mut resume(&folder, "later", ""));
    assert_eq!(read_metrics(&fs::read_to_string(folder.path("later/metrics.csv")).unwrap()).1, watched);
}

#[test]
fn units_are_tables_a_line_of_json_and_a_page_of_links() {
    let folder = Folder::new();
    let (corpus, html) = (folder.arg("corpus.abc"), folder.arg("units.html"));
    let tables = succeeds(&mut inspect(
        "units",
        &[&corpus, "--html", &html, "--trace", "my trace.html", "--top", "2"],
    ));
    for feature in ["header", "chord", "bar position", "second ending", "key"] {
        assert_eq!(tables.lines().filter(|line| line.starts_with(feature)).count(), 2, "{feature}: {tables}");
    }
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("<a href=\"my trace.html#by=c&amp;layer="), "{page}");
    // Nothing is left to be filled in.
    assert!(
        !page.replace("@media", "").contains('@') && !page.contains("http:") && !page.contains("<script")
    );
    let json = succeeds(&mut inspect("units", &[&corpus, "--signal", "h", "--json", "--untrained", "1"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report.as_array().unwrap().len(), 10);
    let best = &report[1]["best"];
    assert_eq!((report[1]["feature"].as_str(), best.as_array().unwrap().len()), (Some("chord"), 3));
    let score = |k: usize| best[k]["score"].as_f64().unwrap().abs();
    assert!(score(0) >= score(1) && score(1) >= score(2) && score(0) > 0.0);
    assert!(report[1]["samples"].as_u64() > report[3]["samples"].as_u64(), "music is a part of the text");
    // The same seed, the same numbers.
    assert_eq!(
        json,
        succeeds(&mut inspect("units", &[&corpus, "--signal", "h", "--json", "--untrained", "1"]))
    );
    refused_with(&mut inspect("units", &[&corpus, "--signal", "z"]), "there are i, f, g, o, c, h");
    refused_with(&mut inspect("units", &[&corpus, "--length", "1"]), "give at least two tunes");
    refused_with(
        &mut inspect("ablate", &[&corpus, "--window", "3"]),
        "in the way that the model was trained",
    );
    let mut windows = hornpipe(["inspect", "units"]);
    let tables = succeeds(windows.arg(MODEL.path("windows")).arg(&corpus));
    assert!(tables.contains("bar position #"), "{tables}");
}

#[test]
fn ablations_are_tables_a_line_of_json_and_a_picture() {
    let folder = Folder::new();
    let (corpus, svg) = (folder.arg("corpus.abc"), folder.arg("ablate.svg"));
    let mut command = inspect("ablate", &[&corpus, "--svg", &svg, "--top", "4"]);
    let output = command.output().unwrap();
    let (tables, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    // Two layers, eight gates, 18 units.
    assert!(said.contains("64 changes, about "), "the cost is told: {said}");
    let units: Vec<&str> = tables.lines().filter(|line| line.contains(", unit ")).collect();
    assert_eq!(
        (units.len(), tables.lines().filter(|line| line.contains(", gate ")).count()),
        (4, 8),
        "{tables}"
    );
    assert!(fs::read_to_string(&svg).unwrap().contains("units of layer 1"));
    let json = succeeds(&mut inspect("ablate", &[&corpus, "--json"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let changes = report["changes"].as_array().unwrap();
    let nats: Vec<f64> = changes.iter().map(|change| change["nats"].as_f64().unwrap()).collect();
    assert!(changes.len() == 64 && nats.is_sorted_by(|a, b| a >= b), "ranked");
    // What evaluate says of the same tunes.
    let evaluated = succeeds(hornpipe(["evaluate"]).arg(MODEL.path("run")).args([&corpus, "--json"]));
    let evaluated: serde_json::Value = serde_json::from_str(&evaluated).unwrap();
    assert_eq!(report["nats_per_char"], evaluated["nats_per_char"]);
    assert_eq!(report["characters"], evaluated["characters"]);
    // Without its last layer the model is worse.
    let last = changes.iter().find(|c| c["part"] == "layer" && c["layer"] == 1 && c["change"] == "zero");
    assert!(last.unwrap()["nats"].as_f64().unwrap() > 0.0, "{json}");
    let json = succeeds(&mut inspect("ablate", &[&corpus, "--json", "--only", "layers,gates", "--all"]));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["changes"].as_array().unwrap().len(), 4 + 24);
}

#[test]
fn bad_corpora() {
    let folder = Folder::new();
    for command in ON_CORPUS {
        // So small a corpus has nothing to hold out.
        let all: &[&str] = if *command == "ablate" { &["--all"] } else { &[] };
        let refusal = |arguments: &[&str], says: &str| {
            refused_with(inspect(command, arguments).args(all), says);
        };
        refusal(&[&folder.file("empty.abc", "")], "empty.abc is empty");
        refusal(&[&folder.file("none.abc", "abc")], "none.abc holds no tune");
        refusal(&[&folder.file("unknown.abc", "X:1\nT:\u{20AC}\n")], "'\u{20AC}' (tune 1, line 2)");
        refusal(&[&folder.arg("nowhere.abc")], "cannot read");
        refusal(&["--length", "0"], "0 is not in 1..");
    }
}

#[test]
fn a_checkpoint_that_is_none() {
    let folder = Folder::new();
    for command in ["trace", "export", "check"].iter().chain(ON_CORPUS) {
        let refusal = |path: &str, says: &str| {
            let mut command = hornpipe(["inspect", command, path]);
            refused_with(command.current_dir(folder.path("")), says);
        };
        refusal(&folder.arg("nowhere"), "there is no ");
        refusal(&folder.arg("corpus.abc"), "not a Hornpipe checkpoint");
    }
}
