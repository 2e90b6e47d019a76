//! What is no image, and what is a broken or hostile one.

use super::*;
use proptest::prelude::*;

#[test]
fn what_holds_no_images_is_told_apart() {
    let lab = Lab::new();
    let rootfs = tar(&[("etc/passwd", b"root")]);
    fs::write(lab.at("rootfs.tar"), &rootfs).unwrap();
    fs::write(
        lab.at("rootfs.tar.gz"),
        compressed(&rootfs, Compression::Gzip),
    )
    .unwrap();
    for name in ["rootfs.tar", "rootfs.tar.gz"] {
        let error = ImageSource::open(&lab.at(name)).unwrap_err();
        assert!(error.is_no_image(), "{name}: {error}");
    }
    fs::create_dir(lab.at("directory")).unwrap();
    fs::write(lab.at("empty"), "").unwrap();
    fs::write(lab.at("text"), "this is not an archive\n").unwrap();
    fs::write(lab.at("cut.tar"), &rootfs[..514]).unwrap();
    fs::write(
        lab.at("cut.tar.gz"),
        &compressed(&rootfs, Compression::Gzip)[..40],
    )
    .unwrap();
    for name in [
        "directory",
        "empty",
        "text",
        "cut.tar",
        "cut.tar.gz",
        "absent",
    ] {
        let error = ImageSource::open(&lab.at(name)).unwrap_err();
        assert!(!error.is_no_image(), "{name}: {error}");
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
    let error = ImageSource::open(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn nonsense_in_a_layout_is_named() {
    let lab = Lab::new();
    let image = lab.image("linux/amd64", &["a:1"], &["x"], true);
    let entry = serde_json::to_value(&image.index_entries()[0]).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut entry = entry.clone();
        change(&mut entry);
        json!({"schemaVersion": 2, "manifests": [entry]})
    };
    let sound = with(&|_| ());
    let blobs = [&only(&image).manifest[..], &only(&image).config];
    for (index, says) in [
        (json!({"schemaVersion": 2, "manifests": []}), "no image"),
        (json!("text"), "index.json"),
        (
            with(&|entry| entry["digest"] = "sha256:short".into()),
            "sha256:short",
        ),
        (
            with(&|entry| entry["digest"] = "../../etc/passwd".into()),
            "../../etc/passwd",
        ),
        (with(&|entry| entry["size"] = 1.into()), "1 were expected"),
        (
            with(&|entry| entry["size"] = (1_u64 << 40).into()),
            "were expected",
        ),
        (
            with(&|entry| entry["digest"] = Digest::of("absent").to_string().into()),
            "is not in",
        ),
    ] {
        let path = by_hand(&lab, "layout", &index, &blobs);
        let source = ImageSource::open(&path).unwrap();
        let error = source.images(&amd64()).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    let path = by_hand(&lab, "layout", &sound, &blobs);
    let name = path
        .join(BLOBS)
        .join(Digest::of(&only(&image).config).hex());
    let mut other = only(&image).config.clone();
    other[5] ^= 1;
    fs::write(&name, &other).unwrap();
    let source = ImageSource::open(&path).unwrap();
    let error = source.image(None, &amd64()).unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
    let error = source
        .blob(&only(&image).layers[0].descriptor)
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, Error::MissingBlob { .. }), "{error}");
    fs::write(
        path.join("oci-layout"),
        r#"{"imageLayoutVersion": "9.0.0"}"#,
    )
    .unwrap();
    let error = ImageSource::open(&path).unwrap_err().to_string();
    assert!(error.contains("9.0.0"), "{error}");
}

#[test]
fn an_index_in_itself_ends() {
    let lab = Lab::new();
    let mut inner = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let mut blobs = Vec::new();
    for _ in 0..8 {
        let entry = json!({
            "mediaType": "application/vnd.oci.image.index.v1+json", "digest": Digest::of(&inner), "size": inner.len(),
        });
        blobs.push(inner);
        inner = json!({"schemaVersion": 2, "manifests": [entry, entry]}).to_string();
    }
    let index = serde_json::from_str(&inner).unwrap();
    let blobs: Vec<&[u8]> = blobs.iter().map(String::as_bytes).collect();
    let source = ImageSource::open(&by_hand(&lab, "deep", &index, &blobs)).unwrap();
    let error = source.images(&amd64()).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_errors(data in prop::collection::vec(any::<u8>(), 0..700), magic in 0usize..4) {
        let lab = Lab::new();
        let start: [&[u8]; 4] = [b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"oci-layout"];
        fs::write(lab.at("file"), [start[magic], &data].concat()).unwrap();
        if let Ok(source) = ImageSource::open(&lab.at("file")) {
            let _ = source.images(&amd64());
        }
    }

    #[test]
    fn a_changed_archive_is_an_error_or_an_image(at in any::<prop::sample::Index>(), byte in any::<u8>(), docker in any::<bool>()) {
        let lab = Lab::new();
        let images = [lab.image("linux/amd64", &["a:1"], &["x"], true)];
        let mut data = Vec::new();
        match docker {
            true => archive::write_docker(&mut data, &images).unwrap(),
            false => layout::write_tar(&mut data, &images).unwrap(),
        }
        let at = at.index(data.len());
        data[at] = byte;
        fs::write(lab.at("file"), data).unwrap();
        if let Ok(source) = ImageSource::open(&lab.at("file"))
            && let Ok(found) = source.images(&amd64())
        {
            prop_assert_eq!(&found[0].config, &only(&images[0]).config);
        }
    }
}
