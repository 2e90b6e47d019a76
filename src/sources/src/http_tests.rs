//! Files are fetched from a server of a few lines, which says what each case needs.

use std::net::TcpListener;

use super::*;
use crate::error::Cause;
use crate::test_server::{answer, read_request, serve};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("fetched")
    }
}

#[tokio::test]
async fn a_file_is_written_with_all_that_is_known_of_it() {
    let (url, _) = serve(|_, _| {
        let headers = "ETag: \"x\"\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n";
        answer("200 OK", headers, b"content")
    });
    let place = Place::new();
    let fetched = fetch(&url, &place.path(), None, Some(&Digest::of("content")))
        .await
        .unwrap();
    let wanted = Fetched::New {
        digest: Digest::of("content"),
        size: 7,
        last_modified: Some(1_700_000_000),
        validators: Validators {
            etag: Some("\"x\"".into()),
            last_modified: Some("Tue, 14 Nov 2023 22:13:20 GMT".into()),
        },
    };
    assert_eq!(fetched, wanted);
    assert_eq!(std::fs::read(place.path()).unwrap(), b"content");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let (url, _) = serve(
        |_, request| match request.contains("if-none-match: \"x\"\r\n") {
            true => answer("304 Not Modified", "", b""),
            false => answer("200 OK", "", b"other"),
        },
    );
    let (place, known) = (
        Place::new(),
        Validators {
            etag: Some("\"x\"".into()),
            last_modified: None,
        },
    );
    let fetched = fetch(&url, &place.path(), Some(&known), None)
        .await
        .unwrap();
    assert_eq!(fetched, Fetched::NotModified);
    assert!(!place.path().exists());
}

#[tokio::test]
async fn redirects_are_followed() {
    let (target, _) = serve(|_, _| answer("200 OK", "", b"there"));
    let (url, _) = serve(move |_, _| answer("302 Found", &format!("Location: {target}\r\n"), b""));
    let place = Place::new();
    let _ = fetch(&url, &place.path(), None, None).await.unwrap();
    assert_eq!(std::fs::read(place.path()).unwrap(), b"there");
}

#[tokio::test]
async fn what_was_compressed_for_transport_is_written_as_it_was() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"content").unwrap();
    let body = gzip.finish().unwrap();
    let damaged = body[..body.len() - 9].to_vec();
    let (url, _) = serve(move |_, _| answer("200 OK", "Content-Encoding: gzip\r\n", &body));
    let place = Place::new();
    let _ = fetch(&url, &place.path(), None, Some(&Digest::of("content")))
        .await
        .unwrap();
    let (url, _) = serve(move |_, _| answer("200 OK", "Content-Encoding: gzip\r\n", &damaged));
    let error = fetch(&url, &place.path(), None, None).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[tokio::test]
async fn another_content_than_the_checksum_says_is_an_error_that_shows_both() {
    let (url, _) = serve(|_, _| answer("200 OK", "", b"content"));
    let place = Place::new();
    let (wrong, real) = (Digest::of("x"), Digest::of("content"));
    let error = fetch(&url, &place.path(), None, Some(&wrong))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&wrong.to_string())
            && text.contains(&real.to_string())
            && text.contains(&url),
        "{text}"
    );
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_broken_transfer_is_tried_again() {
    let (url, requests) = serve(|count, _| match count {
        0 => b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncont".to_vec(),
        1 => answer("503 Service Unavailable", "", b"later"),
        _ => answer("200 OK", "", b"content"),
    });
    let place = Place::new();
    let _ = fetch(&url, &place.path(), None, None).await.unwrap();
    assert_eq!(std::fs::read(place.path()).unwrap(), b"content");
    assert_eq!(requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_not_tried_again() {
    let (url, requests) = serve(|_, _| answer("404 Not Found", "", b"no"));
    let place = Place::new();
    let error = fetch(&url, &place.path(), None, None).await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 404, .. }),
        "{error}"
    );
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_named() {
    let place = Place::new();
    for (url, wanted) in [
        ("ftp://host/x", "neither http nor https"),
        ("http://", "empty host"),
    ] {
        let error = fetch(url, &place.path(), None, None).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let error = fetch("http://u:secret@127.0.0.1:1/x", &place.path(), None, None)
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
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
}

#[tokio::test]
async fn a_dropped_fetch_ends_the_transfer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        read_request(&stream);
        let mut stream = stream;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\npart")
            .unwrap();
        // Returns when the client has closed the connection.
        stream.read(&mut [0; 1]).unwrap_or(0)
    });
    let place = Place::new();
    let path = place.path();
    let fetching: Box<dyn Future<Output = _> + Send> = Box::new(fetch(&url, &path, None, None));
    let fetching = Box::into_pin(fetching);
    assert!(
        timeout(std::time::Duration::from_millis(300), fetching)
            .await
            .is_err()
    );
    let ended = tokio::task::spawn_blocking(move || server.join());
    assert_eq!(ended.await.unwrap().unwrap(), 0);
}
