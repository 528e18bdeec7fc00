//! candle: `candle_nn`'s LSTM layer over whole sequences (`RNN::seq`), and its AdamW without decay.

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Module, Tensor, Var};
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use candle_nn::{AdamW, Dropout, Embedding, Linear, Optimizer, ParamsAdamW, VarBuilder};
use contract::{About, Inference, Inputs, Job, Kind, Result, Training, Work};
use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

fn main() -> ExitCode {
    contract::serve(make)
}

fn make(job: &Job, inputs: &Inputs) -> Result<(Work, About)> {
    let versions = vec![("candle", contract::locked("candle-core")), ("gemm", contract::locked("gemm"))];
    let about = About { threads: Some(candle_core::utils::get_num_threads()), versions };
    let work = match job.kind {
        Kind::Train => Work::Training(Box::new(Trained::new(job, inputs)?)),
        Kind::Quality => return contract::no_quality(),
        Kind::Carried | Kind::Window => Work::Inference(Box::new(Asked::new(job, inputs)?)),
    };
    Ok((work, about))
}

struct Net {
    embedding: Embedding,
    layers: Vec<LSTM>,
    dropout: Option<Dropout>,
    linear: Linear,
}

impl Net {
    /// Reads its tensors from `named`, where they may be variables.
    fn new(job: &Job, named: HashMap<String, Tensor>) -> Result<Self> {
        let vb = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
        let layers = (0..job.layers).map(|layer_idx| {
            let size = if layer_idx == 0 { job.embedding } else { job.hidden };
            // One bias a layer: the second one is left out.
            let config = LSTMConfig { layer_idx, b_hh_init: None, ..LSTMConfig::default() };
            candle_nn::lstm(size, job.hidden, config, vb.pp("lstm"))
        });
        Ok(Net {
            layers: layers.collect::<candle_core::Result<_>>()?,
            embedding: candle_nn::embedding(job.vocabulary, job.embedding, vb.pp("embedding"))?,
            linear: candle_nn::linear(job.hidden, job.vocabulary, vb.pp("linear"))?,
            dropout: (job.dropout > 0.0).then(|| Dropout::new(job.dropout)),
        })
    }

    fn rest(&self, rows: usize) -> Result<Vec<LSTMState>> {
        Ok(self.layers.iter().map(|layer| layer.zero_state(rows)).collect::<candle_core::Result<_>>()?)
    }

    /// Characters `[B, T]` in, the top layer's outputs `[B, T, H]` out, dropped out where training asks for it.
    fn outputs(&self, tokens: &Tensor) -> Result<Tensor> {
        let mut x = self.embedding.forward(tokens)?;
        for layer in &self.layers {
            x = layer.states_to_tensor(&layer.seq(&x)?)?;
            if let Some(dropout) = &self.dropout {
                x = dropout.forward(&x, true)?;
            }
        }
        Ok(x)
    }

    /// Inference of one time step: characters `[B]` in, the top layer's output `[B, H]` out.
    fn step(&self, tokens: &Tensor, states: &mut [LSTMState]) -> Result<Tensor> {
        let mut x = self.embedding.forward(tokens)?;
        for (layer, state) in self.layers.iter().zip(states) {
            *state = layer.step(&x, state)?;
            x = state.h().clone();
        }
        Ok(x)
    }
}

fn tensors(inputs: &Inputs) -> Result<HashMap<String, Tensor>> {
    let tensor =
        |weight: &contract::Weight| Tensor::from_slice(&weight.values, &weight.shape[..], &Device::Cpu);
    let kept = inputs.weights.iter().filter(|(name, _)| !name.contains("bias_hh"));
    Ok(kept.map(|(name, weight)| Ok((name.clone(), tensor(weight)?))).collect::<candle_core::Result<_>>()?)
}

/// Time-major characters as `[B, T]`.
fn batch_first(tokens: &[u32], rows: usize) -> Result<Tensor> {
    Ok(Tensor::from_slice(tokens, (tokens.len() / rows, rows), &Device::Cpu)?.t()?.contiguous()?)
}

struct Trained {
    net: Net,
    vars: BTreeMap<String, Var>,
    optimizer: AdamW,
    gradients: Option<GradStore>,
    tokens: Tensor,
    targets: Tensor,
    first: usize,
    clip_norm: f64,
}

impl Trained {
    fn new(job: &Job, inputs: &Inputs) -> Result<Self> {
        let tensors = tensors(inputs)?.into_iter();
        let vars = tensors
            .map(|(name, tensor)| Ok((name, Var::from_tensor(&tensor)?)))
            .collect::<candle_core::Result<BTreeMap<_, _>>>()?;
        let named = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let params = ParamsAdamW { lr: job.learning_rate, weight_decay: 0.0, ..ParamsAdamW::default() };
        let targets = batch_first(inputs.counted(job), job.batch)?.flatten_all()?;
        Ok(Trained {
            net: Net::new(job, named)?,
            optimizer: AdamW::new(vars.values().cloned().collect(), params)?,
            vars,
            gradients: None,
            tokens: batch_first(&inputs.tokens, job.batch)?,
            targets,
            first: job.first(),
            clip_norm: job.clip_norm,
        })
    }

    fn loss(&self) -> Result<Tensor> {
        let outputs = self.net.outputs(&self.tokens)?;
        let counted = outputs.narrow(1, self.first, outputs.dim(1)? - self.first)?.flatten(0, 1)?;
        let logits = self.net.linear.forward(&counted)?;
        Ok(candle_nn::loss::cross_entropy(&logits, &self.targets)?)
    }

    fn squares(gradients: &GradStore, var: &Var) -> Result<f64> {
        let gradient = gradients.get(var).ok_or("a parameter without a gradient")?;
        Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?))
    }
}

impl Training for Trained {
    fn forward(&mut self) -> Result<f64> {
        Ok(self.loss()?.to_scalar::<f32>()?.into())
    }

    fn gradients(&mut self) -> Result<f64> {
        let loss = self.loss()?;
        self.gradients = Some(loss.backward()?);
        Ok(loss.to_scalar::<f32>()?.into())
    }

    fn update(&mut self) -> Result<()> {
        let mut gradients = self.gradients.take().ok_or("an update without gradients")?;
        let mut squares = 0.0;
        for var in self.vars.values() {
            squares += Self::squares(&gradients, var)?;
        }
        if let Some(scale) = contract::clipping(squares, self.clip_norm) {
            for var in self.vars.values() {
                let gradient = gradients.remove(var).ok_or("a parameter without a gradient")?;
                gradients.insert(var, (gradient * scale)?);
            }
        }
        Ok(self.optimizer.step(&gradients)?)
    }

    fn named_gradients(&mut self) -> Result<BTreeMap<String, Vec<f64>>> {
        let gradients = self.gradients.as_ref().ok_or("no gradients")?;
        let named = |(name, var): (&String, &Var)| -> Result<_> {
            let gradient = gradients.get(var).ok_or("a parameter without a gradient")?;
            let values = gradient.flatten_all()?.to_vec1::<f32>()?;
            Ok((name.replace("bias_ih", "bias"), contract::wide(&values)))
        };
        self.vars.iter().map(named).collect()
    }
}

struct Asked {
    net: Net,
    states: Vec<LSTMState>,
    rows: usize,
    window: bool,
}

impl Asked {
    fn new(job: &Job, inputs: &Inputs) -> Result<Self> {
        let net = Net::new(job, tensors(inputs)?)?;
        Ok(Asked { states: net.rest(job.batch)?, net, rows: job.batch, window: job.kind == Kind::Window })
    }
}

impl Inference for Asked {
    fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let output = if self.window {
            let x = self.net.outputs(&batch_first(tokens, self.rows)?)?;
            x.narrow(1, x.dim(1)? - 1, 1)?.squeeze(1)?
        } else {
            let tokens = Tensor::from_slice(tokens, self.rows, &Device::Cpu)?;
            self.net.step(&tokens, &mut self.states)?
        };
        Ok(self.net.linear.forward(&output)?.flatten(0, D::Minus1)?.to_vec1()?)
    }

    fn rest(&mut self) -> Result<()> {
        self.states = self.net.rest(self.rows)?;
        Ok(())
    }
}
