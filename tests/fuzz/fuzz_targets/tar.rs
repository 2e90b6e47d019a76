//! Any bytes as a tar: the reader holds no more than its limits, and reads what the `tar` crate reads where both take an archive.

#![no_main]

#[allow(dead_code, unused_imports, reason = "only the reader is used")]
#[path = "../../../src/oci/src/tar/mod.rs"]
mod layer_tar;

#[allow(dead_code, reason = "only the reader is used")]
#[path = "../../../src/oci/src/error.rs"]
mod error;

use stromatekt_oci::digest;

use std::io::Read;

use layer_tar::{Chunk, Kind, Member, Streamed, TarReader};
use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 512;
/// A hole is as long as a header says, and costs nothing; but it is not read here.
const LONGEST: u64 = 1 << 20;

#[derive(Debug, PartialEq)]
struct Entry {
    path: Vec<u8>,
    link: Vec<u8>,
    content: Vec<u8>,
    is_directory: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let mut archive = rest.to_vec();
    // Nobody guesses checksums.
    if first.is_multiple_of(2) {
        fix_checksums(&mut archive);
    }
    let Some(ours) = ours(&archive) else { return };
    // What Go does otherwise, by which docker reads, is so on purpose.
    if let Some(theirs) = theirs(&archive) {
        assert_eq!(ours, theirs);
    }
});

fn fix_checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(BLOCK) {
        if &block[257..262] == b"ustar" {
            let mut header = tar::Header::from_byte_slice(block).clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
}

/// The entries; nothing where it is refused, or has what the other reader reads otherwise.
fn ours(archive: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = TarReader::new(Streamed(archive));
    let mut member = Member::default();
    let mut entries = Vec::new();
    let mut is_plain = true;
    while reader.next(&mut member).ok()? {
        let mut content = Vec::new();
        let mut length = 0;
        loop {
            match reader.chunk().ok()? {
                Chunk::Data(data) => {
                    assert!(!data.is_empty());
                    content.extend_from_slice(data);
                    let count = data.len();
                    length += count as u64;
                    reader.consume(count);
                }
                Chunk::Hole(hole) => {
                    assert!(member.is_sparse && hole > 0);
                    length += hole;
                }
                Chunk::End => break,
            }
            assert!(content.len() <= archive.len());
        }
        assert_eq!(
            length,
            member.size,
            "{:?}",
            String::from_utf8_lossy(&member.path)
        );
        is_plain &= !member.is_sparse && length < LONGEST;
        // The other one ends records where their lines end.
        is_plain &= !member.path.is_empty()
            && !member.path.contains(&b'\n')
            && !member.link.contains(&b'\n');
        entries.push(Entry {
            path: member.path.clone(),
            link: match member.kind {
                Kind::HardLink | Kind::Symlink => member.link.clone(),
                _ => Vec::new(),
            },
            content,
            is_directory: member.kind == Kind::Directory,
        });
    }
    is_plain.then_some(entries)
}

/// The entries by the `tar` crate.
fn theirs(archive: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = tar::Archive::new(archive);
    let mut entries = Vec::new();
    for entry in reader.entries().ok()? {
        let mut entry = entry.ok()?;
        let header = *entry.header().as_bytes();
        // It takes the prefix of a name by the version, too; and Go none from a header of GNU's.
        if !matches!(&header[257..265], b"ustar\x0000" | b"ustar  \0") {
            return None;
        }
        // Go reads long names up to the first of these.
        if entry.path_bytes().contains(&0)
            || entry
                .link_name_bytes()
                .is_some_and(|link| link.contains(&0))
        {
            return None;
        }
        // Versions of sparse files that Go does not know are plain files to it.
        if let Some(mut records) = entry.pax_extensions().ok()?
            && records.any(|record| {
                record.is_ok_and(|record| record.key_bytes().starts_with(b"GNU.sparse."))
            })
        {
            return None;
        }
        let kind = entry.header().entry_type();
        // Docker takes no notice of them.
        if kind.is_pax_global_extensions() {
            continue;
        }
        // Before ustar, a directory was a file whose name ends in a slash.
        let is_directory =
            kind.is_dir() || (header[156] == 0 && entry.path_bytes().ends_with(b"/"));
        // For Go, only files have content, whatever the size says.
        let is_file = matches!(header[156], 0 | b'0' | b'7') && !is_directory;
        if !is_file && entry.size() > 0 {
            return None;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        entries.push(Entry {
            path: entry.path_bytes().into_owned(),
            link: match kind.is_hard_link() || kind.is_symlink() {
                true => entry.link_name_bytes().unwrap_or_default().into_owned(),
                false => Vec::new(),
            },
            content,
            is_directory,
        });
    }
    Some(entries)
}
