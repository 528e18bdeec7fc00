//! burn on its Flex backend: its `Lstm`, `Linear`, `Embedding`, `Dropout`, cross-entropy and Adam.
//!
//! Its gradient clipping works on each parameter alone, so that by the norm of all gradients is written here.

use burn::module::{Module, Param, ParamId};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, GateController, Linear, LinearConfig, Lstm,
    LstmConfig, LstmState,
};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use contract::{About, Inference, Inputs, Job, Kind, Result, Training, Work};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    contract::serve(make)
}

fn make(job: &Job, inputs: &Inputs) -> Result<(Work, About)> {
    let versions = vec![("burn", contract::locked("burn")), ("gemm", contract::locked("gemm"))];
    let about = About { threads: Some(rayon::current_num_threads()), versions };
    let work = match job.kind {
        Kind::Train => Work::Training(Box::new(Trained::new(job, inputs)?)),
        Kind::Quality => return contract::no_quality(),
        Kind::Carried | Kind::Window => Work::Inference(Box::new(Asked::new(job, inputs)?)),
    };
    Ok((work, about))
}

#[derive(Module, Debug)]
struct Net {
    embedding: Embedding,
    layers: Vec<Lstm>,
    dropout: Dropout,
    linear: Linear,
}

fn param<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor)
}

impl Net {
    fn new(job: &Job, inputs: &Inputs, device: &Device) -> Result<Self> {
        let matrix = |name: &str| -> Result<Tensor<2>> {
            let weight = inputs.weight(name)?;
            let data = TensorData::new(weight.values.clone(), weight.shape.clone());
            Ok(Tensor::from_data(data, device))
        };
        let vector = |name: &str| -> Result<Tensor<1>> {
            let weight = inputs.weight(name)?;
            Ok(Tensor::from_data(TensorData::new(weight.values.clone(), weight.shape.clone()), device))
        };
        // burn keeps a linear layer's weight as [in, out].
        let turned = |weight: Tensor<2>| param(Tensor::from_data(weight.transpose().into_data(), device));
        let hidden = job.hidden;
        let mut layers = Vec::new();
        for l in 0..job.layers {
            let size = if l == 0 { job.embedding } else { hidden };
            let mut lstm = LstmConfig::new(size, hidden, true).init(device);
            let (w_ih, w_hh) =
                (matrix(&format!("lstm.weight_ih_l{l}"))?, matrix(&format!("lstm.weight_hh_l{l}"))?);
            let bias = vector(&format!("lstm.bias_ih_l{l}"))?;
            for (k, gate) in gates_mut(&mut lstm)?.into_iter().enumerate() {
                let rows = k * hidden..(k + 1) * hidden;
                gate.input_transform.weight = turned(w_ih.clone().slice([rows.clone()]));
                gate.input_transform.bias = Some(param(bias.clone().slice([rows.clone()])));
                gate.hidden_transform.weight = turned(w_hh.clone().slice([rows]));
                // One bias a layer: the second one is left out.
                gate.hidden_transform.bias = None;
            }
            layers.push(lstm);
        }
        let mut embedding = EmbeddingConfig::new(job.vocabulary, job.embedding).init(device);
        embedding.weight = param(matrix("embedding.weight")?);
        let mut linear = LinearConfig::new(hidden, job.vocabulary).init(device);
        linear.weight = turned(matrix("linear.weight")?);
        linear.bias = Some(param(vector("linear.bias")?));
        Ok(Net { embedding, layers, dropout: DropoutConfig::new(job.dropout.into()).init(), linear })
    }

    /// Characters `[B, T]` in; the top layer's outputs `[B, T, H]` and the states after the last step out.
    fn outputs(
        &self,
        tokens: Tensor<2, Int>,
        states: Option<Vec<LstmState<2>>>,
    ) -> (Tensor<3>, Vec<LstmState<2>>) {
        let mut x = self.embedding.forward(tokens);
        let mut states = states.map(Vec::into_iter);
        let mut after = Vec::new();
        for layer in &self.layers {
            let (output, state) = layer.forward(x, states.as_mut().and_then(Iterator::next));
            x = self.dropout.forward(output);
            after.push(state);
        }
        (x, after)
    }

    /// Every parameter: its name without the gate, its id, and whether it is a matrix.
    fn parameters(&self) -> Result<Vec<(String, ParamId, bool)>> {
        let mut all = vec![("embedding.weight".to_owned(), self.embedding.weight.id, true)];
        for (l, layer) in self.layers.iter().enumerate() {
            let forget = layer.forget_gate.as_ref().ok_or("an LSTM without a forget gate")?;
            for gate in [&layer.input_gate, forget, &layer.cell_gate, &layer.output_gate] {
                all.push((format!("lstm.weight_ih_l{l}"), gate.input_transform.weight.id, true));
                all.push((format!("lstm.weight_hh_l{l}"), gate.hidden_transform.weight.id, true));
                let bias = gate.input_transform.bias.as_ref().ok_or("a gate without a bias")?;
                all.push((format!("lstm.bias_l{l}"), bias.id, false));
            }
        }
        all.push(("linear.weight".to_owned(), self.linear.weight.id, true));
        all.push(("linear.bias".to_owned(), self.linear.bias.as_ref().ok_or("no bias")?.id, false));
        Ok(all)
    }
}

/// In PyTorch's order: i, f, g, o.
fn gates_mut(lstm: &mut Lstm) -> Result<[&mut GateController; 4]> {
    let forget = lstm.forget_gate.as_mut().ok_or("an LSTM without a forget gate")?;
    Ok([&mut lstm.input_gate, forget, &mut lstm.cell_gate, &mut lstm.output_gate])
}

/// Time-major characters as `[B, T]`.
fn batch_first(values: &[u32], rows: usize, device: &Device) -> Tensor<2, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let shape = [values.len() / rows, rows];
    let data = Tensor::<2, Int>::from_data(TensorData::new(values, shape), device).transpose().into_data();
    Tensor::from_data(data, device)
}

struct Trained {
    /// None only while an update runs.
    net: Option<Net>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    gradients: Option<GradientsParams>,
    tokens: Tensor<2, Int>,
    targets: Tensor<1, Int>,
    first: usize,
    job: Job,
}

const GONE: &str = "a network between two updates";

impl Trained {
    fn new(job: &Job, inputs: &Inputs) -> Result<Self> {
        let device = Device::flex().autodiff();
        let targets = batch_first(inputs.counted(job), job.batch, &device);
        Ok(Trained {
            net: Some(Net::new(job, inputs, &device)?),
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            gradients: None,
            tokens: batch_first(&inputs.tokens, job.batch, &device),
            targets: targets.flatten(0, 1),
            first: job.first(),
            job: job.clone(),
        })
    }

    fn net(&self) -> &Net {
        self.net.as_ref().expect(GONE)
    }

    fn loss(&self) -> Tensor<1> {
        let (outputs, _) = self.net().outputs(self.tokens.clone(), None);
        let counted = outputs.narrow(1, self.first, self.job.steps - self.first);
        let logits = self.net().linear.forward(counted).flatten::<2>(0, 1);
        self.loss.forward(logits, self.targets.clone())
    }
}

/// The gradient of a parameter, a matrix's row after row.
fn gradient(gradients: &GradientsParams, id: ParamId, matrix: bool) -> Result<Tensor<1>> {
    let found = if matrix { gradients.get::<2>(id).map(|g| g.flatten(0, 1)) } else { gradients.get::<1>(id) };
    Ok(found.ok_or("a parameter without a gradient")?)
}

fn scale_gradient<const D: usize>(gradients: &mut GradientsParams, id: ParamId, scale: f64) {
    if let Some(gradient) = gradients.remove::<D>(id) {
        gradients.register(id, gradient.mul_scalar(scale));
    }
}

impl Training for Trained {
    fn forward(&mut self) -> Result<f64> {
        Ok(self.loss().into_scalar::<f32>().into())
    }

    fn gradients(&mut self) -> Result<f64> {
        let loss = self.loss();
        self.gradients = Some(GradientsParams::from_grads(loss.backward(), self.net()));
        Ok(loss.into_scalar::<f32>().into())
    }

    fn update(&mut self) -> Result<()> {
        let mut gradients = self.gradients.take().ok_or("an update without gradients")?;
        let net = self.net.take().expect(GONE);
        let parameters = net.parameters()?;
        let mut squares = 0.0;
        for (_, id, matrix) in &parameters {
            let sum = gradient(&gradients, *id, *matrix)?.square().sum();
            squares += f64::from(sum.into_scalar::<f32>());
        }
        if let Some(scale) = contract::clipping(squares, self.job.clip_norm) {
            for (_, id, matrix) in parameters {
                let scaled = if matrix { scale_gradient::<2> } else { scale_gradient::<1> };
                scaled(&mut gradients, id, scale);
            }
        }
        self.net = Some(self.optimizer.step(self.job.learning_rate, net, gradients));
        Ok(())
    }

    fn named_gradients(&mut self) -> Result<BTreeMap<String, Vec<f64>>> {
        let gradients = self.gradients.as_ref().ok_or("no gradients")?;
        let mut named = BTreeMap::<_, Vec<f64>>::new();
        for (name, id, matrix) in self.net().parameters()? {
            let data = gradient(gradients, id, matrix)?.into_data();
            let values = contract::wide(&data.try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?);
            // The gates come in PyTorch's order; a linear layer's weight, [in, out] here, is turned back.
            let (linear, outputs) = match name.as_str() {
                "embedding.weight" => (false, 0),
                "linear.weight" => (true, self.job.vocabulary),
                _ => (matrix, self.job.hidden),
            };
            named.entry(name).or_default().extend(if linear {
                contract::turned(&values, outputs)
            } else {
                values
            });
        }
        Ok(named)
    }
}

struct Asked {
    net: Net,
    device: Device,
    states: Option<Vec<LstmState<2>>>,
    rows: usize,
    window: bool,
}

impl Asked {
    fn new(job: &Job, inputs: &Inputs) -> Result<Self> {
        let device = Device::flex();
        let net = Net::new(job, inputs, &device)?;
        Ok(Asked { net, device, states: None, rows: job.batch, window: job.kind == Kind::Window })
    }
}

impl Inference for Asked {
    fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let tokens = batch_first(tokens, self.rows, &self.device);
        let (outputs, states) = self.net.outputs(tokens, self.states.take());
        if !self.window {
            self.states = Some(states);
        }
        let last = outputs.dims()[1] - 1;
        let logits = self.net.linear.forward(outputs.narrow(1, last, 1));
        Ok(logits.into_data().try_to_vec().map_err(|error| format!("{error:?}"))?)
    }

    fn rest(&mut self) -> Result<()> {
        self.states = None;
        Ok(())
    }
}
