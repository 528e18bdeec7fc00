// RMSprop (Tieleman and Hinton, 2012), one step, as in kernels/src/optimizer.rs:
//
//   g = clip · d          v = alpha v + (1 - alpha) g^2          parameter -= lr · g / (sqrt(v) + epsilon)
//
// Shapes: parameters, gradients, v [N]. Workgroup: 256 invocations, one parameter each, on to the next round.
// Bindings: 0 settings (uniform), 1 totals, 2 gradients, 3 parameters, 4 v. Begins with settings.wgsl and clip.wgsl.

struct RmsProp {
    count: u32,
}

var<immediate> p: RmsProp;
@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> totals: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    if !is_finite(totals[LOSS]) || !is_finite(totals[SQUARES]) {
        return;
    }
    let clip = clip_factor(settings.greatest_norm, totals[SQUARES]);
    for (var k = id.x; k < p.count; k += groups.x * 256u) {
        let g = clip * gradients[k];
        let square = fma(v[k], settings.beta2, g * g * (1.0 - settings.beta2));
        parameters[k] -= settings.rate * g / (sqrt(square) + settings.epsilon);
        v[k] = square;
    }
}
