//! The HTTP client that everything here uses, and what its failures mean.

use std::error::Error as StdError;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};

use crate::error::{Cause, Error, Result};

/// How long a server may take to accept a connection.
pub(crate) const CONNECT: Duration = Duration::from_secs(15);
/// How long a server may be silent, before it answers and between the pieces of its answer.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// How servers see who asks.
pub(crate) const USER_AGENT: &str = concat!("stromatekt/", env!("CARGO_PKG_VERSION"));

/// Makes `ring` the process's TLS provider, which both the registry client and our own look for. To be called before either.
fn provide_tls() {
    // An error says that there is a provider already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn builder() -> ClientBuilder {
    provide_tls();
    Client::builder()
        .connect_timeout(CONNECT)
        .user_agent(USER_AGENT)
}

/// A client that trusts the system's CA certificates.
pub(crate) fn client() -> Result<Client> {
    builder().build().map_err(|source| Error::Tls { source })
}

/// A client for a URL. Plain HTTP works on a system without CA certificates, too.
pub(crate) fn client_for(url: &Url) -> Result<Client> {
    let builder = || match is_loopback(url.host_str().unwrap_or_default()) {
        // As Go has it, and so docker and BuildKit: a proxy would look for the server on its own machine.
        true => builder().no_proxy(),
        false => builder(),
    };
    match builder().build() {
        Err(_) if url.scheme() == "http" => builder().tls_certs_only([]).build(),
        made => made,
    }
    .map_err(|source| Error::Tls { source })
}

/// Whether a host, which is a name or an address as in a URL, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// What a request's failure means. `attempt` continues "could not".
pub(crate) async fn failure(error: reqwest::Error, attempt: &str) -> Error {
    Error::Network {
        attempt: attempt.to_owned(),
        cause: cause(error).await,
    }
}

/// The error of a server that was silent for too long.
pub(crate) fn silence(attempt: &str) -> Error {
    Error::Network {
        attempt: attempt.to_owned(),
        cause: Cause::TimedOut,
    }
}

async fn cause(error: reqwest::Error) -> Cause {
    if let Some(cause) = known_cause(&error) {
        return cause;
    }
    // The library tells a failed look-up apart only in its text: asking again tells it in a type.
    if error.is_connect()
        && let Some(url) = error.url()
        && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        && let Err(source) = tokio::net::lookup_host((host, port)).await
    {
        return Cause::UnknownHost {
            host: host.to_owned(),
            source,
        };
    }
    let permanent = error.is_builder() || error.is_redirect();
    let is_tls = find(&error, &mut |e| e.is::<rustls::Error>().then_some(())).is_some();
    let message = innermost(&error);
    match permanent || is_tls {
        true => Cause::Other(message),
        false => Cause::Broken(message),
    }
}

fn known_cause(error: &reqwest::Error) -> Option<Cause> {
    if error.is_timeout() {
        return Some(Cause::TimedOut);
    }
    find(error, &mut |error| {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused => Some(Cause::Refused),
                io::ErrorKind::TimedOut => Some(Cause::TimedOut),
                _ => None,
            };
        }
        match error.downcast_ref::<rustls::Error>()? {
            error @ rustls::Error::InvalidCertificate(_) => Some(Cause::Certificate(error.clone())),
            _ => None,
        }
    })
}

/// The first in the chain of causes that `look` recognizes.
fn find<T>(
    error: &(dyn StdError + 'static),
    look: &mut dyn FnMut(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    if let Some(found) = look(error) {
        return Some(found);
    }
    // An I/O error is transparent: its source is that of the error in it.
    if let Some(error) = error.downcast_ref::<io::Error>()
        && let Some(inner) = error.get_ref()
    {
        return find(inner, look);
    }
    find(error.source()?, look)
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure_of(url: &str) -> Error {
        let url = Url::parse(url).unwrap();
        let request = client_for(&url).unwrap().get(url).send().await;
        failure(request.unwrap_err(), "ask").await
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let error = failure_of(&format!("http://127.0.0.1:{port}/")).await;
        assert!(
            matches!(
                error,
                Error::Network {
                    cause: Cause::Refused,
                    ..
                }
            ),
            "{error}"
        );
        let error = failure_of("http://no-such-host.invalid/").await;
        assert!(
            matches!(
                error,
                Error::Network {
                    cause: Cause::UnknownHost { .. },
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_worth_another_try() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || server.incoming().take(5).for_each(drop));
        let error = failure_of(&format!("http://{address}/")).await;
        assert!(error.is_passing(), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_speak_tls_is_not() {
        use std::io::Write;
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in server.incoming().take(5).flatten() {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });
        let error = failure_of(&format!("https://{address}/")).await;
        assert!(!error.is_passing(), "{error}");
    }
}
