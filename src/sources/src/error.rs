//! What can go wrong with sources: what was attempted, on what, and what the user can do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use stromatekt_oci::platform::Platform;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be fetched or pushed. URLs in it have no passwords.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry answers that it does not have the image.
    #[error("{image} was not found in its registry")]
    ImageNotFound {
        /// The name that was asked for.
        image: String,
    },
    /// The registry has the name, but no image of it for the platform.
    #[error("{image} has no image for {wanted}; it is there for {}", list(found))]
    NoPlatform {
        /// The name that was asked for.
        image: String,
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platforms that there are.
        found: Vec<Platform>,
    },
    /// The registry wants a login, or refuses the one it got.
    #[error("access to {image} was denied: {message}")]
    AccessDenied {
        /// The name that was asked for.
        image: String,
        /// The registry's host, as `docker login` takes it.
        host: String,
        /// Whether credentials were sent.
        logged_in: bool,
        /// What the registry said.
        message: String,
    },
    /// The registry refused a request for another reason.
    #[error("could not {attempt}: the registry answered: {message}")]
    Registry {
        /// What was attempted, continuing "could not".
        attempt: String,
        /// The HTTP status, where it is known.
        status: Option<u16>,
        /// What it said.
        message: String,
    },
    /// A web server did not answer with a file.
    #[error("could not fetch {url}: the server answered with status {status}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// A server could not be reached, or the connection broke.
    #[error("could not {attempt}: {cause}")]
    Network {
        /// What was attempted, continuing "could not".
        attempt: String,
        /// Why it failed.
        cause: Cause,
    },
    /// What was fetched is not what it should be.
    #[error("{what} has the digest {found}, not {expected}")]
    Checksum {
        /// What was fetched.
        what: String,
        /// The digest that it must have.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// A blob, or the file of one, has not the size that its descriptor says.
    #[error("{what} has {found} bytes, not {expected}")]
    Size {
        /// What was fetched.
        what: String,
        /// Its size by the manifest.
        expected: u64,
        /// How much there is, as far as it was looked at.
        found: u64,
    },
    /// A manifest or index could not be read.
    #[error(transparent)]
    Document(#[from] stromatekt_oci::Error),
    /// The name of an image cannot be pushed to.
    #[error("{image} cannot be pushed to: {reason}")]
    PushName {
        /// The name.
        image: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The registry does not take a name and password.
    #[error("{host} does not take that name and password")]
    LoginRefused {
        /// The registry.
        host: String,
    },
    /// Docker's config file could not be used.
    #[error("could not use docker's config {}: {reason}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A credential helper failed.
    #[error("`{program}` failed for the credentials of {host}: {message}")]
    CredentialHelper {
        /// The program.
        program: String,
        /// The registry.
        host: String,
        /// What it said.
        message: String,
    },
    /// TLS cannot be used on this machine.
    #[error("could not set up TLS")]
    Tls {
        /// Why.
        source: reqwest::Error,
    },
    /// A URL cannot be fetched.
    #[error("could not fetch {url}: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A local file could not be read or written.
    #[error("could not {attempt} {}", path.display())]
    File {
        /// What was attempted, continuing "could not".
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// git could not be started.
    #[error("could not run `git`")]
    GitProgram {
        /// Why.
        source: io::Error,
    },
    /// git failed.
    #[error("could not {attempt} of {remote}: {message}")]
    Git {
        /// What was attempted, continuing "could not".
        attempt: &'static str,
        /// The repository.
        remote: String,
        /// What git said.
        message: String,
    },
    /// The repository cannot be reached in a way that is allowed, or its reference cannot be one.
    #[error("cannot fetch the git repository {remote}: {reason}")]
    GitSource {
        /// The repository.
        remote: String,
        /// What is wrong.
        reason: String,
    },
    /// The repository has no such branch, tag or commit.
    #[error("the git repository {remote} has no branch, tag or commit {reference}")]
    GitReference {
        /// The repository.
        remote: String,
        /// What was asked for.
        reference: String,
    },
    /// The reference is another commit than the checksum says.
    #[error("{remote} is at commit {found}, not {expected} as its checksum says")]
    GitChecksum {
        /// The repository, with the reference.
        remote: String,
        /// The commit that it must be at.
        expected: String,
        /// The commit that it is at.
        found: String,
    },
    /// The repository has no such directory.
    #[error("the git repository {remote} has no directory {subdirectory}: {reason}")]
    GitSubdirectory {
        /// The repository.
        remote: String,
        /// The directory that was asked for.
        subdirectory: String,
        /// What is there instead.
        reason: String,
    },
}

/// Why a server was not reached.
#[derive(Debug)]
pub enum Cause {
    /// No such host.
    UnknownHost {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody listens there.
    Refused,
    /// The server's certificate is not valid.
    Certificate(rustls::Error),
    /// Nothing came for a while.
    TimedOut,
    /// The connection broke, with what the library says of it.
    Broken(String),
    /// Anything else, in the words of the library.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost { host, source } => {
                write!(f, "the host {host} was not found ({source})")
            }
            Self::Refused => f.write_str("the connection was refused"),
            Self::Certificate(error) => {
                write!(f, "the server cannot be trusted ({error})")
            }
            Self::TimedOut => f.write_str("the server does not answer"),
            Self::Broken(message) => write!(f, "the connection broke ({message})"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl Error {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ImageNotFound { .. } => "check the name and the tag",
            Self::NoPlatform { .. } => {
                "choose one of these platforms with --platform, or another image"
            }
            Self::AccessDenied {
                host, logged_in, ..
            } => {
                let login = match host.as_str() {
                    "docker.io" => "docker login".to_owned(),
                    host => format!("docker login {host}"),
                };
                return Some(match logged_in {
                    false => format!("check the name; if it is private, log in with `{login}`"),
                    true => format!(
                        "check the name, and whether the account may use it; `{login}` logs in anew"
                    ),
                });
            }
            Self::Network { cause, .. } => match cause {
                Cause::UnknownHost { .. } => "check the name of the host and the network",
                Cause::Refused => "check the port, and whether the server runs",
                Cause::Certificate(_) => {
                    "add the server's CA to the certificates of this system; without TLS, only registries on loopback are used"
                }
                Cause::TimedOut | Cause::Broken(_) | Cause::Other(_) => {
                    "check the network, then try again"
                }
            },
            Self::Status {
                status: 401 | 403, ..
            } => "the server wants a login",
            Self::Status { status: 404, .. } => "check the URL",
            Self::Checksum { .. } => {
                "what the server has was changed or damaged: compare it with where the digest comes from"
            }
            Self::Tls { .. } => "install the system's CA certificates (package ca-certificates)",
            Self::LoginRefused { .. } => {
                "check both; many registries want an access token in place of the password"
            }
            Self::Credentials { .. } => "correct the file, or log in anew with `docker login`",
            Self::CredentialHelper { .. } => {
                "install the program, or remove it from `credHelpers` and `credsStore` in docker's config.json"
            }
            Self::GitProgram { source } if source.kind() == io::ErrorKind::NotFound => {
                "install git"
            }
            Self::GitReference { .. } => {
                "give a branch or tag, or the full id of a commit; a short id is known only at the tip of a branch or tag"
            }
            Self::Git { .. } => {
                "check the URL and the network; a private repository is reached over ssh with the agent in SSH_AUTH_SOCK"
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free space on the file system"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the registry does not have the image at all.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::ImageNotFound { .. })
    }

    /// Whether the same may succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Network { cause, .. } => matches!(cause, Cause::TimedOut | Cause::Broken(_)),
            Self::Status { status, .. }
            | Self::Registry {
                status: Some(status),
                ..
            } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    pub(crate) fn file(
        attempt: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            attempt,
            path,
            source,
        }
    }
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_access_tells_how_to_log_in() {
        let denied = |host: &str, logged_in| Error::AccessDenied {
            image: "x".into(),
            host: host.into(),
            logged_in,
            message: "no".into(),
        };
        for (host, logged_in, wanted) in [
            ("docker.io", false, "`docker login`"),
            ("ghcr.io", false, "`docker login ghcr.io`"),
            ("ghcr.io", true, "logs in anew"),
        ] {
            let hint = denied(host, logged_in).hint().unwrap();
            assert!(hint.contains(wanted), "{hint}");
        }
    }

    #[test]
    fn a_missing_platform_lists_those_that_there_are() {
        let error = Error::NoPlatform {
            image: "x:1".into(),
            wanted: Box::new(Platform::new("linux", "arm64")),
            found: vec![
                Platform::new("linux", "amd64"),
                Platform::new("linux", "s390x"),
            ],
        };
        assert_eq!(
            error.to_string(),
            "x:1 has no image for linux/arm64; it is there for linux/amd64, linux/s390x"
        );
    }
}
