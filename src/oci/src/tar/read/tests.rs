//! Archives that are read, whole and broken.

use super::*;
use crate::tar::Streamed;
use crate::tar::{END, Header, Style};
use proptest::prelude::*;

fn read(data: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut reader = TarReader::new(Streamed(data));
    let (mut member, mut all) = (Member::default(), Vec::new());
    while reader.next(&mut member)? {
        let path = String::from_utf8_lossy(&member.path).into_owned();
        all.push((path, reader.read_content()?));
    }
    Ok(all)
}

fn entry(header: Header<'_>, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    header.encode(Style::Pax, &mut out);
    out.extend_from_slice(content);
    out.resize(out.len() + pad(content.len() as u64), 0);
    out
}

#[test]
fn what_is_written_is_read() {
    let long = "long/".repeat(60) + "é";
    let xattrs = [("user.x".into(), b"\0=\n".to_vec())];
    let header = Header {
        uid: u32::MAX - 1,
        gid: 7,
        mtime: -3,
        xattrs: &xattrs,
        ..Header::file(long.as_bytes(), 0o4711, 700)
    };
    let archive = [entry(header, &[1; 700]), END.to_vec()].concat();
    let mut reader = TarReader::new(Streamed(&archive[..]));
    let mut member = Member::default();
    assert!(reader.next(&mut member).unwrap());
    assert_eq!(member.path, long.as_bytes());
    assert_eq!(
        (member.uid, member.gid, member.mode, member.size),
        (u32::MAX - 1, 7, 0o4711, 700)
    );
    assert_eq!(member.mtime, Timestamp::from_seconds(-3));
    assert_eq!(member.xattrs, xattrs);
    assert_eq!(reader.read_content().unwrap(), [1; 700]);
    assert!(!reader.next(&mut member).unwrap());
}

#[test]
fn gnu_long_names_global_headers_and_old_directories() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let long = "g".repeat(300);
    let mut header = ::tar::Header::new_gnu();
    header.set_size(2);
    builder.append_data(&mut header, &long, &b"ok"[..]).unwrap();
    let gnu = builder.into_inner().unwrap();
    let gnu = &gnu[..gnu.len() - END.len()];
    let mut global = entry(
        Header::file(b"pax_global_header", 0, 16),
        b"16 path=ignored\n",
    );
    global[field::TYPE] = b'g';
    let mut old = entry(Header::directory(b"dir/", 0o755), b"");
    old[field::TYPE] = 0;
    for block in [&mut global, &mut old] {
        let mut header = ::tar::Header::from_byte_slice(&block[..BLOCK]).clone();
        header.set_cksum();
        block[..BLOCK].copy_from_slice(header.as_bytes());
    }
    let archive = [&global[..], gnu, &old].concat();
    assert_eq!(
        read(&archive).unwrap(),
        [(long, b"ok".to_vec()), ("dir/".to_owned(), Vec::new())]
    );
}

#[test]
fn every_cut_but_one_between_entries_is_an_error() {
    let one = entry(Header::file(b"a", 0o644, 600), &[7; 600]);
    let two = entry(Header::file(&[b'n'; 200], 0o644, 3), b"abc");
    let archive = [&one[..], &two, &END].concat();
    for length in 0..archive.len() {
        let result = read(&archive[..length]);
        let whole = length == 0
            || (BLOCK + 600..=one.len()).contains(&length)
            || length >= one.len() + two.len() - 509;
        let odd_end = length > one.len() + two.len() && length % BLOCK != 0;
        let expected = whole && (!odd_end || length > one.len() + two.len() + BLOCK);
        assert_eq!(result.is_ok(), expected, "{length}: {result:?}");
    }
    let error = read(&archive[..700]).unwrap_err().to_string();
    assert_eq!(
        error,
        "broken tar archive at byte 700: it ends within the content of `a`"
    );
}

#[test]
fn garbage_is_an_error_with_its_offset() {
    let one = entry(Header::file(b"a", 0o644, 1), b"a");
    let archive = [&one[..], &[b'x'; BLOCK], &END].concat();
    let error = read(&archive).unwrap_err();
    assert!(matches!(error, Error::Tar { offset: 1024, .. }), "{error}");
    let archive = [&one[..], &[0; BLOCK], &one].concat();
    let error = read(&archive).unwrap_err();
    assert!(matches!(error, Error::Tar { offset: 1024, .. }), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic(
        changes in proptest::collection::vec((0usize..2048, any::<u8>()), 0..6),
        fix in any::<bool>(),
    ) {
        let name = [b'n'; 150];
        let mut archive = [entry(Header::file(&name, 0o644, 3), b"abc"), END.to_vec()].concat();
        for (at, byte) in changes {
            let at = at % archive.len();
            archive[at] = byte;
        }
        if fix {
            for start in (0..archive.len()).step_by(BLOCK) {
                let mut header = ::tar::Header::from_byte_slice(&archive[start..start + BLOCK]).clone();
                if header.as_bytes() != &[0; BLOCK] {
                    header.set_cksum();
                    archive[start..start + BLOCK].copy_from_slice(header.as_bytes());
                }
            }
        }
        let _ = read(&archive);
    }
}
