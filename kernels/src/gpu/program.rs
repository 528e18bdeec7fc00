//! Operations, recorded once and run as often as wanted.

use super::array::{Array, BYTES, Download, Values};
use super::device::{Gpu, IMMEDIATES};
use super::shader::Shader;
use std::collections::HashMap;
use std::ops::Range;

/// A list of operations for one set of shapes and arrays.
#[derive(Debug)]
pub struct Program {
    commands: Vec<Command>,
    bind_groups: Vec<wgpu::BindGroup>,
}

#[derive(Debug)]
enum Command {
    Dispatch { pipeline: wgpu::ComputePipeline, bind_group: usize, immediates: Vec<u32>, groups: [u32; 2] },
    Copy { from: wgpu::Buffer, from_at: u64, to: wgpu::Buffer, to_at: u64, bytes: u64 },
    Clear { buffer: wgpu::Buffer, at: u64, bytes: u64 },
}

impl Program {
    /// Appends all commands. Neighbouring dispatches share one compute pass; wgpu sees from their bindings which must wait for which.
    pub(super) fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass: Option<wgpu::ComputePass<'static>> = None;
        for command in &self.commands {
            match command {
                Command::Dispatch { pipeline, bind_group, immediates, groups: [x, y] } => {
                    let pass = pass.get_or_insert_with(|| {
                        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
                    });
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, &self.bind_groups[*bind_group], &[]);
                    pass.set_immediates(0, bytemuck::cast_slice(immediates));
                    pass.dispatch_workgroups(*x, *y, 1);
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

    /// How many dispatches it makes.
    pub fn dispatches(&self) -> usize {
        self.commands.iter().filter(|command| matches!(command, Command::Dispatch { .. })).count()
    }
}

/// Records a [`Program`].
pub struct Recorder<'a> {
    pub(super) gpu: &'a Gpu,
    program: Program,
    /// The bind groups so far, by shader and arrays.
    known: HashMap<(Shader, Vec<wgpu::Buffer>), usize>,
}

impl<'a> Recorder<'a> {
    /// Nothing yet.
    pub fn new(gpu: &'a Gpu) -> Self {
        let program = Program { commands: Vec::new(), bind_groups: Vec::new() };
        Recorder { gpu, program, known: HashMap::new() }
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

    /// One dispatch: the shader's bindings in their order, its immediate data, and the workgroups along x and y.
    pub(super) fn dispatch(
        &mut self,
        shader: Shader,
        arrays: &[&wgpu::Buffer],
        immediates: &[u32],
        groups: [u32; 2],
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
        self.program.commands.push(Command::Dispatch {
            pipeline,
            bind_group,
            immediates: immediates.to_vec(),
            groups,
        });
    }
}
