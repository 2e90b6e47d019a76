//! Attributes of outputs, understood and refused.

use super::*;

fn compressed(format: Compression, level: Option<i32>) -> ImageOptions {
    ImageOptions {
        compression: LayerCompression {
            format,
            level,
            force: false,
        },
        ..ImageOptions::default()
    }
}

fn path(path: &str) -> Destination {
    Destination::Path(path.into())
}

fn pushed(options: ImageOptions) -> Output {
    Output::Registry {
        by_digest: false,
        options,
    }
}

fn layout(options: ImageOptions) -> Output {
    Output::OciLayout {
        destination: path("x"),
        tar: true,
        options,
    }
}

fn local(options: TreeOptions) -> Output {
    Output::Local {
        directory: "out".into(),
        options,
    }
}

#[test]
fn outputs_are_read_as_buildx_reads_them() {
    let gzip = ImageOptions::default;
    let store = || Output::Store(gzip());
    let stdout = || Output::Tar {
        destination: Destination::Stdout,
        options: TreeOptions::default(),
    };
    let cases: [(&str, &[Output]); 20] = [
        ("out", &[local(TreeOptions::default())]),
        ("-", &[stdout()]),
        (
            "type=local,dest=out,mode=copy",
            &[local(TreeOptions::default())],
        ),
        (
            "type=local,dest=out,platform-split=false,source-date-epoch=5",
            &[local(TreeOptions {
                platform_split: Some(false),
                epoch: Epoch::Own(Some(5)),
            })],
        ),
        ("type=tar,dest=-", &[stdout()]),
        ("type=oci,dest=x", &[layout(gzip())]),
        (
            "\"dest=a,b\",type=oci,tar=false",
            &[Output::OciLayout {
                destination: path("a,b"),
                tar: false,
                options: gzip(),
            }],
        ),
        (
            "type=oci,dest=x,compression=zstd,compression-level=19",
            &[layout(compressed(Compression::Zstd, Some(19)))],
        ),
        (
            "type=oci,dest=x,oci-mediatypes=false,force-compression=,rewrite-timestamp=true,compatibility-version=30",
            &[layout(ImageOptions {
                compression: LayerCompression {
                    force: true,
                    ..LayerCompression::default()
                },
                oci_media_types: false,
                rewrite_timestamp: true,
                ..gzip()
            })],
        ),
        (
            "type=docker,dest=x,compression=uncompressed",
            &[Output::DockerArchive {
                destination: path("x"),
                options: compressed(Compression::None, None),
            }],
        ),
        ("type=docker", &[store()]),
        ("type=image", &[store()]),
        ("type=image,unpack=true,store=true", &[store()]),
        ("type=image,push=true", &[store(), pushed(gzip())]),
        ("type=image,push=true,store=false", &[pushed(gzip())]),
        ("type=registry", &[pushed(gzip())]),
        ("type=registry,registry.insecure=false", &[pushed(gzip())]),
        (
            "type=registry,oci-mediatypes=false,compression-level=1",
            &[pushed(ImageOptions {
                oci_media_types: false,
                ..compressed(Compression::Gzip, Some(1))
            })],
        ),
        (
            "type=image,store=false,name=example.org:5000/a/b,push-by-digest=true,name-canonical=true,push=true",
            &[Output::Registry {
                by_digest: true,
                options: gzip(),
            }],
        ),
        ("type=cacheonly", &[]),
    ];
    for (value, expected) in cases {
        let (outputs, _) = one(value).unwrap();
        assert_eq!(outputs, expected, "{value}");
    }
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (value, said) in [
        ("", "empty"),
        ("type=floppy,dest=x", "floppy"),
        ("dest=x", "no type"),
        ("type=oci", "dest"),
        ("type=tar", "dest"),
        ("type=local,dest=-", "standard output"),
        ("type=local,dest=x,mode=delete", "mode=delete"),
        ("type=oci,dest=x,colour=red", "colour"),
        ("type=local,dest=x,name=y", "name"),
        ("type=oci,dest=x,tar=maybe", "maybe"),
        ("type=oci,dest=x,compression=lzma", "lzma"),
        ("type=oci,dest=x,compression=estargz", "estargz"),
        ("type=oci,dest=x,compression-level=11", "11"),
        ("type=oci,dest=x,source-date-epoch=now", "now"),
        (
            "type=oci,dest=x,attestation-inline=true",
            "attestation-inline",
        ),
        ("type=docker,dest=x,tar=false", "one tar"),
        ("type=docker,context=other", "context=other"),
        ("type=image,compression=zstd", "stays in the local store"),
        ("type=image,name=UPPER", "UPPER"),
        ("type=image,dangling-name-prefix=x", "dangling-name-prefix"),
        ("type=image,name-canonical=true", "name-canonical"),
        ("type=image,push-by-digest=true", "push-by-digest"),
        (
            "type=image,name=a:1,push-by-digest=true,push=true",
            "a:1 by digest",
        ),
        ("type=image,store=false", "neither stored nor pushed"),
        ("type=registry,push=false", "push"),
        ("type=registry,registry.insecure=true", "insecure"),
        (
            "type=registry,compatibility-version=10",
            "compatibility-version=10",
        ),
        ("type=oci,dest=x,annotation-floppy.a=b", "floppy"),
        ("type=oci,x", "`x`"),
    ] {
        let error = one(value).unwrap_err().to_string();
        assert!(error.contains(said), "{value}: {error}");
    }
}
