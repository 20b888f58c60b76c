//! What signs does a key give to weights, and what do weights sum up to under them?
//!
//! `K_t = HMAC-SHA-256(key, purpose ‖ 0 ‖ identity of the tensor)`. Weights are taken in blocks of 256, in order. Block `b` has the signs
//! `HMAC-SHA-256(K_t, 's' ‖ b)`, one bit each, and a lane, 16 bits of `HMAC-SHA-256(K_t, 'l' ‖ b div 16)`, from which on its 256 weights fall into
//! neighbouring lanes, round and round. A [`Correlator`] with `m` lanes keeps `S_k = Σ s_i·x_i` over the weights in lane `k`; with `m` a multiple of
//! 256 every weight of a block falls into a lane of its own. Sums of a few thousand weights are taken in `f32`, those of all in `f64`.
//!
//! Signs are the only randomness that a bound rests on; lanes spread what a pattern of rows or columns would otherwise hit together.

use alcaide_seal::digest::{HmacKey, Sha256Digest};
use alcaide_seal::sha256;
use zeroize::Zeroizing;

/// 32 bytes that only their owner knows, or a public seed.
pub struct Key {
    bytes: Zeroizing<[u8; 32]>,
    hmac: HmacKey,
}

impl Key {
    /// Of these bytes; random ones are what it wants.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { hmac: HmacKey::new(&bytes), bytes: Zeroizing::new(bytes) }
    }

    /// The seed that anybody can make cards with; who holds such a card can shape a file to match it.
    #[must_use]
    pub fn public() -> Self {
        Self::new(*sha256(b"alcaide/weights/v1/public").as_bytes())
    }

    /// A code over `message` for one purpose.
    pub(crate) fn mac(&self, purpose: &str, message: &[u8]) -> Sha256Digest {
        let mut text = purpose.as_bytes().to_vec();
        text.push(0);
        text.extend_from_slice(message);
        self.hmac.mac(&text)
    }

    /// What names the key without giving it away.
    #[must_use]
    pub fn id(&self) -> Sha256Digest {
        self.mac("alcaide/weights/v1/id", &[])
    }

    /// SHA-256 over a domain, the key and `what`, each after its length: binding, and hiding as the key is.
    pub(crate) fn commit(&self, domain: &str, what: &[u8]) -> Sha256Digest {
        let mut text = Zeroizing::new(Vec::new());
        for part in [domain.as_bytes(), self.bytes.as_slice(), what] {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        }
        sha256(&text)
    }

    /// The chips of one tensor.
    pub(crate) fn tensor(&self, purpose: &str, identity: &[u8]) -> TensorKey {
        TensorKey(HmacKey::new(self.mac(purpose, identity).as_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Key(..)")
    }
}

/// A tensor's identity: its name and its sides.
pub(crate) fn identity(name: &str, shape: &[u64]) -> Vec<u8> {
    let mut bytes = (name.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    for side in shape {
        bytes.extend_from_slice(&side.to_le_bytes());
    }
    bytes
}

/// The key of one tensor.
#[derive(Clone)]
pub(crate) struct TensorKey(HmacKey);

impl TensorKey {
    fn draw(&self, kind: u8, at: u64) -> [u8; 32] {
        let mut message = [kind; 9];
        if let Some(number) = message.last_chunk_mut() {
            *number = at.to_le_bytes();
        }
        *self.0.mac(&message).as_bytes()
    }
}

/// Signs and lanes of one block after the other.
pub(crate) struct Chips {
    key: TensorKey,
    block: u64,
    lanes: [u8; 32],
}

impl Chips {
    pub(crate) fn new(key: TensorKey) -> Self {
        Self { key, block: 0, lanes: [0; 32] }
    }

    /// Signs of the next block and its first lane of `lanes`.
    pub(crate) fn next(&mut self, lanes: usize) -> ([u8; 32], usize) {
        let place = usize::try_from(self.block % 16).unwrap_or_default();
        if place == 0 {
            self.lanes = self.key.draw(b'l', self.block / 16);
        }
        let lane = self.lanes.as_chunks::<2>().0.get(place).map_or(0, |pair| u16::from_le_bytes(*pair));
        let signs = self.key.draw(b's', self.block);
        self.block += 1;
        (signs, usize::from(lane) % lanes.max(1))
    }
}

/// Turns the sign of each value whose bit is set.
pub(crate) fn turn(signs: &[u8; 32], values: &mut [f32; BLOCK]) {
    for (values, byte) in values.as_chunks_mut::<8>().0.iter_mut().zip(signs) {
        let flips = FLIPS.get(usize::from(*byte)).copied().unwrap_or_default();
        for (value, flip) in values.iter_mut().zip(flips) {
            *value = f32::from_bits(value.to_bits() ^ flip);
        }
    }
}

/// Sums of weights per lane, under the signs of a key.
pub(crate) struct Correlator {
    chips: Chips,
    near: Vec<f32>,
    sums: Vec<f64>,
    /// Sums of squares per lane, where they are wanted.
    energy: Option<(Vec<f32>, Vec<f64>)>,
    square: f64,
    since: u32,
    pending: [f32; BLOCK],
    held: usize,
}

/// Whether sums of squares are kept per lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Energy {
    /// They are.
    PerLane,
    /// Only over all.
    Total,
}

/// What a [`Correlator`] summed up.
pub(crate) struct Sums {
    /// `S_k`.
    pub(crate) sums: Vec<f64>,
    /// `Σ x²` per lane; empty where it was not asked for.
    pub(crate) energy: Vec<f64>,
    /// `Σ x²`.
    pub(crate) square: f64,
}

impl Correlator {
    /// With `lanes` lanes, rounded up to a multiple of [`BLOCK`].
    pub(crate) fn new(key: TensorKey, lanes: usize, energy: Energy) -> Self {
        let lanes = lanes.max(1).next_multiple_of(BLOCK);
        Self {
            chips: Chips::new(key),
            near: vec![0.0; lanes],
            sums: vec![0.0; lanes],
            energy: (energy == Energy::PerLane).then(|| (vec![0.0; lanes], vec![0.0; lanes])),
            square: 0.0,
            since: 0,
            pending: [0.0; BLOCK],
            held: 0,
        }
    }

    /// Takes the next values; they should be of the order of 1.
    pub(crate) fn feed(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            if self.held == 0
                && let Some((block, rest)) = values.split_first_chunk::<BLOCK>()
            {
                self.add(*block);
                values = rest;
                continue;
            }
            let count = values.len().min(BLOCK - self.held);
            let (now, rest) = values.split_at(count);
            if let Some(to) = self.pending.get_mut(self.held..self.held + count) {
                to.copy_from_slice(now);
            }
            self.held += count;
            values = rest;
            if self.held == BLOCK {
                self.held = 0;
                self.add(self.pending);
            }
        }
    }

    /// The sums; what is missing of the last block counts as zeros.
    pub(crate) fn finish(mut self) -> Sums {
        if self.held > 0 {
            if let Some(rest) = self.pending.get_mut(self.held..) {
                rest.fill(0.0);
            }
            self.add(self.pending);
        }
        self.flush();
        Sums {
            sums: self.sums,
            energy: self.energy.map(|(_, far)| far).unwrap_or_default(),
            square: self.square,
        }
    }

    fn add(&mut self, mut block: [f32; BLOCK]) {
        let (signs, lane) = self.chips.next(self.near.len());
        let mut squares = [0.0; BLOCK];
        let mut parts = [0.0_f32; 8];
        for (squares, values) in squares.as_chunks_mut::<8>().0.iter_mut().zip(block.as_chunks::<8>().0) {
            for ((square, value), part) in squares.iter_mut().zip(values).zip(&mut parts) {
                *square = value * value;
                *part += *square;
            }
        }
        self.square += f64::from(parts.iter().sum::<f32>());
        turn(&signs, &mut block);
        add_round(&mut self.near, lane, &block);
        if let Some((near, _)) = &mut self.energy {
            add_round(near, lane, &squares);
        }
        self.since += 1;
        if self.since == FLUSH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let pairs =
            [Some((&mut self.near, &mut self.sums)), self.energy.as_mut().map(|(near, far)| (near, far))];
        for (near, far) in pairs.into_iter().flatten() {
            for (near, far) in near.iter_mut().zip(far) {
                *far += f64::from(*near);
                *near = 0.0;
            }
        }
        self.since = 0;
    }
}

fn add_round(into: &mut [f32], lane: usize, block: &[f32; BLOCK]) {
    let (head, tail) = block.split_at(BLOCK.min(into.len() - lane.min(into.len())));
    let (begin, end) = into.split_at_mut(lane.min(into.len()));
    for (to, value) in end.iter_mut().zip(head).chain(begin.iter_mut().zip(tail)) {
        *to += value;
    }
}

/// Weights of a block.
pub(crate) const BLOCK: usize = 256;

/// Blocks summed in `f32` before they go to `f64`.
const FLUSH: u32 = 4096;

/// The sign bits of eight values, for each byte.
static FLIPS: [[u32; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut at = 0;
        while at < 8 {
            if byte >> at & 1 == 1 {
                #[expect(
                    clippy::indexing_slicing,
                    reason = "evaluated while compiling, where a panic is an error"
                )]
                {
                    table[byte][at] = 0x8000_0000;
                }
            }
            at += 1;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_definition_however_the_values_are_cut() {
        let key = Key::new([7; 32]);
        let values: Vec<f32> = (0..5_000_u16).map(|at| f32::from(at % 37) - 11.5).collect();
        for lanes in [256, 2048] {
            let mut expected = vec![0.0_f64; lanes];
            let mut energy = vec![0.0_f64; lanes];
            let tensor = key.tensor("test", b"t");
            for (block, part) in values.chunks(BLOCK).enumerate() {
                let draws = tensor.draw(b'l', block as u64 / 16);
                let lane = u16::from_le_bytes([draws[block % 16 * 2], draws[block % 16 * 2 + 1]]);
                let signs = tensor.draw(b's', block as u64);
                for (at, value) in part.iter().enumerate() {
                    let sign = if signs[at / 8] >> (at % 8) & 1 == 1 { -1.0 } else { 1.0 };
                    let place = (usize::from(lane) + at) % lanes;
                    expected[place] += sign * f64::from(*value);
                    energy[place] += f64::from(*value * *value);
                }
            }
            for step in [1, 100, 256, 257, 5_000] {
                let mut correlator = Correlator::new(key.tensor("test", b"t"), lanes, Energy::PerLane);
                values.chunks(step).for_each(|part| correlator.feed(part));
                let sums = correlator.finish();
                for (a, b) in sums.sums.iter().zip(&expected).chain(sums.energy.iter().zip(&energy)) {
                    assert!((a - b).abs() < 0.01, "{a} {b} in steps of {step}");
                }
                let square: f64 = energy.iter().sum();
                assert!((sums.square - square).abs() < 1e-3 * square);
            }
        }
    }

    #[test]
    fn chips_are_frozen() {
        // Computed apart with Python's `hmac`: a change here would orphan every mark and card.
        let tensor = Key::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
            .tensor("p", &identity("w", &[2, 3]));
        assert_eq!(
            hex(&tensor.draw(b's', 5)),
            "477721ea294f47555349bbcc90aec9f9b6c1d62ce24c8851d1b0a056e4ea69c1"
        );
        assert_eq!(
            hex(&tensor.draw(b'l', 0)),
            "f9c69ad4a13cc640dda129fc3af7e1e6d629ea56660f9e3b3f59dea28a1e304b"
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
