use std::time::Duration;

/// A duration as people say it: `35ms`, `1.2s`, `3m 5s`, `2h 5m`, `3d 4h`. Rounded to what matters;
/// plans use [`format_duration`](crate::time::format_duration), which is exact.
pub fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 100 {
        return format!("{millis}ms");
    }
    let tenths = (millis + 50) / 100;
    if tenths < 600 {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let seconds = (millis + 500) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {}s", seconds % 60),
        (0, _) => format!("{hours}h {}m", minutes % 60),
        (_, _) => format!("{days}d {}h", hours % 24),
    }
}

/// [`duration_text`] of so many milliseconds.
pub fn millis_text(millis: u64) -> String {
    duration_text(Duration::from_millis(millis))
}

/// A number of bytes as people say it, in powers of 1000: `512 B`, `1.5 kB`, `43.0 MB`.
pub fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be rounded up to `1000.0`.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_to_what_matters() {
        let table = [
            (0, "0ms"),
            (99, "99ms"),
            (100, "0.1s"),
            (1_249, "1.2s"),
            (59_949, "59.9s"),
            (59_950, "1m 0s"),
            (185_000, "3m 5s"),
            (3_599_600, "1h 0m"),
            (7_500_000, "2h 5m"),
            (273_600_000, "3d 4h"),
        ];
        for (millis, text) in table {
            assert_eq!(millis_text(millis), text);
        }
    }

    #[test]
    fn sizes_are_rounded_to_a_tenth() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (43_000_000, "43.0 MB"),
            (2_500_000_000, "2.5 GB"),
        ];
        for (bytes, text) in table {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
