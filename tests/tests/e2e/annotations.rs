//! Annotations, and the other attributes of outputs that say how an image is written.

use std::fs;

use serde_json::{Value, json};
use stromatekt_tests::{Context, Image, Lab};
use tempfile::TempDir;

const BOTH: [&str; 2] = ["--platform", "linux/amd64,linux/arm64"];

fn listed(layout: &std::path::Path) -> Value {
    let text = fs::read(layout.join("index.json")).expect("it was written");
    serde_json::from_slice::<Value>(&text).expect("JSON")["manifests"][0].clone()
}

#[test]
fn annotations_stand_where_they_are_asked_for() {
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    Lab::shared()
        .build(&Context::dockerfile("FROM scratch\nCOPY Dockerfile /\n"))
        .args(BOTH)
        .args(["--annotation", "every=manifest"])
        .args(["--annotation", "manifest[linux/arm64]:every=arm"])
        .args(["--annotation", "manifest-descriptor:a=b"])
        .args(["--annotation", "index,index-descriptor:c=d"])
        .output(format!(
            "type=oci,tar=false,dest={},annotation.from=output",
            layout.display()
        ))
        .ok();
    let (index, images) = Image::read_index(&layout);
    assert_eq!(index["annotations"], json!({"c": "d"}));
    assert_eq!(listed(&layout)["annotations"]["c"], "d");
    for (manifest, (platform, image)) in index["manifests"].as_array().unwrap().iter().zip(&images)
    {
        assert_eq!(manifest["annotations"], json!({"a": "b"}));
        let every = match platform.as_str() {
            "linux/arm64" => "arm",
            _ => "manifest",
        };
        let expected = json!({"every": every, "from": "output"});
        assert_eq!(image.manifest["annotations"], expected, "{platform}");
    }
}

#[test]
fn annotations_that_could_stand_nowhere_are_refused() {
    let lab = Lab::shared();
    let context = Context::dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    for (args, said) in [
        (&["--annotation", "index:a=b"][..], "index annotations"),
        (
            &["--annotation", "manifest[linux/s390x]:a=b"],
            "linux/s390x",
        ),
        (&["--annotation", "floppy:a=b"], "floppy"),
        (
            &["--annotation", "a=b", "-o", "type=cacheonly"],
            "--annotation",
        ),
    ] {
        lab.build(&context).args(args).fails().says(&[said]);
    }
}

#[test]
fn the_store_keeps_annotations_until_the_image_leaves_it() {
    let lab = Lab::with_busybox();
    lab.build(&Context::dockerfile("FROM busybox\nLABEL a=1\n"))
        .args(["-t", "noted", "--annotation", "who=me"])
        .ok();
    let directory = TempDir::new().unwrap();
    let saved = directory.path().join("saved");
    let to = format!("{}/", saved.display());
    lab.stromatekt(["image", "save", "noted", "--format", "oci", "-o", &to])
        .run()
        .ok();
    assert_eq!(
        Image::read(&saved).manifest["annotations"],
        json!({"who": "me"})
    );
    lab.build(&Context::dockerfile("FROM noted\nRUN true\n"))
        .ok();
}

#[test]
fn layers_and_media_types_are_as_the_output_says() {
    let lab = Lab::shared();
    let context = Context::dockerfile("FROM busybox\nCOPY Dockerfile /\n");
    for (options, types) in [
        ("", ["tar", "tar+gzip"]),
        (",compression=zstd", ["tar", "tar+zstd"]),
        (
            ",compression=zstd,force-compression=true",
            ["tar+zstd", "tar+zstd"],
        ),
        (",force-compression=true", ["tar+gzip", "tar+gzip"]),
    ] {
        let directory = TempDir::new().unwrap();
        let layout = directory.path().join("layout");
        lab.build(&context)
            .output(format!(
                "type=oci,tar=false,dest={}{options}",
                layout.display()
            ))
            .ok();
        let image = Image::read(&layout);
        let found: Vec<_> = image
            .layers
            .iter()
            .map(|layer| layer.media_type.as_str())
            .collect();
        let full = types.map(|kind| format!("application/vnd.oci.image.layer.v1.{kind}"));
        assert_eq!(found, full, "{options}");
    }
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    lab.build(&context)
        .output(format!(
            "type=oci,tar=false,dest={},oci-mediatypes=false",
            layout.display()
        ))
        .ok();
    let image = Image::read(&layout);
    assert_eq!(
        image.manifest["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    assert_eq!(
        image.layers[1].media_type,
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    );
}
