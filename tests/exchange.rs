//! Models leave as safetensors and come back the same; files that are not as they should be are refused with a sentence.

mod common;

use common::exchange::{
    CHARACTERS, PytorchsModel, advance, close, model, numbers, open, plain, pytorchs_models,
};
use common::{Bound, bits};
use hornpipe::exchange::{Given, safetensors};
use hornpipe::nn::{Input, Parameters};
use hornpipe::train::{Objective, Snapshot};
use serde_json::{Value, json};

#[test]
fn a_model_comes_back_to_the_bit() {
    for objective in [Objective::ManyToOne, Objective::ManyToMany] {
        for (input, hidden, layers) in
            [(Input::Embedding(5), 7, 2), (Input::Scalar, 4, 1), (Input::Embedding(1), 3, 12)]
        {
            let mut model = model(objective, input, hidden, layers);
            let bias = model.parameters.layout().layer(0).bias;
            model.parameters.slice_mut(bias)[..2].copy_from_slice(&[-0.0, f32::MIN_POSITIVE / 2.0]);
            let bytes = safetensors::to_bytes(&model).unwrap();
            let back = safetensors::from_bytes(&bytes, &Given::default()).unwrap();
            assert!(bits(back.parameters.values()) == bits(model.parameters.values()));
            assert_eq!(back.settings, model.settings);
            assert_eq!(back.vocabulary, model.vocabulary);
            assert_eq!(back.seed_window, model.seed_window);
            assert_eq!(safetensors::to_bytes(&back).unwrap(), bytes, "the same model, the same bytes");
            // What comes of it is a checkpoint like any other.
            let checkpoint = back.into_snapshot().to_checkpoint();
            let snapshot = Snapshot::from_checkpoint(&checkpoint).unwrap();
            assert!(bits(snapshot.parameters.values()) == bits(model.parameters.values()));
            assert_eq!(snapshot.to_checkpoint().to_bytes(), checkpoint.to_bytes());
        }
    }
}

#[test]
fn names_and_shapes_are_pytorchs() {
    let model = model(Objective::ManyToMany, Input::Embedding(5), 7, 2);
    let (header, data) = open(&safetensors::to_bytes(&model).unwrap());
    let shapes = [
        ("embedding.weight", json!([8, 5])),
        ("lstm.weight_ih_l0", json!([28, 5])),
        ("lstm.weight_hh_l0", json!([28, 7])),
        ("lstm.bias_ih_l0", json!([28])),
        ("lstm.bias_hh_l0", json!([28])),
        ("lstm.weight_ih_l1", json!([28, 7])),
        ("lstm.weight_hh_l1", json!([28, 7])),
        ("lstm.bias_ih_l1", json!([28])),
        ("lstm.bias_hh_l1", json!([28])),
        ("linear.weight", json!([8, 7])),
        ("linear.bias", json!([8])),
    ];
    assert_eq!(header.as_object().unwrap().len(), shapes.len() + 1, "and the metadata");
    for (name, shape) in shapes {
        assert_eq!((&header[name]["shape"], &header[name]["dtype"]), (&shape, &json!("F32")), "{name}");
        let own = model
            .parameters
            .layout()
            .tensors()
            .iter()
            .position(|t| t.name == name.replace("bias_ih", "bias"));
        match own {
            Some(place) => assert_eq!(numbers(&header, &data, name), model.parameters.slice(place), "{name}"),
            None => assert_eq!(bits(&numbers(&header, &data, name)), [0; 28], "{name}"),
        }
    }
    let said: Value = serde_json::from_str(header["__metadata__"]["hornpipe"].as_str().unwrap()).unwrap();
    assert_eq!(said["vocabulary"], CHARACTERS);
    assert_eq!(said["settings"]["hidden"], 7);
}

#[test]
fn what_a_file_does_not_say_is_given() {
    let own = model(Objective::ManyToOne, Input::Embedding(5), 7, 2);
    let (header, data) = plain(&own);
    let bytes = close(&header, &data);
    let chars: Vec<char> = CHARACTERS.chars().collect();
    let given =
        Given { vocabulary: Some(chars.clone()), objective: Some(Objective::ManyToOne), seq_len: Some(30) };
    let model = safetensors::from_bytes(&bytes, &given).unwrap();
    assert!(bits(model.parameters.values()) == bits(own.parameters.values()));
    assert_eq!((model.settings.objective, model.settings.seq_len), (Objective::ManyToOne, 30));
    assert_eq!((model.settings.dropout, model.settings.validation_fraction), (0.0, 0.0));
    assert!(model.seed_window.is_empty());

    let given = Given { vocabulary: Some(chars), ..Given::default() };
    let model = safetensors::from_bytes(&bytes, &given).unwrap();
    assert_eq!(model.settings.objective, Objective::ManyToMany);

    // The characters alone, in the metadata.
    let mut said = header.clone();
    said["__metadata__"] = json!({"hornpipe": json!({"vocabulary": CHARACTERS}).to_string(), "format": "pt"});
    let model = safetensors::from_bytes(&close(&said, &data), &Given::default()).unwrap();
    assert_eq!(model.vocabulary, own.vocabulary);
    assert!(bits(model.parameters.values()) == bits(own.parameters.values()));
}

#[test]
fn characters_in_another_order_take_their_rows_along() {
    let own = model(Objective::ManyToMany, Input::Embedding(5), 7, 1);
    let chars: Vec<char> = CHARACTERS.chars().collect();
    // Integer k of the foreign model is integer order[k] here.
    let order = [3, 0, 7, 1, 6, 2, 5, 4];
    let (mut header, data) = plain(&own);
    let mut shuffled = data.clone();
    for name in ["embedding.weight", "linear.weight", "linear.bias"] {
        let from = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
        let row =
            4 * header[name]["shape"].as_array().unwrap().get(1).map_or(1, |n| n.as_u64().unwrap() as usize);
        for (k, &place) in order.iter().enumerate() {
            shuffled[from + k * row..][..row].copy_from_slice(&data[from + place * row..][..row]);
        }
    }
    let foreign: String = order.iter().map(|&k| chars[k]).collect();
    let given = Given { vocabulary: Some(foreign.chars().collect()), ..Given::default() };
    let model = safetensors::from_bytes(&close(&header, &shuffled), &given).unwrap();
    assert_eq!(model.vocabulary, own.vocabulary);
    assert!(bits(model.parameters.values()) == bits(own.parameters.values()));

    header["__metadata__"] =
        json!({"hornpipe": json!({"vocabulary": foreign, "seed_window": [0, 1, 2]}).to_string()});
    let model = safetensors::from_bytes(&close(&header, &shuffled), &Given::default()).unwrap();
    assert_eq!(model.seed_window, [3, 0, 7]);
}

#[test]
fn two_biases_are_added() {
    let own = model(Objective::ManyToMany, Input::Embedding(5), 7, 1);
    let (header, mut data) = plain(&own);
    let at = header["lstm.bias_hh_l0"]["data_offsets"][0].as_u64().unwrap() as usize;
    for k in 0..28 {
        data[at + 4 * k..][..4].copy_from_slice(&(k as f32).to_le_bytes());
    }
    let given = Given { vocabulary: Some(CHARACTERS.chars().collect()), ..Given::default() };
    let model = safetensors::from_bytes(&close(&header, &data), &given).unwrap();
    let bias = |p: &Parameters| p.slice(p.layout().layer(0).bias).to_vec();
    let sums: Vec<f32> = bias(&own.parameters).iter().enumerate().map(|(k, b)| b + k as f32).collect();
    assert_eq!(bias(&model.parameters), sums);
}

/// Models that PyTorch wrote give the logits that PyTorch computes.
#[test]
fn pytorchs_models_give_pytorchs_logits() {
    let cases = pytorchs_models();
    assert_eq!(cases.len(), 3);
    for PytorchsModel { name, vocabulary, rows, logits, model } in cases {
        let chars: Vec<char> = vocabulary.chars().collect();
        let (t, b, v) = (rows[0].chars().count(), rows.len(), chars.len());
        assert_eq!(logits.shape, [t, b, v]);
        let mut want = logits.data.chunks_exact(v);
        let mut bound = Bound::new(0.0, 1e-5);
        for row in advance(&model, &rows) {
            // Their order of characters is another.
            let place =
                |&c: &char| row[model.vocabulary.encode_char(c).expect("the same characters") as usize];
            bound.check(&name, chars.iter().map(place), want.next().expect("T·B rows").iter().copied());
        }
        assert!(want.next().is_none());
        println!("{name}: {bound}");
    }
}

/// What the README shows of Python is what the scripts do, which `exchange_python.rs` runs.
#[test]
fn the_readme_quotes_the_scripts() {
    let read =
        |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let scripts =
        ["to_pytorch", "from_pytorch"].map(|name| read(&format!("benches/frameworks/exchange/{name}.py")));
    let readme = read("README.md");
    // Some of it is indented there.
    let lines = |text: &str| text.lines().map(|line| line.trim_start().to_string()).collect::<Vec<_>>();
    let blocks: Vec<Vec<String>> =
        readme.split("```python\n").skip(1).map(|rest| lines(rest.split("```").next().unwrap())).collect();
    for script in scripts {
        let script = lines(&script);
        let quoted = |block: &&Vec<String>| script.windows(block.len()).any(|w| w == block.as_slice());
        let length = blocks.iter().find(quoted).expect("a block of the README that is in the script").len();
        assert!(length >= 8, "{length} lines");
    }
}
