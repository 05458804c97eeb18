//! Between what Rust computes with and what SQL stores: checked both ways.

use crate::LedgerError;
use alloy_primitives::{Address, B256, I256, U256};
use sqlx::types::BigDecimal;
use std::str::FromStr;

/// A number as `bigint`.
pub(crate) fn int(what: &'static str, number: u64) -> Result<i64, LedgerError> {
    i64::try_from(number).map_err(|_| LedgerError::Invalid { what, value: number.to_string() })
}

/// An optional number as `bigint`.
pub(crate) fn opt_int(what: &'static str, number: Option<u64>) -> Result<Option<i64>, LedgerError> {
    number.map(|number| int(what, number)).transpose()
}

/// A `bigint` that the schema keeps from being negative.
pub(crate) fn uint(what: &'static str, number: i64) -> Result<u64, LedgerError> {
    u64::try_from(number).map_err(|_| LedgerError::Corrupt { what, value: number.to_string() })
}

/// An optional `bigint` that the schema keeps from being negative.
pub(crate) fn opt_uint(what: &'static str, number: Option<i64>) -> Result<Option<u64>, LedgerError> {
    number.map(|number| uint(what, number)).transpose()
}

/// A `bytea` of 32 bytes.
pub(crate) fn hash(what: &'static str, bytes: &[u8]) -> Result<B256, LedgerError> {
    B256::try_from(bytes).map_err(|_| LedgerError::Corrupt { what, value: alloy_primitives::hex::encode(bytes) })
}

/// A `bytea` of 20 bytes.
pub(crate) fn address(what: &'static str, bytes: &[u8]) -> Result<Address, LedgerError> {
    Address::try_from(bytes).map_err(|_| LedgerError::Corrupt { what, value: alloy_primitives::hex::encode(bytes) })
}

/// An unsigned amount as `numeric(78, 0)`.
pub(crate) fn amount(value: U256) -> BigDecimal {
    decimal(&value.to_string())
}

/// A fee as `numeric(78, 0)`.
pub(crate) fn fee(value: u128) -> BigDecimal {
    BigDecimal::from(value)
}

/// A signed amount as `numeric(78, 0)`.
pub(crate) fn signed(value: I256) -> BigDecimal {
    decimal(&value.to_string())
}

fn decimal(digits: &str) -> BigDecimal {
    BigDecimal::from_str(digits).expect("an integer's own digits are a decimal number")
}

/// A `numeric` that must be a whole number from 0 to 2²⁵⁶ − 1.
pub(crate) fn to_amount(what: &'static str, value: &BigDecimal) -> Result<U256, LedgerError> {
    let digits = whole(what, value)?;
    U256::from_str_radix(&digits, 10).map_err(|_| LedgerError::Corrupt { what, value: digits })
}

/// A `numeric` that must be a whole number in the range of `u128`.
pub(crate) fn to_fee(what: &'static str, value: &BigDecimal) -> Result<u128, LedgerError> {
    let digits = whole(what, value)?;
    digits.parse().map_err(|_| LedgerError::Corrupt { what, value: digits })
}

/// A `numeric` that must be a whole number in the range of `int256`.
pub(crate) fn to_signed(what: &'static str, value: &BigDecimal) -> Result<I256, LedgerError> {
    let digits = whole(what, value)?;
    I256::from_dec_str(&digits).map_err(|_| LedgerError::Corrupt { what, value: digits })
}

fn whole(what: &'static str, value: &BigDecimal) -> Result<String, LedgerError> {
    if !value.is_integer() {
        return Err(LedgerError::Corrupt { what, value: value.to_string() });
    }
    Ok(value.with_scale(0).to_plain_string())
}

/// What an idempotency key stands for: keccak256 over its parts, each with its length.
pub(crate) fn content_hash(parts: &[&[u8]]) -> B256 {
    let mut hasher = alloy_primitives::Keccak256::new();
    hasher.update(b"mayfly ledger content v1");
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amounts_round_trip_at_the_edges() {
        for value in [U256::ZERO, U256::from(1), U256::from(10).pow(U256::from(77)), U256::MAX] {
            assert_eq!(to_amount("x", &amount(value)).unwrap(), value);
        }
        for value in [I256::MIN, I256::MINUS_ONE, I256::ZERO, I256::MAX] {
            assert_eq!(to_signed("x", &signed(value)).unwrap(), value);
        }
        assert_eq!(to_fee("x", &fee(u128::MAX)).unwrap(), u128::MAX);
    }

    #[test]
    fn refuses_fractions_negative_and_too_large_amounts() {
        let parse = |digits| BigDecimal::from_str(digits).unwrap();
        assert!(to_amount("x", &parse("1.5")).is_err());
        assert!(to_amount("x", &parse("-1")).is_err());
        assert!(to_amount("x", &(amount(U256::MAX) + parse("1"))).is_err());
        assert!(to_fee("x", &amount(U256::MAX)).is_err());
        assert_eq!(to_amount("x", &parse("1E+3")).unwrap(), U256::from(1000));
        assert!(int("x", u64::MAX).is_err());
        assert!(uint("x", -1).is_err());
        assert!(hash("x", &[0; 31]).is_err());
        assert!(address("x", &[0; 32]).is_err());
    }

    #[test]
    fn content_depends_on_where_parts_end() {
        assert_ne!(content_hash(&[b"ab", b"c"]), content_hash(&[b"a", b"bc"]));
    }
}
