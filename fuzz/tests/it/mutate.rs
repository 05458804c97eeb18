//! What libFuzzer does, without looking: edits and splices.

use rand::Rng;
use rand::rngs::StdRng;

/// A few edits: flips, cuts, copies, numbers that mean something.
pub(crate) fn mutate(rng: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=data.len());
        match rng.random_range(0..6) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 if at < data.len() => data[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            2 => data.truncate(at),
            3 => data.insert(at, rng.random()),
            4 if at < data.len() => _ = data.remove(at),
            _ => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                data.truncate(at);
                data.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
            }
        }
    }
    data
}
