//! Times and sums of money as people write them.

use crate::error::ConfigError;
use alloy_primitives::U256;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A length of time, written like `90s`, `1h30m` or `20ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    /// Length in milliseconds.
    pub millis: u64,
}

const SPAN_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// A number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self { millis: seconds * 1_000 }
    }

    /// Whole seconds.
    ///
    /// # Errors
    /// If there is a part of a second; `name` is the value's name in the message.
    pub fn whole_seconds(self, name: &'static str) -> Result<u64, ConfigError> {
        if !self.millis.is_multiple_of(1_000) {
            return Err(ConfigError::Value { name, value: self.to_string(), rule: "whole seconds".to_owned() });
        }
        Ok(self.millis / 1_000)
    }
}

impl FromStr for Span {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Span(text.to_owned());
        let mut rest = text.trim();
        let mut millis = 0_u64;
        let mut last = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let factor = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
            let number: u64 = number.parse().map_err(|_| bad())?;
            if factor >= last {
                return Err(bad());
            }
            last = factor;
            millis = number.checked_mul(factor).and_then(|part| millis.checked_add(part)).ok_or_else(bad)?;
            rest = tail.trim_start();
        }
        if last == u64::MAX {
            return Err(bad());
        }
        Ok(Self { millis })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.millis;
        for (unit, factor) in SPAN_UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// An amount of native currency, written like `0.1 ether`, `5 gwei` or `7 wei`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wei(pub U256);

const WEI_UNITS: [(&str, usize); 4] = [("ether", 18), ("eth", 18), ("gwei", 9), ("wei", 0)];

impl FromStr for Wei {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Wei(text.to_owned());
        let text_trimmed = text.trim();
        if text_trimmed == "0" {
            return Ok(Self::default());
        }
        let at = text_trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let (number, unit) = text_trimmed.split_at(at);
        let digits = WEI_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        let number: String = number.trim_end().chars().filter(|c| *c != '_').collect();
        let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
        let well_formed = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > digits || !well_formed(whole) || !well_formed(part) || number.ends_with('.')
        {
            return Err(bad());
        }
        let scaled = format!("{whole}{part:0<digits$}");
        U256::from_str_radix(&scaled, 10).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = U256::from(10).pow(U256::from(18));
        let (whole, part) = self.0.div_rem(unit);
        if self.0.is_zero() || (whole.is_zero() && part < U256::from(1_000_000_000)) {
            return write!(f, "{} wei", self.0);
        }
        let part = format!("{part:0>18}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole} ether"),
            part => write!(f, "{whole}.{part} ether"),
        }
    }
}

impl TryFrom<String> for Wei {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        text.parse()
    }
}

impl From<Wei> for String {
    fn from(wei: Wei) -> Self {
        wei.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn reads_spans_as_people_write_them() {
        let cases = [("2h", 7_200_000), ("1h30m", 5_400_000), ("20ms", 20), ("1d 1s", 86_401_000), ("0s", 0)];
        for (text, millis) in cases {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.millis, millis);
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        for text in ["", "2", "h", "2x", "1m1h", "1s1s", "-1s", "1.5h", "99999999999999999999d", "999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("1500ms".parse::<Span>().unwrap().whole_seconds("drain").is_err());
    }

    #[test]
    fn reads_sums_as_people_write_them() {
        let gwei = U256::from(1_000_000_000_u64);
        let cases = [
            ("0.1 ether", gwei * U256::from(100_000_000)),
            ("1eth", gwei * gwei),
            ("5 gwei", gwei * U256::from(5)),
            ("1_000 wei", U256::from(1_000)),
            ("0", U256::ZERO),
        ];
        for (text, value) in cases {
            let wei: Wei = text.parse().unwrap();
            assert_eq!(wei.0, value);
            assert_eq!(wei.to_string().parse::<Wei>().unwrap(), wei);
        }
        for text in ["", "1", "1 btc", ".5 ether", "1. ether", "1.2.3 ether", "-1 ether", "0.1 wei", "1e3 wei"] {
            assert!(text.parse::<Wei>().is_err(), "{text}");
        }
    }
}
