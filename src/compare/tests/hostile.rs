//! Images that are not sound: errors that say what is wrong, and where.

mod support;

use serde_json::json;
use stromatekt_compare::{Error, Image};
use stromatekt_oci::Platform;
use support::{
    config, directory, file, hard_link, read, read_raw, symlink, tar_of, whiteout, write_archive,
};
use tempfile::TempDir;

#[test]
fn entries_that_cannot_stand_where_they_are_are_refused() {
    for (what, layer, expected) in [
        (
            "a name that leaves the root",
            vec![file("../f", "")],
            "../f",
        ),
        (
            "a link to nothing",
            vec![hard_link("l", "none")],
            "`l` is a hard link to `none`, which is not there",
        ),
        (
            "a link to a directory",
            vec![directory("d"), hard_link("l", "d")],
            "hard link to the directory",
        ),
        (
            "a file with files in it",
            vec![file("f", ""), file("f/g", "")],
            "`f` is no directory",
        ),
        (
            "links in a circle",
            vec![symlink("a", "b"), symlink("b", "a"), file("a/f", "")],
            "40 symbolic links",
        ),
        (
            "a whiteout of its own directory",
            vec![whiteout("d/.wh..")],
            "remove its own directory",
        ),
    ] {
        let error = read(json!({}), &[layer]).unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("layer 0") && told.contains(expected),
            "{what}: {told}"
        );
        assert!(matches!(error, Error::Layer { number: 0, .. }), "{what}");
    }
}

#[test]
fn layers_that_are_not_what_was_promised_are_refused() {
    let layer = tar_of(&[file("f", "content")]);
    let sound = config(json!({}), std::slice::from_ref(&layer));
    let mut other = layer.clone();
    other[512] ^= 1;
    let error = read_raw(&sound, &[other]).unwrap_err().to_string();
    assert!(error.contains("digest"), "{error}");
    let cut = layer[..515].to_vec();
    let error = read_raw(&sound, &[cut]).unwrap_err().to_string();
    assert!(error.contains("`f`"), "{error}");
    let error = read_raw(&sound, &[b"no tar".repeat(200)]).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn every_cut_of_an_archive_is_an_error() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("image.tar");
    let layers = [tar_of(&[directory("d"), file("d/f", "content")])];
    write_archive(&path, &config(json!({}), &layers), &layers);
    let whole = std::fs::read(&path).unwrap();
    let content = whole.len() - 1024 - 512;
    for length in (0..content).step_by(311) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(
            Image::open(&path, None, &Platform::host()).is_err(),
            "{length}"
        );
    }
}

#[test]
fn a_link_may_lead_out_of_nothing() {
    // Above the root is the root, as for a process chrooted there.
    let image = read(
        json!({}),
        &[vec![symlink("up", "../../../etc"), file("up/passwd", "")]],
    )
    .unwrap();
    assert!(image.root.get(std::path::Path::new("etc/passwd")).is_some());
}

#[test]
fn no_byte_of_a_layer_makes_it_panic() {
    let layer = tar_of(&[
        directory("d"),
        file("d/f", "content").xattr("user.a", "b"),
        hard_link("d/g", "d/f"),
        symlink("l", "d"),
        whiteout("l/.wh.f"),
        whiteout("d/.wh..wh..opq"),
    ]);
    for at in (0..layer.len()).step_by(29) {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = layer.clone();
            broken[at] ^= flip;
            let layers = [broken];
            // Some are sound nevertheless: what they say of themselves is as it was.
            drop(read_raw(&config(json!({}), &layers), &layers));
        }
    }
}
