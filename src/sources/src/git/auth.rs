//! Logins for repositories that are fetched over HTTP: secrets of the build, which git gets in its environment, where others do not see them.

use std::fmt;

/// Secrets with a token; BuildKit's defaults. One for a host, `GIT_AUTH_TOKEN.example.org`, counts more.
const TOKEN: &str = "GIT_AUTH_TOKEN";
/// Secrets with the whole value of the header `Authorization`.
const HEADER: &str = "GIT_AUTH_HEADER";
/// One token is good for all repositories there, as with BuildKit and GitHub's own checkout.
const GITHUB: [&str; 2] = ["https://github.com/", "https://www.github.com/"];

/// How to log in to a remote.
#[derive(Clone, Default)]
pub struct Auth {
    header: Option<String>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("header", &self.header.as_ref().map(|_| "****"))
            .finish()
    }
}

impl Auth {
    /// No login.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The login for a remote that `secret` knows by id: the header or the token of its host, or else that of all hosts.
    ///
    /// # Errors
    /// Those of `secret`.
    pub fn find<E>(
        remote: &str,
        secret: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let Some(host) = host(remote) else {
            return Ok(Self::none());
        };
        for (name, is_token) in [
            (format!("{HEADER}.{host}"), false),
            (format!("{TOKEN}.{host}"), true),
            (HEADER.to_owned(), false),
            (TOKEN.to_owned(), true),
        ] {
            let Some(value) = secret(&name)? else {
                continue;
            };
            let value = String::from_utf8_lossy(&value);
            // A line end is no part of a header, and files tend to have one.
            let value = value.trim_end_matches(['\n', '\r']);
            return Ok(Self {
                header: Some(match is_token {
                    true => format!(
                        "basic {}",
                        base64(format!("x-access-token:{value}").as_bytes())
                    ),
                    false => value.to_owned(),
                }),
            });
        }
        Ok(Self::none())
    }

    /// The variables by which git learns of it, for this remote alone.
    pub(super) fn environment(&self, remote: &str) -> impl Iterator<Item = (&'static str, String)> {
        let variables = self.header.as_ref().map(|header| {
            let scope = GITHUB
                .into_iter()
                .find(|prefix| remote.starts_with(prefix))
                .unwrap_or(remote);
            [
                ("GIT_CONFIG_COUNT", "1".to_owned()),
                ("GIT_CONFIG_KEY_0", format!("http.{scope}.extraheader")),
                ("GIT_CONFIG_VALUE_0", format!("Authorization: {header}")),
            ]
        });
        variables.into_iter().flatten()
    }
}

/// The host of a remote over HTTP, with its port.
fn host(remote: &str) -> Option<&str> {
    let (scheme, rest) = remote.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then_some(host)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            text.push(match digit <= chunk.len() {
                true => DIGITS[(all >> (18 - 6 * digit) & 63) as usize] as char,
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_the_host_counts_more_than_that_of_all() {
        let header = |remote: &str, known: &[(&str, &str)]| {
            let found = Auth::find::<()>(remote, |id| {
                let found = known.iter().find(|(name, _)| *name == id);
                Ok(found.map(|(_, value)| value.as_bytes().to_vec()))
            });
            found.unwrap().header
        };
        let all = [
            ("GIT_AUTH_TOKEN", "all"),
            ("GIT_AUTH_TOKEN.h.org:8080", "own\n"),
            ("GIT_AUTH_HEADER.other.org", "bearer x"),
        ];
        let own = "basic eC1hY2Nlc3MtdG9rZW46b3du";
        assert_eq!(
            header("http://h.org:8080/a.git", &all).as_deref(),
            Some(own)
        );
        assert_eq!(
            header("https://other.org/a.git", &all).as_deref(),
            Some("bearer x")
        );
        let of_all = header("https://user@third.org/a.git", &all).unwrap();
        assert_eq!(of_all, "basic eC1hY2Nlc3MtdG9rZW46YWxs");
        assert_eq!(header("ssh://git@h.org:8080/a.git", &all), None);
        assert_eq!(header("git@h.org:a.git", &all), None);
        assert_eq!(header("https://h.org/a.git", &[]), None);
    }

    #[test]
    fn a_login_is_for_the_remote_alone_but_for_github() {
        let auth = Auth {
            header: Some("h".to_owned()),
        };
        let scope = |remote: &str| auth.environment(remote).nth(1).unwrap().1;
        assert_eq!(
            scope("https://h.org/a.git"),
            "http.https://h.org/a.git.extraheader"
        );
        assert_eq!(
            scope("https://github.com/a/b.git"),
            "http.https://github.com/.extraheader"
        );
        assert!(!format!("{auth:?}").contains('h'.to_string().repeat(2).as_str()));
        assert_eq!(Auth::none().environment("https://h.org").count(), 0);
    }

    #[test]
    fn base64_has_padding() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
