//! The variables of a module: those of the step, and the few that a process in a container has without asking.

use std::fs;
use std::path::Path;

use stromatekt_graph::run::Run;

/// How much of `/etc/passwd` is read.
const MAX_SIZE: u64 = 10 << 20;

/// The variables of a module as `NAME=VALUE`, to be called in its thread: `HOME` is looked up in the tree.
///
/// `PWD` is the working directory, for WASI itself has none: Go's programs begin there, those of C can `chdir(getenv("PWD"))`.
pub fn variables(run: &Run, secret: &[(String, String)], uid: u32) -> Vec<Vec<u8>> {
    let mut variables: Vec<(&str, &str)> = Vec::new();
    let home = home(uid);
    let defaults = [("PATH", stromatekt_executor::PATH), ("HOME", home.as_str())];
    let given = run.env.iter().chain(&run.proxy_env).chain(secret);
    let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
    let all = defaults
        .into_iter()
        .chain(given)
        .chain([("PWD", run.cwd.as_str())]);
    for (name, value) in all {
        match variables.iter_mut().find(|(other, _)| *other == name) {
            Some(variable) => variable.1 = value,
            None => variables.push((name, value)),
        }
    }
    variables
        .into_iter()
        .map(|(name, value)| format!("{name}={value}").into_bytes())
        .collect()
}

/// The user's home directory; `/` for one that the tree does not know, as runc has it.
fn home(uid: u32) -> String {
    let path = Path::new("/etc/passwd");
    let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= MAX_SIZE);
    let passwd = match is_small {
        // Another user's process may not be allowed to read it.
        true => fs::read(path).unwrap_or_default(),
        false => Vec::new(),
    };
    let passwd = String::from_utf8_lossy(&passwd);
    let home = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_user = fields.nth(2)?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (is_user && !home.is_empty()).then(|| home.to_owned())
    });
    home.unwrap_or_else(|| "/".to_owned())
}
