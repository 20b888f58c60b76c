//! Time as a value: engines get it, they never ask for it.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Sums and differences saturate; the year 292,277 is far enough.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// A moment from its microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A moment from whole seconds (a JWT's `NumericDate`).
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// RFC 3339 in UTC with microseconds.
impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0).saturating_mul(1_000);
        let text = time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
        match text {
            Some(text) => out.write_str(&text),
            None => write!(out, "{}us", self.0),
        }
    }
}

/// A text that is no time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a time is written like 2026-07-01T00:00:00Z, and none lies before 1970")]
pub struct MomentError;

/// RFC 3339, in any offset; what is finer than microseconds is cut.
impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
            .map_err(|_| MomentError)?;
        u64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).map(Self).map_err(|_| MomentError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-18T11:06:40.25Z", 1_795_000_000_250_000),
            ("2026-11-18T13:06:40.2500009+02:00", 1_795_000_000_250_000),
        ] {
            assert_eq!(text.parse(), Ok(Moment(micros)), "{text}");
        }
        for wrong in
            ["", "now", "2026-11-18", "2026-11-18T11:06:40", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z"]
        {
            assert_eq!(wrong.parse::<Moment>(), Err(MomentError), "{wrong}");
        }
    }

    #[test]
    fn it_reads_as_rfc_3339() {
        assert_eq!(Moment::from_secs(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Moment::from_micros(1_795_000_000_250_000).to_string(), "2026-11-18T11:06:40.25Z");
        assert!(Moment::from_micros(u64::MAX).to_string().ends_with("us"));
    }
}
