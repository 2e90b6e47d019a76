//! Headers of entries as Go's `archive/tar` writes them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::{BLOCK, Kind, USTAR, XATTR, field, pax};

/// How Go was asked to write an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `FormatPAX`: what does not fit the header is in PAX records.
    Pax,
    /// `FormatUnknown`: a long name is cut in two first, if it can.
    Any,
}

/// An entry to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    pub name: &'a [u8],
    pub link: &'a [u8],
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Seconds since the epoch.
    pub mtime: i64,
    pub device: (u32, u32),
    pub xattrs: &'a [(OsString, Vec<u8>)],
}

impl<'a> Header<'a> {
    /// A regular file of root without time.
    pub fn file(name: &'a [u8], mode: u32, size: u64) -> Self {
        Self {
            name,
            link: b"",
            kind: Kind::File,
            mode,
            uid: 0,
            gid: 0,
            size,
            mtime: 0,
            device: (0, 0),
            xattrs: &[],
        }
    }

    /// A directory of root without time; `name` ends in a slash.
    pub fn directory(name: &'a [u8], mode: u32) -> Self {
        Self {
            kind: Kind::Directory,
            ..Self::file(name, mode, 0)
        }
    }

    /// Appends the blocks that come before the content.
    pub fn encode(&self, style: Style, out: &mut Vec<u8>) {
        let mut block = [0; BLOCK];
        block[field::TYPE] = self.kind.flag();
        put_octal(&mut block[field::MODE], self.mode.into());
        put_octal(&mut block[field::UID], self.uid.into());
        put_octal(&mut block[field::GID], self.gid.into());
        put_octal(&mut block[field::SIZE], self.size);
        put_octal(
            &mut block[field::MTIME],
            u64::try_from(self.mtime).unwrap_or(u64::MAX),
        );
        put_octal(&mut block[field::MAJOR], self.device.0.into());
        put_octal(&mut block[field::MINOR], self.device.1.into());
        put_text(&mut block[field::LINK], &ascii(self.link));
        let records = self.records();
        if style == Style::Any
            && let [record] = &records[..]
            && record.0 == b"path"
            && let Some((prefix, name)) = split(self.name)
        {
            put_text(&mut block[field::PREFIX], prefix);
            put_text(&mut block[field::NAME], name);
        } else {
            put_records(self.name, records, out);
            put_text(&mut block[field::NAME], &ascii(self.name));
        }
        seal(&mut block);
        out.extend_from_slice(&block);
    }

    /// The PAX records for what the header itself cannot hold, sorted by key.
    fn records(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut records = Vec::new();
        let mut push = |key: &str, value: Vec<u8>| records.push((key.as_bytes().to_vec(), value));
        for (key, text) in [("path", self.name), ("linkpath", self.link)] {
            if text.len() > field::NAME.len() || !text.is_ascii() {
                push(key, text.to_vec());
            }
        }
        for (key, number, field) in [
            ("uid", self.uid.into(), field::UID),
            ("gid", self.gid.into(), field::GID),
            ("size", self.size, field::SIZE),
        ] {
            if !fits(field.len(), number) {
                push(key, number.to_string().into_bytes());
            }
        }
        if !u64::try_from(self.mtime).is_ok_and(|mtime| fits(field::MTIME.len(), mtime)) {
            push("mtime", self.mtime.to_string().into_bytes());
        }
        for (name, value) in self.xattrs {
            let key = [XATTR.as_bytes(), name.as_bytes()].concat();
            records.push((key, value.clone()));
        }
        records.sort_unstable();
        records
    }
}

/// How many bytes follow a content of this length to the next block.
pub(crate) fn pad(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// The entry that holds the PAX records of the entry that follows.
fn put_records(name: &[u8], records: Vec<(Vec<u8>, Vec<u8>)>, out: &mut Vec<u8>) {
    if records.is_empty() {
        return;
    }
    let mut data = Vec::new();
    for (key, value) in records {
        pax::push(&mut data, &key, &value);
    }
    let mut block = [0; BLOCK];
    block[field::TYPE] = b'x';
    for field in [field::MODE, field::UID, field::GID, field::MTIME] {
        put_octal(&mut block[field], 0);
    }
    put_octal(&mut block[field::SIZE], data.len() as u64);
    // `dir/PaxHeaders.0/file`; nobody reads it.
    let cut = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .map_or(0, |at| at + 1);
    let (dir, file) = name.split_at(cut);
    let title = ascii(&[dir, b"PaxHeaders.0/", file].concat()).into_owned();
    let title = &title[..title.len().min(field::NAME.len())];
    let end = title
        .iter()
        .rposition(|&byte| byte != b'/')
        .map_or(0, |at| at + 1);
    put_text(&mut block[field::NAME], &title[..end]);
    seal(&mut block);
    out.extend_from_slice(&block);
    out.extend_from_slice(&data);
    out.resize(out.len() + pad(data.len() as u64), 0);
}

/// Sets magic and checksum, which ends in NUL and space.
fn seal(block: &mut [u8; BLOCK]) {
    block[field::MAGIC].copy_from_slice(USTAR);
    block[field::CHECKSUM].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    put_octal(
        &mut block[field::CHECKSUM.start..field::CHECKSUM.end - 1],
        sum,
    );
}

/// Whether a number fits a field of octal digits and a NUL.
fn fits(length: usize, number: u64) -> bool {
    let bits = 3 * (length - 1);
    bits >= 64 || number >> bits == 0
}

/// Fills a field with octal digits and a NUL; with zero where a number does not fit, which a PAX record holds then.
fn put_octal(field: &mut [u8], number: u64) {
    let mut number = if fits(field.len(), number) { number } else { 0 };
    let Some((end, digits)) = field.split_last_mut() else {
        return;
    };
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
}

/// Puts as much of a text into a field as there is room for.
fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    // Cut just behind a slash, a file would look like a directory to who does not read the PAX record.
    if text.len() > length && field[length - 1] == b'/' {
        let end = text[..length - 1]
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |at| at + 1);
        field[end] = 0;
    }
}

/// A text without what is not ASCII.
fn ascii(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match text.is_ascii() {
        true => text.into(),
        false => text
            .iter()
            .copied()
            .filter(u8::is_ascii)
            .collect::<Vec<_>>()
            .into(),
    }
}

/// Cuts a long name in a prefix and a name that both fit.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    let reach = match name.len() {
        length if length > field::PREFIX.len() + 1 => field::PREFIX.len() + 1,
        length if name.ends_with(b"/") => length - 1,
        length => length,
    };
    let cut = name[..reach].iter().rposition(|&byte| byte == b'/')?;
    let (prefix, rest) = (&name[..cut], &name[cut + 1..]);
    let fit = cut > 0 && (1..=field::NAME.len()).contains(&rest.len());
    fit.then_some((prefix, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octal(value: &[u8]) -> String {
        String::from_utf8_lossy(value)
            .trim_end_matches('\0')
            .to_owned()
    }

    #[test]
    fn a_plain_header_is_one_block() {
        let mut out = Vec::new();
        Header {
            uid: 1000,
            mtime: 1_700_000_000,
            ..Header::file(b"a/b", 0o4755, 3)
        }
        .encode(Style::Pax, &mut out);
        assert_eq!(out.len(), BLOCK);
        assert!(out.starts_with(b"a/b\0"));
        assert_eq!(octal(&out[field::MODE]), "0004755");
        assert_eq!(octal(&out[field::UID]), "0001750");
        assert_eq!(octal(&out[field::SIZE]), "00000000003");
        assert_eq!(octal(&out[field::MTIME]), "14524770400");
        assert_eq!(&out[field::MAGIC], USTAR);
        assert_eq!(&out[154..156], b"\0 ");
        assert_eq!(
            ::tar::Header::from_byte_slice(&out).cksum().unwrap(),
            u32::from_str_radix(&octal(&out[148..154]), 8).unwrap()
        );
    }

    #[test]
    fn what_does_not_fit_is_in_sorted_records() {
        let long = [&[b'd'; 99][..], b"/", &[b'f'; 99]].concat();
        let mut out = Vec::new();
        Header {
            uid: 3_000_000_000,
            mtime: -5,
            size: 1 << 40,
            xattrs: &[("security.capability".into(), vec![0, 1, b'\n'])],
            ..Header::file(&long, 0o644, 0)
        }
        .encode(Style::Pax, &mut out);
        assert_eq!(out[field::TYPE], b'x');
        let mut rest = &out[BLOCK..2 * BLOCK];
        let mut keys = Vec::new();
        while let Some((key, value, after)) = pax::next(rest) {
            keys.push((String::from_utf8_lossy(key).into_owned(), value.to_vec()));
            rest = after;
        }
        assert_eq!(
            keys,
            [
                (
                    "SCHILY.xattr.security.capability".to_owned(),
                    vec![0, 1, b'\n']
                ),
                ("mtime".to_owned(), b"-5".to_vec()),
                ("path".to_owned(), long.clone()),
                ("size".to_owned(), b"1099511627776".to_vec()),
                ("uid".to_owned(), b"3000000000".to_vec()),
            ]
        );
        let header = &out[2 * BLOCK..];
        assert_eq!(header.len(), BLOCK);
        assert_eq!(octal(&header[field::SIZE]), "00000000000");
        // The name is cut behind its slash, which goes too.
        assert_eq!(header[99], 0);
    }

    #[test]
    fn a_long_name_is_cut_in_two_where_that_is_allowed() {
        let long = [&[b'd'; 120][..], b"/", &[b'f'; 60]].concat();
        let (mut any, mut pax) = (Vec::new(), Vec::new());
        Header::file(&long, 0, 0).encode(Style::Any, &mut any);
        Header::file(&long, 0, 0).encode(Style::Pax, &mut pax);
        assert_eq!((any.len(), pax.len()), (BLOCK, 3 * BLOCK));
        assert_eq!(
            &any[field::PREFIX][..121],
            [&[b'd'; 120][..], b"\0"].concat()
        );
    }
}
