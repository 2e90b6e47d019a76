//! The durations of HEALTHCHECK, as Go writes them: `1m30s`, `1.5h`, `250ms`.

const SECOND: u64 = 1_000_000_000;
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];

/// The nanoseconds of a duration; nothing where the text is none.
pub fn parse(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits == "0" {
        return Some(0);
    }
    if digits.is_empty() {
        return None;
    }
    let mut rest = digits;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, behind) = leading_digits(rest);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => leading_digits(behind),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let length = behind
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(length);
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total
            .checked_add(whole.checked_mul(size)?)?
            .checked_add(part_of(fraction, size))?;
        rest = behind;
    }
    let limit = i64::MAX.unsigned_abs() + u64::from(is_negative);
    if total > limit {
        return None;
    }
    Some(if is_negative {
        0_i64.wrapping_sub_unsigned(total)
    } else {
        0_i64.wrapping_add_unsigned(total)
    })
}

fn leading_digits(text: &str) -> (&str, &str) {
    let length = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(length)
}

/// The decimal fraction of a unit, rounded down, in floats as Go does it.
fn part_of(fraction: &str, unit: u64) -> u64 {
    // No unit has more digits than this.
    let digits = &fraction[..fraction.len().min(15)];
    let scale = digits.bytes().fold(1.0, |scale, _| scale * 10.0);
    let value: f64 = digits.parse().unwrap_or(0.0);
    (value * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", Some(0)),
            ("1s", Some(1_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("2us", Some(2_000)),
            ("2µs3ns", Some(2_003)),
            ("-1ms", Some(-1_000_000)),
            ("+1ms", Some(1_000_000)),
            ("2562047h47m16.854775807s", Some(i64::MAX)),
            ("2562047h47m16.854775808s", None),
            ("-2562047h47m16.854775808s", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("1", None),
            ("s", None),
            (".s", None),
            ("1d", None),
            ("1 s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse(text), nanoseconds, "{text}");
        }
    }
}
