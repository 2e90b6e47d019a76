//! Logins by identity token (distribution's `spec/auth/oauth.md`): the token is exchanged for one that the registry takes.

use oci_client::client::Client;
use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryOperation, RegistryToken, RegistryTokenType};
use reqwest::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::session::Target;
use crate::error::{Error, Result};
use crate::network;

/// Where a registry wants its tokens from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The URL.
    pub realm: String,
    /// What the registry is called there.
    pub service: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "token")]
    access_token: String,
}

/// Gives the client a token for the target.
pub(super) async fn log_in(
    client: &Client,
    target: &Target,
    plain: bool,
    identity_token: &str,
) -> Result<()> {
    let attempt = format!("log in to {}", target.host);
    let scheme = if plain { "http" } else { "https" };
    let registry = target.reference.resolve_registry();
    let fail = |status: Option<StatusCode>, message: String| Error::Registry {
        attempt: attempt.clone(),
        status: status.map(|status| status.as_u16()),
        message,
    };
    let parse = |url: &str| {
        Url::parse(url).map_err(|error| fail(None, format!("it is at `{url}`: {error}")))
    };
    let url = parse(&format!("{scheme}://{registry}/v2/"))?;
    let answer = match network::client_for(&url)?.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return Err(network::failure(error, &attempt).await),
    };
    let challenge = answer
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .find_map(|value| Challenge::parse(value.to_str().ok()?));
    let Some(challenge) = challenge else {
        // It wants no token, so it needs none.
        return Ok(());
    };
    let realm = parse(&challenge.realm)?;
    let actions = match target.operation {
        RegistryOperation::Push => "pull,push",
        RegistryOperation::Pull => "pull",
    };
    let scope = format!("repository:{}:{actions}", target.reference.repository());
    let mut form = realm.clone();
    form.query_pairs_mut()
        .clear()
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", "stromatekt")
        .append_pair("service", challenge.service.as_deref().unwrap_or(registry))
        .append_pair("scope", &scope)
        .append_pair("refresh_token", identity_token);
    let request = network::client_for(&realm)?
        .post(realm)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned());
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Err(network::failure(error, &attempt).await),
    };
    let status = answer.status();
    let body = match answer.bytes().await {
        Ok(body) => body,
        Err(error) => return Err(network::failure(error, &attempt).await),
    };
    if status.is_client_error() {
        return Err(Error::AccessDenied {
            image: target.image.clone(),
            host: target.host.clone(),
            logged_in: true,
            message: "the identity token was refused".to_owned(),
        });
    }
    if !status.is_success() {
        return Err(fail(Some(status), status.to_string()));
    }
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| fail(None, error.to_string()))?;
    // The client looks into its tokens only for registries that it has a login for, and does not need this one.
    client
        .store_auth_if_needed(registry, &RegistryAuth::Anonymous)
        .await;
    // Who may push may pull; when it expires, the registry says so, and this is called anew.
    for operation in [RegistryOperation::Pull, target.operation] {
        let token = RegistryTokenType::Bearer(RegistryToken::Token {
            token: answer.access_token.clone(),
        });
        client
            .tokens
            .insert(&target.reference, operation, token)
            .await;
    }
    Ok(())
}

impl Challenge {
    /// Reads `Bearer realm="…",service="…"` (RFC 9110, section 11.6.1).
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([' ', ',']);
            let value;
            (value, rest) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(Self {
            realm: realm?,
            service,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let challenge = |realm: &str, service: Option<&str>| {
            Some(Challenge {
                realm: realm.into(),
                service: service.map(str::to_owned),
            })
        };
        for (header, wanted) in [
            (
                r#"Bearer realm="https://a/t",service="r",scope="x:y:pull,push""#,
                challenge("https://a/t", Some("r")),
            ),
            (r#"bearer realm="https://a""#, challenge("https://a", None)),
            (
                r#"Bearer service=r, realm="https://a""#,
                challenge("https://a", Some("r")),
            ),
            (r#"Basic realm="cave""#, None),
            ("Bearer", None),
            (r#"Bearer realm="open"#, None),
        ] {
            assert_eq!(Challenge::parse(header), wanted, "{header}");
        }
    }
}
