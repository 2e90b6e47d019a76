//! `--chown` and `USER` as owners of files: names are looked up in the tree, as BuildKit does (`solver/llbsolver/ops/user_linux.go`).

use std::io::{self, Read};

use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;

use crate::error::{Error, Result};

/// BuildKit reads no more of a user file.
const MAX_USER_FILE: u64 = 10 << 20;

/// Numeric user and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// `user[:group]`, each a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    text: String,
    user: Id,
    group: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Id {
    Number(u32),
    Name(String),
}

impl Owner {
    /// Reads `user[:group]`.
    pub fn parse(text: &str) -> Result<Self> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let id = |part| {
            Id::parse(part).map_err(|reason| Error::Owner {
                owner: text.to_owned(),
                reason,
            })
        };
        Ok(Self {
            text: text.to_owned(),
            user: id(user)?,
            group: group.map(id).transpose()?,
        })
    }

    /// Looks the names up in the tree. Names that are not there are root, as in BuildKit; a user's group is the one of
    /// `/etc/passwd`, and for a number the same number.
    pub fn resolve(&self, tree: &Root) -> Result<Ids> {
        let mut ids = match &self.user {
            Id::Number(number) => Ids {
                uid: *number,
                gid: *number,
            },
            Id::Name(name) => {
                let text = user_file(tree, "/etc/passwd")?;
                let fields = entry(&text, name);
                Ids {
                    uid: number(fields.as_ref(), 2),
                    gid: number(fields.as_ref(), 3),
                }
            }
        };
        match &self.group {
            Some(Id::Number(number)) => ids.gid = *number,
            Some(Id::Name(name)) => {
                let text = user_file(tree, "/etc/group")?;
                if let Some(fields) = entry(&text, name) {
                    ids.gid = number(Some(&fields), 2);
                }
            }
            None => {}
        }
        Ok(ids)
    }

    /// The numbers where no name is among them.
    pub fn without_tree(&self) -> Result<Ids> {
        let refused = || Error::OwnerNeedsTree {
            owner: self.text.clone(),
        };
        let Id::Number(uid) = self.user else {
            return Err(refused());
        };
        let gid = match self.group {
            None => uid,
            Some(Id::Number(gid)) => gid,
            Some(Id::Name(_)) => return Err(refused()),
        };
        Ok(Ids { uid, gid })
    }
}

impl Id {
    fn parse(text: &str) -> Result<Self, &'static str> {
        // BuildKit takes an empty name for no name.
        if text.is_empty() || text == "root" {
            return Ok(Self::Number(0));
        }
        // As Go's `strconv.ParseInt` with 32 bits; what it does not take is a name.
        match text.parse::<i32>() {
            Ok(number) => u32::try_from(number)
                .map(Self::Number)
                .map_err(|_| "an id is not negative"),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// The text of a user file of the tree; empty where it has none.
fn user_file(tree: &Root, path: &'static str) -> Result<String> {
    let failed = |source| Error::UserFile { path, source };
    // Without `O_NONBLOCK` a named pipe in its place would be waited for.
    let file = match tree.open_file(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0) {
        Ok(file) => file,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(String::new()),
            _ => return Err(failed(error)),
        },
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_USER_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_USER_FILE {
        return Err(failed(io::Error::other("it is larger than 10 MiB")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fields of the first line whose first field is `name`.
fn entry<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    text.lines()
        .map(|line| line.trim().split(':').collect::<Vec<_>>())
        .find(|fields| !name.is_empty() && fields.first() == Some(&name))
}

/// A field as a number; 0 where it is none, as Go's reader of these files has it.
fn number(fields: Option<&Vec<&str>>, index: usize) -> u32 {
    fields
        .and_then(|fields| fields.get(index)?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_looked_up_in_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nalice:x:1000:2000::/:\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("etc/group"),
            "root:x:0:\nstaff:x:50:alice\n",
        )
        .unwrap();
        let tree = Root::open(dir.path()).unwrap();
        for (text, uid, gid) in [
            ("0", 0, 0),
            ("5", 5, 5),
            ("5:7", 5, 7),
            ("alice", 1000, 2000),
            ("alice:staff", 1000, 50),
            ("alice:9", 1000, 9),
            ("5:staff", 5, 50),
            ("nobody-there", 0, 0),
            ("5:nobody-there", 5, 5),
            (":staff", 0, 50),
            ("5:", 5, 0),
            ("alice:", 1000, 0),
            ("root:root", 0, 0),
            ("root:staff", 0, 50),
        ] {
            let ids = Owner::parse(text).unwrap().resolve(&tree).unwrap();
            assert_eq!(ids, Ids { uid, gid }, "{text}");
        }
        assert!(Owner::parse("-1").is_err(), "negative ids are refused");
    }

    #[test]
    fn without_a_tree_only_numbers_are_owners() {
        assert_eq!(
            Owner::parse("root:5").unwrap().without_tree().unwrap(),
            Ids { uid: 0, gid: 5 }
        );
        assert!(matches!(
            Owner::parse("alice").unwrap().without_tree(),
            Err(Error::OwnerNeedsTree { .. })
        ));
    }

    #[test]
    fn a_user_file_that_is_a_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc/passwd")).unwrap();
        let tree = Root::open(dir.path()).unwrap();
        let error = Owner::parse("alice").unwrap().resolve(&tree).unwrap_err();
        assert!(matches!(error, Error::UserFile { .. }), "{error:?}");
    }
}
