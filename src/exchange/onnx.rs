//! Models as ONNX, for onnxruntime and others. Written, not read.
//!
//! ```text
//! inputs                                     outputs
//! tokens  int64 [T, B]                       logits  float [T, B, V]; many-to-one [B, V], after the last step
//! h_0     float [L, B, H]                    h_n     float [L, B, H]
//! c_0     float [L, B, H]                    c_n     float [L, B, H]
//! ```
//!
//! T and B are free. A tune begins with zeros as `h_0` and `c_0` and the line feed as its first token; `h_n` and `c_n` of one call are the state that
//! the next begins with. The graph is, in opset 17 (IR version 8):
//!
//! ```text
//! tokens ─ Gather(embedding.weight) ─ LSTM ─ Squeeze ─ … ─ LSTM ─ Squeeze ─ MatMul ─ Add ─ logits
//!          (scalar: Cast, Div by V, Unsqueeze)                   (many-to-one: its Y_h instead of Y)
//! h_0, c_0 ─ Split ─ one for each LSTM;     h and c after the last step ─ Concat ─ h_n, c_n
//! ```
//!
//! ONNX orders an LSTM's gates i, o, f, c, where c is this project's g, and has two biases, of which the second is zero. The model's
//! `metadata_props` have the entry `hornpipe`, the same as in a [safetensors file](super::safetensors).
//!
//! The format is described at <https://github.com/onnx/onnx/blob/main/docs/IR.md> and, field by field, in `onnx.proto` there.

use super::model::KEY;
use super::protobuf::Message;
use super::{ExchangeError, Model};
use crate::nn::lstm::{F, G, GATES, I, O};
use crate::nn::{Cell, Input};
use crate::train::Objective;

/// The version of ONNX's operators.
const OPSET: u64 = 17;
/// The version of the format that belongs to it.
const IR: u64 = 8;
/// ONNX's gates in their order, by this project's.
const GATE_ORDER: [usize; GATES] = [I, O, F, G];
/// Protocol Buffers hold 2 GiB; this leaves room for all that is not weights.
const MOST_NUMBERS: usize = ((1 << 31) - (1 << 24)) / 4;

/// `TensorProto.DataType`
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// The bytes of an ONNX file; the same for the same model.
///
/// # Errors
/// [`ExchangeError::NoCell`], where the model is not made of LSTMs; [`ExchangeError::TooLarge`], where the weights are more than the format holds.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, ExchangeError> {
    let cell = model.settings.cell;
    if cell != Cell::Lstm {
        return Err(ExchangeError::NoCell { format: "ONNX", cell });
    }
    if model.parameters.values().len() > MOST_NUMBERS {
        return Err(ExchangeError::TooLarge("an ONNX file holds 2 GB at most, and this model has more"));
    }
    let entry = Message::default().text(1, KEY).text(2, &model.description());
    let opset = Message::default().text(1, "").int(2, OPSET);
    let file = Message::default().int(1, IR).text(2, "hornpipe").message(7, graph(model));
    Ok(file.message(8, opset).message(14, entry).into_bytes())
}

/// The `GraphProto`.
fn graph(model: &Model) -> Message {
    let config = model.config();
    let (layers, hidden, vocabulary) = (config.layers, config.hidden, config.vocabulary);
    let (parameters, layout) = (&model.parameters, model.parameters.layout());
    let many_to_one = model.settings.objective == Objective::ManyToOne;
    let mut graph = Graph::default();

    if let (Input::Embedding(size), Some(table)) = (config.input, layout.embedding()) {
        graph.floats("embedding.weight", &[vocabulary, size], parameters.slice(table));
        graph.node("Gather", &["embedding.weight", "tokens"], &["x_l0"], &[]);
    } else {
        graph.floats("vocabulary", &[], &[vocabulary as f32]);
        graph.integer("axis_2", 2);
        graph.node("Cast", &["tokens"], &["token"], &[("to", FLOAT)]);
        graph.node("Div", &["token", "vocabulary"], &["number"], &[]);
        graph.node("Unsqueeze", &["number", "axis_2"], &["x_l0"], &[]);
    }

    // y [T, 1, B, H] of each LSTM that feeds another node: its second axis counts directions.
    let sequences = layers - usize::from(many_to_one);
    if sequences > 0 {
        graph.integer("axis_1", 1);
    }
    let of_layers = |name: &str| (0..layers).map(|l| format!("{name}_l{l}")).collect::<Vec<String>>();
    let [h_0, c_0, h_n, c_n] = ["h_0", "c_0", "h_n", "c_n"].map(of_layers);
    graph.node("Split", &["h_0"], &h_0, &[("axis", 0)]);
    graph.node("Split", &["c_0"], &c_0, &[("axis", 0)]);
    for l in 0..layers {
        let at = layout.layer(l);
        let [x, w, r, b, y] = ["x", "w", "r", "b", "y"].map(|name| format!("{name}_l{l}"));
        let rows = GATES * hidden;
        graph.floats(&w, &[1, rows, config.layer_input(l)], &onnx_gates(parameters.slice(at.w_ih)));
        graph.floats(&r, &[1, rows, hidden], &onnx_gates(parameters.slice(at.w_hh)));
        let mut biases = onnx_gates(parameters.slice(at.bias));
        biases.resize(2 * rows, 0.0);
        graph.floats(&b, &[1, 2 * rows], &biases);
        // Without a name the lengths of the sequences are left out: all have T steps.
        let inputs = [&x, &w, &r, &b, "", &h_0[l], &c_0[l]];
        graph.node("LSTM", &inputs, &[&y, &h_n[l], &c_n[l]], &[("hidden_size", hidden as u64)]);
        if l < sequences {
            graph.node("Squeeze", &[&y, "axis_1"], &[format!("x_l{}", l + 1)], &[]);
        }
    }
    graph.node("Concat", &h_n, &["h_n"], &[("axis", 0)]);
    graph.node("Concat", &c_n, &["c_n"], &[("axis", 0)]);

    let top = format!("x_l{layers}");
    if many_to_one {
        graph.integer("axis_0", 0);
        graph.node("Squeeze", &[&h_n[layers - 1], "axis_0"], &[&top], &[]);
    }
    let (weight, bias) = layout.linear();
    let transposed: Vec<f32> = parameters.matrix(weight).t().iter().copied().collect();
    graph.floats("linear.weight", &[hidden, vocabulary], &transposed);
    graph.floats("linear.bias", &[vocabulary], parameters.slice(bias));
    graph.node("MatMul", &[&top, "linear.weight"], &["products"], &[]);
    graph.node("Add", &["products", "linear.bias"], &["logits"], &[]);

    let (t, b) = (Size::Free("sequence"), Size::Free("batch"));
    let state = [Size::Is(layers), b, Size::Is(hidden)];
    let all = [t, b, Size::Is(vocabulary)];
    let logits = if many_to_one { &all[1..] } else { &all };
    Message::default()
        .messages(1, graph.nodes)
        .text(2, "hornpipe")
        .messages(5, graph.initializers)
        .messages(
            11,
            [value("tokens", INT64, &[t, b]), value("h_0", FLOAT, &state), value("c_0", FLOAT, &state)],
        )
        .messages(
            12,
            [value("logits", FLOAT, logits), value("h_n", FLOAT, &state), value("c_n", FLOAT, &state)],
        )
}

/// An array of four equal blocks, one a gate, in ONNX's order.
fn onnx_gates(values: &[f32]) -> Vec<f32> {
    let block = values.len() / GATES;
    GATE_ORDER.iter().flat_map(|gate| &values[gate * block..][..block]).copied().collect()
}

/// What a graph is made of.
#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    initializers: Vec<Message>,
}

impl Graph {
    /// A `NodeProto` whose attributes are integers.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[impl AsRef<str>],
        outputs: &[impl AsRef<str>],
        attributes: &[(&str, u64)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input.as_ref());
        }
        for output in outputs {
            node = node.text(2, output.as_ref());
        }
        // `AttributeType.INT` is 2.
        let attribute =
            |&(name, value): &(&str, u64)| Message::default().text(1, name).int(3, value).int(20, 2);
        // The first output is no other node's.
        let name = outputs.first().map_or("", AsRef::as_ref);
        node = node.text(3, &format!("{operator} {name}")).text(4, operator);
        self.nodes.push(node.messages(5, attributes.iter().map(attribute)));
    }

    /// A `TensorProto`.
    fn constant(&mut self, name: &str, dtype: u64, shape: &[usize], bytes: &[u8]) {
        let tensor = shape.iter().fold(Message::default(), |tensor, &size| tensor.int(1, size as u64));
        self.initializers.push(tensor.int(2, dtype).text(8, name).bytes(9, bytes));
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, FLOAT, shape, &bytes);
    }

    /// An array of one integer, as axes are given.
    fn integer(&mut self, name: &str, value: i64) {
        self.constant(name, INT64, &[1], &value.to_le_bytes());
    }
}

/// One dimension of an input or output.
#[derive(Clone, Copy)]
enum Size {
    Is(usize),
    Free(&'static str),
}

/// A `ValueInfoProto` of a tensor.
fn value(name: &str, dtype: u64, shape: &[Size]) -> Message {
    let dimensions = shape.iter().map(|size| match *size {
        Size::Is(size) => Message::default().int(1, size as u64),
        Size::Free(name) => Message::default().text(2, name),
    });
    let shape = Message::default().messages(1, dimensions);
    let tensor = Message::default().int(1, dtype).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}
