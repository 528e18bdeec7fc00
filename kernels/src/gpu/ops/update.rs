//! The optimisers.

use super::{Settings, word};
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;

impl Recorder<'_> {
    /// One step of Adam, by [`Settings::adam`]. `totals` has the loss at 0 and the sum of squares of all gradients at 2; where either
    /// is not finite, nothing is changed.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn adam(
        &mut self,
        settings: &Settings,
        totals: &Array<f32>,
        gradients: &Array<f32>,
        parameters: &Array<f32>,
        [m, v]: [&Array<f32>; 2],
    ) {
        let count = parameters.len();
        assert!([gradients, m, v].iter().all(|array| array.len() == count), "four arrays of one length");
        assert!(totals.len() >= 3, "three totals");
        let floats = [totals, gradients, parameters, m, v].map(Array::buffer);
        let arrays = [&[settings.buffer()][..], &floats].concat();
        let groups = self.groups(count);
        self.dispatch(Shader::Adam, &arrays, &[word(count)], groups, Work::numbers(7 * count));
    }

    /// One step of RMSprop, by [`Settings::rmsprop`]; otherwise as [`Recorder::adam`].
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn rmsprop(
        &mut self,
        settings: &Settings,
        totals: &Array<f32>,
        gradients: &Array<f32>,
        parameters: &Array<f32>,
        v: &Array<f32>,
    ) {
        let count = parameters.len();
        assert!([gradients, v].iter().all(|array| array.len() == count), "three arrays of one length");
        assert!(totals.len() >= 3, "three totals");
        let floats = [totals, gradients, parameters, v].map(Array::buffer);
        let arrays = [&[settings.buffer()][..], &floats].concat();
        let groups = self.groups(count);
        self.dispatch(Shader::RmsProp, &arrays, &[word(count)], groups, Work::numbers(5 * count));
    }
}
