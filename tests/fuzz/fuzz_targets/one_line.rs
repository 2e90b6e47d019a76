//! What stands in one line: image references, platforms, digests, git URLs, modes, owners, patterns, fields of `--mount`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stromatekt_dockerfile::{csv, git_url};
use stromatekt_files::glob::Glob;
use stromatekt_files::mode::ModeChange;
use stromatekt_files::owner::Owner;
use stromatekt_oci::{Digest, ImageReference, Platform};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<ImageReference>() {
        assert_eq!(
            reference
                .to_string()
                .parse::<ImageReference>()
                .as_ref()
                .ok(),
            Some(&reference)
        );
        assert_eq!(
            reference.familiar().parse::<ImageReference>().as_ref().ok(),
            Some(&reference)
        );
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(
            platform.to_string().parse::<Platform>().as_ref().ok(),
            Some(&platform)
        );
        assert!(platform.is_same(&platform));
        assert_eq!(platform.rank(&platform), Some(0));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }
    for git in [git_url::parse(text), git_url::parse_context(text)]
        .into_iter()
        .flatten()
    {
        if let Err(reason) = git {
            assert!(!reason.is_empty());
        }
    }
    if let Ok(change) = ModeChange::parse(text) {
        for mode in [0, 0o644, 0o7777] {
            assert!(change.apply(mode, false) <= 0o7777 && change.apply(mode, true) <= 0o7777);
        }
    }
    if let Ok(owner) = Owner::parse(text) {
        let _ = owner.without_tree();
    }
    if let Ok(fields) = csv::fields(text) {
        assert!(fields.iter().map(String::len).sum::<usize>() <= text.len());
    }
    let (pattern, path) = text.split_once('\0').unwrap_or((text, text));
    if let Ok(glob) = Glob::new(pattern) {
        let _ = glob.matches(path.as_bytes());
    }
});
