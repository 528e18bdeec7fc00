//! rust-lstm: its network, linear layer and Adam, all in f64 with a column for each row of the batch. It has neither an embedding
//! nor a softmax for batches: these few lines are written here, as its users have to.

use contract::{About, Inference, Inputs, Job, Kind, Result, Training, Weight, Work};
use ndarray::{Array2, Axis};
use rust_lstm::layers::dropout::Dropout;
use rust_lstm::layers::linear::{LinearGradients, LinearLayer};
use rust_lstm::layers::lstm_cell::{LSTMCell, LSTMCellGradients};
use rust_lstm::models::lstm_network::{LSTMNetwork, LSTMNetworkCache, LSTMState};
use rust_lstm::optimizers::{Adam, Optimizer};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    contract::serve(make)
}

fn make(job: &Job, inputs: &Inputs) -> Result<(Work, About)> {
    let versions = vec![("rust-lstm", contract::locked("rust-lstm")), ("numbers", "f64".into())];
    let net = Net::new(job, inputs)?;
    let work = match job.kind {
        Kind::Train => Work::Training(Box::new(Trained::new(job, inputs, net))),
        Kind::Quality => return contract::no_quality(),
        Kind::Carried | Kind::Window => Work::Inference(Box::new(Asked {
            state: net.lstm.zero_state(job.batch),
            net,
            rows: job.batch,
            window: job.kind == Kind::Window,
        })),
    };
    Ok((work, About { threads: None, versions }))
}

struct Net {
    /// `[E, V]`
    embedding: Array2<f64>,
    lstm: LSTMNetwork,
    linear: LinearLayer,
}

/// A vector becomes a column.
fn matrix(weight: &Weight) -> Result<Array2<f64>> {
    let shape = (weight.shape[0], weight.shape.get(1).copied().unwrap_or(1));
    Ok(Array2::from_shape_vec(shape, weight.values.iter().map(|&value| value.into()).collect())?)
}

impl Net {
    fn new(job: &Job, inputs: &Inputs) -> Result<Self> {
        let get = |name: &str| matrix(inputs.weight(name)?);
        let mut cells = Vec::new();
        for layer in 0..job.layers {
            let mut cell = LSTMCell::new(1, job.hidden);
            cell.w_ih = get(&format!("lstm.weight_ih_l{layer}"))?;
            cell.w_hh = get(&format!("lstm.weight_hh_l{layer}"))?;
            cell.b_ih = get(&format!("lstm.bias_ih_l{layer}"))?;
            cells.push(cell);
        }
        let mut lstm = LSTMNetwork::from_cells(cells, job.embedding, job.hidden, job.layers);
        if job.kind == Kind::Train && job.dropout > 0.0 {
            lstm = lstm.with_output_dropout(job.dropout.into());
        }
        Ok(Net {
            embedding: get("embedding.weight")?.reversed_axes().as_standard_layout().to_owned(),
            lstm,
            linear: LinearLayer::from_weights(get("linear.weight")?, get("linear.bias")?),
        })
    }

    /// `[E, B]`
    fn embed(&self, tokens: &[u32]) -> Array2<f64> {
        let indices: Vec<usize> = tokens.iter().map(|&token| token as usize).collect();
        self.embedding.select(Axis(1), &indices)
    }
}

struct Kept {
    lstm: Vec<LSTMCellGradients>,
    linear: LinearGradients,
    embedding: Array2<f64>,
}

struct Trained {
    net: Net,
    /// After the last layer, which the network itself leaves alone.
    dropout: Option<Dropout>,
    adam: Adam,
    kept: Option<Kept>,
    tokens: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    first: usize,
    clip_norm: f64,
}

/// What a forward pass leaves for the backward pass.
struct Pass {
    loss: f64,
    /// `[V, N]`, a column for each character that counts.
    d_logits: Array2<f64>,
    /// Of the dropout after the last layer, for each step that counts.
    masks: Vec<Option<Array2<f64>>>,
    caches: Vec<LSTMNetworkCache>,
}

impl Trained {
    fn new(job: &Job, inputs: &Inputs, net: Net) -> Self {
        let rows = |values: &[u32]| values.chunks_exact(job.batch).map(<[u32]>::to_vec).collect();
        Trained {
            net,
            dropout: (job.dropout > 0.0).then(|| Dropout::new(job.dropout.into())),
            adam: Adam::new(job.learning_rate),
            kept: None,
            tokens: rows(&inputs.tokens),
            targets: rows(&inputs.targets),
            first: job.first(),
            clip_norm: job.clip_norm,
        }
    }

    fn pass(&mut self) -> Pass {
        let sequence: Vec<_> = self.tokens.iter().map(|tokens| self.net.embed(tokens)).collect();
        let (outputs, caches) = self.net.lstm.forward_sequence_with_cache(&sequence);
        let (mut masks, mut columns) = (Vec::new(), Vec::new());
        for (output, _) in &outputs[self.first..] {
            let mask = self.dropout.as_mut().and_then(|dropout| dropout.sample_mask(output.raw_dim()));
            columns.push(mask.as_ref().map_or_else(|| output.clone(), |mask| output * mask));
            masks.push(mask);
        }
        let views: Vec<_> = columns.iter().map(Array2::view).collect();
        let joined = ndarray::concatenate(Axis(1), &views).expect("equal shapes");
        let mut logits = self.net.linear.forward(&joined);
        let targets: Vec<u32> = self.targets[self.first..].concat();
        let (mut nats, count) = (0.0, targets.len() as f64);
        for (mut column, &target) in logits.columns_mut().into_iter().zip(&targets) {
            let most = column.fold(f64::NEG_INFINITY, |most, &logit| most.max(logit));
            column.mapv_inplace(|logit| (logit - most).exp());
            let total = column.sum();
            column /= total;
            nats -= column[target as usize].ln();
            column[target as usize] -= 1.0;
        }
        logits /= count;
        Pass { loss: nats / count, d_logits: logits, masks, caches }
    }

    fn norm(gradients: &Array2<f64>) -> f64 {
        gradients.iter().map(|g| g * g).sum::<f64>().sqrt()
    }

    /// All gradients by name. Of a layer's two biases, one counts.
    fn named(kept: &mut Kept) -> Vec<(String, &mut Array2<f64>)> {
        let mut all = vec![("embedding.weight".to_owned(), &mut kept.embedding)];
        for (layer, gradients) in kept.lstm.iter_mut().enumerate() {
            all.push((format!("lstm.weight_ih_l{layer}"), &mut gradients.w_ih));
            all.push((format!("lstm.weight_hh_l{layer}"), &mut gradients.w_hh));
            all.push((format!("lstm.bias_l{layer}"), &mut gradients.b_ih));
        }
        all.push(("linear.weight".to_owned(), &mut kept.linear.weight));
        all.push(("linear.bias".to_owned(), &mut kept.linear.bias));
        all
    }
}

impl Training for Trained {
    fn forward(&mut self) -> Result<f64> {
        Ok(self.pass().loss)
    }

    fn gradients(&mut self) -> Result<f64> {
        let Pass { loss, d_logits, masks, caches } = self.pass();
        let (linear, d_joined) = self.net.linear.backward(&d_logits);
        let rows = self.tokens[0].len();
        let mut d_outputs = vec![Array2::zeros((d_joined.nrows(), rows)); self.first];
        for (d_output, mask) in d_joined.axis_chunks_iter(Axis(1), rows).zip(&masks) {
            d_outputs.push(mask.as_ref().map_or_else(|| d_output.to_owned(), |mask| &d_output * mask));
        }
        let (lstm, d_inputs) = self.net.lstm.backward_sequence(&d_outputs, &caches);
        let mut embedding = Array2::zeros(self.net.embedding.raw_dim());
        for (tokens, d_input) in self.tokens.iter().zip(&d_inputs) {
            for (&token, column) in tokens.iter().zip(d_input.columns()) {
                let mut to = embedding.column_mut(token as usize);
                to += &column;
            }
        }
        self.kept = Some(Kept { lstm, linear, embedding });
        Ok(loss)
    }

    fn update(&mut self) -> Result<()> {
        let mut kept = self.kept.take().ok_or("an update without gradients")?;
        let squares = Self::named(&mut kept).iter().map(|(_, g)| Self::norm(g).powi(2)).sum();
        if let Some(scale) = contract::clipping(squares, self.clip_norm) {
            Self::named(&mut kept).into_iter().for_each(|(_, g)| *g *= scale);
        }
        self.adam.update("embedding", &mut self.net.embedding, &kept.embedding);
        for (layer, (cell, gradients)) in self.net.lstm.get_cells_mut().iter_mut().zip(&kept.lstm).enumerate()
        {
            self.adam.update(&format!("w_ih{layer}"), &mut cell.w_ih, &gradients.w_ih);
            self.adam.update(&format!("w_hh{layer}"), &mut cell.w_hh, &gradients.w_hh);
            self.adam.update(&format!("b{layer}"), &mut cell.b_ih, &gradients.b_ih);
        }
        self.net.linear.update_parameters(&kept.linear, &mut self.adam, "linear");
        Ok(())
    }

    fn named_gradients(&mut self) -> Result<BTreeMap<String, Vec<f64>>> {
        let kept = self.kept.as_mut().ok_or("no gradients")?;
        let named = Self::named(kept).into_iter().map(|(name, g)| {
            // The embedding is [E, V] here.
            let g = if name == "embedding.weight" { g.t() } else { g.view() };
            (name, g.iter().copied().collect())
        });
        Ok(named.collect())
    }
}

struct Asked {
    net: Net,
    state: LSTMState,
    rows: usize,
    window: bool,
}

impl Inference for Asked {
    fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        if self.window {
            self.rest()?;
        }
        let mut output = Array2::zeros((0, 0));
        for tokens in tokens.chunks_exact(self.rows) {
            (output, self.state) = self.net.lstm.forward(&self.net.embed(tokens), &self.state);
        }
        let logits = self.net.linear.forward(&output);
        Ok(logits.t().iter().map(|&logit| logit as f32).collect())
    }

    fn rest(&mut self) -> Result<()> {
        self.state = self.net.lstm.zero_state(self.rows);
        Ok(())
    }
}
