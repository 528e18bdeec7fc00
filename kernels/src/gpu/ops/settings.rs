//! The numbers that change from step to step.

use crate::dropout::Site;
use crate::gpu::array::Array;
use crate::gpu::device::Gpu;
use crate::gpu::error::GpuError;
use crate::optimizer::{Adam, RmsProp};

/// The numbers that change from step to step, for all operations together: one small array, sent at once.
#[derive(Clone, Debug)]
pub struct Settings {
    array: Array<u32>,
    /// As `settings.wgsl` names them.
    words: [u32; WORDS],
}

const WORDS: usize = 10;
const DROPOUT: usize = 0;
const LOSS: usize = 2;
const UPDATE: usize = 3;

impl Settings {
    /// All zero.
    ///
    /// # Errors
    /// Where the device has no memory.
    pub fn new(gpu: &Gpu) -> Result<Self, GpuError> {
        Ok(Settings { array: Array::zeros(gpu, "the settings", WORDS)?, words: [0; WORDS] })
    }

    fn set(&mut self, at: usize, words: &[u32]) {
        self.words[at..at + words.len()].copy_from_slice(words);
    }

    /// Of dropout: the seed and step. The site's layer does not count.
    pub fn dropout(&mut self, site: Site) {
        self.set(DROPOUT, &site.key());
    }

    /// Of the loss: `W`, the weights of the whole minibatch.
    pub fn loss(&mut self, total_weight: f64) {
        self.set(LOSS, &[((1.0 / total_weight) as f32).to_bits()]);
    }

    /// Of Adam. Its `clip` does not count: the device clips by the greatest norm, 0 for none.
    pub fn adam(&mut self, adam: &Adam, greatest_norm: f32) {
        let Adam { step_size, beta1, beta2, root_correction, epsilon, clip: _ } = *adam;
        let words = [greatest_norm, step_size, epsilon, beta2, beta1, root_correction];
        self.set(UPDATE, &words.map(f32::to_bits));
    }

    /// Of RMSprop, likewise.
    pub fn rmsprop(&mut self, rmsprop: &RmsProp, greatest_norm: f32) {
        let RmsProp { lr, alpha, epsilon, clip: _ } = *rmsprop;
        self.set(UPDATE, &[greatest_norm, lr, epsilon, alpha].map(f32::to_bits));
    }

    /// Sends them, before whatever is run next.
    pub fn upload(&self, gpu: &Gpu) {
        self.array.write(gpu, &self.words);
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        self.array.buffer()
    }
}
