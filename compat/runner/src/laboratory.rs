//! What cases are run in: docker, stromatekt with its store, the server, and a place for what they make.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stromatekt_compare::{Image, LayerCache};
use stromatekt_oci::Platform;

use crate::bases::{self, Places};
use crate::builders::{self, Prepared};
use crate::case::Case;
use crate::definition::Reference;
use crate::docker::Docker;
use crate::error::{Error, Result};
use crate::judge::{self, Builds};
use crate::private_copy;
use crate::server::Server;
use crate::stromatekt::Stromatekt;
use crate::verdict::{Finding, Verdict};

/// How a laboratory is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary that is tested.
    pub stromatekt: PathBuf,
    /// Where base images and docker are (`STROMATEKT_LAB`).
    pub lab: PathBuf,
    /// `compat/bases`.
    pub recipes: PathBuf,
    /// What cases are compared with, as far as they do not exclude it.
    pub against: Vec<Reference>,
    /// Whether copies and images are kept.
    pub keep: bool,
}

/// A laboratory; what it started ends with it.
#[derive(Debug)]
pub struct Laboratory {
    stromatekt: Stromatekt,
    docker: Docker,
    server: Server,
    layers: LayerCache,
    places: Places,
    options: Options,
    loaded: Mutex<BTreeSet<String>>,
    /// So that their layers stay in `layers`.
    bases: Mutex<Vec<Image>>,
    /// Beneath what docker sees.
    work: PathBuf,
    own: PathBuf,
}

impl Laboratory {
    /// Sets one up: starts docker if it does not run.
    ///
    /// # Errors
    ///
    /// [`Error::Docker`] where there is no docker to be had; another one where something else does not work.
    pub fn open(options: Options) -> Result<Self> {
        let docker = Docker::open(&options.lab.join("moby"))?;
        let kept = options.lab.join("compat");
        fs::create_dir_all(&kept).map_err(Error::file("make", &kept))?;
        remove_what_killed_runs_left(&[&kept, &docker.work()]);
        docker.remove_what_killed_runs_left(PREFIX);
        docker.forget_git_checkouts()?;
        let name = format!("{PREFIX}{}", std::process::id());
        let (own, work) = (kept.join(&name), docker.work().join(&name));
        for directory in [&own, &work] {
            fs::create_dir_all(directory).map_err(Error::file("make", directory))?;
        }
        let base_blobs = work.join("base-blobs");
        fs::create_dir_all(&base_blobs).map_err(Error::file("make", &base_blobs))?;
        Ok(Self {
            stromatekt: Stromatekt::new(&options.stromatekt, &own.join("store"))?,
            server: Server::start()?,
            layers: LayerCache::new(),
            places: Places {
                lab: options.lab.clone(),
                recipes: options.recipes.clone(),
            },
            loaded: Mutex::default(),
            bases: Mutex::default(),
            docker,
            options,
            work,
            own,
        })
    }

    /// Makes the base images that cases need, and loads them into all builders. Called before the cases are run; again for more of them.
    ///
    /// # Errors
    ///
    /// One cannot be made.
    pub fn provide_bases(&self, cases: &[Case]) -> Result<()> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = bases::needed(cases, &self.places)?;
        names.retain(|name| !loaded.contains(name));
        if names.is_empty() {
            return Ok(());
        }
        let bases = bases::provide(&names, &self.docker, &self.places)?;
        self.stromatekt.load(&bases)?;
        bases.unpack_blobs(&self.base_blobs())?;
        let mut kept = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, archive) in &bases.archives {
            // One that cannot be read is a difference in each case that uses it.
            kept.extend(Image::open_with(
                archive,
                None,
                &Platform::host(),
                &self.layers,
            ));
        }
        loaded.extend(names);
        Ok(())
    }

    /// The docker that is compared with.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The stromatekt that is tested.
    #[must_use]
    pub fn stromatekt(&self) -> &Stromatekt {
        &self.stromatekt
    }

    /// Builds one case with all that it names, and compares. Safe to be called by several threads, for different cases.
    #[must_use]
    pub fn run(&self, case: &Case) -> Verdict {
        let mut times = BTreeMap::new();
        match self.try_run(case, &mut times) {
            Ok(verdict) => verdict,
            // What is wrong with a case or its builders must not end the others.
            Err(error) => Verdict::failed(
                case,
                vec![Finding::new(None, "case", error.to_string())],
                times,
            ),
        }
    }

    fn try_run(
        &self,
        case: &Case,
        times: &mut BTreeMap<&'static str, Duration>,
    ) -> Result<Verdict> {
        let directory = self.work.join(&case.name);
        if directory.exists() {
            remove(&directory)?;
        }
        fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
        let unique = format!("{PREFIX}{}/{}", std::process::id(), case.name);
        let copy = directory.join(unique.replace('/', "-"));
        private_copy::make(&case.directory, &copy)?;
        let server = if case.definition.serve {
            // One component, which no other run has: builders keep what they fetched by its URL.
            self.server
                .serve(&unique.replace('/', "-"), &copy.join("www"))
        } else {
            String::new()
        };
        if let Some(script) = &case.definition.setup {
            private_copy::set_up(&copy, script, &BTreeMap::from([("SERVER", server.clone())]))?;
        }
        let base_blobs = self.base_blobs();
        let prepared = Prepared {
            case,
            directory: &directory,
            server: &server,
            base_blobs: &base_blobs,
            unique: &unique,
        };
        let stromatekt = builders::stromatekt(&self.stromatekt, &prepared)?;
        times.insert("stromatekt", stromatekt.elapsed);
        let mut references = Vec::new();
        for which in case.references() {
            if !self.options.against.contains(&which) {
                continue;
            }
            let built = builders::reference(which, &self.docker, &prepared)?;
            times.insert(which.name(), built.elapsed);
            references.push((which, built));
        }
        let builds = Builds {
            started: self.docker.born(),
            stromatekt,
            references,
        };
        let verdict = judge::judge(case, &builds, &self.layers, std::mem::take(times));
        self.layers.shrink();
        if !self.options.keep {
            remove(&directory)?;
        }
        Ok(verdict)
    }

    /// On the file system that the cases are on, to be linked.
    fn base_blobs(&self) -> PathBuf {
        self.work.join("base-blobs")
    }

    /// Where the copies and images of cases are, by the names of the cases.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        self.docker.tidy();
        self.stromatekt.unmount();
        if self.options.keep {
            return;
        }
        unmount_beneath(&self.own);
        // What cannot be removed now is removed by the next run.
        let _ = remove(&self.work);
        let _ = remove(&self.own);
    }
}

const PREFIX: &str = "compat-run-";

fn remove(directory: &Path) -> Result<()> {
    fs::remove_dir_all(directory).map_err(Error::file("remove", directory))
}

/// Directories of runs whose process is gone.
fn remove_what_killed_runs_left(places: &[&Path]) {
    for entry in places
        .iter()
        .filter_map(|place| fs::read_dir(place).ok())
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_gone = name
            .strip_prefix(PREFIX)
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if is_gone {
            unmount_beneath(&entry.path());
            // It may be the directory of a run that is removing it itself.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn unmount_beneath(root: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is the mount point. What was mounted last is unmounted first.
    let beneath = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|mount| Path::new(mount).starts_with(root));
    for mount in beneath.collect::<Vec<_>>().into_iter().rev() {
        // Whatever stays mounted keeps its directory from being removed, which is seen.
        let _ = nix::mount::umount(mount);
    }
}
