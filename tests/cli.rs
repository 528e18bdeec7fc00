//! The command line, end to end: each command on a tiny model.
#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, hornpipe, succeeds, train};

/// Trained once for all tests here: `many` and `one`, by objective.
static MODELS: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("cli");
    succeeds(&mut train(&folder, "many-to-many", "many", "--epochs 2"));
    succeeds(&mut train(&folder, "many-to-one", "one", "--epochs 1"));
    folder
});

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    serde_json::from_str(text).unwrap()
}

/// `command MODEL flags…`
fn on_model(command: &str, model: &str, flags: &str) -> assert_cmd::Command {
    let mut command = hornpipe([command]);
    command.arg(MODELS.path(model)).args(flags.split_whitespace());
    command
}

#[test]
fn each_command_has_help() {
    for command in [
        "",
        "train",
        "generate",
        "evaluate",
        "summary",
        "corpus",
        "corpus stats",
        "corpus compose",
        "bench",
        "bench train",
        "bench generate",
        "completions",
    ] {
        let help = succeeds(hornpipe(command.split_whitespace()).arg("--help"));
        assert!(help.contains("Usage: hornpipe"), "{command}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: narrow enough\n{help}");
    }
    assert!(succeeds(&mut hornpipe(["--version"])).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn train_leaves_a_folder_and_prints_a_tune() {
    let folder = Folder::new();
    let output = train(&folder, "many-to-many", "run", "--epochs 2").output().unwrap();
    let (tune, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(tune.starts_with("X:"), "{tune}");
    assert_eq!(fs::read_to_string(folder.path("run/tune.abc")).unwrap(), tune);
    for part in ["LSTM 1", "Total", "tunes to train on", "epoch  1  training", "held out", "best: epoch"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let metrics = fs::read_to_string(folder.path("run/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 3);
    assert!(fs::read_to_string(folder.path("run/loss.svg")).unwrap().contains("</svg>"));
    let run: Value = serde_json::from_slice(&fs::read(folder.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(run["settings"]["hidden"], 9);
    assert!(run["host"]["isa"].is_string() && run["host"]["cpu"].is_string() && run["version"].is_string());
    let mut names: Vec<_> =
        fs::read_dir(folder.path("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = ["best.hornpipe", "last.hornpipe", "loss.svg", "metrics.csv", "run.json", "tune.abc"];
    assert_eq!(names, expected, "nothing else is left");
}

#[test]
fn train_knows_all_its_ways() {
    let folder = Folder::new();
    for (out, more) in [
        ("reference", "--steps 2 --engine reference"),
        ("article", "--preset article --steps 2"),
        ("cosine", "--steps 4 --schedule warmup-cosine --optimizer rmsprop --clip-norm 0 --init pytorch"),
        ("patience", "--epochs 3 --patience 1 --lr 0.5"),
    ] {
        let report = json(&succeeds(&mut train(&folder, "many-to-many", out, &format!("{more} --json"))));
        assert!(report["best_nats_per_char"].as_f64().unwrap().is_finite(), "{out}: {report}");
        assert!(report["tune"].as_str().unwrap().starts_with("X:"), "{out}: {report}");
    }
    // Nothing held out; from standard input; fine-tuned from another model.
    let mut command = hornpipe("train - --hidden 9 --layers 1 --steps 2 --validation-fraction 0".split(' '));
    succeeds(command.arg("--out").arg(folder.path("stdin")).write_stdin(support::text()));
    let mut command =
        hornpipe(["train", "--steps", "2", "--batch-size", "4", "--seq-len", "8", "--init-from"]);
    command.arg(folder.path("cosine")).arg(folder.path("corpus.abc")).arg("--out").arg(folder.path("tuned"));
    succeeds(command.args(["--validation-fraction", "0.3"]));
}

#[test]
fn a_run_without_a_name_gets_a_dated_one() {
    let folder = Folder::new();
    let mut command =
        hornpipe("train corpus.abc --hidden 5 --layers 1 --steps 1 --validation-fraction 0".split(' '));
    succeeds(command.current_dir(folder.path("")));
    let run = fs::read_dir(folder.path("runs")).unwrap().next().unwrap().unwrap();
    assert!(run.path().join("best.hornpipe").exists() && run.file_name().to_string_lossy().starts_with("20"));
}

#[test]
fn generate_knows_all_its_flags() {
    let prime = MODELS.file("prime.txt", "X: 1\r\nT:");
    let corpus = MODELS.arg("corpus.abc");
    let tune =
        |model: &str, flags: &str| succeeds(&mut on_model("generate", model, &format!("--seed 4 {flags}")));
    for model in ["many", "one", "many/last.hornpipe"] {
        let plain = tune(model, "--length 60");
        assert_eq!(tune(model, "--length 60"), plain, "{model}: the same seed, the same tune");
        assert_eq!(tune(model, "--length 60 --until-end --threads 2 --temperature 0.7"), plain, "{model}");
        for flags in [
            "--greedy",
            "--temperature 1.3 --top-k 5",
            "--top-p 0.9",
            "--window 5",
            "--window 0",
            "--window 1000000000000",
            "--prime a",
            &format!("--prime-file {prime}"),
            &format!("--random-window {corpus}"),
        ] {
            let text = tune(model, &format!("--length 40 {flags}"));
            assert!(text.starts_with("X:"), "{model} {flags}: {text}");
        }
        let report = json(&tune(model, "--tunes 3 --length 50 --no-until-end --json"));
        let tunes = report["tunes"].as_array().unwrap();
        assert_eq!((tunes.len(), report["seed"].as_u64()), (3, Some(4)));
        assert!(tunes.iter().all(|t| t["generated_characters"] == 50 && t["ended"] == false), "{report}");
    }
    let text = tune("many", r"--prime X:1\nT: --length 30");
    assert!(text.starts_with("X:1\nT:") || text.starts_with("X: 1\nT:"), "{text}");
    let file = MODELS.arg("out.abc");
    assert_eq!(tune("many", &format!("--length 60 -o {file}")), "");
    assert_eq!(fs::read_to_string(file).unwrap(), tune("many", "--length 60"));
}

#[test]
fn a_window_over_everything_agrees_with_carried_state() {
    for prime in ["", "--prime X:", "--prime T:A"] {
        let tune = |flags: &str| {
            succeeds(&mut on_model(
                "generate",
                "many",
                &format!("--tunes 2 --length 120 --seed 9 {prime} {flags}"),
            ))
        };
        assert_eq!(tune("--window 200"), tune("--window 0"), "{prime}");
        assert_eq!(tune("--window 200 --greedy"), tune("--greedy"), "{prime}");
    }
}

#[test]
fn evaluate_reports_what_the_schema_says() {
    let corpus = MODELS.arg("corpus.abc");
    for model in ["many", "one"] {
        let held_out = json(&succeeds(&mut on_model("evaluate", model, &format!("{corpus} --json"))));
        let all = json(&succeeds(&mut on_model("evaluate", model, &format!("{corpus} --json --all"))));
        for report in [&held_out, &all] {
            let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
            let nats = number("nats_per_char");
            assert!((number("bits_per_char") - nats / 2f64.ln()).abs() < 1e-9);
            assert!((number("perplexity") - nats.exp()).abs() < 1e-9 * nats.exp());
            assert!((0.0..=1.0).contains(&number("accuracy")) && number("characters") > 0.0);
        }
        let text: usize = support::corpus().tunes.iter().map(|tune| tune.text.len()).sum();
        assert_eq!(all["characters"], text, "{model}: each character once");
        assert!(held_out["characters"].as_u64().unwrap() < text as u64);
        // What training said of the best epoch is what the best model says now.
        let metrics = fs::read_to_string(MODELS.path(model).join("metrics.csv")).unwrap();
        let losses =
            metrics.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().parse::<f64>().unwrap());
        let best = losses.fold(f64::INFINITY, f64::min);
        assert_eq!(held_out["nats_per_char"].as_f64().unwrap().to_bits(), best.to_bits(), "{model}");
        assert!(succeeds(&mut on_model("evaluate", model, &corpus)).contains("nats per character"));
    }
    let ngram = json(&succeeds(&mut on_model("evaluate", "many", &format!("{corpus} --ngram --json"))));
    assert_eq!(ngram["ngram"]["tried"].as_array().unwrap().len(), 28);
}

#[test]
fn summary_counts_the_article() {
    let table = succeeds(&mut hornpipe("summary --preset article --vocab 93".split(' ')));
    assert!(table.contains("1,373,437") && table.contains("(128, 100, 256)"), "{table}");
    let report = json(&succeeds(&mut hornpipe("summary --preset article --json".split(' '))));
    assert_eq!(report["parameters"], 1_373_437);
    assert!(succeeds(&mut on_model("summary", "one", "")).contains("(7, 9)"));
}

#[test]
fn corpus_composes_the_built_in_one_and_counts_it() {
    let built_in = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/data/hornpipe.abc")).unwrap();
    assert_eq!(succeeds(&mut hornpipe(["corpus", "compose"])), built_in);
    let file = MODELS.arg("composed.abc");
    succeeds(&mut hornpipe(["corpus", "compose", "--tunes", "12", "--seed", "3", "-o", &file]));
    assert_eq!(fs::read_to_string(&file).unwrap(), support::text());
    let stats = json(&succeeds(&mut hornpipe(["corpus", "stats", "--json", &file])));
    assert_eq!(stats["tunes"], 12, "{stats}");
    for key in ["characters", "vocabulary", "duplicates", "keys", "meters", "rhythms"] {
        assert!(!stats[key].is_null(), "{key}: {stats}");
    }
    assert_eq!(json(&succeeds(&mut hornpipe(["corpus", "stats", "--json"])))["tunes"], 400);
    let folder = Folder::new();
    let mut both = hornpipe(["corpus", "stats", "--json", &folder.arg(""), "-"]);
    let stats = json(&succeeds(both.write_stdin(support::text())));
    assert_eq!((&stats["tunes"], &stats["duplicates"]), (&24.into(), &12.into()), "{stats}");
    assert!(succeeds(&mut hornpipe(["corpus", "compose", "--licence"])).contains("CC0"));
}

#[test]
fn bench_reports_what_the_schema_says() {
    let shape = "--batch-size 4 --hidden 9 --layers 2 --threads 2 --json";
    let train = format!("bench train --seq-len 6 --steps 3 {shape}");
    for objective in ["", " --objective many-to-one --optimizer rmsprop"] {
        let report = json(&succeeds(&mut hornpipe(format!("{train}{objective}").split(' '))));
        for key in ["step_ms", "forward_ms", "backward_ms", "optimizer_ms", "gflops", "tokens_per_s"] {
            assert!(report[key].is_f64(), "{key}: {report}");
        }
        assert!(report.get("peak_rss_mb").is_some());
        assert_eq!(report["threads"], 2);
        assert!(["isa", "cpu", "flops_formula"].iter().all(|key| report[key].is_string()), "{report}");
    }
    let report = json(&succeeds(&mut hornpipe(format!("bench generate --characters 20 {shape}").split(' '))));
    assert!(report["characters_per_s"].as_f64().unwrap() > 0.0, "{report}");
    assert!(
        succeeds(&mut hornpipe("bench train --hidden 5 --steps 1 --seq-len 3".split(' ')))
            .contains("GFLOP/s")
    );
    assert!(
        succeeds(&mut hornpipe("bench generate --hidden 5 --characters 5".split(' '))).contains("a step")
    );
}

#[test]
fn completions_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(succeeds(&mut hornpipe(["completions", shell])).contains("hornpipe"), "{shell}");
    }
}
