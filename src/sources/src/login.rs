//! `docker login` and `docker logout`: a name and password tried at a registry, and kept where docker keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{StatusCode, Url};
use serde_json::{Map, Value, json};

use crate::credentials::{self, Config, is_name_of, server_name};
use crate::docker_config::DockerConfig;
use crate::error::{Error, Result};
use crate::network;
use crate::registry::{Challenge, address, is_loopback};

/// Where a login is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In the config file, not encrypted.
    File,
    /// By this credential helper.
    Helper(String),
}

/// Tries a name and password at a registry, which is named as in a reference, without keeping them.
///
/// # Errors
/// When it does not take them, or cannot be asked.
pub async fn check(registry: &str, user: &str, password: &str) -> Result<()> {
    let attempt = format!("log in to {registry}");
    let scheme = if is_loopback(registry) {
        "http"
    } else {
        "https"
    };
    let url = parse(&attempt, &format!("{scheme}://{}/v2/", address(registry)))?;
    let ask = |url: Url| {
        let attempt = attempt.clone();
        async move {
            let request = network::client_for(&url)?.get(url);
            match request.basic_auth(user, Some(password)).send().await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(network::failure(error, &attempt).await),
            }
        }
    };
    let mut answer = ask(url).await?;
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenge = challenges
        .filter_map(|value| value.to_str().ok())
        .find_map(Challenge::parse);
    if answer.status() == StatusCode::UNAUTHORIZED
        && let Some(challenge) = challenge
    {
        // A token service tells whether it knows them (distribution's `spec/auth/token.md`).
        let mut realm = parse(&attempt, &challenge.realm)?;
        realm.query_pairs_mut().append_pair("account", user);
        if let Some(service) = &challenge.service {
            realm.query_pairs_mut().append_pair("service", service);
        }
        answer = ask(realm).await?;
    }
    match answer.status() {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::LoginRefused {
            host: registry.to_owned(),
        }),
        status => Err(Error::Registry {
            attempt,
            status: Some(status.as_u16()),
            message: status.to_string(),
        }),
    }
}

fn parse(attempt: &str, url: &str) -> Result<Url> {
    Url::parse(url).map_err(|error| Error::Registry {
        attempt: attempt.to_owned(),
        status: None,
        message: format!("it is at `{url}`: {error}"),
    })
}

/// Keeps a login as docker does: with the credential helper that the config names, or in the config itself.
///
/// # Errors
/// When that cannot be done.
pub async fn keep(
    config: &DockerConfig,
    registry: &str,
    user: &str,
    password: &str,
) -> Result<Kept> {
    let mut content = config.read()?;
    let server = server_name(registry);
    if let Some(helper) = helper(config, &content, registry)? {
        let login = json!({ "ServerURL": server, "Username": user, "Secret": password });
        credentials::run_helper(&helper, "store", &login.to_string(), &server).await?;
        // That it is there is known from the file, as with docker.
        set(config, &mut content, &server, json!({}))?;
        return Ok(Kept::Helper(helper));
    }
    let auth = STANDARD.encode(format!("{user}:{password}"));
    set(config, &mut content, &server, json!({ "auth": auth }))?;
    Ok(Kept::File)
}

/// Forgets a login. Tells whether there was one.
///
/// # Errors
/// When that cannot be done.
pub async fn forget(config: &DockerConfig, registry: &str) -> Result<bool> {
    let mut content = config.read()?;
    let server = server_name(registry);
    if let Some(helper) = helper(config, &content, registry)? {
        credentials::run_helper(&helper, "erase", &server, &server).await?;
    }
    let Some(Value::Object(auths)) = content.get_mut("auths") else {
        return Ok(false);
    };
    let before = auths.len();
    auths.retain(|name, _| !is_name_of(name, registry));
    let found = auths.len() < before;
    if found {
        config.write(&content)?;
    }
    Ok(found)
}

fn helper(
    config: &DockerConfig,
    content: &Map<String, Value>,
    registry: &str,
) -> Result<Option<String>> {
    let parsed: Config = serde_json::from_value(Value::Object(content.clone()))
        .map_err(|error| config.error(error))?;
    Ok(parsed.helper(registry).map(str::to_owned))
}

fn set(
    config: &DockerConfig,
    content: &mut Map<String, Value>,
    server: &str,
    auth: Value,
) -> Result<()> {
    let auths = content.entry("auths").or_insert_with(|| json!({}));
    match auths {
        Value::Object(auths) => auths.insert(server.to_owned(), auth),
        _ => return Err(config.error("its `auths` are no object")),
    };
    config.write(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logins_are_kept_beside_what_else_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = DockerConfig::at(directory.path().join("config.json"));
        std::fs::write(
            config.path(),
            r#"{"proxies": {}, "auths": {"x.y": {"auth": "YTpi"}}}"#,
        )
        .unwrap();
        let kept = keep(&config, "docker.io", "ali", "open sesame")
            .await
            .unwrap();
        assert_eq!(kept, Kept::File);
        assert_eq!(
            Value::Object(config.read().unwrap()),
            json!({
                "proxies": {},
                "auths": {
                    "x.y": { "auth": "YTpi" },
                    "https://index.docker.io/v1/": { "auth": "YWxpOm9wZW4gc2VzYW1l" },
                },
            })
        );
        assert!(forget(&config, "docker.io").await.unwrap());
        assert!(!forget(&config, "docker.io").await.unwrap());
        assert!(config.read().unwrap()["auths"].get("x.y").is_some());
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let config = DockerConfig::at(directory.path().join("config.json"));
        std::fs::write(config.path(), r#"{"credsStore": "stromatekt-test-absent"}"#).unwrap();
        let error = keep(&config, "x.y", "a", "b")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("docker-credential-stromatekt-test-absent"),
            "{error}"
        );
    }
}
