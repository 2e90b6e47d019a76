//! Who one is to a registry, as `docker login` keeps it in docker's `config.json`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::docker_config::DockerConfig;
use crate::error::{Error, Result};

/// What docker calls its own registry in its config, and to credential helpers.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What a helper gives as user name when its secret is an identity token.
const TOKEN_USER: &str = "<token>";
/// How a helper says that it knows nothing of a registry (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// How to log in to a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// Without credentials.
    Anonymous,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token that is exchanged for a short-lived one.
    IdentityToken(String),
    /// By a token for the registry itself.
    RegistryToken(String),
}

/// Where credentials are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    file: Option<PathBuf>,
}

/// The parts of docker's config that tell credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Config {
    auths: HashMap<String, Auth>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Credentials {
    /// Those of the user's docker config.
    pub fn of_user() -> Self {
        let config = DockerConfig::of_user();
        Self {
            file: config.map(|config| config.path().to_owned()),
        }
    }

    /// Those of a config file.
    pub fn from_file(file: PathBuf) -> Self {
        Self { file: Some(file) }
    }

    /// How to log in to a registry, which is named as in a reference: `docker.io`, `localhost:5000`.
    pub async fn of(&self, registry: &str) -> Result<Login> {
        let Some(config) = self.read()? else {
            return Ok(Login::Anonymous);
        };
        if let Some(helper) = config.helper(registry)
            && let Some(login) = ask(helper, &server_name(registry)).await?
        {
            return Ok(login);
        }
        match config.auth(registry) {
            Some(auth) => auth.login().map_err(|reason| self.error(reason)),
            None => Ok(Login::Anonymous),
        }
    }

    fn read(&self) -> Result<Option<Config>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| self.error(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(error.to_string())),
        }
    }

    fn error(&self, reason: String) -> Error {
        Error::Credentials {
            path: self.file.clone().unwrap_or_default(),
            reason,
        }
    }
}

impl Config {
    /// The credential helper of a registry.
    pub fn helper(&self, registry: &str) -> Option<&str> {
        let own = self
            .cred_helpers
            .iter()
            .find(|(name, _)| is_name_of(name, registry));
        own.map(|(_, helper)| helper.as_str())
            .or(Some(self.creds_store.as_str()))
            .filter(|helper| !helper.is_empty())
    }

    fn auth(&self, registry: &str) -> Option<&Auth> {
        // The exact name before others that mean the same.
        self.auths.get(&server_name(registry)).or_else(|| {
            let same = self
                .auths
                .iter()
                .find(|(name, _)| is_name_of(name, registry));
            same.map(|(_, auth)| auth)
        })
    }
}

/// What docker calls a registry in its config.
pub(crate) fn server_name(registry: &str) -> String {
    match registry {
        "docker.io" => DOCKER_HUB.to_owned(),
        other => other.to_owned(),
    }
}

/// Whether a name in the config, which may be a URL, means this registry.
pub(crate) fn is_name_of(name: &str, registry: &str) -> bool {
    let host = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    match host {
        "index.docker.io" | "registry-1.docker.io" => registry == "docker.io",
        host => host == registry,
    }
}

impl Auth {
    fn login(&self) -> Result<Login, String> {
        if !self.identitytoken.is_empty() {
            return Ok(Login::IdentityToken(self.identitytoken.clone()));
        }
        if !self.registrytoken.is_empty() {
            return Ok(Login::RegistryToken(self.registrytoken.clone()));
        }
        if self.auth.is_empty() {
            return Ok(match self.username.is_empty() {
                true => Login::Anonymous,
                false => Login::Password {
                    user: self.username.clone(),
                    password: self.password.clone(),
                },
            });
        }
        let decoded = STANDARD
            .decode(self.auth.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or("an `auth` in it is not base64 of a text")?;
        let (user, password) = decoded
            .split_once(':')
            .ok_or("an `auth` in it is not NAME:PASSWORD in base64")?;
        Ok(Login::Password {
            user: user.to_owned(),
            // docker pads passwords with NUL bytes.
            password: password.trim_matches('\0').to_owned(),
        })
    }
}

/// Asks a credential helper; nothing if it has no credentials for this server.
async fn ask(helper: &str, server: &str) -> Result<Option<Login>> {
    let Some(said) = run_helper(helper, "get", server, server).await? else {
        return Ok(None);
    };
    let answer: Answer =
        serde_json::from_slice(&said).map_err(|error| Error::CredentialHelper {
            program: format!("docker-credential-{helper}"),
            host: server.to_owned(),
            message: error.to_string(),
        })?;
    Ok(Some(match answer.username.as_str() {
        "" if answer.secret.is_empty() => return Ok(None),
        TOKEN_USER => Login::IdentityToken(answer.secret),
        _ => Login::Password {
            user: answer.username,
            password: answer.secret,
        },
    }))
}

/// Has a credential helper do something with its input, and tells its answer; nothing if it has no credentials for this server.
pub(crate) async fn run_helper(
    helper: &str,
    verb: &str,
    input: &str,
    server: &str,
) -> Result<Option<Vec<u8>>> {
    let program = format!("docker-credential-{helper}");
    let fail = |message: String| Error::CredentialHelper {
        program: program.clone(),
        host: server.to_owned(),
        message,
    };
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says why itself.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child
        .wait_with_output()
        .await
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        // Helpers answer on standard output even when they fail.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return match said == NOT_FOUND {
            true => Ok(None),
            false => Err(fail(said)),
        };
    }
    Ok(Some(output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn login(config: &str, registry: &str) -> Result<Login> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        Credentials::from_file(file).of(registry).await
    }

    fn password(user: &str, password: &str) -> Login {
        Login::Password {
            user: user.into(),
            password: password.into(),
        }
    }

    #[tokio::test]
    async fn logins_are_found_under_all_names_of_a_registry() {
        let auth = |name: &str| format!(r#"{{"auths": {{"{name}": {{"auth": "YTpiOmM="}}}}}}"#);
        for (name, registry, found) in [
            ("https://index.docker.io/v1/", "docker.io", true),
            ("docker.io", "docker.io", true),
            ("registry-1.docker.io", "docker.io", true),
            ("ghcr.io", "ghcr.io", true),
            ("https://ghcr.io", "ghcr.io", true),
            ("https://ghcr.io/v2/", "ghcr.io", true),
            ("localhost:5000", "localhost:5000", true),
            ("localhost:5000", "localhost", false),
            ("ghcr.io", "docker.io", false),
        ] {
            let wanted = match found {
                true => password("a", "b:c"),
                false => Login::Anonymous,
            };
            let login = login(&auth(name), registry).await.unwrap();
            assert!(login == wanted, "{name} {registry}");
        }
    }

    #[tokio::test]
    async fn every_kind_of_login_is_read() {
        for (auth, wanted) in [
            (r#"{}"#, Login::Anonymous),
            (r#"{"auth": "YTpiAAA="}"#, password("a", "b")),
            (r#"{"username": "a", "password": "b"}"#, password("a", "b")),
            (
                r#"{"auth": "YTo=", "identitytoken": "t"}"#,
                Login::IdentityToken("t".into()),
            ),
            (
                r#"{"registrytoken": "t"}"#,
                Login::RegistryToken("t".into()),
            ),
        ] {
            let config = format!(r#"{{"auths": {{"x.y": {auth}}}, "unknown": 1}}"#);
            assert!(login(&config, "x.y").await.unwrap() == wanted, "{auth}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_names_the_file() {
        for config in [
            "{",
            r#"{"auths": {"x.y": {"auth": "?"}}}"#,
            r#"{"auths": {"x.y": {"auth": "YQ=="}}}"#,
        ] {
            let error = login(config, "x.y").await.err().unwrap();
            assert!(error.to_string().contains("config.json"), "{error}");
        }
        let none = Credentials::from_file("/does/not/exist".into());
        assert!(none.of("x.y").await.unwrap() == Login::Anonymous);
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_named() {
        let config = r#"{"credHelpers": {"x.y": "stromatekt-test-absent"}}"#;
        let error = login(config, "x.y").await.err().unwrap();
        assert!(
            error
                .to_string()
                .contains("docker-credential-stromatekt-test-absent"),
            "{error}"
        );
        assert!(login(config, "other").await.unwrap() == Login::Anonymous);
    }
}
