//! Weights for tests, out of a seed, and what is done to them.

use std::f64::consts::TAU;

/// A stream of numbers out of a seed (SplitMix64).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// From 0 to 1, neither of them.
    pub(crate) fn share(&mut self) -> f64 {
        ((self.word() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.word() % count as u64) as usize
    }

    pub(crate) fn gauss(&mut self) -> f32 {
        let radius = (-2.0 * self.share().ln()).sqrt();
        (radius * (TAU * self.share()).cos()) as f32
    }

    /// Gaussian, times `sigma`.
    pub(crate) fn weights(&mut self, count: usize, sigma: f32) -> Vec<f32> {
        (0..count).map(|_| self.gauss() * sigma).collect()
    }

    /// As of a trained layer: heavy tails, rows of different size, a part of low rank, a mean that is not 0.
    pub(crate) fn trained(&mut self, rows: usize, columns: usize) -> Vec<f32> {
        let left = self.weights(rows * 4, 0.01);
        let right = self.weights(4 * columns, 1.0);
        let mut out = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let size = (0.3 * self.gauss()).exp() * 0.02;
            for column in 0..columns {
                let low: f32 = (0..4).map(|k| left[row * 4 + k] * right[k * columns + column]).sum();
                // Student's t with four degrees of freedom.
                let chi: f32 = (0..4).map(|_| self.gauss().powi(2)).sum::<f32>() / 4.0;
                out.push(size * self.gauss() / chi.sqrt() + low + 0.001);
            }
        }
        out
    }

    pub(crate) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            let other = self.below(at + 1);
            order.swap(at, other);
        }
        order
    }
}

/// Rounds each group to `2·levels + 1` steps of its own largest magnitude.
pub(crate) fn quantise(values: &[f32], group: usize, levels: f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for part in values.chunks(group) {
        let step = part.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / levels;
        out.extend(part.iter().map(|value| if step > 0.0 { (value / step).round() * step } else { 0.0 }));
    }
    out
}

/// Sets the smaller half of the magnitudes to 0.
pub(crate) fn prune_half(values: &[f32]) -> Vec<f32> {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let middle = sizes.len() / 2;
    let edge = *sizes.select_nth_unstable_by(middle, f32::total_cmp).1;
    values.iter().map(|value| if value.abs() < edge { 0.0 } else { *value }).collect()
}

/// As a GGUF tensor of type `Q8_0`, by its description.
pub(crate) fn q8_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in values.chunks(32) {
        let step = part.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
        let mut raw = [0; 2];
        crate::numbers::encode(&crate::numbers::Dtype::F16, &[step], &mut raw, |_| false);
        out.extend_from_slice(&raw);
        out.extend(part.iter().map(|value| ((value / step).round() as i8).cast_unsigned()));
    }
    out
}

/// As a GGUF tensor of type `Q4_0`.
pub(crate) fn q4_0(values: &[f32]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in values.chunks(32) {
        let most = part.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
        let step = most / -8.0;
        let mut raw = [0; 2];
        crate::numbers::encode(&crate::numbers::Dtype::F16, &[step], &mut raw, |_| false);
        out.extend_from_slice(&raw);
        let code = |value: f32| (value / step + 8.5).clamp(0.0, 15.0) as u8;
        out.extend((0..16).map(|at| code(part[at]) | code(part[at + 16]) << 4));
    }
    out
}
