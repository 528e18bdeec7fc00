//! Safetensors files that are damaged, hostile or another model's are refused, each with a sentence that says what was expected.

mod common;

use common::exchange::{CHARACTERS, close, model, open, plain};
use hornpipe::exchange::{Given, safetensors};
use hornpipe::nn::Input;
use hornpipe::train::Objective;
use serde_json::{Value, json};

fn given() -> Given {
    Given { vocabulary: Some(CHARACTERS.chars().collect()), ..Given::default() }
}

fn refusal(bytes: &[u8], given: &Given) -> String {
    match safetensors::from_bytes(bytes, given) {
        Ok(_) => panic!("this file was taken"),
        Err(error) => error.to_string(),
    }
}

/// A sound file without metadata.
fn file() -> (Value, Vec<u8>) {
    plain(&model(Objective::ManyToMany, Input::Embedding(5), 7, 2))
}

/// The refusal of that file with another header.
fn edited(edit: impl FnOnce(&mut Value)) -> String {
    let (mut header, data) = file();
    edit(&mut header);
    refusal(&close(&header, &data), &given())
}

/// The refusal of that file with a tensor taken out, its bytes too, and another put in its place under another name.
fn replaced(name: &str, by: Option<(&str, Value, usize)>) -> String {
    let (header, data) = file();
    let mut tensors: Vec<(String, Value)> =
        header.as_object().unwrap().iter().map(|(name, info)| (name.clone(), info.clone())).collect();
    tensors.sort_by_key(|(_, info)| info["data_offsets"][0].as_u64());
    let (mut out, mut bytes) = (json!({}), Vec::new());
    let mut put = |name: &str, mut info: Value, content: &[u8]| {
        info["data_offsets"] = json!([bytes.len(), bytes.len() + content.len()]);
        bytes.extend(content);
        out[name] = info;
    };
    for (own, info) in tensors {
        let at = |k: usize| info["data_offsets"][k].as_u64().unwrap() as usize;
        match &by {
            _ if own != name => put(&own, info.clone(), &data[at(0)..at(1)]),
            Some((other, info, length)) => put(other, info.clone(), &vec![0; *length]),
            None => {}
        }
    }
    refusal(&close(&out, &bytes), &given())
}

#[track_caller]
fn says(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "no {part:?} in: {refusal}");
    }
}

#[test]
fn a_container_that_is_not_whole() {
    let (header, data) = file();
    let bytes = close(&header, &data);
    safetensors::from_bytes(&bytes, &given()).expect("the file itself is sound");
    let lies = |length: u64| [&length.to_le_bytes(), &bytes[8..]].concat();
    let cases: [(&[u8], &str); 10] = [
        (b"", "less than 8 bytes"),
        (b"HORNPIP", "less than 8 bytes"),
        (&lies(u64::MAX), "longer than the file"),
        (&lies(bytes.len() as u64), "longer than the file"),
        (&lies(0), "its header is not as it should be"),
        (&lies(9), "its header is not as it should be"),
        (&bytes[..bytes.len() - 1], "its length is not that of its header and tensors"),
        (&[&bytes[..], b"!"].concat(), "its length is not that of its header and tensors"),
        (&close(&json!([1, 2]), &data), "its header is not as it should be"),
        (&[&4u64.to_le_bytes()[..], &[b'{', 0xFF, b'}', b' ']].concat(), "its header is not UTF-8"),
    ];
    for (bytes, part) in cases {
        says(&refusal(bytes, &given()), &["no whole safetensors file", part]);
    }
    let long = [&(5u64 << 20).to_le_bytes()[..], &vec![b' '; 6 << 20]].concat();
    says(&refusal(&long, &given()), &["longer than 4 MiB"]);
}

#[test]
fn a_header_that_lies() {
    let offsets = |name: &'static str, offsets: [u64; 2]| {
        edited(move |header| header[name]["data_offsets"] = json!(offsets))
    };
    says(&offsets("linear.bias", [0, 16]), &["do not make as many bytes"]);
    says(&offsets("linear.weight", [0, 224]), &["do not follow on"]);
    says(&offsets("linear.weight", [224, 32]), &["`linear.weight` do not follow on"]);
    says(&offsets("lstm.weight_ih_l1", [u64::MAX - 1, u64::MAX]), &["do not follow on"]);
    let shape = |shape: Value| edited(move |header| header["linear.bias"]["shape"] = shape);
    says(&shape(json!([9])), &["do not make as many bytes"]);
    says(&shape(json!([u64::MAX, 2])), &["larger than any memory"]);
    says(&shape(json!([1u64 << 40, 1u64 << 40, 0])), &["larger than any memory"]);
    says(&shape(json!([-8])), &["its header is not as it should be"]);
    says(&shape(json!([8.5])), &["its header is not as it should be"]);
    says(
        &edited(|header| header["linear.bias"]["dtype"] = json!("F31")),
        &["its header is not as it should be"],
    );
    says(&edited(|header| header["linear.bias"] = json!(null)), &["its header is not as it should be"]);
}

/// What a file holds reaches nobody's terminal as it stands, and not at any length.
#[test]
fn messages_stay_short_and_plain() {
    let evil = format!("\u{1b}[2J\n{}", "F".repeat(1 << 20));
    let edits: [&dyn Fn(&mut Value); 3] = [
        &|header| header["linear.bias"]["dtype"] = json!(evil),
        &|header| header[&evil] = json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
        &|header| {
            header["__metadata__"] =
                json!({"hornpipe": json!({"vocabulary": "", "settings": evil}).to_string()})
        },
    ];
    for edit in edits {
        let said = edited(edit);
        assert!(said.chars().count() < 700 && !said.contains(char::is_control), "{said:?}");
    }
}

/// Whatever one byte of the header or its length becomes, there is an answer, and a file that is taken is a model.
#[test]
fn every_byte_of_the_header_changed() {
    let model = model(Objective::ManyToMany, Input::Embedding(2), 1, 1);
    let bytes = safetensors::to_bytes(&model).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for at in 0..header {
        for change in [0x01, 0x04, 0x10, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            match safetensors::from_bytes(&changed, &Given::default()) {
                Ok(model) => assert_eq!(model.parameters.values().len(), model.parameters.layout().len()),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 2 * header, "{refused} of {}", 4 * header);
    for length in 0..bytes.len() {
        refusal(&bytes[..length], &Given::default());
    }
}

#[test]
fn other_names() {
    for name in
        ["linear.weight", "lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_hh_l1", "lstm.weight_hh_l1"]
    {
        says(&replaced(name, None), &[&format!("there is no tensor `{name}`, but `"), "`linear.bias` [V]"]);
    }
    // Without its first tensor a second layer is no layer.
    says(&replaced("lstm.weight_ih_l1", None), &["no model of this program has a tensor `lstm."]);
    says(&replaced("embedding.weight", None), &["no `embedding.weight`", "takes 5 numbers", "torch.eye(5)"]);
    let f32s = |shape: Value| json!({"dtype": "F32", "shape": shape});
    let fc = replaced("linear.weight", Some(("fc.weight", f32s(json!([8, 7])), 224)));
    says(&fc, &["there is no tensor `linear.weight`", "`fc.weight`", "rename them"]);
    let reverse = ("lstm.weight_ih_l0_reverse", f32s(json!([28, 5])), 560);
    says(&replaced("lstm.weight_ih_l1", Some(reverse)), &["lstm."]);
    let (header, data) = file();
    let add = |name: &str| {
        let mut header = header.clone();
        header[name] = json!({"dtype": "F32", "shape": [1], "data_offsets": [data.len(), data.len() + 4]});
        refusal(&close(&header, &[&data[..], &[0; 4]].concat()), &given())
    };
    says(&add("lstm.bias_ih_l0_reverse"), &["`lstm.bias_ih_l0_reverse` (of an LSTM in both directions"]);
    says(&add("lstm.weight_hr_l0"), &["with projections"]);
    says(&add("conv.weight\n\u{1b}[31m"), &[r"`conv.weight\n\u{1b}[31m`"]);
    says(&add(&"x".repeat(1000)), &[&format!("`{}…`", "x".repeat(60))]);
    says(&add("lstm.bias_l0"), &["no model of this program has a tensor `lstm.bias_l0`"]);
    says(
        &refusal(&close(&json!({}), b""), &given()),
        &["there is no tensor `lstm.weight_ih_l0`, but none at all"],
    );
}

#[test]
fn other_shapes() {
    let shape = |name: &'static str, shape: Value| edited(move |header| header[name]["shape"] = shape);
    let linear = shape("linear.weight", json!([7, 8]));
    says(&linear, &["`embedding.weight` has shape [8, 5]; expected was [7, 5], since V is 7"]);
    says(&shape("linear.weight", json!([56])), &["`linear.weight` has shape [56]; expected was [V, H]"]);
    says(
        &shape("lstm.weight_hh_l0", json!([7, 28])),
        &["`lstm.weight_ih_l0` has shape [28, 5]; expected was [112, 5]"],
    );
    says(
        &shape("lstm.weight_ih_l1", json!([7, 28])),
        &["`lstm.weight_ih_l1` has shape [7, 28]; expected was [28, 7]"],
    );
    says(
        &shape("lstm.bias_ih_l0", json!([4, 7])),
        &["`lstm.bias_ih_l0` has shape [4, 7]; expected was [28]"],
    );
    says(&shape("embedding.weight", json!([5, 8])), &["expected was [8, 8], since V is 8, I 8, H 7 and L 2"]);
    let empty =
        replaced("embedding.weight", Some(("embedding.weight", json!({"dtype": "F32", "shape": [8, 0]}), 0)));
    says(&empty, &["the embedding size must be from 1 to 32768, and not 0"]);
}

#[test]
fn other_types() {
    for (dtype, size) in [("F64", 8), ("F16", 2), ("BF16", 2), ("I32", 4)] {
        let info = json!({"dtype": dtype, "shape": [8]});
        let said = replaced("linear.bias", Some(("linear.bias", info, 8 * size)));
        says(
            &said,
            &[&format!("`linear.bias` holds {dtype} numbers, and F32 was expected"), "model.float()"],
        );
    }
}

#[test]
fn numbers_that_are_none() {
    let (header, data) = file();
    let with = |name: &str, numbers: &[f32]| {
        let mut data = data.clone();
        let at = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
        for (k, number) in numbers.iter().enumerate() {
            data[at + 4 * k..][..4].copy_from_slice(&number.to_le_bytes());
        }
        close(&header, &data)
    };
    for (name, number) in [("embedding.weight", f32::NAN), ("lstm.bias_hh_l1", f32::INFINITY)] {
        says(
            &refusal(&with(name, &[0.0, number]), &given()),
            &[&format!("`{name}` has a number that is {number}")],
        );
    }
    // Each of two biases is a number, and their sum is none.
    let mut data = data.clone();
    for name in ["lstm.bias_ih_l0", "lstm.bias_hh_l0"] {
        let at = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
        data[at..][..4].copy_from_slice(&f32::MAX.to_le_bytes());
    }
    says(&refusal(&close(&header, &data), &given()), &["`lstm.bias_hh_l0` has a number that is inf"]);
}

#[test]
fn other_characters() {
    let (header, data) = file();
    let bytes = close(&header, &data);
    let of = |chars: &str| Given { vocabulary: Some(chars.chars().collect()), ..Given::default() };
    says(
        &refusal(&bytes, &Given::default()),
        &["which characters its 8 integers mean", "--vocabulary", "--corpus"],
    );
    says(&refusal(&bytes, &of("\nabc")), &["there are 4 of them, and the model has 8"]);
    says(&refusal(&bytes, &of(" abcdefg")), &["the line feed is not among them"]);
    says(&refusal(&bytes, &of("\nabcdeaf")), &["'a' is there twice"]);
    let (header, data) = plain(&model(Objective::ManyToMany, Input::Scalar, 7, 2));
    says(&refusal(&close(&header, &data), &of("abcdefg\n")), &["not sorted, and without an embedding"]);
}

#[test]
fn a_description_that_is_none() {
    let model = model(Objective::ManyToOne, Input::Embedding(5), 7, 2);
    let (header, data) = open(&safetensors::to_bytes(&model).unwrap());
    let said: Value = serde_json::from_str(header["__metadata__"]["hornpipe"].as_str().unwrap()).unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let (mut header, mut said) = (header.clone(), said.clone());
        edit(&mut said);
        header["__metadata__"]["hornpipe"] = json!(said.to_string());
        refusal(&close(&header, &data), &Given::default())
    };
    says(&with(&|said| said["version"] = json!(2)), &["its version is 2, and 1 is known"]);
    says(&with(&|said| said["vocabulary"] = json!(3)), &["cannot be used"]);
    says(&with(&|said| said["settings"]["hidden"] = json!(8)), &["its sizes are not those of the tensors"]);
    says(
        &with(&|said| said["settings"]["input"] = json!("scalar")),
        &["its sizes are not those of the tensors"],
    );
    says(&with(&|said| said["settings"]["lr"] = json!(-1.0)), &["--lr must be"]);
    says(&with(&|said| said["settings"] = json!({"hidden": 7})), &["missing field"]);
    says(&with(&|said| said["seed_window"] = json!([8])), &["integers beyond the vocabulary"]);
    says(&with(&|said| said["vocabulary"] = json!("\nA")), &["there are 2 of them, and the model has 8"]);
    let huge = |said: &mut Value| {
        said["settings"]["batch_size"] = json!(65536);
        said["settings"]["hidden"] = json!(32768);
    };
    says(&with(&huge), &["its batch size 65536 is too large"]);
    let bytes = close(&header, &data);
    says(&refusal(&bytes, &given()), &["the file itself says its vocabulary: leave out --vocabulary"]);
    let seq_len = Given { seq_len: Some(4), ..Given::default() };
    says(&refusal(&bytes, &seq_len), &["the file itself says its settings: leave out --objective"]);
    let (plain, data) = file();
    let none = Given { seq_len: Some(0), ..given() };
    says(&refusal(&close(&plain, &data), &none), &["--seq-len must be from 1 to 65536, and not 0"]);
}
