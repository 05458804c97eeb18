//! Columns of numbers: byte planes of the distance to a base, or of the distance to the number
//! before, whichever is shorter; amounts as a mantissa times a power of ten.

use super::wire::{Columns, Reader};
use crate::error::BatchError;
use alloy_primitives::U256;

/// Widest number: 16 bytes.
const MAX_WIDTH: u8 = 16;
/// Head bit: numbers are zigzag distances to their predecessor.
const DELTA: u8 = 0x80;
/// Scale byte: a column of scales follows instead of one common scale.
const SCALE_EACH: u8 = 0xff;
/// Largest power of ten below 2²⁵⁶.
const MAX_SCALE: u8 = 77;

/// A column ready to be written, with what it will cost in 1/256 bits.
struct Planes {
    head: u8,
    first: Option<u128>,
    base: u128,
    planes: Vec<u8>,
    cost: u64,
}

/// Writes `values`; their count is known to the reader.
pub(super) fn write_numbers(out: &mut Columns, values: &[u128]) {
    if values.is_empty() {
        return;
    }
    write_planes(out, &best_planes(values), values.len());
}

/// Reads `count` numbers, each at most `max`.
pub(super) fn read_numbers(
    reader: &mut Reader<'_>,
    count: usize,
    max: u128,
    what: &'static str,
) -> Result<Vec<u128>, BatchError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let head = reader.u8(what)?;
    let (width, delta) = (head & !DELTA, head & DELTA != 0);
    if width > MAX_WIDTH || (delta && count == 1) {
        return Err(BatchError::NotCanonical { what, why: "head of a number column" });
    }
    let first = if delta { Some(reader.u128(what)?) } else { None };
    let base = reader.u128(what)?;
    let rows = count - usize::from(delta);
    let planes = reader.take(rows * usize::from(width), what)?;
    let mut values = join(planes, rows, base, what)?;
    if width > 0 && (!values.contains(&base) || planes[rows * (usize::from(width) - 1)..].iter().all(|b| *b == 0)) {
        return Err(BatchError::NotCanonical { what, why: "base or width of a number column" });
    }
    if let Some(first) = first {
        values = undo_delta(first, &values);
    }
    match values.iter().find(|value| **value > max) {
        Some(value) => Err(BatchError::OutOfRange { what, value: *value }),
        None => Ok(values),
    }
}

/// Numbers that fit in 64 bits.
pub(super) fn read_u64s(reader: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<u64>, BatchError> {
    let values = read_numbers(reader, count, u128::from(u64::MAX), what)?;
    Ok(values.into_iter().map(|value| value as u64).collect())
}

/// Lengths, each at most `max`.
pub(super) fn read_lengths(
    reader: &mut Reader<'_>,
    count: usize,
    max: usize,
    what: &'static str,
) -> Result<Vec<usize>, BatchError> {
    let values = read_numbers(reader, count, max as u128, what)?;
    Ok(values.into_iter().map(|value| value as usize).collect())
}

/// Splits an amount into mantissa and power of ten; `None` if the mantissa needs over 128 bits.
pub(super) fn split_amount(value: U256) -> Option<(u128, u8)> {
    if value.is_zero() {
        return Some((0, 0));
    }
    let mut scale = 0;
    let mut wide = value;
    while wide > U256::from(u128::MAX) {
        let (quotient, remainder) = wide.div_rem(U256::from(10_u64.pow(10)));
        let (quotient, step) = if remainder.is_zero() {
            (quotient, 10)
        } else {
            let (quotient, remainder) = wide.div_rem(U256::from(10));
            if !remainder.is_zero() {
                return None;
            }
            (quotient, 1)
        };
        wide = quotient;
        scale += step;
    }
    let mut mantissa = u128::try_from(wide).ok()?;
    for step in [16_u8, 8, 4, 2, 1] {
        let divisor = 10_u128.pow(u32::from(step));
        while mantissa.is_multiple_of(divisor) {
            mantissa /= divisor;
            scale += step;
        }
    }
    Some((mantissa, scale))
}

/// Writes amounts that [`split_amount`] accepts.
pub(super) fn write_amounts(out: &mut Columns, amounts: &[(u128, u8)]) {
    if amounts.is_empty() {
        return;
    }
    let scales: Vec<u128> = amounts.iter().map(|(_, scale)| u128::from(*scale)).collect();
    let mantissas: Vec<u128> = amounts.iter().map(|(mantissa, _)| *mantissa).collect();
    let (scales, mantissas) = (best_planes(&scales), best_planes(&mantissas));
    let common = amounts.iter().filter(|(m, _)| *m != 0).map(|(_, scale)| *scale).min().unwrap_or(0);
    if let Some(plain) = common_scale(amounts, common)
        && plain.cost <= scales.cost + mantissas.cost
    {
        out.u8(common);
        return write_planes(out, &plain, amounts.len());
    }
    out.u8(SCALE_EACH);
    write_planes(out, &scales, amounts.len());
    write_planes(out, &mantissas, amounts.len());
}

/// Reads `count` amounts.
pub(super) fn read_amounts(reader: &mut Reader<'_>, count: usize, what: &'static str) -> Result<Vec<U256>, BatchError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let scale = reader.u8(what)?;
    let scales = match scale {
        SCALE_EACH => Some(read_numbers(reader, count, u128::from(MAX_SCALE), what)?),
        _ if scale <= MAX_SCALE => None,
        _ => return Err(BatchError::OutOfRange { what, value: scale.into() }),
    };
    let mantissas = read_numbers(reader, count, u128::MAX, what)?;
    let amounts = mantissas.iter().enumerate().map(|(row, mantissa)| {
        let scale = scales.as_ref().map_or(u128::from(scale), |scales| scales[row]);
        join_amount(*mantissa, scale, scales.is_some(), what)
    });
    let amounts = amounts.collect::<Result<Vec<U256>, _>>()?;
    let reduced = match mantissas.iter().all(|mantissa| *mantissa == 0) {
        true => scale == 0,
        false => mantissas.iter().any(|mantissa| !mantissa.is_multiple_of(10)),
    };
    if scales.is_none() && !reduced {
        return Err(BatchError::NotCanonical { what, why: "common scale of an amount column" });
    }
    Ok(amounts)
}

fn join_amount(mantissa: u128, scale: u128, own_scale: bool, what: &'static str) -> Result<U256, BatchError> {
    if own_scale && (mantissa == 0 && scale != 0 || mantissa != 0 && mantissa.is_multiple_of(10)) {
        return Err(BatchError::NotCanonical { what, why: "scale of an amount" });
    }
    U256::from(10)
        .checked_pow(U256::from(scale))
        .and_then(|power| power.checked_mul(U256::from(mantissa)))
        .ok_or(BatchError::OutOfRange { what, value: mantissa })
}

/// The amounts divided by ten to the power of `common`, if all fit.
fn common_scale(amounts: &[(u128, u8)], common: u8) -> Option<Planes> {
    let plain = amounts.iter().map(|(mantissa, scale)| {
        let power = if *mantissa == 0 { 0 } else { u32::from(scale - common) };
        10_u128.checked_pow(power)?.checked_mul(*mantissa)
    });
    plain.collect::<Option<Vec<_>>>().map(|plain| best_planes(&plain))
}

fn best_planes(values: &[u128]) -> Planes {
    let plain = planes(values, None);
    if values.len() < 2 || plain.planes.is_empty() {
        return plain;
    }
    let distances: Vec<u128> = values.windows(2).map(|pair| zigzag(pair[1].wrapping_sub(pair[0]))).collect();
    let delta = planes(&distances, Some(values[0]));
    if delta.cost < plain.cost { delta } else { plain }
}

fn planes(values: &[u128], first: Option<u128>) -> Planes {
    let base = values.iter().copied().min().unwrap_or(0);
    let spread = values.iter().copied().max().unwrap_or(0) - base;
    let width = (128 - spread.leading_zeros()).div_ceil(8) as usize;
    let mut planes = vec![0; width * values.len()];
    let mut cost = 0;
    for (plane, chunk) in planes.chunks_exact_mut(values.len().max(1)).enumerate() {
        for (byte, value) in chunk.iter_mut().zip(values) {
            *byte = ((value - base) >> (8 * plane)) as u8;
        }
        cost += entropy(chunk);
    }
    let head = width as u8 | if first.is_some() { DELTA } else { 0 };
    Planes { head, first, base, planes, cost }
}

fn write_planes(out: &mut Columns, column: &Planes, count: usize) {
    out.u8(column.head);
    if let Some(first) = column.first {
        out.uvarint(first);
    }
    out.uvarint(column.base);
    let rows = count - usize::from(column.first.is_some());
    if rows > 0 {
        column.planes.chunks_exact(rows).for_each(|plane| out.stretch(plane));
    }
}

fn join(planes: &[u8], rows: usize, base: u128, what: &'static str) -> Result<Vec<u128>, BatchError> {
    let mut values = vec![0_u128; rows];
    for (plane, chunk) in planes.chunks_exact(rows.max(1)).enumerate() {
        for (value, byte) in values.iter_mut().zip(chunk) {
            *value |= u128::from(*byte) << (8 * plane);
        }
    }
    for value in &mut values {
        *value = value.checked_add(base).ok_or(BatchError::OutOfRange { what, value: *value })?;
    }
    Ok(values)
}

fn undo_delta(first: u128, distances: &[u128]) -> Vec<u128> {
    let mut value = first;
    let rest = distances.iter().map(|distance| {
        value = value.wrapping_add(unzigzag(*distance));
        value
    });
    std::iter::once(first).chain(rest.collect::<Vec<_>>()).collect()
}

const fn zigzag(distance: u128) -> u128 {
    (distance << 1) ^ (((distance as i128) >> 127) as u128)
}

const fn unzigzag(value: u128) -> u128 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

/// Order-0 entropy of a plane in 1/256 bits, in integers so that every machine decides alike.
fn entropy(plane: &[u8]) -> u64 {
    let mut histogram = [0_u32; 256];
    plane.iter().for_each(|byte| histogram[usize::from(*byte)] += 1);
    let total = log2_256(plane.len().max(1) as u32);
    let bits = histogram
        .iter()
        .filter(|count| **count > 0)
        .map(|count| u64::from(*count) * u64::from(total - log2_256(*count)));
    bits.sum()
}

/// Binary logarithm in 1/256, linear between powers of two.
const fn log2_256(value: u32) -> u32 {
    let exponent = value.ilog2();
    let mantissa = ((value as u64) << 8 >> exponent) as u32 & 0xff;
    exponent * 256 + mantissa
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[u128]) -> Vec<u8> {
        let mut out = Columns::default();
        write_numbers(&mut out, values);
        let mut reader = Reader::new(&out.bytes);
        assert_eq!(read_numbers(&mut reader, values.len(), u128::MAX, "n").unwrap(), values);
        reader.finish("n").unwrap();
        out.bytes
    }

    #[test]
    fn sequences_and_constants_cost_a_few_bytes() {
        assert!(round_trip(&[7; 5_000]).len() <= 3);
        assert!(round_trip(&(1_000..6_000).collect::<Vec<_>>()).len() <= 6);
        assert!(round_trip(&[u128::MAX, 0, u128::MAX, 1]).len() < 80);
    }

    #[test]
    fn refuses_a_wide_column_of_zeros_and_a_wrong_base() {
        for bytes in [&[1, 5, 0, 0][..], &[1, 5, 1, 1], &[17, 0], &[0x80, 0, 0], &[0x11, 0]] {
            let count = if bytes[0] == 0x80 { 1 } else { 2 };
            assert!(read_numbers(&mut Reader::new(bytes), count, u128::MAX, "n").is_err(), "{bytes:?}");
        }
        assert_eq!(read_numbers(&mut Reader::new(&[1, 5, 0, 1]), 2, 6, "n").unwrap(), [5, 6]);
        assert!(read_numbers(&mut Reader::new(&[1, 5, 0, 1]), 2, 5, "n").is_err());
    }

    #[test]
    fn refuses_amounts_that_are_not_reduced() {
        let each = |mantissa: u8, scale: u8| [SCALE_EACH, 0, scale, 0, mantissa];
        assert!(read_amounts(&mut Reader::new(&each(3, 2)), 1, "n").is_ok());
        assert!(read_amounts(&mut Reader::new(&each(30, 1)), 1, "n").is_err());
        assert!(read_amounts(&mut Reader::new(&each(0, 1)), 1, "n").is_err());
        assert!(read_amounts(&mut Reader::new(&[1, 0, 30]), 1, "n").is_err());
        assert!(read_amounts(&mut Reader::new(&[78, 0, 3]), 1, "n").is_err());
        assert!(read_amounts(&mut Reader::new(&[77, 0, 9]), 1, "n").is_err());
    }

    proptest! {
        #[test]
        fn numbers_round_trip(values in prop::collection::vec(any::<u128>(), 0..40), small in prop::collection::vec(0_u128..300, 0..40)) {
            round_trip(&values);
            round_trip(&small);
        }

        #[test]
        fn amounts_round_trip(rows in prop::collection::vec((any::<u64>(), 0_u8..57), 0..40)) {
            let amounts: Vec<U256> = rows.iter().map(|(m, k)| U256::from(*m) * U256::from(10).pow(U256::from(*k))).collect();
            let split: Vec<_> = amounts.iter().map(|a| split_amount(*a).unwrap()).collect();
            let mut out = Columns::default();
            write_amounts(&mut out, &split);
            let mut reader = Reader::new(&out.bytes);
            prop_assert_eq!(read_amounts(&mut reader, amounts.len(), "n").unwrap(), amounts);
            reader.finish("n").unwrap();
        }
    }
}
