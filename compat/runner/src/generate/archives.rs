//! Archives that ADD unpacks, well-formed and hostile.

use std::io::{Error, Result};

use tar::{EntryType, Header};

use super::Theme;
use super::model::{Case, Entry, Instruction, shell_word};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "archives",
    point: "Archives that are unpacked, into what is there.",
    begin,
    probe,
};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
    /// By bzip2.
    Bzip2,
    /// By xz.
    Xz,
    /// By zstd.
    Zstd,
}

impl Compression {
    /// The line of shell that compresses the file.
    #[must_use]
    pub fn command(self, path: &str) -> Option<String> {
        let path = shell_word(path);
        let by = match self {
            Self::None => return None,
            Self::Gzip => "gzip -nf",
            Self::Bzip2 => "bzip2 -f",
            Self::Xz => "xz -f",
            Self::Zstd => "zstd -qf",
        };
        Some(format!(
            "{by} < {path} > {path}.new && mv {path}.new {path}"
        ))
    }
}

/// What a member of an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file with this text.
    File(String),
    /// A directory.
    Directory,
    /// A symbolic link.
    Link(String),
    /// A hard link.
    HardLink(String),
    /// A pipe.
    Pipe,
    /// A character device.
    Device(u32, u32),
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as it is in the archive.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Mode bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// Seconds since 1970.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: Vec<(String, String)>,
}

/// The archive, not compressed.
///
/// # Errors
/// When a member cannot be written.
pub fn bytes(members: &[Member]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let attributes: Vec<(String, &[u8])> = member
            .xattrs
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_bytes()))
            .collect();
        if !attributes.is_empty() {
            builder.append_pax_extensions(
                attributes
                    .iter()
                    .map(|(name, value)| (name.as_str(), *value)),
            )?;
        }
        let mut header = Header::new_gnu();
        header.set_mode(member.mode);
        header.set_uid(member.owner.0);
        header.set_gid(member.owner.1);
        header.set_mtime(member.mtime);
        header.set_size(0);
        let mut content = "";
        match &member.kind {
            Kind::File(text) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(text.len() as u64);
                content = text;
            }
            Kind::Directory => header.set_entry_type(EntryType::Directory),
            Kind::Link(_) => header.set_entry_type(EntryType::Symlink),
            Kind::HardLink(_) => header.set_entry_type(EntryType::Link),
            Kind::Pipe => header.set_entry_type(EntryType::Fifo),
            Kind::Device(major, minor) => {
                header.set_entry_type(EntryType::Char);
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
            }
        }
        if let Kind::Link(target) | Kind::HardLink(target) = &member.kind {
            long_name(&mut builder, target, EntryType::GNULongLink)?;
            fill(&mut header.as_old_mut().linkname, target);
        }
        long_name(&mut builder, &member.name, EntryType::GNULongName)?;
        // Written byte by byte: names that leave the archive's directory are part of what is tried.
        fill(&mut header.as_old_mut().name, &member.name);
        header.set_cksum();
        builder.append(&header, content.as_bytes())?;
    }
    builder.into_inner().map_err(Error::other)
}

fn fill(field: &mut [u8; 100], text: &str) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}

/// The extra member that holds what does not fit.
fn long_name(builder: &mut tar::Builder<Vec<u8>>, text: &str, kind: EntryType) -> Result<()> {
    if text.len() <= 100 {
        return Ok(());
    }
    let mut header = Header::new_gnu();
    fill(&mut header.as_old_mut().name, "././@LongLink");
    header.set_entry_type(kind);
    header.set_size(text.len() as u64 + 1);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, format!("{text}\0").as_bytes())
}

fn begin(r: &mut Random, case: &mut Case) {
    for n in 0..r.between(1, 3) {
        let name = r.text(&["x.tar", "y.tar.gz", "z", "t.tgz", "u.txz", "odd name.tar"]);
        let name = format!("{n}{name}");
        let compression = *r.pick(&[
            Compression::None,
            Compression::None,
            Compression::Gzip,
            Compression::Bzip2,
            Compression::Xz,
            Compression::Zstd,
        ]);
        let hostile = r.chance(30);
        let members = members(r, hostile);
        case.files
            .insert(name, Entry::Archive(members, compression));
    }
    if r.chance(25) {
        case.file("plain.tar", "no archive\n");
    }
    if r.chance(10) {
        case.file("sparse.tar", "");
        case.setup.push(
            "truncate -s 2000000 holes; printf end >> holes; tar -S -cf sparse.tar holes; rm holes"
                .to_owned(),
        );
    }
    let base = r.text(&["busybox", "busybox", "busybox", "scratch"]);
    case.push(Instruction::new("FROM", [base]));
    if base == "busybox" && r.chance(60) {
        case.push(Instruction::run(
            [
                "mkdir -p /t/a/b /t/d",
                "echo old > /t/a/f",
                "echo old > /t/top",
                "ln -s /etc /t/etc",
                "mkdir /real",
                "ln -s /real /t/c",
                "ln -s /real /l",
                "chmod 700 /t/a",
                "chown 3:4 /t /t/top",
                "ln /t/top /t/b",
            ]
            .iter()
            .filter(|_| r.chance(80))
            .map(|&command| command.to_owned())
            .chain(["true".to_owned()])
            .collect(),
        ));
    }
}

fn members(r: &mut Random, hostile: bool) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    let parts = ["a", "b", "c", "d", "f", "top", "é", "sp ace", ".h", "l"];
    for _ in 0..r.between(1, 9) {
        let depth = r.between(1, 3);
        let mut name = (0..depth)
            .map(|_| r.text(&parts))
            .collect::<Vec<_>>()
            .join("/");
        if r.chance(12) {
            name.insert_str(0, "./");
        }
        if r.chance(4) {
            name = format!("{name}/{}", "long-name-".repeat(r.between(8, 20)));
        }
        if hostile {
            match r.below(12) {
                0 => name.insert(0, '/'),
                1 => name.insert_str(0, "../"),
                2 => name.insert_str(0, "a/../../"),
                3 => name.push_str("/.wh.x"),
                4 => name = format!(".wh.{}", name.trim_start_matches("./")),
                5 => name.push_str("/.."),
                6 => {
                    name = r
                        .text(&[
                            ".wh..wh..opq",
                            "./",
                            ".",
                            "a/.wh.b",
                            "a//b",
                            "d/.wh..wh..opq",
                        ])
                        .to_owned()
                }
                7 => name = "l/through".to_owned(),
                _ => {}
            }
        }
        let kind = match r.below(14) {
            0..=6 => Kind::File(if r.chance(20) {
                String::new()
            } else {
                format!("{name}\n")
            }),
            7..=9 => {
                if r.chance(50) {
                    name.push('/');
                }
                Kind::Directory
            }
            10 | 11 => Kind::Link(
                r.text(&[
                    "a",
                    "../b",
                    "/etc",
                    "missing",
                    ".",
                    "/real",
                    "../../../../etc",
                    "/t/d",
                    "a/b",
                ])
                .to_owned(),
            ),
            12 => match members.iter().find(|m| matches!(m.kind, Kind::File(_))) {
                Some(file) => {
                    let target = file.name.clone();
                    Kind::HardLink(if hostile && r.chance(30) {
                        r.text(&["/etc/passwd", "../../etc/passwd", "missing"])
                            .to_owned()
                    } else {
                        target
                    })
                }
                None => Kind::Pipe,
            },
            _ => {
                if r.chance(50) {
                    Kind::Pipe
                } else {
                    Kind::Device(1, *r.pick(&[3, 5, 7]))
                }
            }
        };
        let below = |name: &str, other: &Member| {
            let other = other.name.trim_start_matches("./");
            name.trim_start_matches("./")
                .strip_prefix(other.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let clashes = members.iter().any(|other| {
            other.kind != Kind::Directory && below(&name, other)
                || kind != Kind::Directory
                    && other
                        .name
                        .trim_start_matches("./")
                        .starts_with(name.trim_start_matches("./"))
        });
        // Files in the place of directories are refused, mostly.
        if clashes && r.chance(90) {
            continue;
        }
        // A file of two names of which a layer can hold one: the other one is a whiteout there, so neither builder's layer can be read.
        let is_whiteout = |name: &str| name.rsplit('/').any(|part| part.starts_with(".wh."));
        if matches!(&kind, Kind::HardLink(target) if is_whiteout(&name) || is_whiteout(target)) {
            continue;
        }
        let xattrs = if r.chance(8) && matches!(kind, Kind::File(_) | Kind::Directory) {
            vec![("user.k".to_owned(), "v".to_owned())]
        } else {
            Vec::new()
        };
        let mode = match kind {
            Kind::Directory => *r.pick(&[0o755, 0o700, 0o1777, 0o2775]),
            _ => *r.pick(&[0o644, 0o600, 0o4755, 0o755, 0o2711, 0]),
        };
        members.push(Member {
            name,
            kind,
            mode,
            owner: *r.pick(&[(0, 0), (7, 8), (1000, 1000), (3_000_000, 3_000_000)]),
            mtime: *r.pick(&[1_500_000_000, 1_400_000_000, 0, 1]),
            xattrs,
        });
    }
    members
}

fn probe(r: &mut Random, case: &mut Case) {
    let names: Vec<String> = case.files.keys().cloned().collect();
    let mut from = vec![r.pick(&names).clone()];
    if r.chance(15) {
        from.push(r.pick(&names).clone());
    }
    if r.chance(8) {
        from = vec![r.text(&["*.tar", "0*", "*", "."]).to_owned()];
    }
    let n = case.instructions.len();
    let mut to = if r.chance(50) {
        format!("/n{n}{}", r.text(&["", "/", "/m/"]))
    } else {
        r.text(&["/t", "/t/", "/l", "/", "/t/a", "/l/", "/t/c", "/n"])
            .to_owned()
    };
    if from.len() > 1 && !to.ends_with('/') {
        to.push('/');
    }
    from.push(to);
    let keyword = r.text(&["ADD", "ADD", "ADD", "ADD", "COPY"]);
    let mut add = Instruction::json(keyword, &from);
    if r.chance(20) {
        add = add.flag(format!("--chown={}", r.text(&["5:6", "7", "0:0"])));
    }
    if r.chance(12) {
        add = add.flag(format!(
            "--chmod={}",
            r.text(&["755", "0600", "4711", "u+x"])
        ));
    }
    if r.chance(15) {
        add = add.flag("--link");
    }
    if keyword == "ADD" && r.chance(12) {
        add = add.flag(r.text(&["--unpack", "--unpack=false", "--unpack=true"]));
    }
    case.push(add);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_have_the_names_that_were_asked_for() {
        let member = |name: &str, kind: Kind| Member {
            name: name.to_owned(),
            kind,
            mode: 0o644,
            owner: (0, 0),
            mtime: 1,
            xattrs: vec![("user.k".to_owned(), "v".to_owned())],
        };
        let long = "long-name-".repeat(15);
        let written = bytes(&[
            member("../out", Kind::File("text".to_owned())),
            member("/abs", Kind::Link(long.clone())),
            member(&long, Kind::Directory),
        ])
        .expect("it is written to memory");
        let mut archive = tar::Archive::new(&written[..]);
        let names: Vec<_> = archive
            .entries()
            .expect("it is an archive")
            .map(|entry| {
                String::from_utf8(entry.expect("it is sound").path_bytes().into_owned())
                    .expect("it is text")
            })
            .collect();
        assert_eq!(names, ["../out", "/abs", &long]);
    }
}
