//! Git repositories as sources: `https://host/name.git#ref:folder`, `git@host:name`, with BuildKit's query parameters.

use stromatekt_dockerfile_parser::boolean;
use stromatekt_graph::op::Git;

use crate::paths;

/// A git repository with what its URL says beyond [`Git`].
#[derive(Clone, Debug)]
pub struct GitUrl {
    /// The repository.
    pub git: Git,
    /// `?keep-git-dir`, where it is there.
    pub keep_git_dir: Option<bool>,
}

/// Reads a source as a git repository. Nothing where it is a local path or an ordinary URL; a reason where it is a
/// repository with parameters that cannot be.
pub fn parse(source: &str) -> Option<Result<GitUrl, String>> {
    let (remote, query, fragment) = split(source);
    if !is_repository(remote) {
        return None;
    }
    Some(read_parameters(remote, fragment, query))
}

/// Reads the build context of a command line as a git repository. There, `github.com/…` without a scheme is one, too.
pub fn parse_context(source: &str) -> Option<Result<GitUrl, String>> {
    if !source.starts_with("github.com/") {
        return parse(source);
    }
    let source = format!("https://{source}");
    let (remote, query, fragment) = split(&source);
    Some(read_parameters(remote, fragment, query))
}

/// Remote, query and fragment of a source.
fn split(source: &str) -> (&str, &str, &str) {
    let (without_fragment, fragment) = source.split_once('#').unwrap_or((source, ""));
    let (remote, query) = without_fragment
        .split_once('?')
        .unwrap_or((without_fragment, ""));
    (remote, query, fragment)
}

/// BuildKit's rule: `git://` and `ssh://` always, `http(s)://` where the path ends in `.git`, and `user@host:path`.
fn is_repository(remote: &str) -> bool {
    if let Some((scheme, rest)) = remote.split_once("://") {
        let has_host = rest.split('/').next().is_some_and(|host| !host.is_empty());
        return match scheme.to_ascii_lowercase().as_str() {
            "git" | "ssh" => has_host,
            "http" | "https" => has_host && rest.contains('/') && rest.ends_with(".git"),
            _ => false,
        };
    }
    let Some((user, rest)) = remote.split_once('@') else {
        return false;
    };
    let Some((host, _)) = rest.split_once(':') else {
        return false;
    };
    let is_word = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    is_word(user, "-_") && is_word(host, "-.")
}

fn read_parameters(remote: &str, fragment: &str, query: &str) -> Result<GitUrl, String> {
    let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
    let mut found = Parameters {
        reference: Value::new("ref", reference),
        folder: Value::new("subdir", paths::join("/", folder).trim_start_matches('/')),
        ..Parameters::default()
    };
    let mut seen: Vec<String> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (key, value) = (decode(key), decode(value));
        if seen.contains(&key) {
            return Err(format!("the parameter `{key}` is there twice"));
        }
        found.set(&key, &value)?;
        seen.push(key);
    }
    Ok(GitUrl {
        git: Git {
            remote: remote.to_owned(),
            reference: found.reference.text,
            subdirectory: found.folder.text,
            keep_git_dir: found.keep_git_dir.unwrap_or(false),
            checksum: found.checksum,
            skip_submodules: found.skip_submodules,
            commit_time: found.commit_time,
            fetch_by_commit: found.fetch_by_commit,
        },
        keep_git_dir: found.keep_git_dir,
    })
}

#[derive(Default)]
struct Parameters {
    reference: Value,
    folder: Value,
    checksum: Option<String>,
    keep_git_dir: Option<bool>,
    skip_submodules: bool,
    commit_time: bool,
    fetch_by_commit: bool,
}

/// A value that may be said in several ways, but only once.
#[derive(Default)]
struct Value {
    name: &'static str,
    text: Option<String>,
}

impl Value {
    fn new(name: &'static str, text: &str) -> Self {
        Self {
            name,
            text: (!text.is_empty()).then(|| text.to_owned()),
        }
    }

    fn set(&mut self, text: String) -> Result<(), String> {
        match &self.text {
            Some(known) if *known != text => Err(format!(
                "it has two values for {}: `{known}` and `{text}`",
                self.name
            )),
            _ => {
                self.text = Some(text);
                Ok(())
            }
        }
    }
}

impl Parameters {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let flag = || match value {
            "" => Ok(true),
            _ => boolean(value).ok_or_else(|| format!("`{key}` is true or false, not `{value}`")),
        };
        let with_prefix = |prefix: &str| match value.strip_prefix(prefix) {
            Some(_) => value.to_owned(),
            None => format!("{prefix}{value}"),
        };
        match key {
            "keep-git-dir" => self.keep_git_dir = Some(flag()?),
            "submodules" => self.skip_submodules = !flag()?,
            "fetch-by-commit" => self.fetch_by_commit = flag()?,
            "ref" | "tag" | "branch" | "subdir" | "checksum" | "commit" | "mtime"
                if value.is_empty() =>
            {
                return Err(format!("the parameter `{key}` has no value"));
            }
            "ref" => self.reference.set(value.to_owned())?,
            "tag" => self.reference.set(with_prefix("refs/tags/"))?,
            "branch" => self.reference.set(with_prefix("refs/heads/"))?,
            "subdir" => self.folder.set(value.to_owned())?,
            "checksum" | "commit" => self.checksum = Some(value.to_owned()),
            "mtime" if value == "checkout" => self.commit_time = false,
            "mtime" if value == "commit" => self.commit_time = true,
            "mtime" => return Err(format!("`mtime` is checkout or commit, not `{value}`")),
            _ => return Err(format!("the parameter `{key}` is unknown")),
        }
        Ok(())
    }
}

/// A part of a query: `+` is a space, `%xx` a byte.
fn decode(text: &str) -> String {
    decode_path(&text.replace('+', " "))
}

/// A part of a path: `%xx` is a byte.
pub fn decode_path(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_told_from_paths_and_files() {
        for source in [
            "https://example.com/a.git",
            "https://example.com/a.git#main:sub",
            "git://example.com/a",
            "ssh://git@example.com/a",
            "git@example.com:a/b.git",
        ] {
            assert!(parse(source).is_some(), "{source}");
        }
        for source in [
            "a.git",
            "./git@example.com:a",
            "https://example.com/a.tar.gz",
            "https://example.com/a#x.git",
            "github.com/a/b",
            "ftp://example.com/a.git",
            "",
        ] {
            assert!(parse(source).is_none(), "{source}");
        }
    }

    #[test]
    fn contexts_may_leave_out_the_scheme_of_github() {
        let git = parse_context("github.com/a/b#main:c").unwrap().unwrap().git;
        assert_eq!(git.remote, "https://github.com/a/b");
        assert_eq!(git.reference.as_deref(), Some("main"));
        assert_eq!(git.subdirectory.as_deref(), Some("c"));
        assert!(parse_context("https://example.com/a.git").is_some());
        assert!(parse_context("./github.com/a/b").is_none());
    }

    #[test]
    fn fragment_and_query_say_what_is_taken() {
        let git = |source: &str| parse(source).unwrap().unwrap();
        let plain = git("https://example.com/a.git#v1:sub/dir/");
        assert_eq!(plain.git.remote, "https://example.com/a.git");
        assert_eq!(plain.git.reference.as_deref(), Some("v1"));
        assert_eq!(plain.git.subdirectory.as_deref(), Some("sub/dir"));
        let query = git("git@example.com:a.git?tag=v%31&subdir=x&keep-git-dir&checksum=abc");
        assert_eq!(query.git.remote, "git@example.com:a.git");
        assert_eq!(query.git.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(query.keep_git_dir, Some(true));
        assert_eq!(query.git.checksum.as_deref(), Some("abc"));
        let more = git("https://example.com/a.git?submodules=0&mtime=commit&fetch-by-commit");
        assert!(more.git.skip_submodules && more.git.commit_time && more.git.fetch_by_commit);
    }

    #[test]
    fn parameters_that_cannot_be_are_refused() {
        for query in [
            "?ref=a#b",
            "?branch=a&tag=b",
            "?submodules=maybe",
            "?mtime=now",
            "?tag=x&ref=y",
            "?ref=",
            "?what=1",
            "?ref=a&ref=a",
            "?keep-git-dir=maybe",
        ] {
            let source = format!("https://example.com/a.git{query}");
            assert!(parse(&source).unwrap().is_err(), "{source}");
        }
    }
}
