//! Hornpipe as an engine among the others.

use contract::{About, Inference, Inputs, Job, Kind, Result, Training, Work};
use hornpipe::exchange::{Given, safetensors};
use hornpipe::nn::{
    Batch, Cell, CpuEngine, Engine, Input, LossSums, Masking, ModelConfig, State, default_shard_rows,
};
use hornpipe::optim::{Hyper, Optimizer};
use hornpipe_kernels::gemm::Gemm;
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    contract::serve(make)
}

fn make(job: &Job, inputs: &Inputs) -> Result<(Work, About)> {
    let config = ModelConfig {
        cell: Cell::Lstm,
        vocabulary: job.vocabulary,
        input: Input::Embedding(job.embedding),
        hidden: job.hidden,
        layers: job.layers,
        dropout: job.dropout,
        weight_drop: 0.0,
    };
    config.validate()?;
    // By the exchange of weights, as `hornpipe convert` reads a model of PyTorch's.
    let model = safetensors::from_bytes(&std::fs::read(&job.weights)?, &Given::default())?;
    let (parameters, shard_rows) = (model.parameters, default_shard_rows(job.batch, job.hidden, job.vocabulary));
    let mut engine =
        CpuEngine::new(&config, parameters, Optimizer::Adam, Gemm::detect()?, shard_rows, job.threads)?;
    engine.set_state(&State::zeros(&config, job.batch));
    let gemm = engine.gemm();
    let versions = vec![
        ("hornpipe", contract::locked("hornpipe")),
        ("kernels", format!("{:?}", gemm.isa()).to_lowercase()),
    ];
    let about = About { threads: Some(engine.threads()), versions };
    if job.kind == Kind::Quality {
        return Ok((Work::Quality(Box::new(Learning { engine, job: job.clone(), step: 0 })), about));
    }
    let batch = batch(job, inputs);
    let work = match job.kind {
        Kind::Train | Kind::Quality => {
            Work::Training(Box::new(Trained { engine, batch, job: job.clone(), step: 0 }))
        }
        Kind::Carried | Kind::Window => {
            Work::Inference(Box::new(Asked { engine, batch, window: job.kind == Kind::Window }))
        }
    };
    Ok((work, about))
}

fn batch(job: &Job, inputs: &Inputs) -> Batch {
    let mut batch = Batch::zeros(inputs.tokens.len() / job.batch, job.batch);
    batch.tokens.iter_mut().zip(&inputs.tokens).for_each(|(to, &from)| *to = from);
    batch.targets.iter_mut().zip(&inputs.targets).for_each(|(to, &from)| *to = from);
    (job.first()..batch.steps()).for_each(|t| batch.weights.row_mut(t).fill(1.0));
    batch.resets.row_mut(0).fill(true);
    batch
}

struct Trained {
    engine: CpuEngine,
    batch: Batch,
    job: Job,
    step: u64,
}

impl Trained {
    fn masking(&self) -> Option<Masking> {
        (self.job.dropout > 0.0).then_some(Masking { seed: 1, step: self.step })
    }

    fn hyper(&self) -> Hyper {
        let (lr, clip_norm) = (self.job.learning_rate, Some(self.job.clip_norm));
        Hyper { optimizer: Optimizer::Adam, lr, clip_norm, step: self.step }
    }
}

fn mean(sums: LossSums) -> f64 {
    sums.nats / sums.weight
}

impl Training for Trained {
    fn forward(&mut self) -> Result<f64> {
        Ok(mean(self.engine.evaluate(&self.batch)))
    }

    fn gradients(&mut self) -> Result<f64> {
        Ok(mean(self.engine.gradients(&self.batch, self.masking())))
    }

    fn update(&mut self) -> Result<()> {
        self.engine.update(&self.hyper())?;
        self.step += 1;
        Ok(())
    }

    fn named_gradients(&mut self) -> Result<BTreeMap<String, Vec<f64>>> {
        let gradients = self.engine.last_gradients();
        let tensors = gradients.layout().tensors().iter().enumerate();
        Ok(tensors
            .map(|(index, tensor)| (tensor.name.clone(), contract::wide(gradients.slice(index))))
            .collect())
    }
}

struct Asked {
    engine: CpuEngine,
    batch: Batch,
    window: bool,
}

impl Inference for Asked {
    fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        if !self.window {
            return Ok(self.engine.advance(tokens).iter().copied().collect());
        }
        self.batch.tokens.iter_mut().zip(tokens).for_each(|(to, &from)| *to = from);
        self.rest()?;
        Ok(self.engine.last_logits(&self.batch).iter().copied().collect())
    }

    fn rest(&mut self) -> Result<()> {
        let state = State::zeros(self.engine.config(), self.batch.rows());
        self.engine.set_state(&state);
        Ok(())
    }
}

struct Learning {
    engine: CpuEngine,
    job: Job,
    step: u64,
}

fn converted(batch: &contract::Batch) -> Batch {
    let mut converted = Batch::zeros(batch.steps, batch.rows);
    converted.tokens.iter_mut().zip(&batch.tokens).for_each(|(to, &from)| *to = from);
    converted.targets.iter_mut().zip(&batch.targets).for_each(|(to, &from)| *to = from);
    converted.weights.iter_mut().zip(&batch.weights).for_each(|(to, &from)| *to = from as f32);
    converted
}

impl contract::Quality for Learning {
    fn rest(&mut self) -> Result<()> {
        let state = State::zeros(self.engine.config(), self.job.batch);
        self.engine.set_state(&state);
        Ok(())
    }

    fn train(&mut self, batch: &contract::Batch, rate: f64) -> Result<()> {
        let (step, clip_norm) = (self.step, Some(self.job.clip_norm));
        let hyper = Hyper { optimizer: Optimizer::Adam, lr: rate, clip_norm, step };
        self.engine.train_step(&converted(batch), Some(Masking { seed: self.job.seed, step }), &hyper)?;
        self.step += 1;
        Ok(())
    }

    fn evaluate(&mut self, batch: &contract::Batch) -> Result<f64> {
        let carried = self.engine.state();
        let state = State::zeros(self.engine.config(), batch.rows);
        self.engine.set_state(&state);
        let nats = self.engine.evaluate(&converted(batch)).nats;
        self.engine.set_state(&carried);
        Ok(nats)
    }
}
