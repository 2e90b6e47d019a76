//! One request to a registry: with a login where one is needed, tried again where that may help.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::RegistryOperation;
use stromatekt_oci::reference::ImageReference;
use tokio::sync::OnceCell;

use super::{failure, token};
use crate::credentials::{Credentials, Login};
use crate::error::{Error, Result};
use crate::network::{self, CONNECT, SILENCE, USER_AGENT};
use crate::retry::Retry;

/// docker's registry, as references name it, and where it is.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// This machine, as a list of hosts without a proxy has it.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The clients, and what is known of who needs a login.
pub(super) struct Sessions {
    credentials: Credentials,
    plain: OnceCell<Client>,
    tls: OnceCell<Client>,
    logins: Mutex<HashMap<String, Arc<OnceCell<Login>>>>,
    /// What was logged in for: host, repository, and whether to push.
    open: Mutex<HashSet<(String, String, bool)>>,
}

/// What requests are about.
#[derive(Clone)]
pub(super) struct Target {
    /// The name that the user knows.
    pub image: String,
    /// The registry as the name has it.
    pub host: String,
    /// The name as the client takes it.
    pub reference: Reference,
    /// Whether the login must allow to push.
    pub operation: RegistryOperation,
}

impl Target {
    pub fn pull(image: &ImageReference) -> Self {
        let (host, repository) = (address(image), image.repository().to_owned());
        let reference = match (image.digest(), image.tag()) {
            (Some(digest), _) => Reference::with_digest(host, repository, digest.to_string()),
            (None, Some(tag)) => Reference::with_tag(host, repository, tag.to_owned()),
            // A reference has one of them.
            (None, None) => Reference::with_tag(host, repository, "latest".to_owned()),
        };
        Self {
            image: image.familiar(),
            host: image.registry().to_owned(),
            reference,
            operation: RegistryOperation::Pull,
        }
    }

    pub fn push(image: &ImageReference) -> Self {
        Self {
            operation: RegistryOperation::Push,
            ..Self::pull(image)
        }
    }

    /// The same repository, by this digest.
    pub fn at(&self, digest: String) -> Self {
        let (host, repository) = (
            self.reference.registry().to_owned(),
            self.reference.repository().to_owned(),
        );
        Self {
            reference: Reference::with_digest(host, repository, digest),
            ..self.clone()
        }
    }

    fn key(&self) -> (String, String, bool) {
        (
            self.host.clone(),
            self.reference.repository().to_owned(),
            self.operation == RegistryOperation::Push,
        )
    }
}

/// Where the registry of an image listens.
fn address(image: &ImageReference) -> String {
    address_of(image.registry())
}

/// Where a registry listens.
pub(crate) fn address_of(registry: &str) -> String {
    match registry {
        name if name == DOCKER_HUB.0 => DOCKER_HUB.1.to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a registry is on this machine, so that it is spoken to without TLS: as docker does.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, _)) if !registry.ends_with(']') => host,
        _ => registry,
    };
    network::is_loopback(host)
}

impl Sessions {
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            plain: OnceCell::new(),
            tls: OnceCell::new(),
            logins: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// Does a request, again with a login if the registry wants one, again a few times if it failed for a passing reason.
    ///
    /// `attempt` continues "could not". `limit` is for the whole of one attempt.
    pub async fn request<T, F, Fut>(
        &self,
        target: &Target,
        attempt: &str,
        limit: Option<Duration>,
        request: F,
    ) -> Result<T>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, OciDistributionError>>,
    {
        let client = self.client(&target.host).await?;
        let mut retry = Retry::default();
        let mut logged_in = false;
        if self.needs_login(target).await? {
            self.log_in(client, target).await?;
        }
        loop {
            let answer = request(client.clone());
            let answer = match limit {
                Some(limit) => match tokio::time::timeout(limit, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(failure::silence()),
                },
                None => answer.await,
            };
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(error) => failure::explain(error, target, attempt).await,
            };
            match error {
                Error::AccessDenied { .. } if !logged_in => {
                    self.log_in(client, target).await?;
                    logged_in = true;
                }
                Error::AccessDenied {
                    image,
                    host,
                    message,
                    ..
                } => {
                    let logged_in = self.login(&target.host).await? != Login::Anonymous;
                    return Err(Error::AccessDenied {
                        image,
                        host,
                        logged_in,
                        message,
                    });
                }
                error if error.is_passing() && retry.again().await => {
                    tracing::debug!(%error, "trying again");
                }
                error => return Err(error),
            }
        }
    }

    async fn client(&self, host: &str) -> Result<&Client> {
        let (cell, protocol) = match is_loopback(host) {
            true => (&self.plain, ClientProtocol::Http),
            false => (&self.tls, ClientProtocol::Https),
        };
        cell.get_or_try_init(|| async {
            // oci-client panics where this fails.
            drop(network::client()?);
            let is_plain = matches!(protocol, ClientProtocol::Http);
            let config = ClientConfig {
                protocol,
                // Nothing on this machine is asked by way of the proxy that the environment names: the only way to say so is
                // another proxy, which is for others.
                http_proxy: is_plain.then(|| "http://localhost".to_owned()),
                no_proxy: is_plain.then(|| LOOPBACK.to_owned()),
                // One request for a whole blob: its parts would be as many round trips, and some registries refuse them.
                use_monolithic_push: true,
                connect_timeout: Some(CONNECT),
                user_agent: USER_AGENT,
                ..ClientConfig::default()
            };
            Client::try_from(config).map_err(|error| Error::Registry {
                attempt: format!("make a client for {host}"),
                status: None,
                message: error.to_string(),
            })
        })
        .await
    }

    /// Whether to log in before asking: there are credentials, and they were not used for this yet.
    async fn needs_login(&self, target: &Target) -> Result<bool> {
        if lock(&self.open).contains(&target.key()) {
            return Ok(false);
        }
        Ok(self.login(&target.host).await? != Login::Anonymous)
    }

    /// The credentials for a registry, looked up once: a helper may take its time.
    async fn login(&self, host: &str) -> Result<Login> {
        let cell = Arc::clone(lock(&self.logins).entry(host.to_owned()).or_default());
        let login = cell.get_or_try_init(|| self.credentials.of(host)).await?;
        Ok(login.clone())
    }

    async fn log_in(&self, client: &Client, target: &Target) -> Result<()> {
        let attempt = format!("log in to {}", target.host);
        let login = self.login(&target.host).await?;
        let is_anonymous = login == Login::Anonymous;
        let logged_in = tokio::time::timeout(SILENCE, async {
            let auth = match login {
                Login::Anonymous => RegistryAuth::Anonymous,
                Login::Password { user, password } => RegistryAuth::Basic(user, password),
                Login::RegistryToken(token) => RegistryAuth::Bearer(token),
                Login::IdentityToken(token) => {
                    return token::log_in(client, target, is_loopback(&target.host), &token).await;
                }
            };
            let answer = client
                .auth(&target.reference, &auth, target.operation)
                .await;
            match answer {
                Ok(_) => Ok(()),
                Err(error) => Err(failure::explain(error, target, &attempt).await),
            }
        });
        match logged_in.await {
            Ok(Ok(())) => {
                lock(&self.open).insert(target.key());
                Ok(())
            }
            Ok(Err(Error::AccessDenied {
                image,
                host,
                message,
                ..
            })) => Err(Error::AccessDenied {
                image,
                host,
                logged_in: !is_anonymous,
                message,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(network::silence(&attempt)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is kept under these locks is complete after each operation.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_spoken_to_without_tls() {
        for (registry, plain) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.1.2.3", true),
            ("[::1]", true),
            ("[::1]:5000", true),
            ("docker.io", false),
            ("localhost.example.org", false),
            ("128.0.0.1:5000", false),
            ("[::2]:5000", false),
        ] {
            assert_eq!(is_loopback(registry), plain, "{registry}");
        }
    }

    #[test]
    fn docker_hub_is_asked_where_it_is() {
        let target = Target::pull(&"debian".parse().unwrap());
        assert_eq!(target.reference.resolve_registry(), "registry-1.docker.io");
        assert_eq!(target.reference.repository(), "library/debian");
        assert_eq!(target.host, "docker.io");
    }
}
