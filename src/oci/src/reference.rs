//! Image references: names as docker users type them, normalized as docker does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::error::{Error, Result};

const DEFAULT_REGISTRY: &str = "docker.io";
const LEGACY_DEFAULT_REGISTRY: &str = "index.docker.io";
const OFFICIAL_NAMESPACE: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest registry and repository together, as the distribution specification's clients limit it.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A name of an image: registry, repository, and a tag, a digest, or both.
///
/// `debian` is `docker.io/library/debian:latest`; the tag is missing only where a digest says which image is meant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The registry's host, with its port if it has one: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry: `library/debian`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index that is meant.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository, without tag and digest: `docker.io/library/debian`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The shortest name that means the same: `debian:latest`, `user/app:1`, `localhost:5000/app:1`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        self.push_suffix(&mut text);
        text
    }

    /// The shortest name of the repository: `debian`, `user/app`, `localhost:5000/app`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.registry == DEFAULT_REGISTRY {
            let (first, rest) = self
                .repository
                .split_once('/')
                .unwrap_or(("", &self.repository));
            match first {
                // `library/a/b` must keep its namespace: `a/b` alone is another repository.
                "library" if !rest.contains('/') => rest.to_owned(),
                // Without its registry, the first part would be taken for one.
                first if is_registry(first) => self.name(),
                _ => self.repository.clone(),
            }
        } else {
            self.name()
        }
    }

    /// The same repository, by this digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    fn push_suffix(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
    }
}

impl FromStr for ImageReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|reason| Error::InvalidReference {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<ImageReference, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if Digest::from_hex(text).is_ok() {
        return Err("64 hexadecimal digits alone are an image id, not a name".into());
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let digest = digest
                .parse::<Digest>()
                .map_err(|error| error.to_string())?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    let (registry, rest) = match rest.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => (DEFAULT_REGISTRY, rest),
    };
    // A registry's port was split off above, so a colon starts the tag.
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };

    check_registry(registry)?;
    check_path(path)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }

    let registry = if registry == LEGACY_DEFAULT_REGISTRY {
        DEFAULT_REGISTRY
    } else {
        registry
    };
    let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
        format!("{OFFICIAL_NAMESPACE}{path}")
    } else {
        path.to_owned()
    };
    if registry.len() + 1 + repository.len() > MAX_NAME {
        return Err(format!("the name is longer than {MAX_NAME} characters"));
    }
    let tag = match (tag, digest) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, None) => Some(DEFAULT_TAG.to_owned()),
        (None, Some(_)) => None,
    };
    Ok(ImageReference {
        registry: registry.to_owned(),
        repository,
        tag,
        digest,
    })
}

/// Docker's rule for telling a registry from the first part of a repository: a dot, a port, an upper-case letter (never
/// allowed in a repository), or the name `localhost`.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.starts_with('[')
        || first.chars().any(|c| c.is_ascii_uppercase())
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = if let Some(rest) = registry.strip_prefix('[') {
        let (address, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("the registry `{registry}` has no closing `]`"))?;
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("`{address}` is no IPv6 address"));
        }
        match after.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if after.is_empty() => (None, None),
            None => return Err(format!("`{after}` after the registry's address")),
        }
    } else {
        match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        }
    };
    if let Some(host) = host {
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !host.split('.').all(is_label) {
            return Err(format!("`{host}` is no host name"));
        }
    }
    match port {
        Some(port) if port.is_empty() || !port.bytes().all(|c| c.is_ascii_digit()) => {
            Err(format!("`{port}` is no port of the registry"))
        }
        _ => Ok(()),
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("it has no repository name".into());
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("the repository name `{path}` must be lower case"));
    }
    for part in path.split('/') {
        check_path_part(part)?;
    }
    Ok(())
}

/// The distribution specification's grammar: runs of letters and digits, separated by `.`, `_`, `__` or dashes.
fn check_path_part(part: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err("a part of the repository name is empty".into());
    }
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(odd) = part
        .chars()
        .find(|&c| !is_plain(c) && !matches!(c, '.' | '_' | '-'))
    {
        return Err(format!("`{odd}` may not appear in the repository name"));
    }
    if !part.starts_with(is_plain) || !part.ends_with(is_plain) {
        return Err(format!(
            "`{part}` must start and end with a letter or a digit"
        ));
    }
    for separator in part
        .split(is_plain)
        .filter(|separator| !separator.is_empty())
    {
        let allowed = matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-');
        if !allowed {
            return Err(format!(
                "`{separator}` is no separator in a repository name"
            ));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.is_empty() {
        return Err("the tag is empty".into());
    }
    if tag.len() > MAX_TAG {
        return Err(format!("the tag is longer than {MAX_TAG} characters"));
    }
    if !tag.starts_with(is_word) {
        return Err(format!(
            "the tag `{tag}` must start with a letter, a digit or `_`"
        ));
    }
    match tag.chars().find(|&c| !is_word(c) && c != '.' && c != '-') {
        Some(odd) => Err(format!("`{odd}` may not appear in the tag `{tag}`")),
        None => Ok(()),
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name();
        self.push_suffix(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_normalized_as_docker_does() {
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("user/app", "docker.io/user/app:latest", "user/app:latest"),
            (
                "docker.io/debian",
                "docker.io/library/debian:latest",
                "debian:latest",
            ),
            (
                "index.docker.io/debian",
                "docker.io/library/debian:latest",
                "debian:latest",
            ),
            (
                "docker.io/library/a/b",
                "docker.io/library/a/b:latest",
                "library/a/b:latest",
            ),
            (
                "localhost/app",
                "localhost/app:latest",
                "localhost/app:latest",
            ),
            (
                "localhost:5000/app:1",
                "localhost:5000/app:1",
                "localhost:5000/app:1",
            ),
            (
                "127.0.0.1:5000/a/b_c/d--e",
                "127.0.0.1:5000/a/b_c/d--e:latest",
                "127.0.0.1:5000/a/b_c/d--e:latest",
            ),
            (
                "[::1]:5000/app",
                "[::1]:5000/app:latest",
                "[::1]:5000/app:latest",
            ),
            ("Host/app", "Host/app:latest", "Host/app:latest"),
            ("app:5000", "docker.io/library/app:5000", "app:5000"),
        ] {
            let reference: ImageReference = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(full.parse::<ImageReference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn a_digest_takes_the_place_of_the_default_tag() {
        let reference: ImageReference = format!("debian@sha256:{HEX}").parse().unwrap();
        assert_eq!(
            (reference.tag(), reference.digest()),
            (None, Some(&Digest::of("")))
        );
        let both: ImageReference = format!("debian:12@sha256:{HEX}").parse().unwrap();
        assert_eq!(both.familiar(), format!("debian:12@sha256:{HEX}"));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (text, reason) in [
            ("", "empty"),
            (HEX, "image id"),
            ("Debian", "must be lower case"),
            ("a/B", "must be lower case"),
            ("a//b", "empty"),
            ("a/", "empty"),
            ("localhost/", "no repository name"),
            ("localhost:x/app", "no port"),
            ("ex_ample.com/app", "no host name"),
            ("a:", "the tag is empty"),
            ("a:-x", "must start with"),
            ("a:b:c", "`:` may not appear in the tag"),
            ("a b", "` ` may not appear"),
            ("a..b", "no separator"),
            ("a___b", "no separator"),
            ("-a", "must start and end"),
            ("a@sha256:00", "64 hexadecimal digits"),
            ("[::1/app", "no closing"),
        ] {
            let error = text.parse::<ImageReference>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_printing_round_trips(text in "[a-zA-Z0-9./:@_\\[\\]é-]{0,40}") {
            if let Ok(reference) = text.parse::<ImageReference>() {
                prop_assert_eq!(reference.to_string().parse::<ImageReference>().unwrap(), reference.clone());
                prop_assert_eq!(reference.familiar().parse::<ImageReference>().unwrap(), reference);
            }
        }
    }
}
