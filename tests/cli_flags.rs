//! Flags out of range, and flags that contradict each other: a sentence before anything is done.
#![cfg(feature = "cli")]

mod support;

use std::sync::LazyLock;
use support::{Folder, hornpipe, refused, refused_with, succeeds, train};

static MODEL: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::kept("cli_flags");
    succeeds(&mut train(&folder, "many-to-many", "run", "--steps 2"));
    folder
});

/// Each flag with values that it does not take.
fn each(flags: &[(&str, &str)], run: impl Fn(&str, &str)) {
    for (flag, values) in flags {
        for value in values.split(' ') {
            run(flag, value);
        }
    }
}

/// A value that is too large for the flag to hold or to mean anything.
fn huge(flag: &str) -> &'static str {
    match flag {
        "--lr"
        | "--clip-norm"
        | "--dropout"
        | "--weight-drop"
        | "--validation-fraction"
        | "--max-minutes" => "1e999",
        _ => "99999999999999999999999999",
    }
}

#[test]
fn train_flags_out_of_range() {
    let folder = Folder::new();
    let flags = [
        ("--epochs", "0 -1 nan 100001 4294967295"),
        ("--steps", "0 -1 nan 1.5"),
        ("--max-minutes", "0 -1 nan inf 1e300"),
        ("--batch-size", "0 -1 nan 65537"),
        ("--seq-len", "0 -1 nan 65537"),
        ("--embedding", "0 -1 nan 40000"),
        ("--hidden", "0 -1 nan 40000 18446744073709551615"),
        ("--layers", "0 -1 nan 65"),
        ("--dropout", "-0.1 1 nan 2"),
        ("--weight-drop", "-0.1 1 nan 2"),
        ("--lr", "0 -1 nan inf 1e39"),
        ("--clip-norm", "-1 nan inf"),
        ("--stride", "0 -1 nan 65537"),
        ("--validation-fraction", "-0.1 1 nan 7"),
        ("--patience", "0 -1 nan"),
        ("--seed", "-1 nan"),
        ("--shard-rows", "0 -1 nan 17"),
        ("--threads", "-1 nan 1025"),
        ("--save-every", "-1 nan"),
        ("--objective", "many-to-some"),
        ("--optimizer", "sgd"),
        ("--schedule", "linear"),
        ("--init", "zeros"),
        ("--input", "bytes"),
        ("--engine", "gpu"),
        ("--preset", "jazz"),
    ];
    let run = |flag: &str, value: &str| {
        let mut command = hornpipe(["train", flag, value, "--out"]);
        command.arg(folder.path("run"));
        if flag == "--stride" {
            command.args(["--objective", "many-to-one"]);
        }
        let said = refused(&mut command);
        // The sentence names the flag, or what it is about in words.
        let words = flag.trim_start_matches('-').split('-').next().unwrap();
        let words = if words == "layers" { "number of layers" } else { words };
        assert!(said.contains(words) || said.contains(flag), "{flag} {value}: {said}");
        assert!(!said.contains("unexpected argument"), "{flag} {value}: {said}");
        assert!(!folder.path("run").exists(), "{flag} {value}: nothing was done");
    };
    each(&flags, run);
    for (flag, _) in &flags {
        run(flag, huge(flag));
    }
}

#[test]
fn flags_that_contradict_each_other() {
    let folder = Folder::new();
    for (flags, says) in [
        ("--epochs 2 --steps 2", "cannot be used with"),
        ("--resume run --init-from run", "cannot be used with"),
        ("--stride 2", "--stride belongs to windows; it needs --objective many-to-one"),
        ("--input scalar --embedding 5", "--input scalar has no embedding; leave out --embedding"),
        ("--batch-size 4 --shard-rows 5", "--shard-rows must be from 1 to the batch size, and not 5"),
    ] {
        let mut command = hornpipe(["train", "--out"]);
        refused_with(command.arg(folder.path("run")).args(flags.split(' ')), says);
        assert!(!folder.path("run").exists());
    }
    for flag in ["--hidden 9", "--layers 2", "--embedding 5", "--input scalar", "--init keras"] {
        let mut command = hornpipe(["train", "--init-from"]);
        command.arg(MODEL.path("run")).arg("--out").arg(folder.path("run")).args(flag.split(' '));
        refused_with(&mut command, "--init-from takes the network of that checkpoint");
    }
    refused(&mut hornpipe(["train", "--hiden", "5"]));
    refused(&mut hornpipe(["tran"]));
}

#[test]
fn generate_and_evaluate_flags() {
    let corpus = MODEL.arg("corpus.abc");
    let run = |flag: &str, value: &str| {
        let mut command = hornpipe(["generate", flag, value]);
        let said = refused(command.arg(MODEL.path("run")));
        assert!(!said.contains("unexpected argument"), "{flag} {value}: {said}");
    };
    each(
        &[
            ("--tunes", "0 -1 nan 100001 99999999999"),
            ("--length", "0 -1 nan 99999999999"),
            ("--temperature", "0 -1 nan inf"),
            ("--top-k", "0 -1 nan"),
            ("--top-p", "0 -0.5 nan 1.5"),
            ("--window", "-1 nan"),
            ("--seed", "-1 nan"),
            ("--threads", "-1 nan 1025"),
        ],
        run,
    );
    for flags in [
        "--greedy --temperature 1",
        "--greedy --top-k 3",
        "--greedy --top-p 0.5",
        "--prime a --prime-file b",
        "--prime a --random-window b",
        "--prime-file a --random-window b",
    ] {
        refused_with(hornpipe(["generate", "model"]).args(flags.split(' ')), "cannot be used with");
    }
    let evaluate = |flags: &str, says: &str| {
        let mut command = hornpipe(["evaluate"]);
        refused_with(command.arg(MODEL.path("run")).arg(&corpus).args(flags.split(' ')), says);
    };
    evaluate("--threads 1000000", "must be from 0 (all cores) to 1024");
    evaluate("--all --ngram", "cannot be used with");
}

#[test]
fn summary_corpus_and_bench_flags() {
    for (arguments, says) in [
        ("summary --vocab 0", "the vocabulary must be from 1 to 32768, and not 0"),
        ("summary --vocab -1", "invalid value '-1'"),
        ("summary --vocab 99999999", "the vocabulary must be from 1 to 32768"),
        ("summary model --vocab 5", "cannot be used with"),
        ("summary --preset jazz", "possible values: article, folk"),
        ("corpus compose --tunes 0", "0 is not in 1..=1000000"),
        ("corpus compose --tunes 99999999", "is not in"),
        ("corpus compose --seed -1", "invalid value"),
        ("bench train --hidden 40000", "the hidden size must be from 1 to 32768, and not 40000"),
        ("bench train --hidden 0", "the hidden size"),
        ("bench train --layers 0", "the number of layers"),
        ("bench train --vocab 0", "the vocabulary"),
        ("bench train --embedding 0", "the embedding size"),
        ("bench train --batch-size 0", "--batch-size must be from 1 to 65536"),
        ("bench train --batch-size 70000", "--batch-size must be from 1 to 65536"),
        ("bench train --shard-rows 0", "--shard-rows"),
        ("bench train --seq-len 0", "--seq-len must be from 1 to 65536"),
        ("bench train --steps 0", "--steps"),
        ("bench train --steps 18446744073709551615", "--steps"),
        ("bench train --dropout nan", "the dropout rate"),
        ("bench train --threads 5000", "must be from 0 (all cores) to 1024"),
        ("bench generate --characters 0", "--characters must be from 1"),
        ("bench generate --characters 18446744073709551615", "--characters must be from 1"),
        ("bench generate --batch-size -5", "invalid value '-5'"),
        ("completions klingon", "possible values"),
    ] {
        refused_with(&mut hornpipe(arguments.split(' ')), says);
    }
}

/// Where the system tells how much memory there is, a network that needs more gets a sentence.
#[cfg(target_os = "linux")]
#[test]
fn a_network_larger_than_the_memory() {
    let folder = Folder::new();
    let huge = "--hidden 32768 --layers 64";
    let says = "GB are free; lower --hidden, --layers, --batch-size or --seq-len";
    let mut command = hornpipe(["train", "--out"]);
    refused_with(command.arg(folder.path("run")).args(huge.split(' ')), says);
    assert!(!folder.path("run").exists());
    refused_with(hornpipe(["bench", "train"]).args(huge.split(' ')), says);
    refused_with(hornpipe(["bench", "generate"]).args(huge.split(' ')), says);
}
