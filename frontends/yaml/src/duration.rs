//! Times of healthchecks: read and written as Go does.

pub use stromatekt_dockerfile::duration::parse;

const UNITS: [(i64, &str); 6] = [
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

/// A time in nanoseconds that is not negative, as it is read.
#[must_use]
pub fn write(nanoseconds: i64) -> String {
    let mut rest = nanoseconds;
    let mut text = String::new();
    for (size, unit) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    match text.as_str() {
        "" => "0s".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (time, text) in [
            (0, "0s"),
            (90_000_000_000, "1m30s"),
            (1_500_000, "1ms500us"),
            (i64::MAX, "2562047h47m16s854ms775us807ns"),
        ] {
            assert_eq!(write(time), text);
            assert_eq!(parse(text), Some(time));
        }
    }
}
