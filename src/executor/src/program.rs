//! Programs that are found as a shell finds them.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Searched besides `PATH`, which lacks them for users who are not root by login.
const SYSTEM: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// The program of this name; a name with a `/` is a path.
pub fn find(name: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return is_executable(path)
            .then(|| std::path::absolute(path).ok())
            .flatten();
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&search)
        .chain(SYSTEM.map(PathBuf::from))
        .map(|directory| directory.join(path))
        .find(|program| program.is_absolute() && is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let shell = find(OsStr::new("sh")).expect("there is a shell");
        assert!(shell.is_absolute());
        assert_eq!(find(shell.as_os_str()), Some(shell));
        assert_eq!(find(OsStr::new("no-such-program-here")), None);
        assert_eq!(find(OsStr::new("/etc/passwd")), None);
        assert_eq!(find(OsStr::new("/etc")), None);
    }
}
