//! Dockerfiles as pipelines: what comes of the pipeline is what comes of the Dockerfile.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use stromatekt_dockerfile::{self as dockerfile, NoCache};
use stromatekt_pipeline::ImageConfigs;
use stromatekt_yaml::{NamedImage, Source, write};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pipeline of a Dockerfile; nothing where it is none, or cannot be lowered without files.
fn converted(text: &str) -> Option<Result<String, String>> {
    let parsed = dockerfile::parse(text).ok()?;
    let options = dockerfile::Options {
        build_platform: support::options().host,
        no_cache: NoCache::Off,
        allow: [
            dockerfile::Entitlement::NetworkHost,
            dockerfile::Entitlement::SecurityInsecure,
        ]
        .into(),
        ..dockerfile::Options::default()
    };
    let mut configs = ImageConfigs::new();
    let lowered = loop {
        match dockerfile::lower(&parsed, "Dockerfile", &options, &configs).ok()? {
            dockerfile::Lowering::Done(lowered) => break lowered,
            dockerfile::Lowering::NeedsImages(requests) => {
                for request in requests {
                    let config = support::base_config_for(&request.platform);
                    configs.insert((request.location, request.platform), config);
                }
            }
        }
    };
    let image = &lowered.images[0];
    let images = [NamedImage {
        name: "image".to_owned(),
        node: image.export,
        is_index: lowered.is_index,
        tags: Vec::new(),
        source_date_epoch: image.source_date_epoch,
    }];
    let written = write(&Source {
        graph: &lowered.graph,
        images: &images,
        configs: &configs,
        platform: &options.build_platform,
        is_asked: false,
        contexts: &BTreeMap::new(),
    });
    Some(written.map_err(|error| error.to_string()))
}

fn dockerfiles(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            dockerfiles(&path, found);
        } else if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("Dockerfile"))
        {
            found.push(path);
        }
    }
}

/// `write` itself holds the definition digests against each other.
#[test]
fn all_cases_of_the_comparison_with_docker_can_be_said() {
    let mut paths = Vec::new();
    dockerfiles(&repository().join("compat/cases"), &mut paths);
    dockerfiles(&repository().join("examples"), &mut paths);
    let mut done = 0;
    let mut failed = Vec::new();
    for path in &paths {
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        match converted(&text) {
            Some(Ok(_)) => done += 1,
            Some(Err(error)) => failed.push(format!("{}: {error}", path.display())),
            None => {}
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(
        done > 400,
        "only {done} of {} Dockerfiles were lowered",
        paths.len()
    );
}

#[test]
fn a_converted_dockerfile_reads_well() {
    let text = fs::read_to_string(repository().join("examples/c-project/Dockerfile"))
        .expect("it is there");
    let written = converted(&text)
        .expect("it can be lowered")
        .unwrap_or_else(|error| panic!("{error}"));
    let expected = include_str!("c-project.yaml");
    assert_eq!(written, expected);
}
