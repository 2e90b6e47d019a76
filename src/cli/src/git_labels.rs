//! `BUILDX_GIT_LABELS`: labels that tell which repository and revision a context is from, as buildx makes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::environment;

const DOCKERFILE: &str = "com.docker.image.source.entrypoint";
const REVISION: &str = "org.opencontainers.image.revision";
const SOURCE: &str = "org.opencontainers.image.source";

/// The labels of a context that is a directory, where the environment asks for them. A directory that is in no repository has none.
///
/// # Errors
/// Why git does not tell them.
pub fn labels(context: &Path, dockerfile: &Path) -> Result<BTreeMap<String, String>, String> {
    let asked = std::env::var("BUILDX_GIT_LABELS").unwrap_or_default();
    if asked != "full" && !environment::is_true("BUILDX_GIT_LABELS") {
        return Ok(BTreeMap::new());
    }
    of_repository(
        context,
        dockerfile,
        environment::is_true("BUILDX_GIT_CHECK_DIRTY"),
    )
}

fn of_repository(
    context: &Path,
    dockerfile: &Path,
    check_dirty: bool,
) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    let top = match git(context, &["rev-parse", "--show-toplevel"])? {
        Ok(top) => top,
        Err(said) if said.contains("not a git repository") => return Ok(labels),
        Err(said) => return Err(said),
    };
    // A repository without a commit has no revision.
    if let Ok(mut revision) = git(context, &["rev-parse", "HEAD"])? {
        let changes = git(context, &["status", "--porcelain", "--ignored=no"])?;
        if check_dirty && changes.is_ok_and(|changes| !changes.is_empty()) {
            revision.push_str("-dirty");
        }
        labels.insert(REVISION.to_owned(), revision);
    }
    if let Ok(remote) = git(context, &["remote", "get-url", "origin"])? {
        labels.insert(SOURCE.to_owned(), without_credentials(&remote));
    }
    let inside = dockerfile
        .canonicalize()
        .ok()
        .and_then(|path| Some(path.strip_prefix(&top).ok()?.to_str()?.to_owned()));
    labels.extend(inside.map(|path| (DOCKERFILE.to_owned(), path)));
    Ok(labels)
}

/// What git prints, or what it complains of.
fn git(directory: &Path, args: &[&str]) -> Result<Result<String, String>, String> {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0");
    let output = command
        .output()
        .map_err(|error| format!("git cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    })
}

fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((_, host)) if scheme.starts_with("http") => format!("{scheme}://{host}/{path}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_get_into_labels() {
        for (url, expected) in [
            (
                "https://user:pw@example.org/x.git",
                "https://example.org/x.git",
            ),
            ("https://example.org/x.git", "https://example.org/x.git"),
            ("git@example.org:x.git", "git@example.org:x.git"),
            ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ] {
            assert_eq!(without_credentials(url), expected);
        }
    }

    #[test]
    fn a_directory_in_no_repository_has_no_labels() {
        let directory = tempfile::tempdir().unwrap();
        let labels = of_repository(directory.path(), &directory.path().join("Dockerfile"), true);
        assert_eq!(labels, Ok(BTreeMap::new()));
    }
}
