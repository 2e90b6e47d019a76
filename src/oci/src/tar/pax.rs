//! PAX records: `LENGTH KEY=VALUE\n`, where the length counts the whole record, itself included.

/// Appends a record.
pub(super) fn push(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A space, an equals sign and a line end.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    // The digits of the length may make it one digit longer.
    if digits(length) != digits(rest) {
        length = rest + digits(length);
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Takes the first record apart: its key, its value, and what follows.
pub(super) fn next(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?;
    let record = record.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    // As Go: a name that was cut at a NUL would be another name.
    let is_name = matches!(key, b"path" | b"linkpath");
    let is_odd = key.is_empty() || key.contains(&0) || (is_name && value.contains(&0));
    (!is_odd).then_some((key, value, &data[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_count_themselves() {
        for (value, record) in [
            (&b""[..], &b"5 k=\n"[..]),
            (b"abcd", b"9 k=abcd\n"),
            (b"abcde", b"11 k=abcde\n"),
            (b"abcdef", b"12 k=abcdef\n"),
        ] {
            let mut out = Vec::new();
            push(&mut out, b"k", value);
            assert_eq!(out, record);
        }
        // Around every change of the number of digits.
        for length in (0..200).chain(900..1100).chain(9_900..10_100) {
            let mut out = Vec::new();
            let value = vec![b'v'; length];
            push(&mut out, b"key", &value);
            assert_eq!(next(&out), Some((&b"key"[..], &value[..], &b""[..])));
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for record in [
            &b""[..],
            b"k=v\n",
            b"0 k=v\n",
            b"7 k=v\n",
            b"6 k=v ",
            b"6 kvv\n",
            b"5 =v\n",
            b"99 k=v\n",
            b"10 path=\0\n",
            b"99999999999999999999999 k=v\n",
        ] {
            assert_eq!(next(record), None, "{:?}", String::from_utf8_lossy(record));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut rest = &data[..];
            while let Some((_, _, after)) = next(rest) {
                prop_assert!(after.len() < rest.len());
                rest = after;
            }
        }
    }
}
