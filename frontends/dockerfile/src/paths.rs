//! Paths as Dockerfiles write them, made absolute without a look at any file system.

pub use stromatekt_graph::path::clean;

use crate::git_url;

/// `path`, relative to `directory` unless it is absolute, cleaned.
pub fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("/{directory}/{path}"))
    }
}

/// The working directory that WORKDIR with `path` leads to. BuildKit leaves an absolute path as it is written, slash at the end and all.
pub fn working_directory(current: &str, path: &str) -> String {
    match path {
        "" => current.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => join(current, relative),
    }
}

/// The destination of a copy: absolute, and with a slash at its end where the user demands a directory (`/`, `/.` at the end, or `.` and
/// nothing at all, which are the working directory).
pub fn destination(directory: &str, path: &str) -> String {
    let is_directory = matches!(path, "" | ".") || path.ends_with('/') || path.ends_with("/.");
    let mut joined = join(directory, path);
    if is_directory && !joined.ends_with('/') {
        joined.push('/');
    }
    joined
}

/// The path of a source in its tree: cleaned, without a way out of the tree, relative; `.` is the whole tree.
pub fn source(path: &str) -> String {
    match join("/", path).trim_start_matches('/') {
        "" => ".".to_owned(),
        inner => inner.to_owned(),
    }
}

/// The last part of a path, `.` where it has none (Go's `path.Base`).
pub fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None if path.is_empty() => ".",
        Some("") | None => "/",
        Some(name) => name,
    }
}

/// The name of a fetched file: the last part of its URL's path; BuildKit's name where it has none.
pub fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once('/').map_or("", |(_, path)| path);
    match base(&git_url::decode_path(path)) {
        "" | "." | ".." | "/" => "__unnamed__".to_owned(),
        name => name.to_owned(),
    }
}

/// The path of a source whose parents are kept: cleaned on both sides of the first `/./`, which says where the kept part starts.
pub fn source_with_pivot(path: &str) -> String {
    match path.split_once("/./") {
        Some((above, kept)) => format!("{}/./{}", source(above), source(kept)),
        None => source(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetched_file_has_the_last_part_of_its_url_as_name() {
        for (url, name) in [
            ("https://example.com/a/b.tar.gz?x=/y#z", "b.tar.gz"),
            ("https://example.com/a/", "a"),
            ("https://example.com/", "__unnamed__"),
            ("https://example.com", "__unnamed__"),
            ("https://example.com/a%20b", "a b"),
            ("https://example.com/a%2Fb", "b"),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
    }

    #[test]
    fn the_pivot_of_parents_stays() {
        for (source, cleaned) in [
            ("a/b", "a/b"),
            ("/a/./b/", "a/./b"),
            ("./a/b", "a/b"),
            ("x/../a/./b/../c", "a/./c"),
        ] {
            assert_eq!(source_with_pivot(source), cleaned, "{source}");
        }
    }

    #[test]
    fn the_base_is_the_last_name() {
        for (path, name) in [("", "."), ("/", "/"), ("/a/b/", "b"), ("x", "x")] {
            assert_eq!(base(path), name, "{path}");
        }
    }

    #[test]
    fn a_destination_keeps_what_says_that_it_is_a_directory() {
        for (directory, path, absolute) in [
            ("/w", ".", "/w/"),
            ("/w", "./", "/w/"),
            ("/w", "x", "/w/x"),
            ("/w", "x/", "/w/x/"),
            ("/w", "x/.", "/w/x/"),
            ("/w", "../x/", "/x/"),
            ("/", ".", "/"),
            ("/w", "/", "/"),
            ("/w", "/x", "/x"),
        ] {
            assert_eq!(
                destination(directory, path),
                absolute,
                "{path} in {directory}"
            );
        }
    }

    #[test]
    fn a_source_cannot_leave_its_tree() {
        for (path, inner) in [
            (".", "."),
            ("/", "."),
            ("../../etc", "etc"),
            ("/a/b/", "a/b"),
            ("a*", "a*"),
        ] {
            assert_eq!(source(path), inner, "{path}");
        }
    }
}
