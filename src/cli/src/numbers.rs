//! Sizes and times as docker writes them.

use std::time::SystemTime;

use stromatekt_oci::time::rfc3339;

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size in decimal units; what is less than a thousand bytes has no fraction: `56B`, `1.23kB`.
pub fn bytes(size: u64) -> String {
    let (value, unit) = scaled(size);
    match unit {
        0 => format!("{size}B"),
        _ => format!("{value:.2}{}", UNITS[unit]),
    }
}

/// A size with three significant digits, as `docker image ls` has it: `4.26MB`, `123kB`.
pub fn short_bytes(size: u64) -> String {
    let (value, unit) = scaled(size);
    let decimals = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{}", UNITS[unit])
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn scaled(size: u64) -> (f64, usize) {
    let mut unit = 0;
    let mut value = size as f64;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    (value, unit)
}

/// Seconds between two times; none where the clock was set back.
pub fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64()
}

/// A time for people, in UTC: `2023-11-14 22:13:20`.
pub fn date_time(time: SystemTime) -> String {
    let text = rfc3339(time).replace('T', " ");
    text.split(['.', 'Z']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_are_decimal() {
        for (size, long, short) in [
            (0, "0B", "0B"),
            (999, "999B", "999B"),
            (1234, "1.23kB", "1.23kB"),
            (4_261_550, "4.26MB", "4.26MB"),
            (74_800_000, "74.80MB", "74.8MB"),
            (123_456_789, "123.46MB", "123MB"),
            (1_000_000_000, "1.00GB", "1GB"),
        ] {
            assert_eq!(
                (bytes(size).as_str(), short_bytes(size).as_str()),
                (long, short)
            );
        }
    }

    #[test]
    fn times_have_no_fraction() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(date_time(time), "2023-11-14 22:13:20");
    }
}
