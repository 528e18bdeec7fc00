//! The article's model at B 64, T 100: training step, forward, backward, optimiser, one generation step.
//!
//! `cargo bench --bench step` prints a time and a rate for each. The rate's unit `elem` is a floating-point operation, so `Gelem/s` reads
//! GFLOP/s (counted as `hornpipe bench` does); for optimiser and generation it is a character. One row's is in bytes of weights read.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hornpipe::nn::init::Initializer;
use hornpipe::nn::lstm::fast::{Cache, Entering, Input, InputGradients, LayerWeights, Leaving, Tools};
use hornpipe::nn::{Batch, Cell, CpuEngine, Engine, Masking, ModelConfig, State, default_shard_rows};
use hornpipe::optim::{Hyper, Optimizer};
use hornpipe_kernels::Team;
use hornpipe_kernels::gemm::Gemm;
use std::hint::black_box;
use std::time::{Duration, Instant};

const B: usize = 64;
const T: usize = 100;

fn article() -> ModelConfig {
    ModelConfig {
        cell: Cell::Lstm,
        vocabulary: 93,
        input: hornpipe::nn::Input::Embedding(32),
        hidden: 256,
        layers: 3,
        dropout: 0.2,
        weight_drop: 0.0,
    }
}

fn engine(rows: usize) -> CpuEngine {
    let config = article();
    let parameters = Initializer::Pytorch.parameters(&config, 1);
    let gemm = Gemm::detect().expect("HORNPIPE_ISA names an instruction set of this machine");
    let mut engine = CpuEngine::new(
        &config,
        parameters,
        Optimizer::Adam,
        gemm,
        default_shard_rows(rows, config.hidden, config.vocabulary),
        0,
    )
    .expect("threads");
    engine.set_state(&State::zeros(&config, rows));
    engine
}

/// Characters that look random and never change.
fn batch() -> Batch {
    let mut batch = Batch::zeros(T, B);
    for (k, token) in batch.tokens.iter_mut().chain(&mut batch.targets).enumerate() {
        *token = (k as u32).wrapping_mul(2_654_435_761) >> 16 & 0xffff;
        *token %= 93;
    }
    batch.weights.fill(1.0);
    batch
}

const HYPER: Hyper = Hyper { optimizer: Optimizer::Adam, lr: 1e-4, clip_norm: Some(1.0), step: 0 };
const MASKING: Option<Masking> = Some(Masking { seed: 1, step: 0 });

fn training(c: &mut Criterion) {
    let (config, batch, mut engine) = (article(), batch(), engine(B));
    let tokens = (B * T) as f64;
    let mut group = c.benchmark_group("article_b64_t100");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    group.throughput(Throughput::Elements((config.training_flops_per_token() * tokens) as u64));
    group.bench_function("training_step", |b| {
        b.iter(|| black_box(engine.train_step(&batch, MASKING, &HYPER)).expect("a finite loss"));
    });
    group.throughput(Throughput::Elements((config.forward_flops_per_token() * tokens) as u64));
    group.bench_function("forward", |b| b.iter(|| black_box(engine.evaluate(&batch))));
    group.throughput(Throughput::Elements((2.0 * config.forward_flops_per_token() * tokens) as u64));
    group.bench_function("backward", |b| {
        // The two passes cannot be had apart: what the second takes is what both take, less the first alone.
        b.iter_custom(|iterations| {
            let mut both = Duration::ZERO;
            let mut forward = Duration::ZERO;
            for _ in 0..iterations {
                let began = Instant::now();
                black_box(engine.evaluate(&batch));
                forward += began.elapsed();
                let began = Instant::now();
                black_box(engine.gradients(&batch, MASKING));
                both += began.elapsed();
            }
            both.saturating_sub(forward)
        });
    });
    group.throughput(Throughput::Elements(tokens as u64));
    group.bench_function("optimizer", |b| {
        b.iter(|| black_box(engine.update(&HYPER)).expect("a finite norm"));
    });
    group.finish();
}

/// One layer of one shard on one thread, forward and backward apart.
fn layer(c: &mut Criterion) {
    let (rows, hidden) = (16, 256);
    let gemm = Gemm::detect().expect("HORNPIPE_ISA names an instruction set of this machine");
    let w = vec![0.01; 4 * hidden * hidden];
    let bias = vec![0.1; 4 * hidden];
    let mut weights = LayerWeights::new(gemm.isa(), Cell::Lstm, hidden, hidden);
    weights.pack(&w, &w, &bias, &[]);
    let mut cache = Cache::new(Cell::Lstm, hidden);
    cache.prepare(T, rows);
    let mut tools = Tools::new(gemm, Team::alone());
    tools.prepare(Cell::Lstm, rows, hidden);
    let x = vec![0.1; T * rows * hidden];
    let mut d_h = vec![0.01; T * rows * hidden];
    let resets = vec![false; T * rows];
    let (mut d_w_ih, mut d_w_hh, mut d_bias) = (w.clone(), w.clone(), bias.clone());
    let input = Entering { weights: &weights, input: Input::Below(&x), resets: &resets };
    let flops = (2 * 4 * hidden * 2 * hidden * T * rows) as u64;
    let mut group = c.benchmark_group("layer_h256_r16_t100_one_thread");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(flops));
    group.bench_function("forward", |b| {
        b.iter(|| cache.forward(input, &mut tools.team));
    });
    group.throughput(Throughput::Elements(2 * flops));
    group.bench_function("backward", |b| {
        // The backward pass overwrites what the forward pass left, so each has its own; only the backward pass is timed.
        b.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                cache.forward(input, &mut tools.team);
                d_h.fill(0.01);
                let began = Instant::now();
                let gradients = Leaving {
                    d_w_hh: &mut d_w_hh,
                    d_extra: &mut [],
                    input: InputGradients::Below { d_w_ih: &mut d_w_ih, d_bias: &mut d_bias, d_x: None },
                };
                cache.backward(input, &mut d_h, gradients, &mut tools);
                total += began.elapsed();
            }
            total
        });
    });
    group.finish();
}

/// One row through a layer whose `w_hh` is half a megabyte, as each core's half is at 256 units: the time is that of reading it, step
/// after step, from the second-level cache.
fn one_row(c: &mut Criterion) {
    let hidden = 176;
    let isa = Gemm::detect().expect("HORNPIPE_ISA names an instruction set of this machine").isa();
    let w = vec![0.01; 4 * hidden * hidden];
    let mut weights = LayerWeights::new(isa, Cell::Lstm, hidden, hidden);
    weights.pack(&w, &w, &vec![0.1; 4 * hidden], &[]);
    let mut cache = Cache::new(Cell::Lstm, hidden);
    cache.prepare(T, 1);
    let characters = Input::Characters { tokens: &[0; T], table: &vec![0.1; 4 * hidden] };
    let input = Entering { weights: &weights, input: characters, resets: &[false; T] };
    let mut group = c.benchmark_group("layer_h176_one_row_one_thread");
    group.throughput(Throughput::Bytes((T * size_of_val(&w[..])) as u64));
    group.bench_function("forward", |b| b.iter(|| cache.forward(input, &mut Team::alone())));
    group.finish();
}

fn generation(c: &mut Criterion) {
    let mut group = c.benchmark_group("generation_step");
    for rows in [1, 64] {
        let mut engine = engine(rows);
        let tokens = vec![7; rows];
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows}_tunes"), |b| {
            b.iter(|| black_box(engine.advance(&tokens)[[0, 0]]));
        });
    }
    group.finish();
}

criterion_group!(benches, training, layer, one_row, generation);
criterion_main!(benches);
