//! Sparse files in PAX archives, as GNU tar and libarchive write them (GNU tar manual, "Storing Sparse Files"): only the extents
//! that hold data are stored, and a map tells where they belong.

use std::collections::VecDeque;

use super::number::decimal;

/// What PAX records say of a sparse file.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The name; that of the header is made up in the newer formats.
    pub name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths by turns, in the older formats.
    map: Vec<u64>,
    /// Whether the map stands before the content, as in the newest format.
    pub map_is_in_content: bool,
    is_sparse: bool,
}

/// A sparse file that is being read.
#[derive(Debug)]
pub(super) struct Sparse {
    /// Offset and length of what is still stored, in order.
    extents: VecDeque<(u64, u64)>,
    position: u64,
    size: u64,
}

/// What comes next of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Data(u64),
    Hole(u64),
    End,
}

impl Records {
    /// Takes a record, if it is of a sparse file. Nothing if it is malformed.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let Some(key) = key.strip_prefix(b"GNU.sparse.") else {
            return Some(());
        };
        self.is_sparse = true;
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"major" => self.map_is_in_content = decimal(value)? >= 1,
            b"offset" if self.map.len().is_multiple_of(2) => self.map.push(decimal(value)?),
            b"numbytes" if !self.map.len().is_multiple_of(2) => self.map.push(decimal(value)?),
            b"map" => {
                self.map = value
                    .split(|&byte| byte == b',')
                    .map(decimal)
                    .collect::<Option<_>>()?
            }
            b"offset" | b"numbytes" => return None,
            _ => {}
        }
        Some(())
    }

    /// The file whose content has `stored` bytes in the archive, after the map. Nothing if it is not sparse.
    ///
    /// # Errors
    /// When the map is not one.
    pub fn file(&self, stored: u64, map: Option<&[u64]>) -> Result<Option<Sparse>, ()> {
        if !self.is_sparse {
            return Ok(None);
        }
        let size = self.size.ok_or(())?;
        let (pairs, rest) = map.unwrap_or(&self.map).as_chunks::<2>();
        let mut extents = VecDeque::new();
        let (mut end, mut sum) = (0, 0_u64);
        for &[offset, length] in pairs {
            let next = offset.checked_add(length).filter(|next| *next <= size);
            if offset < end || next.is_none() {
                return Err(());
            }
            end = next.unwrap_or(size);
            sum += length;
            extents.push_back((offset, length));
        }
        match rest.is_empty() && sum == stored {
            true => Ok(Some(Sparse {
                extents,
                position: 0,
                size,
            })),
            false => Err(()),
        }
    }
}

impl Sparse {
    /// The length of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn next(&mut self) -> Next {
        while self.extents.front().is_some_and(|(_, length)| *length == 0) {
            self.extents.pop_front();
        }
        match self.extents.front() {
            Some(&(offset, length)) if offset == self.position => Next::Data(length),
            Some(&(offset, _)) => Next::Hole(offset - self.position),
            None if self.position < self.size => Next::Hole(self.size - self.position),
            None => Next::End,
        }
    }

    /// Passes over bytes of what [`Self::next`] said.
    pub fn advance(&mut self, amount: u64) {
        if let (Next::Data(_), Some((offset, length))) = (self.next(), self.extents.front_mut()) {
            *offset += amount;
            *length = length.saturating_sub(amount);
        }
        self.position += amount;
    }
}

/// The map before the content: a count, and as many pairs of offset and length, each number on a line. Tells them without the
/// count; nothing if more bytes are needed.
///
/// # Errors
/// When it is none.
pub(super) fn parse_map(data: &[u8]) -> Result<Option<Vec<u64>>, ()> {
    let mut lines = data.split_inclusive(|&byte| byte == b'\n');
    let mut number = || match lines.next().and_then(|line| line.strip_suffix(b"\n")) {
        Some(line) => decimal(line).map(Some).ok_or(()),
        None => Ok(None),
    };
    let Some(count) = number()? else {
        return Ok(None);
    };
    let count = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(2))
        .ok_or(())?;
    // Asked again with each block, it must not parse them all again.
    let there = data.iter().filter(|&&byte| byte == b'\n').count();
    if there <= count {
        return Ok(None);
    }
    (0..count)
        .map(|_| number()?.ok_or(()))
        .collect::<Result<_, _>>()
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_must_be_in_order_and_within_the_file() {
        let records = |size: &str| {
            let mut records = Records::default();
            records
                .take(b"GNU.sparse.realsize", size.as_bytes())
                .unwrap();
            records
        };
        for (map, stored, is_sound) in [
            (&[][..], 0, true),
            (&[0, 3, 5, 5], 8, true),
            (&[0, 3, 10, 0], 3, true),
            (&[0, 3, 5, 5], 7, false),
            (&[0, 3, 2, 5], 8, false),
            (&[0, 3, 5, 6], 9, false),
            (&[0, 3, 5], 3, false),
            (&[5, u64::MAX], 3, false),
        ] {
            assert_eq!(
                records("10").file(stored, Some(map)).is_ok(),
                is_sound,
                "{map:?}"
            );
        }
        assert!(Records::default().file(5, None).unwrap().is_none());
    }

    #[test]
    fn holes_and_data_come_by_turns() {
        let mut records = Records::default();
        for (key, value) in [
            ("size", "20"),
            ("offset", "3"),
            ("numbytes", "4"),
            ("offset", "7"),
            ("numbytes", "2"),
        ] {
            records
                .take(format!("GNU.sparse.{key}").as_bytes(), value.as_bytes())
                .unwrap();
        }
        let mut file = records.file(6, None).unwrap().unwrap();
        let mut seen = Vec::new();
        while let next @ (Next::Data(length) | Next::Hole(length)) = file.next() {
            seen.push(next);
            file.advance(length);
        }
        assert_eq!(
            seen,
            [Next::Hole(3), Next::Data(4), Next::Data(2), Next::Hole(11)]
        );
    }

    #[test]
    fn a_map_in_the_content_is_read_as_far_as_it_goes() {
        assert_eq!(
            parse_map(b"2\n0\n5\n10\n5\n\0\0"),
            Ok(Some(vec![0, 5, 10, 5]))
        );
        assert_eq!(parse_map(b"0\n"), Ok(Some(vec![])));
        assert_eq!(parse_map(b"2\n0\n5\n1"), Ok(None));
        assert_eq!(parse_map(b""), Ok(None));
        assert_eq!(parse_map(b"x\n"), Err(()));
        assert_eq!(parse_map(b"99999999999999999999\n"), Err(()));
    }
}
