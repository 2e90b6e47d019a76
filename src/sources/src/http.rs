//! Files of web servers, for `ADD https://…`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use stromatekt_oci::digest::{Digest, HashingWriter};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::feed::{Feed, Stopper};
use crate::network::{self, SILENCE};
use crate::redact::redact;
use crate::retry::Retry;

/// What a server says of a file, so that it can be asked whether the file changed (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The entity tag, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time of the last change, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// What became of a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fetched {
    /// The server says that the file is as the validators know it; nothing was written.
    NotModified,
    /// The file was written.
    New {
        /// Its digest.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The time of its last change in seconds since 1970, where the server tells it.
        last_modified: Option<i64>,
        /// What to ask with the next time.
        validators: Validators,
    },
}

/// Fetches a file into `dest`, unless the server says that it is still what `known` describes.
///
/// With a `checksum`, any other content is an error. Nothing is left in `dest` after an error.
///
/// # Errors
/// When the URL is none of HTTP, the server is not reached or has no such file, the content is another than the checksum
/// says, or `dest` cannot be written.
pub async fn fetch(
    url: &str,
    dest: &Path,
    known: Option<&Validators>,
    checksum: Option<&Digest>,
) -> Result<Fetched> {
    let request = Request::new(url)?;
    let client = network::client_for(&request.url)?;
    let mut retry = Retry::default();
    let fetched = loop {
        match request.send(&client, dest, known).await {
            Err(error) if error.is_passing() && retry.again().await => {
                tracing::debug!(%error, "trying again");
            }
            ended => break ended,
        }
    };
    let checked = match (fetched, checksum) {
        (Ok(Fetched::New { digest, .. }), Some(expected)) if digest != *expected => {
            Err(Error::Checksum {
                what: request.shown,
                expected: expected.to_string(),
                found: digest.to_string(),
            })
        }
        (fetched, _) => fetched,
    };
    if checked.is_err() {
        // The error tells more than that there was nothing to remove.
        let _ = std::fs::remove_file(dest);
    }
    checked
}

struct Request {
    url: Url,
    /// The URL without its password.
    shown: String,
    attempt: String,
}

impl Request {
    fn new(text: &str) -> Result<Self> {
        let shown = redact(text);
        let refuse = |reason: String| Error::Url {
            url: shown.clone(),
            reason,
        };
        let url = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse(format!(
                "`{}` is neither http nor https",
                url.scheme()
            )));
        }
        Ok(Self {
            attempt: format!("fetch {shown}"),
            url,
            shown,
        })
    }

    async fn send(
        &self,
        client: &Client,
        dest: &Path,
        known: Option<&Validators>,
    ) -> Result<Fetched> {
        // As BuildKit asks (Go's client does): what was compressed for transport only is written as it was.
        let mut request = client.get(self.url.clone()).header(ACCEPT_ENCODING, "gzip");
        let known = known.filter(|known| known.etag.is_some() || known.last_modified.is_some());
        if let Some(known) = known {
            for (name, value) in [
                (IF_NONE_MATCH, &known.etag),
                (IF_MODIFIED_SINCE, &known.last_modified),
            ] {
                request = match value {
                    Some(value) => request.header(name, value),
                    None => request,
                };
            }
        }
        let response = match timeout(SILENCE, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(network::failure(error, &self.attempt).await),
            Err(_) => return Err(network::silence(&self.attempt)),
        };
        match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => Ok(Fetched::NotModified),
            status if status.is_success() => self.receive(response, dest).await,
            status => Err(Error::Status {
                url: self.shown.clone(),
                status: status.as_u16(),
            }),
        }
    }

    async fn receive(&self, response: Response, dest: &Path) -> Result<Fetched> {
        let header = |name: HeaderName| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        let validators = Validators {
            etag: header(ETAG),
            last_modified: header(LAST_MODIFIED),
        };
        let is_gzip =
            header(CONTENT_ENCODING).is_some_and(|value| value.eq_ignore_ascii_case("gzip"));
        let feed = self.feed(response);
        let _stop = StopOnDrop(feed.stopper());
        let (path, url) = (dest.to_owned(), self.shown.clone());
        let saved = tokio::task::spawn_blocking(move || match is_gzip {
            true => save(MultiGzDecoder::new(feed), path, url),
            false => save(feed, path, url),
        });
        let (digest, size) = match saved.await {
            Ok(saved) => saved?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and whoever waited for this with it.
                Err(_) => return Err(network::silence(&self.attempt)),
            },
        };
        Ok(Fetched::New {
            digest,
            size,
            last_modified: validators.last_modified.as_deref().and_then(seconds),
            validators,
        })
    }

    fn feed(&self, mut response: Response) -> Feed {
        let attempt = self.attempt.clone();
        Feed::start(move |feeder| async move {
            loop {
                match timeout(SILENCE, response.chunk()).await {
                    Ok(Ok(Some(bytes))) => {
                        if !feeder.data(bytes).await {
                            return;
                        }
                    }
                    Ok(Ok(None)) => return feeder.end().await,
                    Ok(Err(error)) => {
                        return feeder.fail(network::failure(error, &attempt).await).await;
                    }
                    Err(_) => return feeder.fail(network::silence(&attempt)).await,
                }
            }
        })
    }
}

/// Ends the transfer when nobody waits for it any more; the thread that writes ends then, too.
struct StopOnDrop(Stopper);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn save(mut body: impl Read, path: PathBuf, url: String) -> Result<(Digest, u64)> {
    let file = File::create(&path).map_err(Error::file("make", &path))?;
    let mut writer = HashingWriter::new(file);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let length = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => {
                return Err(error
                    .downcast::<Error>()
                    .unwrap_or_else(|error| Error::Url {
                        url,
                        reason: format!("its content is damaged ({error})"),
                    }));
            }
        };
        writer
            .write_all(&buffer[..length])
            .map_err(Error::file("write", &path))?;
    }
    let (_, digest, size) = writer.finish();
    Ok((digest, size))
}

fn seconds(date: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(date).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
