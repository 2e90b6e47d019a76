//! What the client's errors mean to the user.

use std::io;

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciErrorCode};
use reqwest::StatusCode;

use super::session::Target;
use crate::error::{Cause, Error};
use crate::network;

/// Longer messages are pages of a proxy.
const LONGEST_MESSAGE: usize = 400;

/// The client's error for a server that was silent for too long.
pub(super) fn silence() -> OciDistributionError {
    OciDistributionError::IoError(io::ErrorKind::TimedOut.into())
}

/// What an error means. `attempt` continues "could not".
pub(super) async fn explain(error: OciDistributionError, target: &Target, attempt: &str) -> Error {
    use OciDistributionError as E;
    match error {
        E::UnauthorizedError { .. } => status(StatusCode::UNAUTHORIZED, "", target, attempt),
        E::AuthenticationFailure(body) => denied(
            target,
            message(&body).unwrap_or("the login failed".to_owned()),
        ),
        E::RegistryError { envelope, .. } => {
            let said = sentence(&envelope);
            match status_of(&envelope) {
                Some(code) => status(code, &said, target, attempt),
                None => refused(attempt, None, said),
            }
        }
        E::ServerError { code, message, .. } => match StatusCode::from_u16(code) {
            Ok(code) => status(code, &message, target, attempt),
            Err(_) => refused(attempt, Some(code), message),
        },
        E::RequestError(error) => match error.status() {
            Some(code) => status(code, "", target, attempt),
            None => network::failure(error, attempt).await,
        },
        E::DigestError(error) => digest(error, attempt),
        E::IoError(error) => io_error(error, attempt).await,
        other => refused(attempt, None, other.to_string()),
    }
}

/// What an error in the middle of a blob means.
pub(super) async fn io_error(error: io::Error, attempt: &str) -> Error {
    let error = match error.downcast::<reqwest::Error>() {
        Ok(error) => return network::failure(error, attempt).await,
        Err(error) => error,
    };
    match error.downcast::<DigestError>() {
        Ok(error) => digest(error, attempt),
        Err(error) => Error::Network {
            attempt: attempt.to_owned(),
            cause: match error.kind() {
                io::ErrorKind::TimedOut => Cause::TimedOut,
                _ => Cause::Broken(error.to_string()),
            },
        },
    }
}

fn digest(error: DigestError, attempt: &str) -> Error {
    match error {
        DigestError::VerificationError { expected, actual } => Error::Checksum {
            what: format!("what came in the attempt to {attempt}"),
            expected,
            found: actual,
        },
        other => refused(attempt, None, other.to_string()),
    }
}

fn status(code: StatusCode, body: &str, target: &Target, attempt: &str) -> Error {
    let said = message(body);
    match code {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => denied(
            target,
            said.unwrap_or("the registry wants a login, or has no such repository".to_owned()),
        ),
        StatusCode::NOT_FOUND => Error::ImageNotFound {
            image: target.image.clone(),
        },
        code => refused(
            attempt,
            Some(code.as_u16()),
            said.unwrap_or_else(|| code.to_string()),
        ),
    }
}

fn denied(target: &Target, message: String) -> Error {
    Error::AccessDenied {
        image: target.image.clone(),
        host: target.host.clone(),
        logged_in: false,
        message,
    }
}

fn refused(attempt: &str, status: Option<u16>, message: String) -> Error {
    Error::Registry {
        attempt: attempt.to_owned(),
        status,
        message,
    }
}

/// The status that goes with the codes of an answer (distribution-spec, "Error Codes"): the client does not keep it.
fn status_of(envelope: &OciEnvelope) -> Option<StatusCode> {
    envelope.errors.iter().find_map(|error| match &error.code {
        OciErrorCode::ManifestUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NotFound
        | OciErrorCode::BlobUnknown => Some(StatusCode::NOT_FOUND),
        OciErrorCode::Unauthorized => Some(StatusCode::UNAUTHORIZED),
        OciErrorCode::Denied => Some(StatusCode::FORBIDDEN),
        OciErrorCode::Toomanyrequests => Some(StatusCode::TOO_MANY_REQUESTS),
        _ => None,
    })
}

/// What a registry says in the body of an answer, where it says something.
fn message(body: &str) -> Option<String> {
    if let Ok(envelope) = serde_json::from_str::<OciEnvelope>(body) {
        return Some(sentence(&envelope)).filter(|said| !said.is_empty());
    }
    let said = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_page = said.starts_with('<') || said.len() > LONGEST_MESSAGE;
    (!said.is_empty() && !is_page).then_some(said)
}

fn sentence(envelope: &OciEnvelope) -> String {
    let said: Vec<&str> = envelope
        .errors
        .iter()
        .map(|error| error.message.as_str())
        .filter(|said| !said.is_empty())
        .collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_quoted_where_they_say_something() {
        let json = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        for (body, said) in [
            (json, Some("requested access to the resource is denied")),
            ("service\n unavailable", Some("service unavailable")),
            ("<html>", None),
            (r#"{"errors":[]}"#, None),
            ("", None),
        ] {
            assert_eq!(message(body).as_deref(), said, "{body}");
        }
    }
}
