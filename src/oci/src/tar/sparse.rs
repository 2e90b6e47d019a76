//! Sparse files in PAX archives, as GNU tar and libarchive write them (GNU tar manual, "Storing Sparse Files"): only the extents
//! that hold data are stored, and a map tells where they belong.

use std::collections::VecDeque;

use super::number::decimal;

/// What PAX records say of a sparse file.
#[derive(Debug, Default)]
pub(super) struct Records {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths by turns, in the older formats.
    map: Vec<u64>,
    major: Vec<u8>,
    minor: Vec<u8>,
}

/// Where the map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    /// In records, as in the older formats.
    Records,
    /// Before the content, as in the newest.
    Content,
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
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"major" => self.major = value.to_vec(),
            b"minor" => self.minor = value.to_vec(),
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

    /// Where the map is; nothing if the entry is not sparse. As in Go: by the version; records of one that is not known mean nothing.
    pub fn map(&self) -> Option<Map> {
        match (&self.major[..], &self.minor[..]) {
            (b"0", b"0" | b"1") => Some(Map::Records),
            (b"1", b"0") => Some(Map::Content),
            (b"", b"") if !self.map.is_empty() => Some(Map::Records),
            _ => None,
        }
    }

    /// The name of a sparse file; that of the header is made up in the newer formats.
    pub fn name(&mut self) -> Option<Vec<u8>> {
        self.map()?;
        self.name.take().filter(|name| !name.is_empty())
    }

    /// The file whose content has `stored` bytes in the archive, after the map. Nothing if it is not sparse.
    ///
    /// # Errors
    /// When the map is not one.
    pub fn file(&self, stored: u64, map: Option<&[u64]>) -> Result<Option<Sparse>, ()> {
        if self.map().is_none() {
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
            for (key, value) in [("realsize", size), ("major", "1"), ("minor", "0")] {
                records
                    .take(format!("GNU.sparse.{key}").as_bytes(), value.as_bytes())
                    .unwrap();
            }
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
    fn only_versions_that_are_known_are_sparse() {
        for (taken, map) in [
            (&[("name", "x"), ("size", "1")][..], None),
            (&[("major", "0"), ("minor", "1")], Some(Map::Records)),
            (&[("major", "1"), ("minor", "0")], Some(Map::Content)),
            (&[("major", "1")], None),
            (&[("major", "2"), ("minor", "0"), ("map", "0,1")], None),
            (&[("map", "0,1")], Some(Map::Records)),
        ] {
            let mut records = Records::default();
            for (key, value) in taken {
                records
                    .take(format!("GNU.sparse.{key}").as_bytes(), value.as_bytes())
                    .unwrap();
            }
            assert_eq!(records.map(), map, "{taken:?}");
            assert!(map.is_some() || records.name().is_none(), "{taken:?}");
        }
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
