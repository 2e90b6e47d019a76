//! Archives that are read, whole and broken.

use super::*;
use crate::tar::Streamed;
use crate::tar::{END, Header, Style};
use proptest::prelude::*;

fn content(reader: &mut TarReader<Streamed<&[u8]>>) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let length = match reader.chunk()? {
            Chunk::Data(chunk) => {
                content.extend_from_slice(chunk);
                chunk.len()
            }
            Chunk::Hole(length) => {
                content.resize(content.len() + usize::try_from(length).unwrap(), 0);
                continue;
            }
            Chunk::End => return Ok(content),
        };
        reader.consume(length);
    }
}

fn read(data: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut reader = TarReader::new(Streamed(data));
    let (mut member, mut all) = (Member::default(), Vec::new());
    while reader.next(&mut member)? {
        let path = String::from_utf8_lossy(&member.path).into_owned();
        all.push((path, content(&mut reader)?));
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
    assert_eq!(content(&mut reader).unwrap(), [1; 700]);
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
    // A long name before a global header is not that of the file behind it.
    let (name, file) = gnu.split_at(2 * BLOCK);
    let archive = [name, &global, file].concat();
    assert_eq!(read(&archive).unwrap(), [("g".repeat(100), b"ok".to_vec())]);
    global[BLOCK] = b'x';
    let error = read(&global).unwrap_err().to_string();
    assert!(error.contains("malformed"), "{error}");
}

#[test]
fn sparse_files_are_read_in_each_format() {
    let mut whole = vec![0; 5000];
    whole[1000..1003].fill(b'a');
    whole[4000..4600].fill(b'b');
    let stored = [[b'a'; 3].as_slice(), &[b'b'; 600]].concat();
    let map = b"3\n1000\n3\n4000\n600\n5000\n0\n";
    let mut with_map = map.to_vec();
    with_map.resize(BLOCK, 0);
    with_map.extend_from_slice(&stored);
    for (records, content) in [
        (
            "GNU.sparse.size=5000 GNU.sparse.numblocks=2 GNU.sparse.offset=1000 GNU.sparse.numbytes=3 \
             GNU.sparse.offset=4000 GNU.sparse.numbytes=600 path=name",
            &stored,
        ),
        (
            "GNU.sparse.size=5000 GNU.sparse.numblocks=2 GNU.sparse.map=1000,3,4000,600 GNU.sparse.name=name",
            &stored,
        ),
        (
            "GNU.sparse.major=1 GNU.sparse.minor=0 GNU.sparse.realsize=5000 GNU.sparse.name=name",
            &with_map,
        ),
    ] {
        let mut data = Vec::new();
        for record in records.split_whitespace() {
            let (key, value) = record.split_once('=').unwrap();
            pax::push(&mut data, key.as_bytes(), value.as_bytes());
        }
        let mut extended = entry(Header::file(b"x", 0, data.len() as u64), &data);
        extended[field::TYPE] = b'x';
        let mut header = ::tar::Header::from_byte_slice(&extended[..BLOCK]).clone();
        header.set_cksum();
        extended[..BLOCK].copy_from_slice(header.as_bytes());
        let file = entry(
            Header::file(b"made-up", 0o644, content.len() as u64),
            content,
        );
        let next = entry(Header::file(b"next", 0o644, 1), b"n");
        let archive = [&extended[..], &file, &next, &END].concat();
        let expected = [
            ("name".to_owned(), whole.clone()),
            ("next".to_owned(), b"n".to_vec()),
        ];
        assert_eq!(read(&archive).unwrap(), expected, "{records}");
        // Passed over, it is as long as what is stored.
        let mut reader = TarReader::new(Streamed(&archive[..]));
        let mut member = Member::default();
        assert!(reader.next(&mut member).unwrap() && member.is_sparse);
        assert_eq!(member.size, 5000);
        assert!(reader.next(&mut member).unwrap() && !member.is_sparse);
        assert_eq!(member.path, b"next");
    }
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
