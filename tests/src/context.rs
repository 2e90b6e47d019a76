//! Build contexts from tables of paths and texts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

/// A directory with files in it, removed in the end.
pub struct Context {
    directory: TempDir,
}

impl Context {
    /// A context of a Dockerfile alone.
    pub fn dockerfile(text: &str) -> Self {
        Self::new(&[("Dockerfile", text)])
    }

    /// A context of these files; a path that ends in `/` is an empty directory.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("stromatekt-context-")
            .tempdir()
            .expect("there is room for a temporary directory");
        // Temporary directories are private (0700), contexts are not.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("own directory");
        let context = Self { directory };
        for (path, text) in files {
            if path.ends_with('/') {
                fs::create_dir_all(context.path().join(path)).expect("a directory of the context");
            } else {
                context.write(path, text);
            }
        }
        context
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, and the directories above it.
    pub fn write(&self, path: &str, data: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory of the context");
        }
        fs::write(path, data).expect("a file of the context");
        self
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.path().join(path)).expect("a link of the context");
        self
    }

    /// Changes the mode of a file.
    pub fn chmod(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(mode))
            .expect("own file");
        self
    }

    /// Gives a file a time, in seconds since 1970.
    pub fn touch(&self, path: &str, seconds: u64) -> &Self {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::options()
            .write(true)
            .open(self.path().join(path))
            .and_then(|file| file.set_modified(time))
            .expect("own file");
        self
    }

    /// The context as one uncompressed tar.
    pub fn tar(&self) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        out.follow_symlinks(false);
        out.append_dir_all(".", self.path())
            .expect("the context can be read");
        out.into_inner().expect("memory does not fail")
    }
}
