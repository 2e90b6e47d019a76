//! Files of any name and content as an OCI layout, its tar, or a docker-archive, plain and compressed: an error, or images whose
//! documents are what their digests say.
//!
//! The input is names and contents, with NULs between; `%0` to `%9` are the digests of the contents before, so that blobs can be had.

#![no_main]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use stromatekt_oci::source::ImageSource;
use stromatekt_oci::{Digest, Platform};

/// Contents are as long as the input, unless they are compressed.
const LONGEST: u64 = 64 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&form, data)) = data.split_first() else {
        return;
    };
    let mut digests = Vec::new();
    let mut files = Vec::new();
    let mut parts = data.split(|&byte| byte == 0);
    while let (Some(name), Some(content)) = (parts.next(), parts.next()) {
        let content = with_digests(content, &digests, true);
        let name = with_digests(name, &digests_and(&digests, &content), false);
        digests.push(Digest::of(&content));
        files.push((name, content));
    }
    let Ok(lab) = tempfile::tempdir() else { return };
    let path = lab.path().join("source");
    let is_written = match form % 3 {
        0 => write_directory(&path, &files),
        1 => fs::write(&path, archive(&files)).is_ok(),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&archive(&files)).is_ok()
                && gzip
                    .finish()
                    .and_then(|gzip| fs::write(&path, gzip))
                    .is_ok()
        }
    };
    if !is_written {
        return;
    }
    let source = match ImageSource::open(&path) {
        Ok(source) => source,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let platform = Platform::new("linux", "amd64");
    for selector in [None, Some("a"), Some("latest")] {
        let _ = source.image(selector, &platform);
    }
    for image in source.images(&platform).unwrap_or_default() {
        assert!(image.config.len() as u64 <= LONGEST);
        for layer in &image.layers {
            let _ = source.blob_path(layer);
            if let Ok(content) = source.blob(layer) {
                let mut length = 0;
                let mut buffer = [0; 4096];
                let mut content = content.take(LONGEST);
                while let Ok(count @ 1..) = content.read(&mut buffer) {
                    length += count as u64;
                }
                assert!(length <= LONGEST);
            }
        }
    }
});

fn digests_and(digests: &[Digest], content: &[u8]) -> Vec<Digest> {
    let mut all = digests.to_vec();
    all.push(Digest::of(content));
    all
}

/// Digests for `%0` to `%9`; in names, without their algorithm, and `%%` is the one of the content itself.
fn with_digests(text: &[u8], digests: &[Digest], is_whole: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let digest = match (byte, bytes.peek()) {
            (b'%', Some(digit @ b'0'..=b'9')) => digests.get(usize::from(digit - b'0')),
            (b'%', Some(b'%')) if !is_whole => digests.last(),
            _ => None,
        };
        match digest {
            Some(digest) => {
                bytes.next();
                let text = if is_whole {
                    digest.to_string()
                } else {
                    digest.hex()
                };
                out.extend_from_slice(text.as_bytes());
            }
            None => out.push(byte),
        }
    }
    out
}

fn archive(files: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        let length = name.len().min(100);
        header.as_old_mut().name[..length].copy_from_slice(&name[..length]);
        // A link, as docker saves a layer that was there before.
        let link = content.strip_prefix(b"->").filter(|link| link.len() <= 100);
        let content = match link {
            Some(link) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
                &[]
            }
            None => &content[..],
        };
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        if builder.append(&header, content).is_err() {
            break;
        }
    }
    builder.into_inner().unwrap_or_default()
}

/// Only names that stay in the directory: it is ours to fill.
fn write_directory(path: &Path, files: &[(Vec<u8>, Vec<u8>)]) -> bool {
    for (name, content) in files {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let is_inside = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let file = path.join(name);
        if is_inside && let Some(directory) = file.parent() {
            let _ = fs::create_dir_all(directory).and_then(|()| fs::write(&file, content));
        }
    }
    path.is_dir()
}
