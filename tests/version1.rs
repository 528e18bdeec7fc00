//! Checkpoints of format version 1 stay readable for ever: two small ones are kept, and must go on giving what they gave.

use hornpipe::checkpoint::Checkpoint;
use hornpipe::corpus::{Tune, Vocabulary};
use hornpipe::train::{Evaluation, Objective, Snapshot, build_engine};
use hornpipe_kernels::gemm::Gemm;
use std::ops::ControlFlow;

const TUNE: &str = "X:1\nT:The\nK:D\nABc def|d2A F3|\n\n";

fn nats(bytes: &[u8]) -> (Snapshot, f64) {
    let checkpoint = Checkpoint::from_bytes(bytes).expect("a whole checkpoint");
    let snapshot = Snapshot::from_checkpoint(&checkpoint).expect("a snapshot of version 1");
    let vocabulary: &Vocabulary = &snapshot.vocabulary;
    let encoded = vocabulary.encode_tunes(&[Tune { text: TUNE.to_string() }]).expect("known characters");
    let evaluation = Evaluation::new(&encoded, vocabulary, &snapshot.settings).expect("a tune");
    let parameters = snapshot.parameters.clone();
    let gemm = Gemm::matrixmultiply();
    let mut engine =
        build_engine(&snapshot.settings, parameters, vocabulary.len(), gemm, 1).expect("one thread");
    let quality = evaluation.run(engine.as_mut(), &mut |_| ControlFlow::Continue(()));
    let nats = quality.expect("nobody stopped it").nats_per_char;
    // What is read is written again to the byte.
    assert_eq!(snapshot.to_checkpoint().to_bytes(), bytes);
    (snapshot, nats)
}

#[test]
fn many_to_many_with_an_embedding_and_adam() {
    let (snapshot, nats) = nats(include_bytes!("fixtures/version1.hornpipe"));
    assert_eq!(snapshot.settings.objective, Objective::ManyToMany);
    assert_eq!((snapshot.progress.step, snapshot.progress.epoch), (7, 1));
    assert_eq!(snapshot.moments.arrays.len(), 2);
    assert!((nats - 4.161_553_380_877_672).abs() < 1e-5, "{nats}");
}

#[test]
fn many_to_one_with_scalar_input_and_rmsprop() {
    let (snapshot, nats) = nats(include_bytes!("fixtures/version1-scalar.hornpipe"));
    assert_eq!(snapshot.settings.objective, Objective::ManyToOne);
    assert_eq!((snapshot.progress.step, snapshot.progress.epoch), (5, 1));
    assert_eq!((snapshot.moments.arrays.len(), snapshot.seed_window.len()), (1, 6));
    assert!((nats - 4.152_534_443_889_761).abs() < 1e-5, "{nats}");
}
