// What an update may do, from the loss and the norm of all gradients; stands before adam.wgsl and rmsprop.wgsl.
//
// totals: the loss and the sum of squares of all gradients, among others. An update whose loss or norm is not finite changes nothing; the host
// reads the same two numbers, and so comes to the same verdict. Clipping is PyTorch's clip_grad_norm_, its 1e-6 included; a
// greatest norm of 0 does not clip.

const LOSS: u32 = 0u;
const SQUARES: u32 = 2u;

// By its bits, since a compiler may take floats to be finite.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// The factor on all gradients.
fn clip_factor(greatest_norm: f32, squares: f32) -> f32 {
    return select(1.0, min(greatest_norm / (sqrt(squares) + 1e-6), 1.0), greatest_norm > 0.0);
}
