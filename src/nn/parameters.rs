//! All numbers that training changes, in one flat buffer with a table of names.

use super::ModelConfig;
use super::config::Input;
use hornpipe_kernels::Buffer;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};
use std::ops::Range;
use std::sync::Arc;

/// One named array within the flat buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// As in PyTorch: `embedding.weight`, `lstm.weight_ih_l0`, …
    pub name: String,
    /// Row-major; one or two dimensions.
    pub shape: Vec<usize>,
    /// Where it starts in the buffer, in numbers.
    pub offset: usize,
}

impl Tensor {
    /// The numbers it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it stands in the buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// Where each layer's arrays stand in the table.
#[derive(Clone, Copy, Debug)]
pub struct LayerIndex {
    /// `w_ih [G·H, I]`, of `G` gates (an LSTM has 4).
    pub w_ih: usize,
    /// `w_hh [G·H, H]`
    pub w_hh: usize,
    /// `b [G·H]`
    pub bias: usize,
    /// What [some cells](super::Cell::extra) have besides, after the bias.
    pub extra: Option<usize>,
}

impl LayerIndex {
    /// All of them.
    pub fn all(self) -> impl Iterator<Item = usize> {
        [self.w_ih, self.w_hh, self.bias].into_iter().chain(self.extra)
    }
}

/// The numbers of one layer, to be changed.
#[derive(Debug)]
pub struct LayerMut<'a> {
    /// `[G·H, I]`
    pub w_ih: &'a mut [f32],
    /// `[G·H, H]`
    pub w_hh: &'a mut [f32],
    /// `[G·H]`
    pub bias: &'a mut [f32],
    /// What [some cells](super::Cell::extra) have besides; empty for others.
    pub extra: &'a mut [f32],
}

/// The table of a network's parameters.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<Tensor>,
    len: usize,
    embedding: bool,
    layers: usize,
    /// Arrays of a layer.
    per_layer: usize,
}

impl Layout {
    /// The table for a network: embedding, layers from the first to the last, linear layer.
    pub fn new(config: &ModelConfig) -> Self {
        let cell = config.cell;
        let per_layer = 3 + usize::from(cell.extra().is_some());
        let mut layout =
            Layout { tensors: Vec::new(), len: 0, embedding: false, layers: config.layers, per_layer };
        if let Input::Embedding(size) = config.input {
            layout.embedding = true;
            layout.push("embedding.weight".into(), vec![config.vocabulary, size]);
        }
        let gates = cell.gates() * config.hidden;
        for l in 0..config.layers {
            layout.push(format!("{cell}.weight_ih_l{l}"), vec![gates, config.layer_input(l)]);
            layout.push(format!("{cell}.weight_hh_l{l}"), vec![gates, config.hidden]);
            layout.push(format!("{cell}.bias_l{l}"), vec![gates]);
            if let Some((name, vectors)) = cell.extra() {
                layout.push(format!("{cell}.{name}_l{l}"), vec![vectors * config.hidden]);
            }
        }
        layout.push("linear.weight".into(), vec![config.vocabulary, config.hidden]);
        layout.push("linear.bias".into(), vec![config.vocabulary]);
        layout
    }

    fn push(&mut self, name: String, shape: Vec<usize>) {
        let tensor = Tensor { name, shape, offset: self.len };
        self.len += tensor.len();
        self.tensors.push(tensor);
    }

    /// All arrays, in the order of the buffer.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// How many numbers there are: the parameter count.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place of the embedding `[V, E]`, where there is one.
    pub fn embedding(&self) -> Option<usize> {
        self.embedding.then_some(0)
    }

    /// The places of layer `l`'s arrays.
    pub fn layer(&self, l: usize) -> LayerIndex {
        let first = usize::from(self.embedding) + self.per_layer * l;
        let extra = (self.per_layer > 3).then_some(first + 3);
        LayerIndex { w_ih: first, w_hh: first + 1, bias: first + 2, extra }
    }

    /// The places of the linear layer's weight `[V, H]` and bias `[V]`.
    pub fn linear(&self) -> (usize, usize) {
        let first = usize::from(self.embedding) + self.per_layer * self.layers;
        (first, first + 1)
    }
}

/// Weights, or their gradients, or an optimiser's moments: all are this one type.
#[derive(Clone, Debug)]
pub struct Parameters {
    layout: Arc<Layout>,
    values: Buffer,
}

impl Parameters {
    /// Zeros for a network.
    pub fn zeros(config: &ModelConfig) -> Self {
        let layout = Arc::new(Layout::new(config));
        Parameters { values: Buffer::zeros(layout.len()), layout }
    }

    /// Zeros of the same layout.
    pub fn zeros_like(&self) -> Self {
        Parameters { layout: self.layout.clone(), values: Buffer::zeros(self.layout.len()) }
    }

    /// The table.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All numbers, in the order of the table.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All numbers, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The numbers of the array at this place in the table.
    pub fn slice(&self, index: usize) -> &[f32] {
        &self.values[self.layout.tensors[index].range()]
    }

    /// The numbers of the array at this place in the table, to be changed.
    pub fn slice_mut(&mut self, index: usize) -> &mut [f32] {
        &mut self.values[self.layout.tensors[index].range()]
    }

    /// The numbers of several neighbouring arrays at once, to be changed: `count` of them from `first` on.
    pub fn slices_mut<const N: usize>(&mut self, first: usize) -> [&mut [f32]; N] {
        let mut rest = &mut self.values[self.layout.tensors[first].offset..];
        std::array::from_fn(|k| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(self.layout.tensors[first + k].len());
            rest = tail;
            head
        })
    }

    /// The numbers of layer `l`, to be changed.
    pub fn layer_mut(&mut self, l: usize) -> LayerMut<'_> {
        let at = self.layout.layer(l);
        if at.extra.is_some() {
            let [w_ih, w_hh, bias, extra] = self.slices_mut(at.w_ih);
            LayerMut { w_ih, w_hh, bias, extra }
        } else {
            let [w_ih, w_hh, bias] = self.slices_mut(at.w_ih);
            LayerMut { w_ih, w_hh, bias, extra: &mut [] }
        }
    }

    /// The matrix at this place in the table.
    ///
    /// # Panics
    /// Where it has not two dimensions.
    pub fn matrix(&self, index: usize) -> ArrayView2<'_, f32> {
        let tensor = &self.layout.tensors[index];
        let shape = (tensor.shape[0], tensor.shape[1]);
        ArrayView2::from_shape(shape, self.slice(index)).expect("the table is consistent")
    }

    /// The matrix at this place in the table, to be changed.
    ///
    /// # Panics
    /// Where it has not two dimensions.
    pub fn matrix_mut(&mut self, index: usize) -> ArrayViewMut2<'_, f32> {
        let shape = (self.layout.tensors[index].shape[0], self.layout.tensors[index].shape[1]);
        ArrayViewMut2::from_shape(shape, self.slice_mut(index)).expect("the table is consistent")
    }

    /// The vector at this place in the table.
    pub fn vector(&self, index: usize) -> ArrayView1<'_, f32> {
        ArrayView1::from(self.slice(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Cell;

    /// The article's model: its Keras summary ends with 1,373,437 parameters.
    #[test]
    fn the_article_counts_right() {
        let config = ModelConfig {
            cell: Cell::Lstm,
            vocabulary: 93,
            input: Input::Embedding(32),
            hidden: 256,
            layers: 3,
            dropout: 0.2,
            weight_drop: 0.0,
        };
        assert_eq!(Layout::new(&config).len(), 1_373_437);
    }

    /// Embedding and linear layer have 93·32 + 93·256 + 93 numbers; a gate of the layers 256·(32 + 256 + 1) + 2·256·(256 + 256 + 1).
    #[test]
    fn every_cell_counts_right() {
        let around = 93 * 32 + 93 * 256 + 93;
        let gate = 256 * (32 + 256 + 1) + 2 * 256 * (256 + 256 + 1);
        for cell in Cell::ALL {
            let (gates, extra) = match cell {
                Cell::Rnn => (1, 0),
                Cell::Gru => (3, 3 * 256),
                Cell::Peepholes => (4, 3 * 3 * 256),
                Cell::Lstm | Cell::NoInputActivation | Cell::NoOutputActivation => (4, 0),
                _ => (3, 0),
            };
            let config = ModelConfig {
                cell,
                vocabulary: 93,
                input: Input::Embedding(32),
                hidden: 256,
                layers: 3,
                dropout: 0.2,
                weight_drop: 0.0,
            };
            assert_eq!(Layout::new(&config).len(), around + gates * gate + extra, "{cell}");
            let mut parameters = Parameters::zeros(&config);
            let sizes = [0, 1, 2].map(|l| {
                let LayerMut { w_ih, w_hh, bias, extra } = parameters.layer_mut(l);
                w_ih.len() + w_hh.len() + bias.len() + extra.len()
            });
            assert_eq!(sizes.iter().sum::<usize>(), gates * gate + extra, "{cell}");
        }
    }

    #[test]
    fn places_lead_to_the_right_names() {
        for input in [Input::Embedding(5), Input::Scalar] {
            let config = ModelConfig {
                cell: Cell::Lstm,
                vocabulary: 11,
                input,
                hidden: 7,
                layers: 2,
                dropout: 0.0,
                weight_drop: 0.0,
            };
            let mut parameters = Parameters::zeros(&config);
            let layout = parameters.layout.clone();
            let name = |k: usize| layout.tensors()[k].name.as_str();
            assert_eq!(layout.embedding().map(name), (input != Input::Scalar).then_some("embedding.weight"));
            let layer = layout.layer(1);
            assert_eq!(
                [layer.w_ih, layer.w_hh, layer.bias].map(name),
                ["lstm.weight_ih_l1", "lstm.weight_hh_l1", "lstm.bias_l1"]
            );
            assert_eq!([layout.linear().0, layout.linear().1].map(name), ["linear.weight", "linear.bias"]);
            let [w_ih, w_hh, bias] = parameters.slices_mut(layer.w_ih);
            assert_eq!([w_ih.len(), w_hh.len(), bias.len()], [28 * 7, 28 * 7, 28]);
            bias.fill(1.0);
            assert_eq!(parameters.slice(layer.bias), [1.0; 28]);
            assert_eq!(parameters.values().iter().sum::<f32>(), 28.0);
        }
    }
}
