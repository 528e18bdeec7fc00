//! What the corpus promises: files become tunes, tunes become batches, and nothing is lost or counted twice.

use std::fs;
use std::path::PathBuf;

use hornpipe::corpus::{
    self, Corpus, CorpusError, Epoch, EvaluationWindows, Source, Streams, Tune, Vocabulary, Windows,
};
use hornpipe::nn::init::Initializer;
use hornpipe::nn::{Cell, CpuEngine, Engine, Input, LossSums, ModelConfig, State};
use hornpipe::optim::Optimizer;
use hornpipe_kernels::gemm::Gemm;
use proptest::prelude::*;

/// Tunes of the given lengths in which every character is another: tune 3, position 7 is 3007.
fn numbered(lengths: &[usize]) -> Vec<Vec<u32>> {
    lengths
        .iter()
        .zip(0u32..)
        .map(|(&n, tune)| (0..n as u32).map(|i| 1000 * tune + i + 1).collect())
        .collect()
}

/// The line feed of [`numbered`] tunes.
const NEWLINE: u32 = 0;

/// Every prediction an epoch makes: the characters since the last reset that enter before it, and the target.
/// Follows the rules of a batch and nothing else.
fn predictions(epoch: &dyn Epoch) -> Vec<(Vec<u32>, u32)> {
    let mut found = Vec::new();
    let mut context: Vec<Vec<u32>> = Vec::new();
    // What another batch leaves behind must not show.
    let mut again = epoch.batch(epoch.len() - 1);
    for index in 0..epoch.len() {
        let batch = epoch.batch(index);
        epoch.fill(index, &mut again);
        assert_eq!(batch, again, "a batch is the same each time");
        context.resize(batch.rows(), Vec::new());
        for (row, context) in context.iter_mut().enumerate() {
            if index == 0 || !epoch.carries_state() {
                assert!(batch.resets[[0, row]]);
            }
            for t in 0..batch.steps() {
                if batch.resets[[t, row]] {
                    context.clear();
                }
                context.push(batch.tokens[[t, row]]);
                match batch.weights[[t, row]] {
                    0.0 => assert_eq!(batch.targets[[t, row]], 0),
                    1.0 => found.push((context.clone(), batch.targets[[t, row]])),
                    other => panic!("a weight of {other}"),
                }
            }
        }
    }
    found.sort_by_key(|&(_, target)| target);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_predict_every_character_once_from_all_of_its_tune(
        lengths in prop::collection::vec(0usize..40, 1..20),
        steps in 1usize..20, rows in 1usize..9, seed: u64, epoch in 0u32..5,
    ) {
        prop_assume!(lengths.iter().sum::<usize>() > 0);
        let tunes = numbered(&lengths);
        let expected: Vec<(Vec<u32>, u32)> = tunes.iter().flat_map(|tune| {
            (0..tune.len()).map(|i| ([&[NEWLINE], &tune[..i]].concat(), tune[i]))
        }).collect();
        let streams = Streams::new(tunes, NEWLINE, steps, rows).unwrap();
        prop_assert_eq!(streams.characters(), expected.len());
        prop_assert_eq!(&predictions(&streams.epoch(seed, epoch)), &expected);
        prop_assert_eq!(&predictions(&streams.in_order()), &expected);
        // The greedy rule keeps the streams within one tune of each other.
        let longest = lengths.iter().max().unwrap();
        prop_assert!(streams.epoch(seed, epoch).len() <= (expected.len() / rows + longest).div_ceil(steps));
    }

    #[test]
    fn windows_start_everywhere_once(
        length in 1usize..200, steps in 1usize..20, stride in 1usize..7, rows in 1usize..9, seed: u64,
    ) {
        prop_assume!(length > steps);
        let text = numbered(&[length]).remove(0);
        let expected: Vec<(Vec<u32>, u32)> =
            (0..length - steps).step_by(stride).map(|s| (text[s..s + steps].to_vec(), text[s + steps])).collect();
        let windows = Windows::new(text, steps, stride, rows).unwrap();
        prop_assert_eq!(windows.count(), expected.len());
        prop_assert_eq!(windows.batches(), expected.len().div_ceil(rows));
        prop_assert_eq!(predictions(&windows.epoch(seed, 3)), expected);
    }

    #[test]
    fn evaluation_windows_predict_every_character_once(
        lengths in prop::collection::vec(0usize..30, 1..8), steps in 1usize..20, rows in 1usize..9,
    ) {
        prop_assume!(lengths.iter().sum::<usize>() > 0);
        let tunes = numbered(&lengths);
        let text = [vec![NEWLINE], tunes.concat()].concat();
        let expected: Vec<(Vec<u32>, u32)> =
            (1..text.len()).map(|i| (text[i.saturating_sub(steps)..i].to_vec(), text[i])).collect();
        let windows = EvaluationWindows::new(&tunes, NEWLINE, steps, rows).unwrap();
        prop_assert_eq!(predictions(&windows), expected);
    }

    #[test]
    fn a_text_survives_its_vocabulary(text: String) {
        let vocabulary = Vocabulary::from_text(&text);
        prop_assert_eq!(vocabulary.decode(&vocabulary.encode(&text).unwrap()), text);
        let string = String::from(vocabulary.clone());
        prop_assert_eq!(Vocabulary::try_from(string).unwrap(), vocabulary);
    }

    #[test]
    fn any_bytes_parse_to_whole_tunes_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        check_parse(&bytes)?;
    }

    #[test]
    fn any_lines_parse_to_whole_tunes_or_an_error(text in "(X:|K:G|a b|%|\u{FEFF}| |\t|\r|\r\n|\n|\n\n){0,30}") {
        check_parse(text.as_bytes())?;
    }
}

fn check_parse(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(tunes) = corpus::parse("a.abc", bytes) else { return Ok(()) };
    prop_assert!(!tunes.is_empty());
    for Tune { text } in &tunes {
        prop_assert!(text.starts_with("X:") && text.ends_with("\n\n") && !text.contains('\r'));
        prop_assert_eq!(text.find("\n\n"), Some(text.len() - 2), "only its end is a blank line");
        prop_assert_eq!(text[..text.len() - 2].trim_end().len(), text.len() - 2);
    }
    // What was normalised stays as it is.
    let joined: String = tunes.iter().map(|tune| tune.text.as_str()).collect();
    prop_assert_eq!(corpus::parse("a.abc", joined.as_bytes()).unwrap(), tunes);
    Ok(())
}

/// The loss of an epoch over the predictions that `counts` says, by the first character of the tune that they are in.
fn loss(engine: &mut CpuEngine, epoch: &dyn Epoch, rows: usize, counts: impl Fn(u32) -> bool) -> LossSums {
    let zeros = State::zeros(engine.config(), rows);
    engine.set_state(&zeros);
    let mut first = vec![0; rows];
    let mut sums = LossSums::default();
    for index in 0..epoch.len() {
        let mut batch = epoch.batch(index);
        for ((t, row), weight) in batch.weights.indexed_iter_mut() {
            if batch.resets[[t, row]] {
                first[row] = batch.targets[[t, row]];
            }
            *weight *= f32::from(u8::from(counts(first[row])));
        }
        sums = sums.plus(engine.evaluate(&batch));
    }
    sums
}

/// Neither what stands beside a tune nor what stands before it on its stream changes its loss.
#[test]
fn a_tune_among_others_has_the_loss_that_it_has_alone() {
    // Each tune begins with a character that no other begins with.
    let tunes: Vec<Vec<u32>> = [23u32, 5, 41, 2, 17, 30, 9]
        .iter()
        .zip(1..)
        .map(|(&length, name)| (0..length).map(|i| if i == 0 { name } else { (7 * i + name) % 11 }).collect())
        .collect();
    let config = ModelConfig {
        cell: Cell::Lstm,
        vocabulary: 11,
        input: Input::Embedding(5),
        hidden: 9,
        layers: 2,
        dropout: 0.0,
        weight_drop: 0.0,
    };
    let parameters = Initializer::Pytorch.parameters(&config, 3);
    let gemm = Gemm::detect().unwrap();
    let mut engine = CpuEngine::new(&config, parameters, Optimizer::Adam, gemm, 2, 1).unwrap();
    let together = Streams::new(tunes.clone(), NEWLINE, 8, 3).unwrap();
    for (tune, name) in tunes.iter().zip(1..) {
        let alone = Streams::new(vec![tune.clone()], NEWLINE, 50, 1).unwrap();
        let want = loss(&mut engine, &alone.in_order(), 1, |_| true);
        assert_eq!(want.weight, tune.len() as f64);
        for epoch in [together.in_order(), together.epoch(1, 0), together.epoch(1, 1)] {
            let got = loss(&mut engine, &epoch, 3, |first| first == name);
            assert_eq!((got.weight, got.correct), (want.weight, want.correct));
            assert!((got.nats - want.nats).abs() <= 1e-6 * want.nats, "{got:?} instead of {want:?}");
        }
    }
}

#[test]
fn epochs_differ_and_repeat_by_seed() {
    let tunes = numbered(&[20; 30]);
    let sources = [
        Source::Windows(Windows::new(tunes.concat(), 10, 1, 8).unwrap()),
        Source::Streams(Streams::new(tunes, NEWLINE, 10, 8).unwrap()),
    ];
    for source in &sources {
        let first = |seed, epoch| source.epoch(seed, epoch).batch(0);
        assert_eq!(first(1, 0), first(1, 0));
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        let epoch = source.epoch(1, 4);
        assert_eq!(epoch.len(), source.batches(1, 4));
        assert_eq!(predictions(&*epoch).len(), source.predictions());
    }
}

#[test]
fn folders_are_read_in_order_of_name_and_at_any_depth() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("c.ABC", "X:4\n");
    write("a.abc", "X:1\n\nX:2\n");
    write("b/deep/z.abc", "X:3\n");
    write("b/notes.txt", "no tune");
    write("tunes.txt", "X:5\n");
    let texts = |paths: &[PathBuf]| -> Vec<String> {
        corpus::read(paths).unwrap().tunes.into_iter().map(|tune| tune.text).collect()
    };
    assert_eq!(texts(&[folder.path().into()]), ["X:1\n\n", "X:2\n\n", "X:3\n\n", "X:4\n\n"]);
    let files = [folder.path().join("tunes.txt"), folder.path().join("a.abc")];
    assert_eq!(texts(&files), ["X:5\n\n", "X:1\n\n", "X:2\n\n"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: PathBuf| {
        let name = path.display().to_string();
        let error = corpus::read(&[path]).unwrap_err().to_string();
        assert!(error.contains(&name), "{error}");
        error
    };
    assert!(message(folder.path().join("missing.abc")).starts_with("cannot read"));
    assert!(message(folder.path().into()).contains("holds no .abc files"));
    let empty = folder.path().join("empty.abc");
    fs::write(&empty, "").unwrap();
    assert!(message(empty).contains("is empty"));
    assert!(matches!(corpus::read(&[]), Err(CorpusError::NoPaths)));
}

/// The Nottingham Music Database where the environment names it. Tests skip without it, and fail where it
/// is named but not there.
fn nottingham() -> Option<Corpus> {
    let Some(path) = std::env::var_os("HORNPIPE_NOTTINGHAM") else {
        eprintln!("skipped: HORNPIPE_NOTTINGHAM does not name the Nottingham Music Database");
        return None;
    };
    Some(corpus::read(&[path.into()]).unwrap())
}

#[test]
fn nottingham_is_whole() {
    let Some(corpus) = nottingham() else { return };
    assert_eq!(corpus.tunes.len(), 1037);
    let vocabulary = Vocabulary::from_tunes(&corpus.tunes);
    assert_eq!(vocabulary.len(), 93);
    assert!(corpus.tunes.iter().all(|tune| tune.text.find("\n\n") == Some(tune.text.len() - 2)));
    assert!(corpus.tunes[0].text.starts_with("X: 1\nT:A and D\n \nS:EF\n"));

    let parts = corpus::split(&corpus, 1, 0.1);
    parts.check(0.1).unwrap();
    let characters = |tunes: &[Tune]| tunes.iter().map(|tune| tune.text.len()).sum::<usize>();
    eprintln!(
        "train {} tunes of {} characters, held out {} of {}, {} duplicates",
        parts.train.len(),
        characters(&parts.train),
        parts.held_out.len(),
        characters(&parts.held_out),
        parts.duplicates
    );
    assert_eq!(parts.train.len() + parts.held_out.len() + parts.duplicates, 1037);
    assert!((80..130).contains(&parts.held_out.len()));
}
