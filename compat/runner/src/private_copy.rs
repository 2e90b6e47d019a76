//! The private copy of a case's folder: what git keeps of files, and nothing that a checkout adds.
//!
//! Files are 0644, or 0755 where git's executable bit is set; directories 0755; all belong to root and are of 2020-02-02. Then the
//! case's `setup` adds what git cannot keep.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{FchownatFlags, Gid, Uid, fchownat};

use crate::command;
use crate::error::{Error, Result};

/// 2020-02-02 00:00:00 UTC.
const TIME: i64 = 1_580_601_600;

/// No setup takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Copies a folder to a place that does not exist yet.
///
/// # Errors
///
/// Something cannot be read or written.
pub fn make(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(Error::file("make", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::file("read", &source))?;
        if kind.is_dir() {
            make(&source, &target)?;
        } else if kind.is_symlink() {
            let points = fs::read_link(&source).map_err(Error::file("read", &source))?;
            symlink(points, &target).map_err(Error::file("make", &target))?;
            normalize(&target, None)?;
        } else {
            fs::copy(&source, &target).map_err(Error::file("copy", &source))?;
            let mode = entry
                .metadata()
                .map_err(Error::file("read", &source))?
                .permissions()
                .mode();
            normalize(&target, Some(if mode & 0o111 == 0 { 0o644 } else { 0o755 }))?;
        }
    }
    normalize(to, Some(0o755))
}

fn normalize(path: &Path, mode: Option<u32>) -> Result<()> {
    let root = (Some(Uid::from_raw(0)), Some(Gid::from_raw(0)));
    fchownat(
        AT_FDCWD,
        path,
        root.0,
        root.1,
        FchownatFlags::AT_SYMLINK_NOFOLLOW,
    )
    .map_err(|error| Error::file("give to root", path)(error.into()))?;
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(Error::file("set the mode of", path))?;
    }
    let time = TimeSpec::new(TIME, 0);
    utimensat(
        AT_FDCWD,
        path,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )
    .map_err(|error| Error::file("set the time of", path)(error.into()))
}

/// Runs a case's `setup` in its copy.
///
/// # Errors
///
/// The script cannot be started, or fails.
pub fn set_up(copy: &Path, script: &str, variables: &BTreeMap<&str, String>) -> Result<()> {
    let mut shell = Command::new("sh");
    // `umask` first: what it makes must not depend on the person's.
    shell
        .args(["-ec", &format!("umask 022\n{script}")])
        .current_dir(copy);
    command::clean_environment(&mut shell);
    // So that commits have the same id wherever they are made.
    for who in ["AUTHOR", "COMMITTER"] {
        shell
            .env(format!("GIT_{who}_NAME"), "somebody")
            .env(format!("GIT_{who}_EMAIL"), "somebody@example.org")
            .env(format!("GIT_{who}_DATE"), format!("{TIME} +0000"));
    }
    shell
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs(variables);
    let done = command::run(&mut shell, None, LIMIT)?;
    if done.success {
        return Ok(());
    }
    Err(Error::Command {
        command: "sh -e".into(),
        purpose: "is the case's setup",
        output: done.tail(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_copy_forgets_what_a_checkout_added() {
        let folder = tempfile::tempdir().expect("there is room");
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("sub")).expect("it is writable");
        fs::write(from.join("sub/script"), "x").expect("it is writable");
        fs::write(from.join("plain"), "x").expect("it is writable");
        symlink("plain", from.join("link")).expect("it is writable");
        fs::set_permissions(from.join("sub/script"), fs::Permissions::from_mode(0o700))
            .expect("it is ours");
        fs::set_permissions(from.join("plain"), fs::Permissions::from_mode(0o600))
            .expect("it is ours");
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o700))
            .expect("it is ours");
        let to = folder.path().join("to");
        if !nix::unistd::geteuid().is_root() {
            make(&from, &to).expect_err("only root can give files to root");
            return;
        }
        make(&from, &to).expect("it can be copied");
        for (path, mode) in [
            ("", 0o755),
            ("sub", 0o755),
            ("sub/script", 0o755),
            ("plain", 0o644),
            ("link", 0o777),
        ] {
            let found = fs::symlink_metadata(to.join(path)).expect("it was copied");
            assert_eq!(
                (found.mode() & 0o7777, found.mtime(), found.uid()),
                (mode, TIME, 0),
                "{path}"
            );
        }
        set_up(
            &to,
            "mkdir empty; test $A = 1",
            &BTreeMap::from([("A", "1".to_owned())]),
        )
        .expect("it succeeds");
        assert!(to.join("empty").is_dir());
        let error = set_up(&to, "echo why >&2; false; true", &BTreeMap::new())
            .expect_err("a line of it fails");
        assert!(error.to_string().contains("why"), "{error}");
    }
}
