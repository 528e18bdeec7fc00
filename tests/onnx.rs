//! ONNX files, read and computed here without any library: a reader of Protocol Buffers and the few operators in f64, as the ONNX
//! documentation defines them. The logits must be those of PyTorch's models (`tests/exchange`). That onnxruntime agrees is tested in
//! `exchange_python.rs`.

mod common;

use common::Bound;
use common::exchange::{model, pytorchs_models};
use hornpipe::exchange::onnx;
use hornpipe::nn::Input;
use hornpipe::train::{Objective, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// A field's content.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field<'a> {
    Int(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than 64 bits");
}

/// The fields of a message in their order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (key, value) = (varint(&mut bytes), varint(&mut bytes));
        let field = match key & 7 {
            0 => Field::Int(value),
            2 => {
                let (content, rest) = bytes.split_at(value as usize);
                bytes = rest;
                Field::Bytes(content)
            }
            kind => panic!("wire type {kind}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn all(message: &[u8], number: u64) -> Vec<&[u8]> {
    let bytes = |(n, field)| match field {
        Field::Bytes(bytes) if n == number => Some(bytes),
        _ => None,
    };
    fields(message).into_iter().filter_map(bytes).collect()
}

fn one(message: &[u8], number: u64) -> &[u8] {
    let [only] = all(message, number)[..] else { panic!("field {number} is not there once") };
    only
}

fn ints(message: &[u8], number: u64) -> Vec<u64> {
    let int = |(n, field)| match field {
        Field::Int(value) if n == number => Some(value),
        _ => None,
    };
    fields(message).into_iter().filter_map(int).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// An array of any type, its numbers as f64.
#[derive(Clone, Debug)]
struct Tensor {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Tensor {
    fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Tensor { shape: shape.to_vec(), data }
    }

    fn zeros(shape: &[usize]) -> Self {
        Tensor::new(shape, vec![0.0; shape.iter().product()])
    }

    /// From a `TensorProto`.
    fn read(message: &[u8]) -> (String, Self) {
        let raw = one(message, 9);
        let data = match ints(message, 2)[..] {
            [1] => raw.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            [7] => raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            ref other => panic!("types {other:?}"),
        };
        let shape: Vec<usize> = ints(message, 1).into_iter().map(|n| n as usize).collect();
        (text(one(message, 8)), Tensor::new(&shape, data))
    }
}

type Values = BTreeMap<String, Tensor>;

/// The outputs of one node.
fn compute(op: &str, inputs: &[&Tensor], attributes: &BTreeMap<String, u64>, outputs: usize) -> Vec<Tensor> {
    let [x, ..] = inputs else { panic!("{op} without inputs") };
    let axis = || inputs[1].data[0] as usize;
    let one = match op {
        "Cast" => (*x).clone(),
        "Div" => Tensor::new(&x.shape, x.data.iter().map(|a| a / inputs[1].data[0]).collect()),
        "Unsqueeze" => {
            let mut shape = x.shape.clone();
            shape.insert(axis(), 1);
            Tensor::new(&shape, x.data.clone())
        }
        "Squeeze" => {
            let mut shape = x.shape.clone();
            assert_eq!(shape.remove(axis()), 1);
            Tensor::new(&shape, x.data.clone())
        }
        "Gather" => {
            let width = x.shape[1];
            let row = |&k: &f64| x.data[k as usize * width..][..width].to_vec();
            Tensor::new(
                &[&inputs[1].shape[..], &[width]].concat(),
                inputs[1].data.iter().flat_map(row).collect(),
            )
        }
        "MatMul" => {
            let (inner, width) = (inputs[1].shape[0], inputs[1].shape[1]);
            assert_eq!(x.shape.last(), Some(&inner));
            let mut shape = x.shape.clone();
            *shape.last_mut().unwrap() = width;
            let product = |row: &[f64], j: usize| -> f64 {
                row.iter().enumerate().map(|(k, a)| a * inputs[1].data[k * width + j]).sum()
            };
            let rows = x.data.chunks_exact(inner);
            Tensor::new(&shape, rows.flat_map(|row| (0..width).map(move |j| product(row, j))).collect())
        }
        "Add" => {
            let width = inputs[1].data.len();
            assert_eq!((x.shape.last(), inputs[1].shape.len()), (Some(&width), 1));
            Tensor::new(
                &x.shape,
                x.data.iter().enumerate().map(|(k, a)| a + inputs[1].data[k % width]).collect(),
            )
        }
        "Concat" => {
            assert_eq!(attributes["axis"], 0);
            let rows = inputs.iter().map(|x| x.shape[0]).sum();
            let data = inputs.iter().flat_map(|x| x.data.clone()).collect();
            Tensor::new(&[&[rows], &x.shape[1..]].concat(), data)
        }
        "Split" => {
            assert_eq!((attributes["axis"], x.shape[0] % outputs), (0, 0));
            let shape = [&[x.shape[0] / outputs], &x.shape[1..]].concat();
            return x
                .data
                .chunks_exact(x.data.len() / outputs)
                .map(|piece| Tensor::new(&shape, piece.to_vec()))
                .collect();
        }
        "LSTM" => return lstm(inputs, attributes["hidden_size"] as usize),
        other => panic!("operator {other}"),
    };
    vec![one]
}

/// X [T, B, I], W [1, 4H, I], R [1, 4H, H], B [1, 8H], initial_h and initial_c [1, B, H], gates i, o, f, c; gives Y [T, 1, B, H], Y_h and Y_c.
fn lstm(inputs: &[&Tensor], hidden: usize) -> Vec<Tensor> {
    let [x, w, r, b, h, c] = inputs else { panic!("an LSTM with {} inputs", inputs.len()) };
    let [steps, rows, size] = x.shape[..] else { panic!("X has shape {:?}", x.shape) };
    assert_eq!((&w.shape[..], &r.shape[..]), (&[1, 4 * hidden, size][..], &[1, 4 * hidden, hidden][..]));
    assert_eq!((&b.shape[..], &h.shape[..]), (&[1, 8 * hidden][..], &[1, rows, hidden][..]));
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let (mut h, mut c) = ((*h).clone(), (*c).clone());
    let mut y = Vec::new();
    for t in 0..steps {
        for row in 0..rows {
            let x = &x.data[(t * rows + row) * size..][..size];
            let before = h.data[row * hidden..][..hidden].to_vec();
            for u in 0..hidden {
                let [i, o, f, g] = [0, 1, 2, 3].map(|gate| {
                    let k = gate * hidden + u;
                    dot(x, &w.data[k * size..][..size])
                        + dot(&before, &r.data[k * hidden..][..hidden])
                        + b.data[k]
                        + b.data[4 * hidden + k]
                });
                let at = row * hidden + u;
                c.data[at] = sigmoid(f) * c.data[at] + sigmoid(i) * g.tanh();
                h.data[at] = sigmoid(o) * c.data[at].tanh();
            }
        }
        y.extend_from_slice(&h.data);
    }
    vec![Tensor::new(&[steps, 1, rows, hidden], y), h, c]
}

/// A model's graph, taken apart.
struct Graph<'a> {
    nodes: Vec<&'a [u8]>,
    constants: Values,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl<'a> Graph<'a> {
    fn read(file: &'a [u8]) -> Self {
        assert_eq!(ints(file, 1), [8], "the IR's version");
        assert_eq!(ints(one(file, 8), 2), [17], "the opset");
        let graph = one(file, 7);
        let names = |number| all(graph, number).into_iter().map(|value| text(one(value, 1))).collect();
        Graph {
            nodes: all(graph, 1),
            constants: all(graph, 5).into_iter().map(Tensor::read).collect(),
            inputs: names(11),
            outputs: names(12),
        }
    }

    /// Every node in its order, each from what is known before it.
    fn run(&self, tokens: Tensor, h: Tensor, c: Tensor) -> Vec<Tensor> {
        let mut values = self.constants.clone();
        assert_eq!(self.inputs, ["tokens", "h_0", "c_0"]);
        values.extend(self.inputs.iter().cloned().zip([tokens, h, c]));
        let mut names = BTreeSet::new();
        let mut used = BTreeSet::new();
        for node in &self.nodes {
            let attribute = |a: &&[u8]| (text(one(a, 1)), ints(a, 3)[0]);
            let attributes = all(node, 5).iter().map(attribute).collect();
            let [inputs, outputs] =
                [1, 2].map(|number| all(node, number).into_iter().map(text).collect::<Vec<_>>());
            used.extend(inputs.iter().cloned());
            // An optional input that is left out has no name.
            let known = |name: &String| values.get(name).unwrap_or_else(|| panic!("nobody computed {name}"));
            let inputs: Vec<&Tensor> = inputs.iter().filter(|name| !name.is_empty()).map(known).collect();
            let results = compute(&text(one(node, 4)), &inputs, &attributes, outputs.len());
            assert_eq!(results.len(), outputs.len());
            for (name, result) in outputs.into_iter().zip(results) {
                assert!(values.insert(name.clone(), result).is_none(), "{name} is computed twice");
            }
            assert!(names.insert(text(one(node, 3))), "two nodes of one name");
        }
        assert!(self.constants.keys().all(|name| used.contains(name)), "no constant is idle");
        self.outputs.iter().map(|name| values[name].clone()).collect()
    }
}

#[test]
fn the_graph_computes_what_pytorch_does() {
    for case in pytorchs_models() {
        let (name, model) = (case.name, case.model);
        let file = onnx::to_bytes(&model).unwrap();
        assert_eq!(file, onnx::to_bytes(&model).unwrap());
        let graph = Graph::read(&file);
        let [t, b, v] = case.logits.shape[..] else { panic!("[T, B, V]") };
        let state = Tensor::zeros(&[model.settings.layers, b, model.settings.hidden]);
        let rows: Vec<Vec<u32>> = case.rows.iter().map(|row| model.vocabulary.encode(row).unwrap()).collect();
        let token = |k: usize| f64::from(rows[k % b][k / b]);
        let tokens = Tensor::new(&[t, b], (0..t * b).map(token).collect());
        let outputs = graph.run(tokens.clone(), state.clone(), state.clone());
        assert_eq!(outputs[0].shape, [t, b, v]);
        let mut bound = Bound::new(0.0, 1e-6);
        // Their order of characters is another.
        let place = |c: char| model.vocabulary.encode_char(c).unwrap() as usize;
        for (got, want) in outputs[0].data.chunks_exact(v).zip(case.logits.data.chunks_exact(v)) {
            bound.check(&name, case.vocabulary.chars().map(|c| got[place(c)]), want.iter().copied());
        }
        println!("{name}: {bound}");

        // In two pieces, the state handed on.
        let piece =
            |from: usize, to: usize| Tensor::new(&[to - from, b], tokens.data[from * b..to * b].to_vec());
        let [_, h, c] = &graph.run(piece(0, 2), state.clone(), state)[..] else { panic!("three outputs") };
        let rest = graph.run(piece(2, t), h.clone(), c.clone());
        let mut bound = Bound::new(0.0, 1e-12);
        bound.check("logits", rest[0].data.clone(), outputs[0].data[2 * b * v..].to_vec());
        bound.check("h_n", rest[1].data.clone(), outputs[1].data.clone());
        bound.check("c_n", rest[2].data.clone(), outputs[2].data.clone());
    }
}

#[test]
fn many_to_one_gives_the_last_steps_logits() {
    for (input, layers) in [(Input::Embedding(5), 3), (Input::Scalar, 1)] {
        let [mut last, mut every] =
            [Objective::ManyToOne, Objective::ManyToMany].map(|objective| model(objective, input, 4, layers));
        last.parameters.values_mut().copy_from_slice(every.parameters.values());
        every.seed_window.clear();
        let tokens = Tensor::new(&[5, 2], (0..10).map(|k| f64::from(k * 3 % 8)).collect());
        let state = Tensor::zeros(&[layers, 2, 4]);
        let [last, every] = [last, every].map(|model| {
            let file = onnx::to_bytes(&model).unwrap();
            Graph::read(&file).run(tokens.clone(), state.clone(), state.clone())
        });
        assert_eq!((&last[0].shape[..], &every[0].shape[..]), (&[2, 8][..], &[5, 2, 8][..]));
        assert_eq!(last[0].data, every[0].data[4 * 2 * 8..]);
        assert_eq!((&last[1].data, &last[2].data), (&every[1].data, &every[2].data));
    }
}

#[test]
fn the_description_travels() {
    let model = model(Objective::ManyToOne, Input::Embedding(5), 7, 2);
    let file = onnx::to_bytes(&model).unwrap();
    let entry = one(&file, 14);
    assert_eq!(text(one(entry, 1)), "hornpipe");
    let said: serde_json::Value = serde_json::from_slice(one(entry, 2)).unwrap();
    assert_eq!(said["vocabulary"], String::from(model.vocabulary));
    assert_eq!(said["seed_window"], serde_json::json!(model.seed_window));
    let settings: Settings = serde_json::from_value(said["settings"].clone()).unwrap();
    assert_eq!(settings, model.settings);
    // What a caller sees: free axes have names, the others sizes.
    let shapes = |number| -> Vec<String> {
        let shape = |value: &[u8]| {
            let dimensions = all(one(one(one(value, 2), 1), 2), 1);
            let size = |d: &&[u8]| ints(d, 1).first().map_or_else(|| text(one(d, 2)), u64::to_string);
            let sizes: Vec<String> = dimensions.iter().map(size).collect();
            format!("{} [{}]", text(one(value, 1)), sizes.join(", "))
        };
        all(one(&file, 7), number).into_iter().map(shape).collect()
    };
    assert_eq!(shapes(11), ["tokens [sequence, batch]", "h_0 [2, batch, 7]", "c_0 [2, batch, 7]"]);
    assert_eq!(shapes(12), ["logits [batch, 8]", "h_n [2, batch, 7]", "c_n [2, batch, 7]"]);
}
