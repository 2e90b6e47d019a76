//! Numbers and texts as headers and PAX records hold them.

use stromatekt_kernel::Timestamp;

/// A number in octal digits, or in base 256 where the first bit is set.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        // Two's complement, of which the first bit was taken for the mark.
        let negative = first & 0x40 != 0;
        let start = i128::from(first & 0x7f) - if negative { 0x80 } else { 0 };
        let mut value = start;
        for &byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(byte.into())?;
        }
        return i64::try_from(value).ok();
    }
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_filler(byte));
    let digits = match start {
        Some(start) => text(&field[start..]).trim_ascii_end(),
        None => return Some(0),
    };
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add((digit - b'0').into()),
        _ => None,
    })
}

/// The bytes before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Seconds with a fraction, of which nine digits count.
pub(super) fn time(value: &[u8]) -> Option<Timestamp> {
    let value = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = nine.parse().ok()?;
    Some(match whole.starts_with('-') && nanoseconds > 0 {
        true => Timestamp {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
        false => Timestamp {
            seconds,
            nanoseconds,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"644\0junk", Some(0o644)),
            (b"644x\0", None),
            (b"888\0", None),
            (b"\x80\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
                Some(-2),
            ),
            (b"\x80\x01\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), value, "{:?}", String::from_utf8_lossy(field));
        }
    }

    #[test]
    fn times_are_read_with_their_fraction() {
        let at = |seconds, nanoseconds| {
            Some(Timestamp {
                seconds,
                nanoseconds,
            })
        };
        for (text, expected) in [
            ("1", at(1, 0)),
            ("1.5", at(1, 500_000_000)),
            ("1.0000000019", at(1, 1)),
            ("-1.25", at(-2, 750_000_000)),
            ("-0.5", at(-1, 500_000_000)),
            ("1.x", None),
            ("x", None),
        ] {
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
    }
}
