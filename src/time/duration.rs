use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write it as in `1m30s`, `500ms` or `2h`")]
pub struct DurationError {
    text: String,
}

/// Units, largest first, each with its microseconds. As in the Compose specification, less days.
const UNITS: [(&str, u64); 5] = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Parses `1m30s`, `500ms`, `1.5s`, `0`.
///
/// # Errors
/// If the text is empty, has an unknown or missing unit, is negative, or is longer than 2⁶³ µs.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.to_owned() };
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: f64 = number.parse().map_err(|_| error())?;
        let micros = number * *micros as f64;
        if micros > i64::MAX as f64 {
            return Err(error());
        }
        total = total.checked_add(Duration::from_micros(micros.round() as u64)).ok_or_else(error)?;
        rest = tail;
    }
    Ok(total)
}

/// Writes a duration as [`parse_duration`] reads it, exactly, to the microsecond: `1m30s`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut micros = duration.as_micros();
    let mut text = String::new();
    for (unit, size) in UNITS {
        let count = micros / u128::from(size);
        micros %= u128::from(size);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_as_in_compose() {
        let table = [("1m30s", "1m30s"), ("90s", "1m30s"), ("1.5s", "1s500ms"), ("0", "0s"), ("2h5ms", "2h5ms")];
        for (text, canonical) in table {
            assert_eq!(format_duration(parse_duration(text).unwrap()), canonical);
        }
        for text in ["", "5", "s", "-1s", "1 s", "1d", "1e9s", "99999999999999999h", "1..5s"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
