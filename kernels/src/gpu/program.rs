//! Operations, recorded once and run as often as wanted.

use super::array::{Array, BYTES, Download, Values};
use super::device::{Gpu, IMMEDIATES};
use super::shader::Shader;
use super::timing::Stamps;
use std::collections::HashMap;
use std::ops::Range;

/// A list of operations for one set of shapes and arrays.
#[derive(Clone, Debug)]
pub struct Program {
    commands: Vec<Command>,
    bind_groups: Vec<wgpu::BindGroup>,
}

/// What a dispatch does at least, for measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Floating-point operations, of a product.
    Operations(f64),
    /// Bytes of the numbers that it reads and writes, each counted once, of anything else.
    Bytes(f64),
}

impl Work {
    /// Of so many numbers read or written.
    pub(super) fn numbers(count: usize) -> Self {
        Work::Bytes(BYTES as f64 * count as f64)
    }

    fn plus(self, other: Work) -> Work {
        match (self, other) {
            (Work::Operations(a), Work::Operations(b)) => Work::Operations(a + b),
            (Work::Bytes(a), Work::Bytes(b)) => Work::Bytes(a + b),
            _ => unreachable!("one shader has one kind of work"),
        }
    }
}

/// A shader, and what for if it is a product.
pub(super) type Kind = (Shader, &'static str);

/// All dispatches of one shader to one purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub(super) kind: Kind,
    /// How many.
    pub dispatches: usize,
    /// Of all together.
    pub work: Work,
}

impl Part {
    /// The shader's file in `kernels/wgsl`; of products with the side of the tiles: `gemm32`, `gemm64`.
    pub fn shader(&self) -> &'static str {
        self.kind.0.name()
    }

    /// What its products are for, as [`Recorder::products_for`] had it; empty for all others.
    pub fn purpose(&self) -> &'static str {
        self.kind.1
    }
}

/// The parts of some programs together, in the order in which they first come.
pub fn parts(programs: &[&Program]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for command in programs.iter().flat_map(|program| &program.commands) {
        let Command::Dispatch(Dispatch { kind, work, .. }) = command else { continue };
        match parts.iter_mut().find(|part| part.kind == *kind) {
            Some(part) => (part.dispatches, part.work) = (part.dispatches + 1, part.work.plus(*work)),
            None => parts.push(Part { kind: *kind, dispatches: 1, work: *work }),
        }
    }
    parts
}

#[derive(Clone, Debug)]
enum Command {
    Dispatch(Dispatch),
    Copy { from: wgpu::Buffer, from_at: u64, to: wgpu::Buffer, to_at: u64, bytes: u64 },
    Clear { buffer: wgpu::Buffer, at: u64, bytes: u64 },
}

#[derive(Clone, Debug)]
struct Dispatch {
    kind: Kind,
    work: Work,
    pipeline: wgpu::ComputePipeline,
    bind_group: usize,
    immediates: Vec<u32>,
    groups: [u32; 2],
}

impl Program {
    /// Appends all commands. Neighbouring dispatches share one compute pass; wgpu sees from their bindings which must wait for which.
    /// With `stamps` only those of one part do, between two timestamps.
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder, mut stamps: Option<&mut Stamps>) {
        let mut pass: Option<(Kind, wgpu::ComputePass<'static>)> = None;
        for command in &self.commands {
            match command {
                Command::Dispatch(Dispatch { kind, pipeline, bind_group, immediates, groups, .. }) => {
                    pass = pass.filter(|(before, _)| stamps.is_none() || before == kind);
                    let (_, pass) = pass.get_or_insert_with(|| {
                        let timestamp_writes = stamps.as_mut().map(|stamps| stamps.around(*kind));
                        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                        (*kind, encoder.begin_compute_pass(&descriptor).forget_lifetime())
                    });
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, &self.bind_groups[*bind_group], &[]);
                    pass.set_immediates(0, bytemuck::cast_slice(immediates));
                    pass.dispatch_workgroups(groups[0], groups[1], 1);
                }
                Command::Copy { from, from_at, to, to_at, bytes } => {
                    pass = None;
                    encoder.copy_buffer_to_buffer(from, *from_at, to, *to_at, *bytes);
                }
                Command::Clear { buffer, at, bytes } => {
                    pass = None;
                    encoder.clear_buffer(buffer, *at, Some(*bytes));
                }
            }
        }
    }

    /// The dispatches of one part alone, with the same numbers: for its time, not for what it computes.
    pub fn only(&self, part: &Part) -> Program {
        let belongs = |command: &&Command| matches!(command, Command::Dispatch(d) if d.kind == part.kind);
        Program {
            commands: self.commands.iter().filter(belongs).cloned().collect(),
            bind_groups: self.bind_groups.clone(),
        }
    }
}

/// Records a [`Program`].
pub struct Recorder<'a> {
    pub(super) gpu: &'a Gpu,
    program: Program,
    /// The bind groups so far, by shader and arrays.
    known: HashMap<(Shader, Vec<wgpu::Buffer>), usize>,
    purpose: &'static str,
}

impl<'a> Recorder<'a> {
    /// Nothing yet.
    pub fn new(gpu: &'a Gpu) -> Self {
        let program = Program { commands: Vec::new(), bind_groups: Vec::new() };
        Recorder { gpu, program, known: HashMap::new(), purpose: "" }
    }

    /// What the products from here on are for, in measurements.
    pub fn products_for(&mut self, purpose: &'static str) {
        self.purpose = purpose;
    }

    /// The program.
    pub fn finish(self) -> Program {
        self.program
    }

    /// Copies `from[range]` to `to[at..]`.
    ///
    /// # Panics
    /// Where a range lies outside, or both arrays are the same.
    pub fn copy<T: Values>(&mut self, from: &Array<T>, range: Range<usize>, to: &Array<T>, at: usize) {
        assert!(range.end <= from.len() && at + range.len() <= to.len(), "a copy within both arrays");
        assert!(from.buffer() != to.buffer(), "a copy between two arrays");
        self.push_copy(from.buffer(), range, to.buffer(), at);
    }

    /// Copies `from[range]` to where the host will read it.
    ///
    /// # Panics
    /// Where a range lies outside.
    pub fn download<T: Values>(&mut self, from: &Array<T>, range: Range<usize>, to: &Download, at: usize) {
        let room = to.buffer().size() / BYTES;
        assert!(range.end <= from.len() && (at + range.len()) as u64 <= room, "a copy within both arrays");
        self.push_copy(from.buffer(), range, to.buffer(), at);
    }

    fn push_copy(&mut self, from: &wgpu::Buffer, range: Range<usize>, to: &wgpu::Buffer, at: usize) {
        if !range.is_empty() {
            self.program.commands.push(Command::Copy {
                from: from.clone(),
                from_at: range.start as u64 * BYTES,
                to: to.clone(),
                to_at: at as u64 * BYTES,
                bytes: range.len() as u64 * BYTES,
            });
        }
    }

    /// Makes `array[range]` zero.
    ///
    /// # Panics
    /// Where the range lies outside.
    pub fn clear<T: Values>(&mut self, array: &Array<T>, range: Range<usize>) {
        assert!(range.end <= array.len(), "a range within the array");
        if !range.is_empty() {
            self.program.commands.push(Command::Clear {
                buffer: array.buffer().clone(),
                at: range.start as u64 * BYTES,
                bytes: range.len() as u64 * BYTES,
            });
        }
    }

    /// One dispatch: the shader's bindings in their order, its immediate data, the workgroups along x and y, and its work.
    pub(super) fn dispatch(
        &mut self,
        shader: Shader,
        arrays: &[&wgpu::Buffer],
        immediates: &[u32],
        groups: [u32; 2],
        work: Work,
    ) {
        assert!(immediates.len() as u64 * BYTES <= u64::from(IMMEDIATES), "immediate data of {shader:?}");
        let most = self.gpu.workgroups();
        assert!(groups.iter().all(|&n| n <= most), "{shader:?}: {groups:?} workgroups of {most} at most");
        let pipeline = self.gpu.pipeline(shader);
        let key = (shader, arrays.iter().map(|&array| array.clone()).collect());
        let bind_groups = &mut self.program.bind_groups;
        let bind_group = *self.known.entry(key).or_insert_with(|| {
            let entries: Vec<wgpu::BindGroupEntry> = (0..)
                .zip(arrays)
                .map(|(binding, array)| wgpu::BindGroupEntry { binding, resource: array.as_entire_binding() })
                .collect();
            bind_groups.push(self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            }));
            bind_groups.len() - 1
        });
        let kind = (shader, if matches!(work, Work::Operations(_)) { self.purpose } else { "" });
        let immediates = immediates.to_vec();
        let dispatch = Dispatch { kind, work, pipeline, bind_group, immediates, groups };
        self.program.commands.push(Command::Dispatch(dispatch));
    }
}
