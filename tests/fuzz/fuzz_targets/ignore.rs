//! An ignore file, a line `---`, and paths: whatever order they are asked in, the rules say the same, and what they say of directories
//! holds for what is in them.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use stromatekt_files::{IgnoreFilter, IgnoreRules};

fuzz_target!(|text: &str| {
    let (rules, paths) = text
        .split_once("\n---\n")
        .unwrap_or((text, "a\na/b\na/b/c"));
    let (Ok(walked), Ok(jumped)) = (IgnoreRules::parse(rules), IgnoreRules::parse(rules)) else {
        return;
    };
    // A path as a walk has it.
    let paths = paths.lines().filter_map(|line| {
        let path: PathBuf = line
            .split('/')
            .filter(|part| !matches!(*part, "" | "." | ".."))
            .collect();
        let is_path = !path.as_os_str().is_empty() && !line.contains('\0');
        is_path.then_some(path)
    });
    for path in paths.take(16) {
        let mut excluded_above = false;
        let mut above: Vec<&Path> = path
            .ancestors()
            .filter(|above| *above != Path::new(""))
            .collect();
        above.reverse();
        for path in above {
            let ignored = walked.ignored(path, true);
            // What is remembered of the directory of the last path is forgotten by that.
            let _ = jumped.ignored(Path::new("some/where/else"), true);
            assert_eq!(jumped.ignored(path, true), ignored, "{path:?}");
            assert_eq!(walked.reason(path).is_some(), ignored, "{path:?}");
            assert!(
                ignored || !excluded_above,
                "{path:?} is in a directory that need not be read"
            );
            excluded_above |= ignored && walked.prune(path);
        }
    }
});
