//! Generation against the same thing done for one tune at a time, on small random networks.

use super::*;
use crate::nn::init::Initializer;
use crate::nn::{Cell, CpuEngine, Input, ModelConfig, Parameters, ReferenceEngine, State};
use crate::optim::Optimizer;
use crate::random::{Purpose, generator};
use hornpipe_kernels::Isa;
use hornpipe_kernels::gemm::Gemm;

/// So few characters that blank lines are common.
const CHARACTERS: &str = "\n|ABC";

fn config() -> ModelConfig {
    ModelConfig {
        cell: Cell::Lstm,
        vocabulary: 5,
        input: Input::Embedding(4),
        hidden: 19,
        layers: 2,
        dropout: 0.0,
        weight_drop: 0.0,
    }
}

/// Weights four times as large as a new network's: what it says then depends visibly on all that it has read.
fn parameters() -> Parameters {
    let mut parameters = Initializer::Pytorch.parameters(&config(), 5);
    parameters.values_mut().iter_mut().for_each(|w| *w *= 4.0);
    parameters
}

/// The plain loops, and the kernels on every instruction set in shards of 1, 3 and 8 rows.
fn engines() -> Vec<(String, Box<dyn Engine>)> {
    let config = config();
    let reference = ReferenceEngine::new(&config, parameters(), Optimizer::Adam);
    let mut engines: Vec<(String, Box<dyn Engine>)> = vec![("reference".to_owned(), Box::new(reference))];
    for isa in Isa::available() {
        for shard_rows in [1, 3, 8] {
            let engine =
                CpuEngine::new(&config, parameters(), Optimizer::Adam, Gemm::own(isa), shard_rows, 2);
            engines.push((format!("{} {shard_rows}", isa.name()), Box::new(engine.unwrap())));
        }
    }
    engines
}

/// The fast engine on the best instruction set.
fn engine() -> CpuEngine {
    CpuEngine::new(&config(), parameters(), Optimizer::Adam, Gemm::own(Isa::best()), 8, 1).unwrap()
}

fn vocabulary() -> Vocabulary {
    Vocabulary::from_text(CHARACTERS)
}

fn encode(text: &str) -> Vec<u32> {
    vocabulary().encode(text).unwrap()
}

fn request(tunes: usize) -> Request {
    Request {
        tunes,
        primes: vec![Prime::Start],
        length: 60,
        until_end: true,
        window: None,
        sampling: Sampling::default(),
        valid: None,
        scored: false,
        seed: 3,
    }
}

/// Primes of every kind and of different lengths, blank lines inside some.
fn primes() -> Vec<Prime> {
    vec![
        Prime::Start,
        Prime::Text(encode("AB\nC")),
        Prime::Context(encode("BCA|")),
        Prime::Text(encode("AB\n\n\nC|")),
        Prime::Context(encode("\n\nABC\n\n")),
        Prime::Text(encode("A\n")),
        Prime::Context(encode("B\n")),
        Prime::Text(vec![]),
        Prime::Text(encode("\n")),
    ]
}

fn run(engine: &mut dyn Engine, request: &Request) -> Vec<Generated> {
    generate(engine, &vocabulary(), request, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn zeros() -> State {
    State::zeros(&config(), 1)
}

/// The text of tune `tune`, written alone, a character at a time.
fn alone(engine: &mut dyn Engine, request: &Request, tune: usize) -> String {
    // The running text, how much of it is not the tune's, and where a blank line may begin.
    let (mut text, hidden, body) = match &request.primes[tune.min(request.primes.len() - 1)] {
        Prime::Start => ("\n".to_owned(), 1, 1),
        Prime::Text(text) => (format!("\n{}", vocabulary().decode(text)), 1, 1),
        Prime::Context(text) => (vocabulary().decode(text), text.len(), 0),
    };
    let mut rng = generator(request.seed, Purpose::Sampling { tune: tune as u32 });
    for _ in 0..request.length {
        // The text again for each character, through the window or from the last line feed of its last blank line.
        let from = match request.window {
            Some(window) => text.len().saturating_sub(window),
            None => text[body..].rfind("\n\n").map_or(0, |at| body + at + 1),
        };
        engine.set_state(&zeros());
        let mut logits = Vec::new();
        for token in encode(&text[from..]) {
            logits = engine.advance(&[token]).iter().copied().collect();
        }
        let next = request.sampling.sample(&logits, &mut rng, &mut Scratch::default());
        text.push(vocabulary().char_at(next));
        if request.until_end && text[hidden..].ends_with("\n\n") {
            break;
        }
    }
    text.split_off(hidden)
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let texts: Vec<Vec<u32>> =
        (0..11).map(|b: u32| (0..8).map(|t| (b * 7 + t * t + b * t) % 5).collect()).collect();
    for (name, mut engine) in engines() {
        let bits = |engine: &mut dyn Engine, rows: &[usize]| -> Vec<Vec<u32>> {
            engine.set_state(&State::zeros(&config(), rows.len()));
            let step = |t: usize| {
                let tokens: Vec<u32> = rows.iter().map(|&b| texts[b][t]).collect();
                engine
                    .advance(&tokens)
                    .outer_iter()
                    .map(|r| r.iter().map(|x| x.to_bits()).collect())
                    .collect()
            };
            (0..8).map(step).last().unwrap()
        };
        let together = bits(engine.as_mut(), &(0..11).collect::<Vec<_>>());
        for (b, expected) in together.iter().enumerate() {
            assert_eq!(&bits(engine.as_mut(), &[b])[0], expected, "{name}, row {b}");
        }
        let some = bits(engine.as_mut(), &[10, 3, 4, 0]);
        assert_eq!(some, [10, 3, 4, 0].map(|b: usize| together[b].clone()), "{name}");
    }
}

#[test]
fn each_tune_is_as_if_written_alone() {
    let primes = primes();
    for (name, mut engine) in engines() {
        for (until_end, window) in [(true, None), (false, None), (true, Some(3)), (false, Some(3))] {
            let request =
                Request { primes: primes.clone(), until_end, window, length: 30, ..request(primes.len()) };
            for (tune, generated) in run(engine.as_mut(), &request).into_iter().enumerate() {
                let expected = alone(engine.as_mut(), &request, tune);
                assert_eq!(
                    generated.text, expected,
                    "{name}, until end {until_end}, {window:?}, tune {tune}"
                );
            }
        }
    }
}

#[test]
fn a_tune_does_not_depend_on_how_many_there_are() {
    for (name, mut engine) in engines() {
        let all = run(engine.as_mut(), &request(20));
        // Most end before the last, so finished rows were taken out of the batch on the way.
        let longest = all.iter().map(|tune| tune.generated).max().unwrap();
        assert!(all.iter().filter(|tune| tune.generated < longest).count() > 15);
        for tunes in [1, 2, 7] {
            assert_eq!(run(engine.as_mut(), &request(tunes)), all[..tunes], "{name}");
        }
    }
}

#[test]
fn a_window_that_holds_everything_is_the_carried_state() {
    for (name, mut engine) in engines() {
        let carried = Request { primes: vec![Prime::Text(encode("AB\nC"))], length: 40, ..request(9) };
        let windowed = Request { window: Some(45), ..carried.clone() };
        let expected = run(engine.as_mut(), &carried);
        assert_eq!(run(engine.as_mut(), &windowed), expected, "{name}");
        let narrow = Request { window: Some(2), ..carried };
        assert_ne!(run(engine.as_mut(), &narrow), expected, "{name}");
    }
}

#[test]
fn tunes_end_at_their_first_blank_line_or_at_the_length() {
    let mut engine = engine();
    for window in [None, Some(4)] {
        let tunes = run(&mut engine, &Request { length: 25, window, ..request(40) });
        assert!(tunes.iter().any(|tune| tune.ended) && tunes.iter().any(|tune| !tune.ended));
        for tune in &tunes {
            let first = tune.text.find("\n\n").map(|at| at + 2);
            assert_eq!(first, tune.ended.then_some(tune.text.len()), "{:?}", tune.text);
            assert_eq!(tune.generated, tune.text.len());
            assert!(tune.ended || tune.generated == 25);
        }
        let tunes = run(&mut engine, &Request { length: 25, until_end: false, window, ..request(40) });
        assert!(tunes.iter().all(|tune| tune.generated == 25 && !tune.ended));
        assert!(tunes.iter().any(|tune| tune.text[..20].contains("\n\n")));
    }
}

#[test]
fn a_prime_text_is_part_of_the_tune_and_a_context_is_not() {
    let text = Request { primes: vec![Prime::Text(encode("AB|"))], length: 10, ..request(3) };
    for tune in run(&mut engine(), &text) {
        assert!(tune.text.starts_with("AB|"));
        assert_eq!((tune.prime_characters, tune.text.len()), (3, 3 + tune.generated));
    }
    let context = Request { primes: vec![Prime::Context(encode("AB|"))], length: 10, ..request(3) };
    for tune in run(&mut engine(), &context) {
        assert_eq!((tune.prime_characters, tune.text.len()), (0, tune.generated));
    }
    // A fresh tune's first input is a line feed from the zero state.
    let first = |prime| run(&mut engine(), &Request { primes: vec![prime], length: 1, ..request(20) });
    assert_eq!(first(Prime::Start), first(Prime::Context(encode("\n"))));
    assert_ne!(first(Prime::Start), first(Prime::Context(encode("\n\nA"))));
}

#[test]
fn greedy_tunes_are_alike_and_seeds_differ() {
    let greedy = Sampling { greedy: true, ..Sampling::default() };
    let tunes = run(&mut engine(), &Request { sampling: greedy, ..request(2) });
    assert_eq!(tunes[0], tunes[1]);
    let tunes = run(&mut engine(), &request(2));
    assert_ne!(tunes[0], tunes[1]);
    assert_ne!(run(&mut engine(), &Request { seed: 4, ..request(2) }), tunes);
}

#[test]
fn progress_counts_characters_and_may_stop() {
    for window in [None, Some(5)] {
        let request = Request { until_end: false, length: 12, window, ..request(3) };
        let mut told = Vec::new();
        let mut engine = engine();
        let mut tell = |written| {
            told.push(written);
            if written >= 15 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let partial = generate(&mut engine, &vocabulary(), &request, &mut tell).unwrap();
        assert_eq!(told, [3, 6, 9, 12, 15]);
        let whole = run(&mut engine, &request);
        for (part, whole) in partial.iter().zip(&whole) {
            assert_eq!((part.generated, part.ended), (5, false));
            assert!(whole.text.starts_with(&part.text));
        }
    }
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let refused = |request: Request| {
        let mut engine = engine();
        generate(&mut engine, &vocabulary(), &request, &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    };
    let with = || request(2);
    assert_eq!(refused(request(0)), "the number of tunes is 0, but must be at least 1");
    assert_eq!(refused(Request { length: 0, ..with() }), "the length is 0, but must be at least 1");
    assert_eq!(refused(Request { window: Some(0), ..with() }), "the window is 0, but must be at least 1");
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    assert!(refused(Request { sampling, ..with() }).starts_with("the temperature is 0,"));
    for count in [0, 3] {
        let error = refused(Request { primes: vec![Prime::Start; count], ..with() });
        assert!(error.starts_with(&format!("there are {count} primes for 2 tunes")));
    }
    assert!(refused(Request { primes: vec![Prime::Context(vec![])], ..with() }).contains("context is empty"));
    let bad = vec![Prime::Text(vec![1, 5])];
    assert!(refused(Request { primes: bad, ..with() }).contains("index 5, but the vocabulary only 5"));

    let mut engine = engine();
    let mut go_on = |_| ControlFlow::Continue(());
    let error = generate(&mut engine, &Vocabulary::from_text("AB"), &with(), &mut go_on).unwrap_err();
    assert_eq!(error, GenerateError::VocabularySize { vocabulary: 3, network: 5 });
    engine.edit_parameters(&mut |parameters| parameters.values_mut().fill(f32::NAN));
    let error = generate(&mut engine, &vocabulary(), &with(), &mut go_on).unwrap_err();
    assert_eq!(error, GenerateError::NotFinite { tune: 1, character: 1 });
}
