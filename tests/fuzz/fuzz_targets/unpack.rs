//! Layers of hostile names, unpacked: nothing outside of the root changes, and what is there then can be packed and unpacked to the same.

#![no_main]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use stromatekt_kernel::Root;
use stromatekt_oci::rootfs_tar::{Rootfs, write_rootfs};
use stromatekt_oci::unpack::{UnpackOptions, Whiteouts, unpack};

#[derive(Arbitrary, Debug)]
enum Part {
    A,
    B,
    C,
    Up,
    Here,
    Nothing,
    Gone,
    Opaque,
    Hardlinks,
    Long,
    Odd(u8),
}

#[derive(Arbitrary, Debug)]
struct Name {
    is_absolute: bool,
    parts: Vec<Part>,
}

#[derive(Arbitrary, Debug)]
enum Target {
    Name(Name),
    /// By the way from `/` of the host, or up from the root.
    Outside {
        is_relative: bool,
        part: Option<Part>,
    },
}

#[derive(Arbitrary, Debug)]
enum Content {
    File(u8),
    Directory,
    Symlink(Target),
    HardLink(Target),
    Device,
    Fifo,
}

#[derive(Arbitrary, Debug)]
struct Entry {
    name: Name,
    content: Content,
    mode: u16,
    owner: u8,
}

#[derive(Arbitrary, Debug)]
struct Input {
    is_layer: bool,
    before: Vec<Entry>,
    layer: Vec<Entry>,
}

/// Names longer than a header has room for go by themselves.
const MOST_PARTS: usize = 6;
const MOST_ENTRIES: usize = 12;

fuzz_target!(|input: Input| {
    let Ok(lab) = tempfile::tempdir() else { return };
    let (inside, outside) = (lab.path().join("root"), lab.path().join("outside"));
    fs::create_dir(&inside).expect("a directory for the root");
    fs::create_dir(&outside).expect("a directory outside");
    fs::write(outside.join("a"), "untouched").expect("a file outside");
    let root = Root::open(&inside).expect("the root");
    for (entries, whiteouts) in [
        (&input.before, Whiteouts::Literal),
        (
            &input.layer,
            match input.is_layer {
                true => Whiteouts::Apply,
                false => Whiteouts::Literal,
            },
        ),
    ] {
        let tar = archive(entries, &outside);
        let options = UnpackOptions {
            whiteouts,
            list_changes: true,
            ..UnpackOptions::default()
        };
        if let Ok(unpacked) = unpack(&tar[..], &root, &options) {
            for path in unpacked
                .changes
                .changed
                .iter()
                .chain(&unpacked.changes.removed)
            {
                assert!(
                    path.components()
                        .all(|part| matches!(part, std::path::Component::Normal(_))),
                    "{path:?}"
                );
            }
        }
        let names: Vec<_> = fs::read_dir(lab.path()).expect("the lab").collect();
        assert_eq!(
            names.len(),
            2,
            "something was made beside the root: {names:?}"
        );
        let names: Vec<_> = fs::read_dir(&outside).expect("outside").collect();
        assert_eq!(names.len(), 1, "something was made outside: {names:?}");
        assert_eq!(
            fs::read(outside.join("a")).ok().as_deref(),
            Some(&b"untouched"[..])
        );
        assert_eq!(
            fs::symlink_metadata(&outside)
                .map(|found| std::os::unix::fs::MetadataExt::uid(&found))
                .ok(),
            Some(0)
        );
    }
    let packed = packed(&root);
    let again = lab.path().join("again");
    fs::create_dir(&again).expect("a second directory");
    let again = Root::open(&again).expect("the second root");
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        ..UnpackOptions::default()
    };
    unpack(&packed[..], &again, &options).expect("what was packed can be unpacked");
    assert!(packed == self::packed(&again), "it comes back otherwise");
});

fn packed(root: &Root) -> Vec<u8> {
    let tree = Rootfs {
        root,
        directory: None,
        epoch: None,
    };
    write_rootfs(&[tree], Vec::new()).expect("whatever was unpacked can be packed")
}

fn archive(entries: &[Entry], outside: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries.iter().take(MOST_ENTRIES) {
        let mut header = tar::Header::new_ustar();
        header.set_mode(u32::from(entry.mode & 0o7777));
        header.set_uid(u64::from(entry.owner));
        header.set_gid(u64::from(entry.owner / 2));
        header.set_mtime(1_000_000 + u64::from(entry.mode));
        let (kind, content, link) = match &entry.content {
            Content::File(length) => (
                tar::EntryType::Regular,
                vec![b'x'; usize::from(*length)],
                Vec::new(),
            ),
            Content::Directory => (tar::EntryType::Directory, Vec::new(), Vec::new()),
            Content::Symlink(link) => (tar::EntryType::Symlink, Vec::new(), target(link, outside)),
            Content::HardLink(link) => (tar::EntryType::Link, Vec::new(), target(link, outside)),
            Content::Device => (tar::EntryType::Char, Vec::new(), Vec::new()),
            Content::Fifo => (tar::EntryType::Fifo, Vec::new(), Vec::new()),
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        // `/dev/null`, which is harmless.
        header.set_device_major(1).expect("a number");
        header.set_device_minor(3).expect("a number");
        let name = name(&entry.name);
        if name.len() > 100 || link.len() > 100 {
            continue;
        }
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(&name);
        old.linkname[..link.len()].copy_from_slice(&link);
        header.set_cksum();
        builder
            .append(&header, Cursor::new(content))
            .expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn name(name: &Name) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = name.parts.iter().take(MOST_PARTS).map(part).collect();
    let mut bytes = if name.is_absolute {
        b"/".to_vec()
    } else {
        Vec::new()
    };
    bytes.extend_from_slice(&parts.join(&b'/'));
    bytes
}

fn part(part: &Part) -> Vec<u8> {
    match part {
        Part::A => b"a".to_vec(),
        Part::B => b"b".to_vec(),
        Part::C => b"c".to_vec(),
        Part::Up => b"..".to_vec(),
        Part::Here => b".".to_vec(),
        Part::Nothing => Vec::new(),
        Part::Gone => b".wh.a".to_vec(),
        Part::Opaque => b".wh..wh..opq".to_vec(),
        Part::Hardlinks => b".wh..wh.plnk".to_vec(),
        Part::Long => vec![b'n'; 60],
        Part::Odd(byte) => vec![*byte],
    }
}

fn target(target: &Target, outside: &Path) -> Vec<u8> {
    match target {
        Target::Name(link) => name(link),
        Target::Outside {
            is_relative,
            part: below,
        } => {
            let mut bytes = match is_relative {
                true => b"../outside".to_vec(),
                false => std::os::unix::ffi::OsStrExt::as_bytes(outside.as_os_str()).to_vec(),
            };
            if let Some(below) = below {
                bytes.push(b'/');
                bytes.extend(part(below));
            }
            bytes
        }
    }
}
