// The numbers that change from step to step, as kernels/src/gpu/ops/settings.rs sends them; stands before each shader that reads them.

struct Settings {
    // Dropout: the key of seed and step.
    key: vec2<u32>,
    // The loss: 1 / W.
    reciprocal: f32,
    // The optimiser: the norm to clip by (0: none), the step size, and epsilon.
    greatest_norm: f32,
    rate: f32,
    epsilon: f32,
    // The decay of v (RMSprop's alpha), and what Adam alone has.
    beta2: f32,
    beta1: f32,
    root_correction: f32,
}
