//! Layouts and archives: written and read back.

mod hostile;

use std::fs;
use std::io::Write as _;

use super::*;
use crate::compress::Compressor;
use crate::descriptor::{IMAGE_NAME, Index, Manifest, MediaType, REF_NAME};
use crate::image::{Document, Exported, OutputImage, OutputIndex, OutputLayer};
use crate::tar::{END, Header, Style, pad};
use crate::{archive, layout};
use serde_json::json;

/// Images whose layers lie in a directory.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn image(&self, platform: &str, names: &[&str], contents: &[&str], oci: bool) -> Exported {
        let platform: Platform = platform.parse().unwrap();
        let mut config = ImageConfig::for_platform(&platform);
        config.created = Some("2024-01-01T00:00:00Z".to_owned());
        let mut layers = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            let tar = tar(&[("file", content.as_bytes())]);
            let compression = if number % 2 == 0 {
                Compression::Gzip
            } else {
                Compression::None
            };
            let blob = compressed(&tar, compression);
            let path = self.at(&Digest::of(&blob).hex());
            fs::write(&path, &blob).unwrap();
            let kind = match oci {
                true => MediaType::OciLayer(compression),
                false => MediaType::DockerLayer(compression),
            };
            config.rootfs.diff_ids.push(Digest::of(&tar));
            layers.push(OutputLayer {
                descriptor: Descriptor::of(kind, &blob),
                diff_id: Digest::of(&tar),
                path,
            });
        }
        let config = config.to_json();
        let (manifest_type, config_type) = match oci {
            true => (MediaType::OciManifest, MediaType::OciConfig),
            false => (MediaType::DockerManifest, MediaType::DockerConfig),
        };
        let descriptors = layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect();
        let config_descriptor = Descriptor::of(config_type, &config);
        let image = OutputImage {
            manifest: Manifest::new(manifest_type.clone(), config_descriptor, descriptors)
                .to_json(),
            manifest_type,
            annotations: Default::default(),
            platform,
            config,
            layers,
        };
        Exported {
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            document: Document::Image(image),
        }
    }
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        Header::file(name.as_bytes(), 0o644, content.len() as u64).encode(Style::Pax, &mut tar);
        tar.extend_from_slice(content);
        tar.resize(tar.len() + pad(content.len() as u64), 0);
    }
    tar.extend_from_slice(&END);
    tar
}

fn compressed(data: &[u8], compression: Compression) -> Vec<u8> {
    let mut compressor = Compressor::new(Vec::new(), compression, None).unwrap();
    compressor.write_all(data).unwrap();
    compressor.finish().unwrap()
}

/// The one image that was written.
fn only(written: &Exported) -> &OutputImage {
    match written.images() {
        [image] => image,
        _ => panic!("one image was written"),
    }
}

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

/// Checks that an image is the one that was written, in all its bytes.
#[track_caller]
fn assert_is(source: &ImageSource, found: &SourceImage, written: &Exported) {
    let written = only(written);
    assert_eq!(found.config, written.config);
    assert_eq!(found.platform, written.platform);
    assert_eq!(found.layers.len(), written.layers.len());
    for (found, written) in found.layers.iter().zip(&written.layers) {
        assert_eq!(
            (found.digest, found.size),
            (written.descriptor.digest, written.descriptor.size)
        );
        let mut content = Vec::new();
        source
            .blob(found)
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        assert_eq!(content, fs::read(&written.path).unwrap());
    }
}

#[test]
fn what_is_written_in_any_form_is_read() {
    let lab = Lab::new();
    let one = lab.image("linux/amd64", &["a:1", "b"], &["x", "y", "x"], true);
    let two = lab.image("linux/amd64", &[], &["z"], false);
    let images = [one, two];
    layout::write_directory(&lab.at("layout"), &images).unwrap();
    let mut oci = Vec::new();
    layout::write_tar(&mut oci, &images).unwrap();
    let mut docker = Vec::new();
    archive::write_docker(&mut docker, &images).unwrap();
    for (name, content) in [("oci", &oci), ("docker", &docker)] {
        fs::write(lab.at(&format!("{name}.tar")), content).unwrap();
        for compression in [Compression::Gzip, Compression::Zstd] {
            fs::write(
                lab.at(&format!("{name}.{compression}")),
                compressed(content, compression),
            )
            .unwrap();
        }
    }
    for name in [
        "layout",
        "oci.tar",
        "oci.gzip",
        "oci.zstd",
        "docker.tar",
        "docker.gzip",
        "docker.zstd",
    ] {
        let source =
            ImageSource::open(&lab.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = source.images(&amd64()).unwrap();
        assert_eq!(found.len(), 2, "{name}");
        for (found, written) in found.iter().zip(&images) {
            assert_is(&source, found, written);
            assert_eq!(found.names, written.names, "{name}");
            assert_eq!(found.manifest, Some(Digest::of(&only(written).manifest)));
        }
        let path = source.blob_path(&found[0].layers[0]);
        assert_eq!(path.is_some_and(|path| path.is_file()), name == "layout");
    }
}

#[test]
fn outputs_are_the_same_every_time_and_sorted() {
    let lab = Lab::new();
    let images = [lab.image("linux/amd64", &["a:1"], &["x", "y"], true)];
    let (mut first, mut second) = (Vec::new(), Vec::new());
    archive::write_docker(&mut first, &images).unwrap();
    archive::write_docker(&mut second, &images).unwrap();
    assert!(first == second);
    let mut reader = ::tar::Archive::new(&first[..]);
    let mut names = Vec::new();
    for entry in reader.entries().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        names.push(entry.path().unwrap().display().to_string());
    }
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names[..2], ["blobs/", "blobs/sha256/"]);
    assert_eq!(
        names[names.len() - 3..],
        ["index.json", "manifest.json", "oci-layout"]
    );
}

#[test]
fn a_layout_keeps_what_it_had() {
    let lab = Lab::new();
    let path = lab.at("layout");
    let write =
        |image: &Exported| layout::write_directory(&path, std::slice::from_ref(image)).unwrap();
    let kept = lab.image("linux/amd64", &["kept:1"], &["k"], true);
    let old = lab.image("linux/amd64", &["moved:1"], &["old"], true);
    let new = lab.image("linux/amd64", &["moved:1", "other:2"], &["new"], true);
    for image in [&kept, &old, &new, &new] {
        write(image);
    }
    let index = Index::parse(&fs::read(path.join("index.json")).unwrap(), "test").unwrap();
    let names: Vec<_> = index
        .manifests
        .iter()
        .map(|entry| &*entry.annotations[IMAGE_NAME])
        .collect();
    assert_eq!(
        names,
        [
            "docker.io/library/kept:1",
            "docker.io/library/moved:1",
            "docker.io/library/other:2"
        ]
    );
    assert_eq!(index.manifests[1].annotations[REF_NAME], "1");
    let source = ImageSource::open(&path).unwrap();
    for (selector, written) in [
        ("kept:1", &kept),
        ("moved:1", &new),
        ("2", &new),
        ("docker.io/library/kept:1", &kept),
    ] {
        assert_is(
            &source,
            &source.image(Some(selector), &amd64()).unwrap(),
            written,
        );
    }
    for digest in [
        Digest::of(&only(&kept).manifest),
        Digest::of(&only(&kept).config),
    ] {
        for selector in [digest.to_string(), format!("@{digest}"), digest.hex()] {
            assert_is(
                &source,
                &source.image(Some(&selector), &amd64()).unwrap(),
                &kept,
            );
        }
    }
    // Both have the tag 1.
    for selector in [None, Some("1"), Some("absent")] {
        let error = source.image(selector, &amd64()).unwrap_err().to_string();
        assert!(error.contains("kept:1 (linux/amd64)"), "{error}");
    }
    let error = source
        .image(Some("kept:1"), &"linux/arm64".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("linux/arm64"), "{error}");
    assert!(
        !fs::read_dir(path.join("blobs/sha256"))
            .unwrap()
            .any(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with('.')
            })
    );
}

/// A layout written by hand.
fn by_hand(lab: &Lab, name: &str, index: &serde_json::Value, blobs: &[&[u8]]) -> PathBuf {
    let path = lab.at(name);
    fs::create_dir_all(path.join(BLOBS)).unwrap();
    for blob in blobs {
        fs::write(path.join(BLOBS).join(Digest::of(blob).hex()), blob).unwrap();
    }
    fs::write(
        path.join("oci-layout"),
        r#"{"imageLayoutVersion": "1.0.0"}"#,
    )
    .unwrap();
    fs::write(path.join("index.json"), index.to_string()).unwrap();
    path
}

#[test]
fn nested_indexes_platforms_and_attestations() {
    let lab = Lab::new();
    let images = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        .map(|platform| lab.image(platform, &[], &[platform], true));
    let entries = images
        .iter()
        .map(|image| serde_json::to_value(&image.index_entries()[0]).unwrap());
    let mut entries: Vec<_> = entries.collect();
    let attestation = b"{}";
    entries.push(json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(attestation), "size": 2,
        "platform": {"os": "unknown", "architecture": "unknown"},
    }));
    // A platform that was not copied.
    entries.push(json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of("absent"), "size": 6,
        "platform": {"os": "linux", "architecture": "s390x"},
    }));
    let inner = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let inner_entry = json!({"digest": Digest::of(&inner), "size": inner.len()});
    let outer = json!({"schemaVersion": 2, "manifests": [inner_entry]}).to_string();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": Digest::of(&outer), "size": outer.len(),
        "annotations": {"org.opencontainers.image.ref.name": "multi"},
    }]});
    let mut blobs = vec![inner.as_bytes(), outer.as_bytes(), attestation];
    let layers: Vec<_> = images
        .iter()
        .map(|image| fs::read(&only(image).layers[0].path).unwrap())
        .collect();
    blobs.extend(layers.iter().map(Vec::as_slice));
    for image in &images {
        blobs.extend([&only(image).manifest[..], &only(image).config]);
    }
    let source = ImageSource::open(&by_hand(&lab, "multi", &index, &blobs)).unwrap();
    for image in &images {
        for selector in [
            None,
            Some("multi".to_owned()),
            Some(Digest::of(&outer).to_string()),
        ] {
            let found = source
                .image(selector.as_deref(), &only(image).platform)
                .unwrap();
            assert_is(&source, &found, image);
        }
        assert_eq!(source.images(&only(image).platform).unwrap().len(), 1);
    }
    // An arm64 machine runs programs of others, but best its own.
    let found = source
        .image(None, &"linux/arm/v8".parse().unwrap())
        .unwrap();
    assert_is(&source, &found, &images[2]);
    let error = source
        .image(None, &"linux/riscv64".parse().unwrap())
        .unwrap_err();
    assert!(matches!(error, Error::NoMatch { .. }), "{error}");
}

#[test]
fn docker_archives_of_all_ages() {
    let lab = Lab::new();
    let layers = [tar(&[("f", b"1")]), tar(&[("f", b"2")])];
    let mut config = ImageConfig::for_platform(&amd64());
    config.rootfs.diff_ids = [0, 1, 0]
        .map(|number: usize| Digest::of(&layers[number]))
        .to_vec();
    let config = config.to_json();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let gzipped = compressed(&layers[1], Compression::Gzip);
    let manifest = json!([{
        "Config": config_name, "RepoTags": ["old:1"], "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"],
    }]);
    // A layer that is there twice was a link.
    let mut data = tar(&[
        ("./one/layer.tar", &layers[0]),
        ("two/layer.tar", &gzipped),
        (&config_name, &config),
        ("manifest.json", manifest.to_string().as_bytes()),
    ]);
    data.truncate(data.len() - END.len());
    Header {
        kind: crate::tar::Kind::Symlink,
        link: b"../one/layer.tar",
        ..Header::file(b"three/layer.tar", 0o777, 0)
    }
    .encode(Style::Pax, &mut data);
    data.extend_from_slice(&END);
    fs::write(lab.at("old.tar"), &data).unwrap();
    let source = ImageSource::open(&lab.at("old.tar")).unwrap();
    let image = source.image(Some("old:1"), &amd64()).unwrap();
    assert_eq!((&image.config, image.manifest), (&config, None));
    let expected: [&[u8]; 3] = [&layers[0], &gzipped, &layers[0]];
    for (layer, expected) in image.layers.iter().zip(expected) {
        assert_eq!(layer.digest, Digest::of(expected));
        let mut content = Vec::new();
        source
            .blob(layer)
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        assert_eq!(content, expected);
    }
    assert_eq!(
        image.layers[1].media_type,
        MediaType::DockerLayer(Compression::Gzip)
    );

    let broken = data.windows(3).position(|bytes| bytes == b"amd").unwrap();
    data[broken] = b'x';
    fs::write(lab.at("broken.tar"), &data).unwrap();
    let error = ImageSource::open(&lab.at("broken.tar"))
        .unwrap()
        .images(&amd64())
        .unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[test]
fn an_index_is_one_entry_and_all_its_images_are_found_by_platform() {
    let lab = Lab::new();
    let of = |platform: &str, content: &str| lab.image(platform, &[], &[content], true);
    let all = [of("linux/arm64", "arm"), of("linux/amd64", "amd")];
    let images = all.iter().flat_map(Exported::images).cloned().collect();
    let annotations = [("a".to_owned(), "b".to_owned())];
    let index = OutputIndex::new(
        images,
        MediaType::OciIndex,
        annotations.into(),
        Default::default(),
    );
    let exported = Exported {
        names: vec!["many:1".parse().unwrap()],
        document: Document::Index(index),
    };
    let path = lab.at("layout");
    layout::write_directory(&path, std::slice::from_ref(&exported)).unwrap();
    let listed = Index::parse(&fs::read(path.join("index.json")).unwrap(), "test").unwrap();
    let [entry] = listed.manifests.as_slice() else {
        panic!("one entry: {listed:?}");
    };
    assert_eq!(
        (&entry.media_type, &entry.platform),
        (&MediaType::OciIndex, &None)
    );
    let inner = fs::read(path.join("blobs/sha256").join(entry.digest.hex())).unwrap();
    let inner = Index::parse(&inner, "test").unwrap();
    assert_eq!(inner.annotations["a"], "b");
    let platforms: Vec<_> = inner.manifests.iter().map(|m| &m.platform).collect();
    assert_eq!(platforms, [&"linux/arm64".parse().ok(), &Some(amd64())]);
    let source = ImageSource::open(&path).unwrap();
    for (platform, written) in [("linux/arm64", &all[0]), ("linux/amd64", &all[1])] {
        let found = source.image(Some("many:1"), &platform.parse().unwrap());
        assert_is(&source, &found.unwrap(), written);
    }
    // The list of docker's has the image for this machine.
    let mut archive = Vec::new();
    archive::write_docker(&mut archive, std::slice::from_ref(&exported)).unwrap();
    let list = String::from_utf8_lossy(&archive);
    let host = Platform::host();
    let chosen = all.iter().find(|image| image.images()[0].platform == host);
    let chosen = &chosen.unwrap_or(&all[0]).images()[0];
    let config = format!(
        "\"Config\":\"blobs/sha256/{}\"",
        Digest::of(&chosen.config).hex()
    );
    assert!(list.contains(&config), "{config}");
}
