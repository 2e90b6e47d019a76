//! Sizes, durations and times as docker writes them.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

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

/// How long ago something was, roughly: `About an hour`, `3 weeks`.
pub fn rough(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    let days = hours / 24;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{days} days"),
        () if hours < 24 * 30 * 2 => format!("{} weeks", days / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", days / 30),
        () => format!("{} years", days / 365),
    }
}

/// Seconds between two times; none where the clock was set back.
pub fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64()
}

/// A time as RFC 3339 in UTC.
pub fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A time of RFC 3339.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(SystemTime::from)
}

#[cfg(test)]
mod tests {
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
    fn ages_are_rough() {
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (3_600, "About an hour"),
            (7_000, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 15, "2 weeks"),
            (86_400 * 70, "2 months"),
            (86_400 * 365 * 3, "3 years"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn times_round_trip() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(rfc3339(time), "2023-11-14T22:13:20.120Z");
        assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
