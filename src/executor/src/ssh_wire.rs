//! Numbers and strings as ssh writes them in its messages and files of keys (RFC 4251, section 5).

/// What is still to be read; each reader gives nothing when there is less than it wants.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// These many bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// `uint32`
    pub fn number(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// `string`
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?.try_into().ok()?;
        self.take(length)
    }

    /// `mpint`, which must not be negative, without the zeros in front.
    pub fn positive(&mut self) -> Option<&'a [u8]> {
        let bytes = self.string()?;
        match bytes.first() {
            Some(first) if first & 0x80 != 0 => None,
            _ => Some(without_zeros(bytes)),
        }
    }
}

/// Adds a `string`.
pub fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    // What is written here comes from messages and files, whose sizes are limited.
    to.extend((bytes.len() as u32).to_be_bytes());
    to.extend(bytes);
}

/// Adds an `mpint` of this number, the highest byte first.
pub fn put_positive(to: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = without_zeros(bytes);
    // The highest bit would be the sign.
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => put_string(to, &[&[0], bytes].concat()),
        _ => put_string(to, bytes),
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for number in [&[][..], &[1], &[0x7f, 0xff], &[0x80], &[0xff, 0, 0]] {
            let mut bytes = Vec::new();
            put_string(&mut bytes, b"text");
            put_positive(&mut bytes, &[&[0, 0], number].concat());
            let mut fields = Fields(&bytes);
            assert_eq!(fields.string(), Some(&b"text"[..]));
            assert_eq!(fields.positive(), Some(number));
            assert_eq!((fields.number(), fields.take(1)), (None, None));
        }
    }

    #[test]
    fn what_is_too_short_or_negative_is_nothing() {
        assert_eq!(Fields(&[0, 0, 0]).number(), None);
        assert_eq!(Fields(&[0, 0, 0, 2, 1]).string(), None);
        assert_eq!(Fields(&[0xff; 8]).string(), None);
        assert_eq!(Fields(&[0, 0, 0, 1, 0x80]).positive(), None);
    }
}
