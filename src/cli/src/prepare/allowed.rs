//! The build context of a JSON pipeline: only what its `files` allow is there, whatever the links in it lead to.

use std::path::Path;
use std::sync::Arc;

use stromatekt_engine::LocalContext;
use stromatekt_files::IgnoreFilter;
use stromatekt_json::Allowed;

/// What is left of a directory.
struct AllowedOnly {
    allowed: Allowed,
    /// What the ignore file leaves out besides.
    ignore: Option<Arc<dyn IgnoreFilter>>,
}

/// A context with no more than what is allowed.
pub fn only(allowed: Allowed, context: LocalContext) -> LocalContext {
    if allowed == Allowed::Everything {
        return context;
    }
    let ignore = context.ignore;
    LocalContext {
        ignore: Some(Arc::new(AllowedOnly { allowed, ignore })),
        ..context
    }
}

impl IgnoreFilter for AllowedOnly {
    fn ignored(&self, path: &Path, is_dir: bool) -> bool {
        !self.allowed.shows(path, is_dir)
            || self
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.ignored(path, is_dir))
    }

    fn prune(&self, dir: &Path) -> bool {
        !self.allowed.shows(dir, true)
            || self.ignore.as_ref().is_some_and(|ignore| ignore.prune(dir))
    }

    fn reason(&self, path: &Path) -> Option<String> {
        self.ignore.as_ref()?.reason(path)
    }
}

#[cfg(test)]
mod tests {
    use stromatekt_engine::Owners;
    use stromatekt_files::IgnoreRules;
    use stromatekt_pipeline::Document;

    use super::*;

    #[test]
    fn what_is_there_is_allowed_and_not_ignored() {
        let text = r#"{"files": {"src": "directory", "doc": {"a": "file"}}}"#;
        let document = Document::parse_json("p.json", text).unwrap();
        let rules = IgnoreRules::new(["src/*.o", "doc", "!doc/a"]).unwrap();
        let context = LocalContext {
            path: "/".into(),
            ignore: Some(Arc::new(rules)),
            owners: Owners::Root,
        };
        let allowed = stromatekt_json::allowed(&document).unwrap();
        let filter = only(allowed, context).ignore.unwrap();
        for (path, is_dir, ignored) in [
            ("src", true, false),
            ("src/x.c", false, false),
            ("src/x.o", false, true),
            ("doc/a", false, false),
            ("doc/b", false, true),
            ("other", true, true),
        ] {
            assert_eq!(filter.ignored(Path::new(path), is_dir), ignored, "{path}");
        }
        assert!(filter.prune(Path::new("other")) && !filter.prune(Path::new("doc")));
        assert_eq!(
            filter.reason(Path::new("src/x.o")).as_deref(),
            Some("src/*.o")
        );
    }
}
