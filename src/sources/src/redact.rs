//! URLs as they may be shown: without the password that some have.

/// What stands in place of a password, as BuildKit writes it.
const HIDDEN: &str = "xxxxx";

/// The URL with its password hidden; what has none is returned as it is.
pub(crate) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}@{host}{after}"),
            // A token is often given in place of a name.
            None => format!("{scheme}://{HIDDEN}@{host}{after}"),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden() {
        for (url, shown) in [
            ("https://host/a@b:c", "https://host/a@b:c"),
            ("https://u:p@host/x", "https://u:xxxxx@host/x"),
            ("https://u:p@q@host", "https://u:xxxxx@host"),
            ("https://token@host/x", "https://xxxxx@host/x"),
            ("git@host:x", "git@host:x"),
            ("/a/path", "/a/path"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }
}
