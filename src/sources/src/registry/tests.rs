//! Against Debian's docker-registry on loopback; what a real registry does not do on demand, against a few lines.

use std::io::{self, Read};
use std::sync::Mutex;

use stromatekt_oci::compress::Compression;
use stromatekt_oci::descriptor::Index;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use super::test_registry::{AUTH, Server, amd64, anonymous, config, image, noise};
use super::*;
use crate::error::{Cause, Error, Result};
use crate::feed::Feed;
use crate::test_server::{answer, serve};

/// Whether the futures may move between the threads of a runtime.
fn is_send<T: Send>(future: T) -> T {
    future
}

async fn read(feed: Feed) -> io::Result<Vec<u8>> {
    let read = move || {
        let mut feed = feed;
        let mut bytes = Vec::new();
        feed.read_to_end(&mut bytes).map(|_| bytes)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

async fn fetch(registry: &Registry, name: &ImageReference, blob: &Descriptor) -> Result<Vec<u8>> {
    let feed = is_send(registry.blob_reader(name, blob)).await?;
    read(feed)
        .await
        .map_err(|error| error.downcast::<Error>().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_is_pulled() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (large, small) = (noise(20_000_000, 1), noise(1, 2));
    let pushed = image(directory.path(), &amd64(), &[&large, &small, &large]);
    let (registry, name) = (anonymous(), server.image("some/where:1"));
    let digest = is_send(registry.push(&name, &pushed)).await.unwrap();
    assert_eq!(digest, Digest::of(&pushed.manifest));

    let pulled = is_send(registry.resolve(&name, &amd64())).await.unwrap();
    let wanted = RemoteImage {
        config: pushed.config.clone(),
        layers: pushed.layers.iter().map(|(blob, _)| blob.clone()).collect(),
        manifest: digest,
        manifest_json: pushed.manifest.clone(),
    };
    assert_eq!(pulled, wanted);
    assert_eq!(
        fetch(&registry, &name, &pulled.layers[0]).await.unwrap(),
        large
    );
    assert_eq!(
        fetch(&registry, &name, &pulled.layers[1]).await.unwrap(),
        small
    );

    let by_digest = server.image("some/where:other").with_digest(digest);
    assert_eq!(
        anonymous().resolve(&by_digest, &amd64()).await.unwrap(),
        wanted
    );
}

#[tokio::test]
async fn blobs_that_are_there_are_not_sent_again() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let layer = noise(600_000, 3);
    let registry = anonymous();
    let pushed = PushIndex {
        index: None,
        images: vec![image(directory.path(), &amd64(), &[&layer])],
    };
    let push = async |tag: &str| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        registry
            .push_index(&server.image(tag), &pushed, false, move |_, progress| {
                teller.lock().unwrap().push(progress);
            })
            .await
            .unwrap();
        told.lock().unwrap().clone()
    };
    let first = push("x:1").await;
    assert!(first.contains(&Progress::Sent(600_000)), "{first:?}");
    assert_eq!(first.last(), Some(&Progress::Done));
    assert_eq!(push("x:2").await, [Progress::Exists]);
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_from_other_failures() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let registry = anonymous();
    let pushed = image(directory.path(), &amd64(), &[]);
    registry.push(&server.image("x:1"), &pushed).await.unwrap();
    for name in [
        server.image("x:2"),
        server.image("not/there"),
        server.image("x").with_digest(Digest::of("no image")),
    ] {
        let error = registry.resolve(&name, &amd64()).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().contains(&name.to_string()), "{error}");
    }
    let blob = Descriptor::of(MediaType::OciConfig, b"no blob");
    let error = registry
        .blob_reader(&server.image("x:1"), &blob)
        .await
        .unwrap_err();
    assert!(
        !error.is_not_found() && error.to_string().contains(&blob.digest.to_string()),
        "{error}"
    );

    let address = server.address.clone();
    drop(server);
    let name = format!("{address}/x:1").parse().unwrap();
    let error = registry.resolve(&name, &amd64()).await.unwrap_err();
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
async fn an_index_is_resolved_for_the_platform() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let registry = anonymous();
    let (arm64, s390x) = (
        Platform::new("linux", "arm64"),
        Platform::new("linux", "s390x"),
    );
    let mut entries = Vec::new();
    for platform in [&amd64(), &arm64] {
        let pushed = image(directory.path(), platform, &[]);
        let name = server.image(&format!("multi:{}", platform.architecture));
        registry.push(&name, &pushed).await.unwrap();
        let mut entry = Descriptor::of(MediaType::OciManifest, &pushed.manifest);
        entry.platform = Some(platform.clone());
        entries.push(entry);
    }
    let index = Index::new(entries.clone()).to_json();
    server
        .put_manifest("multi/manifests/all", &MediaType::OciIndex, index)
        .await;
    let name = server.image("multi:all");
    for platform in [amd64(), arm64.clone()] {
        let found = registry.resolve(&name, &platform).await.unwrap();
        assert_eq!(found.config, config(&platform));
    }
    let error = registry.resolve(&name, &s390x).await.unwrap_err();
    assert!(!error.is_not_found());
    let text = error.to_string();
    assert!(
        text.contains("linux/s390x") && text.contains("linux/amd64, linux/arm64"),
        "{text}"
    );

    // Entries that do not say what they are for.
    for entry in &mut entries {
        entry.platform = None;
    }
    let index = Index::new(entries).to_json();
    server
        .put_manifest("multi/manifests/bare", &MediaType::OciIndex, index)
        .await;
    let name = server.image("multi:bare");
    let found = registry.resolve(&name, &arm64).await.unwrap();
    assert_eq!(found.config, config(&arm64));
    let error = registry
        .resolve(&name, &s390x)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("linux/amd64, linux/arm64"), "{error}");

    // A name of one image means this image.
    let found = registry
        .resolve(&server.image("multi:arm64"), &amd64())
        .await
        .unwrap();
    assert_eq!(found.config, config(&arm64));
}

#[tokio::test]
async fn what_was_tampered_with_is_an_error() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (registry, name) = (anonymous(), server.image("x:1"));
    let layers = [noise(300_000, 4), noise(300_000, 5), noise(300_000, 6)];
    let pushed = image(
        directory.path(),
        &amd64(),
        &[&layers[0], &layers[1], &layers[2]],
    );
    registry.push(&name, &pushed).await.unwrap();
    let tamper = |digest: &Digest, change: &dyn Fn(&mut Vec<u8>)| {
        let path = server.blob(digest);
        let mut content = std::fs::read(&path).unwrap();
        change(&mut content);
        std::fs::write(&path, content).unwrap();
    };
    let blobs: Vec<&Descriptor> = pushed.layers.iter().map(|(blob, _)| blob).collect();
    tamper(&blobs[0].digest, &|content| content[200_000] ^= 1);
    tamper(&blobs[1].digest, &|content| content.push(0));
    tamper(&blobs[2].digest, &|content| content.truncate(1000));
    let error = fetch(&registry, &name, blobs[0]).await.unwrap_err();
    assert!(
        matches!(&error, Error::Checksum { expected, .. } if *expected == blobs[0].digest.to_string()),
        "{error}"
    );
    let error = fetch(&registry, &name, blobs[1]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Size {
                expected: 300_000,
                ..
            }
        ),
        "{error}"
    );
    assert!(fetch(&registry, &name, blobs[2]).await.is_err());
    let config = Digest::of(&pushed.config);
    tamper(&config, &|content| content[0] ^= 1);
    let error = registry.resolve(&name, &amd64()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Checksum { expected, .. } if *expected == config.to_string()),
        "{error}"
    );
    tamper(&Digest::of(&pushed.manifest), &|content| content.push(b' '));
    assert!(registry.resolve(&name, &amd64()).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_not_its_descriptor_is_not_pushed() {
    let Some(server) = Server::start("") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let registry = anonymous();
    let pushed = image(directory.path(), &amd64(), &[&noise(1000, 7)]);
    let path = &pushed.layers[0].1;
    std::fs::write(path, b"short").unwrap();
    let error = registry
        .push(&server.image("x:1"), &pushed)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Size {
                expected: 1000,
                found: 5,
                ..
            }
        ),
        "{error}"
    );
    std::fs::write(path, noise(1000, 8)).unwrap();
    let error = registry
        .push(&server.image("x:1"), &pushed)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("push the blob"), "{error}");
    let by_digest = server.image("x").with_digest(Digest::of("x"));
    let error = registry.push(&by_digest, &pushed).await.unwrap_err();
    assert!(matches!(error, Error::PushName { .. }), "{error}");
}

#[tokio::test]
async fn a_private_registry_takes_the_login_of_dockers_config() {
    let Some(server) = Server::with_password() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let registry = |auth: &str| {
        let config = format!(
            r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#,
            server.address
        );
        std::fs::write(&file, config).unwrap();
        Registry::with_config(file.clone())
    };
    let name = server.image("private/x:1");
    let pushed = image(directory.path(), &amd64(), &[&noise(100_000, 9)]);
    let known = registry(AUTH);
    known.push(&name, &pushed).await.unwrap();
    let found = known.resolve(&name, &amd64()).await.unwrap();
    fetch(&known, &name, &found.layers[0]).await.unwrap();

    for (registry, logs_in) in [(anonymous(), false), (registry("YWxpOndyb25n"), true)] {
        let errors = [
            registry.resolve(&name, &amd64()).await.unwrap_err(),
            registry.push(&name, &pushed).await.unwrap_err(),
            registry
                .blob_reader(&name, &found.layers[0])
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(&error, Error::AccessDenied { host, logged_in, .. } if *host == server.address && *logged_in == logs_in),
                "{error:?}"
            );
            let hint = error.hint().unwrap();
            assert!(
                hint.contains(&format!("docker login {}", server.address)),
                "{hint}"
            );
        }
    }
}

#[tokio::test]
async fn a_blob_is_resumed_where_the_connection_broke() {
    let content = noise(100_000, 10);
    let blob = Descriptor::of(MediaType::OciLayer(Compression::Gzip), &content);
    for understands_ranges in [true, false] {
        let content = content.clone();
        let (url, requests) = serve(move |_, request| {
            let range = request
                .lines()
                .find_map(|line| line.strip_prefix("range: bytes="));
            let Some(range) = range else {
                return answer("200 OK", "", b"");
            };
            let from: usize = range.trim_end_matches('-').parse().unwrap();
            let (status, from) = match understands_ranges {
                true => ("206 Partial Content", from),
                false => ("200 OK", 0),
            };
            let mut whole = answer(status, "", &content[from..]);
            if range == "0-" {
                whole.truncate(whole.len() - 30_000);
            }
            whole
        });
        let name = url.trim_start_matches("http://").replace("/file", "/x:1");
        let fetched = fetch(&anonymous(), &name.parse().unwrap(), &blob)
            .await
            .unwrap();
        assert_eq!(Digest::of(fetched), blob.digest);
        let requests = requests.lock().unwrap();
        assert!(
            requests
                .iter()
                .any(|request| request.contains("range: bytes=") && !request.contains("bytes=0-")),
            "{requests:?}"
        );
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let directory = tempfile::tempdir().unwrap();
    let content = b"{}".to_vec();
    let blob = Descriptor::of(MediaType::OciConfig, &content);
    let port = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let (own, served) = (Arc::clone(&port), content.clone());
    let (url, _) = serve(move |_, request| {
        let host = own.wait();
        if request.starts_with("POST /token") {
            let asked = request.contains("refresh_token=secret")
                && request.contains("scope=repository%3Ax%2Fy%3Apull");
            return match asked {
                true => answer("200 OK", "", br#"{"access_token": "short"}"#),
                false => answer("401 Unauthorized", "", b""),
            };
        }
        if request.contains("authorization: Bearer short") {
            return answer("206 Partial Content", "", &served);
        }
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n");
        answer("401 Unauthorized", &challenge, b"")
    });
    let host = url.trim_start_matches("http://").replace("/file", "");
    port.set(host.clone()).unwrap();
    let file = directory.path().join("config.json");
    let registry = |token: &str| {
        let config = format!(r#"{{"auths": {{"{host}": {{"identitytoken": "{token}"}}}}}}"#);
        std::fs::write(&file, config).unwrap();
        Registry::with_config(file.clone())
    };
    let name = format!("{host}/x/y:1").parse().unwrap();
    assert_eq!(
        fetch(&registry("secret"), &name, &blob).await.unwrap(),
        content
    );
    let error = fetch(&registry("stale"), &name, &blob).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::AccessDenied {
                logged_in: true,
                ..
            }
        ),
        "{error:?}"
    );
}
