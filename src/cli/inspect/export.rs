//! `hornpipe inspect export`

use super::text::TextArgs;
use crate::checkpoint::write_atomically_with;
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::inspect::npz::{ArraySpec, Dtype, NpzWriter};
use crate::inspect::{Reading, Recorder, Sequence, Signal, Step, read, trace::nats};
use crate::train::Snapshot;
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use std::io::{self, Seek, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Write gates, states and logits of a reading as .npz for NumPy.
///
/// A text of n characters is read in T = n + 1 steps: step 0 reads the line feed before the text, step t its character t (counted from
/// 1); gates and states are those that the step leaves, the logits are of the character after it. The arrays, in C order:
///
///   tokens      [T]     <u4   what each step reads, as an index into vocabulary
///   vocabulary  [V]     <u4   the characters, as Unicode code points
///   resets      [T]     |b1   where the state that enters the step is zero: at the beginning of a tune
///   i_l0 f_l0 g_l0 o_l0 c_l0 h_l0, i_l1 …
///               [T, H]  <f4   gates and states of each layer, as the equations name them
///   logits      [T, V]  <f4   of the next character; the probabilities are their softmax
///   nats        [T - 1] <f8   -ln p of each character of the text
///
/// The file is written as the text is read, so memory does not grow with it. Without a text, the model writes one.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true, verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    text: TextArgs,
    /// Read at most so many characters [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    length: Option<u64>,
    /// Only these gates, states and logits, such as c,h,logits [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// The file.
    #[arg(short, long, value_name = "FILE", default_value = "trace.npz")]
    output: PathBuf,
}

/// What is written, and where each part stands among the arrays.
struct Plan {
    arrays: Vec<ArraySpec>,
    /// Signal and layer of the arrays from [`FIRST_SIGNAL`] on.
    signals: Vec<(usize, usize)>,
    logits: Option<usize>,
}

const TOKENS: usize = 0;
const VOCABULARY: usize = 1;
const RESETS: usize = 2;
const NATS: usize = 3;
const FIRST_SIGNAL: usize = 4;

impl Plan {
    fn new(snapshot: &Snapshot, signals: &[Signal], only: &[String], steps: usize) -> Result<Self> {
        let names: Vec<&str> = signals.iter().map(|signal| signal.name).chain(["logits"]).collect();
        if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
            bail!("there is no {unknown:?} to export; --only takes some of {}", names.join(","));
        }
        let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        let model = snapshot.model();
        let array = |name: &str, dtype, shape: &[usize]| ArraySpec {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
        };
        let mut arrays = vec![
            array("tokens", Dtype::U32, &[steps]),
            array("vocabulary", Dtype::U32, &[model.vocabulary]),
            array("resets", Dtype::Bool, &[steps]),
            array("nats", Dtype::F64, &[steps - 1]),
        ];
        let mut places = Vec::new();
        for l in 0..model.layers {
            for (k, signal) in signals.iter().enumerate().filter(|(_, signal)| wanted(signal.name)) {
                arrays.push(array(&format!("{}_l{l}", signal.name), Dtype::F32, &[steps, model.hidden]));
                places.push((l, k));
            }
        }
        let logits = wanted("logits").then_some(arrays.len());
        if logits.is_some() {
            arrays.push(array("logits", Dtype::F32, &[steps, model.vocabulary]));
        }
        Ok(Plan { arrays, signals: places, logits })
    }

    /// Writes one step into each array.
    fn write<W: Write + Seek>(
        &self,
        npz: &mut NpzWriter<W>,
        sequence: &Sequence,
        reading: Reading,
        step: Step,
    ) -> io::Result<()> {
        let reset = match reading {
            Reading::Carried => sequence.resets_at(step.step),
            // The window begins from zero; the step itself does not.
            Reading::Window(window) => window == 1 || step.step == 0,
        };
        npz.write(TOKENS, &step.token().to_le_bytes())?;
        npz.write(RESETS, &[u8::from(reset)])?;
        if let Some(next) = sequence.token_at(step.step + 1) {
            npz.write(NATS, &nats(step.logits(), next).to_le_bytes())?;
        }
        for (array, &(l, k)) in self.signals.iter().enumerate() {
            npz.write_f32(FIRST_SIGNAL + array, step.signal(l, k))?;
        }
        match self.logits {
            Some(array) => npz.write_f32(array, step.logits()),
            None => Ok(()),
        }
    }
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.text.checkpoint)?;
    let gemm = Gemm::detect()?;
    interrupt::catch("stopping; nothing is written")?;
    let mut text = args.text.text(&snapshot)?;
    text.truncate(args.length.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)));
    let reading = args.text.reading(&snapshot);
    let mut recorder = Recorder::new(gemm.isa(), &snapshot.model(), &snapshot.parameters);
    let sequence = Sequence::text(&text, snapshot.vocabulary.newline());
    let plan = Plan::new(&snapshot, recorder.signals(), &args.only, sequence.len())?;
    let bytes: u64 = plan.arrays.iter().map(ArraySpec::bytes).sum();
    tell!("{} steps, {} MB", thousands(sequence.len()), thousands((bytes / 1_000_000) as usize));

    let bar = Bar::percent("writing");
    let written = write_atomically_with(&args.output, |file| -> Result<()> {
        let mut npz = NpzWriter::new(file, plan.arrays.clone())?;
        for &character in snapshot.vocabulary.chars() {
            npz.write(VOCABULARY, &u32::from(character).to_le_bytes())?;
        }
        let mut failure = None;
        let sequences = std::slice::from_ref(&sequence);
        let flow = read(&mut recorder, sequences, reading, 1, &mut |step| {
            failure = plan.write(&mut npz, &sequence, reading, step).err();
            bar.set((step.step + 1) as f64 / sequence.len() as f64);
            let stop = failure.is_some() || interrupt::requested();
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if flow.is_break() {
            bail!("interrupted, and no half-written file is left there");
        }
        npz.finish()?;
        Ok(())
    });
    bar.clear();
    written.with_context(|| format!("cannot write {}", args.output.display()))?;
    output::print(&format!("{}\n", args.output.display()))
}
