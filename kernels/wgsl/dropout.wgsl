// Inverted dropout in place, forward and backward alike: values[k] *= mask[k], the mask being 0 or 1 / (1 - rate).
//
// The mask is that of kernels/src/dropout.rs, bit for bit: Philox4x32-10 with the key of seed and step and the counter
// (unit / 4, row, time step, layer) gives four words for four neighbouring units; a unit is dropped where its word is below
// rate · 2^32.
// Shapes: values [T, R, H]. Workgroup: 256 invocations, four units each. Bindings: 0 settings (uniform), 1 values. Begins with settings.wgsl.

struct Dropout {
    // T · R
    all_rows: u32,
    rows: u32,
    hidden: u32,
    layer: u32,
    // rate · 2^32
    threshold: u32,
    // 1 / (1 - rate)
    scale: f32,
}

var<immediate> p: Dropout;
@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;

// The upper and the lower half of a · b, from products of 16 bits.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return vec2<u32>(a1 * b1 + (middle >> 16u) + (other >> 16u), a * b);
}

fn philox4x32_10(counter: vec4<u32>, first_key: vec2<u32>) -> vec4<u32> {
    var w = counter;
    var key = first_key;
    for (var round = 0u; round < 10u; round += 1u) {
        let x = wide_product(0xd2511f53u, w.x);
        let z = wide_product(0xcd9e8d57u, w.z);
        w = vec4<u32>(z.x ^ w.y ^ key.x, z.y, x.x ^ w.w ^ key.y, x.y);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return w;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quads = (p.hidden + 3u) / 4u;
    for (var k = id.x; k < p.all_rows * quads; k += groups.x * 256u) {
        let quad = k % quads;
        let row = k / quads;
        let words = philox4x32_10(vec4<u32>(quad, row % p.rows, row / p.rows, p.layer), settings.key);
        for (var n = 0u; n < 4u; n += 1u) {
            let unit = 4u * quad + n;
            if unit < p.hidden {
                let at = row * p.hidden + unit;
                let dropped = words[n] < p.threshold;
                values[at] = select(values[at] * p.scale, 0.0, dropped);
            }
        }
    }
}
