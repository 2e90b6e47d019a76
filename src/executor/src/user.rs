//! The user of a process, found in the `/etc/passwd` and `/etc/group` of its tree as BuildKit finds it.

use std::io::Read;

use stromatekt_graph::run::Run;
use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;

use crate::error::{Error, Result};

/// BuildKit reads no more of these files (`executor/oci/user.go`).
const MAX_SIZE: u64 = 10 << 20;

/// The highest id that BuildKit takes.
const MAX_ID: i64 = i32::MAX as i64;

/// Whose process it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// The numbers of all its groups, with `gid` among them.
    pub groups: Vec<u32>,
}

/// A line of `/etc/passwd`; only the fields that count here.
struct Account<'a> {
    name: &'a str,
    uid: i64,
    gid: i64,
}

/// A line of `/etc/group`.
struct Group<'a> {
    name: &'a str,
    gid: i64,
    members: &'a str,
}

impl User {
    /// Whose the process of a step is, with the groups that the step gives it besides.
    pub fn of(run: &Run, root: &Root) -> Result<Self> {
        let mut user = Self::find(root, &run.user)?;
        for group in &run.groups {
            if !user.groups.contains(group) {
                user.groups.push(*group);
            }
        }
        Ok(user)
    }

    /// Looks up `USER` as written: empty for root, else `name|uid[:group|gid]`.
    fn find(root: &Root, written: &str) -> Result<Self> {
        if let Some(user) = both_numbers(written) {
            return Ok(user);
        }
        let passwd = read(root, "etc/passwd");
        let group = read(root, "etc/group");
        match (
            Self::look_up(
                if written.is_empty() { "0" } else { written },
                &passwd,
                &group,
            ),
            written,
        ) {
            // A tree without users has root all the same.
            (Err(_), "") => Ok(Self::new(0, 0, Vec::new())),
            (found, _) => found,
        }
    }

    fn new(uid: u32, gid: u32, mut groups: Vec<u32>) -> Self {
        if !groups.contains(&gid) {
            groups.insert(0, gid);
        }
        Self { uid, gid, groups }
    }

    fn look_up(written: &str, passwd: &str, group: &str) -> Result<Self> {
        let mut parts = written.split(':');
        let user_part = parts.next().unwrap_or_default();
        let group_part = parts.next().unwrap_or_default();
        let wanted_uid = number(user_part)?;
        let wanted_gid = number(group_part)?;
        let account = accounts(passwd).find(|account| match wanted_uid {
            _ if user_part.is_empty() => account.uid == 0,
            Some(uid) => account.uid == uid,
            None => account.name == user_part,
        });
        let (uid, mut gid) = match (&account, wanted_uid) {
            (Some(account), _) => (account.uid, account.gid),
            (None, Some(uid)) => (uid, 0),
            (None, None) if user_part.is_empty() => (0, 0),
            (None, None) => {
                return Err(Error::User(format!(
                    "unable to find user {user_part}: no matching entries in passwd file"
                )));
            }
        };
        let mut supplementary = Vec::new();
        if group_part.is_empty() {
            if let Some(account) = &account {
                let of_user = groups(group).filter(|group| {
                    group
                        .members
                        .split(',')
                        .any(|member| !member.is_empty() && member == account.name)
                });
                for group in of_user {
                    supplementary.push(id(group.gid)?);
                }
            }
        } else {
            let named = groups(group).find(|group| match wanted_gid {
                Some(gid) => group.gid == gid,
                None => group.name == group_part,
            });
            gid = match (named, wanted_gid) {
                (Some(group), _) => group.gid,
                (None, Some(gid)) => gid,
                (None, None) => {
                    return Err(Error::User(format!(
                        "unable to find group {group_part}: no matching entries in group file"
                    )));
                }
            };
        }
        Ok(Self::new(id(uid)?, id(gid)?, supplementary))
    }
}

/// `uid:gid`, which needs no files and has no supplementary groups.
fn both_numbers(written: &str) -> Option<User> {
    let (uid, gid) = written.split_once(':')?;
    let parse = |part: &str| match part {
        "root" => Some(0),
        part if part.starts_with('+') => None,
        part => part.parse().ok(),
    };
    Some(User::new(parse(uid)?, parse(gid)?, Vec::new()))
}

/// The number that a part is; nothing if it is a name.
fn number(part: &str) -> Result<Option<i64>> {
    let digits = part.strip_prefix(['+', '-']).unwrap_or(part);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let number = part.parse().unwrap_or(i64::MAX);
    id(number)?;
    Ok(Some(number))
}

fn id(number: i64) -> Result<u32> {
    u32::try_from(number)
        .ok()
        .filter(|_| number <= MAX_ID)
        .ok_or_else(|| Error::User(format!("uids and gids must be in range 0-{MAX_ID}")))
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    lines(passwd).map(|line| {
        let mut fields = line.split(':');
        Account {
            name: fields.next().unwrap_or_default(),
            uid: integer(fields.nth(1)),
            gid: integer(fields.next()),
        }
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    lines(group)
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut fields = line.split(':');
            Group {
                name: fields.next().unwrap_or_default(),
                gid: integer(fields.nth(1)),
                members: fields.next().unwrap_or_default(),
            }
        })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// What is no number counts as 0, as with docker.
fn integer(field: Option<&str>) -> i64 {
    field
        .and_then(|field| field.parse().ok())
        .unwrap_or_default()
}

/// A file of the tree; one that cannot be read counts as empty.
fn read(root: &Root, path: &str) -> String {
    // Without O_NONBLOCK, a named pipe in its place would block.
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    let Ok(file) = root.open_file(path, flags, 0) else {
        return String::new();
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return String::new();
    }
    let mut bytes = Vec::new();
    match file.take(MAX_SIZE).read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\n  worker:x:1000:1001::/home/worker:/bin/sh\n\
                          odd:x:what:5\nworker:x:7:7::/:\nshort\nfar:x:4294967295:1\n";
    const GROUP: &str = "root:x:0:\n#no:x:9:worker\nvideo:x:44:other,worker\nusers:x:100:worker\nown:x:1001:worker\n";

    #[test]
    fn users_are_found_as_docker_finds_them() {
        type Found<'a> = (u32, u32, &'a [u32]);
        let cases: [(&str, Found<'_>); 13] = [
            ("0", (0, 0, &[0])),
            ("root", (0, 0, &[0])),
            ("worker", (1000, 1001, &[44, 100, 1001])),
            ("1000", (1000, 1001, &[44, 100, 1001])),
            ("4711", (4711, 0, &[0])),
            ("worker:video", (1000, 44, &[44])),
            ("worker:4711", (1000, 4711, &[4711])),
            ("4711:users", (4711, 100, &[100])),
            (":users", (0, 100, &[100])),
            ("worker:", (1000, 1001, &[44, 100, 1001])),
            ("odd", (0, 5, &[5])),
            ("short", (0, 0, &[0])),
            ("7:44:ignored", (7, 44, &[44])),
        ];
        for (written, (uid, gid, groups)) in cases {
            let user = User::look_up(written, PASSWD, GROUP).expect(written);
            assert_eq!(
                (user.uid, user.gid, user.groups.as_slice()),
                (uid, gid, groups),
                "{written}"
            );
        }
        assert_eq!(
            both_numbers("1000:44"),
            Some(User::new(1000, 44, Vec::new()))
        );
        assert_eq!(both_numbers("root:7"), Some(User::new(0, 7, Vec::new())));
        assert_eq!(both_numbers("1000"), None);
        assert_eq!(both_numbers("1000:video"), None);
    }

    #[test]
    fn who_is_not_there_is_named() {
        for (written, expected) in [
            (
                "nobody",
                "unable to find user nobody: no matching entries in passwd file",
            ),
            (
                "worker:nogroup",
                "unable to find group nogroup: no matching entries in group file",
            ),
            ("4294967296", "uids and gids must be in range 0-2147483647"),
            ("-1", "uids and gids must be in range 0-2147483647"),
            ("far", "uids and gids must be in range 0-2147483647"),
        ] {
            let error = User::look_up(written, PASSWD, GROUP).expect_err(written);
            assert_eq!(error.to_string(), expected, "{written}");
        }
    }

    #[test]
    fn a_tree_without_users_has_root() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Root::open(dir.path()).expect("a root");
        assert_eq!(
            User::find(&root, "").expect("root"),
            User::new(0, 0, Vec::new())
        );
        assert!(User::find(&root, "worker").is_err());
    }
}
