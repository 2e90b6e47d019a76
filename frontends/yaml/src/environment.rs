//! Variables of processes and configs.

use crate::spec::Variable;

/// Where a process finds the socket of an ssh agent.
pub const SSH: &str = "SSH_AUTH_SOCK";

/// The variables of a config as a process has them: a name that is there again stands where it was set last.
#[must_use]
pub fn of_config(list: &[String]) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for variable in list {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        set(&mut env, name, value);
    }
    env
}

/// Changes the variables of a process.
pub fn apply(env: &mut Vec<(String, String)>, changes: &[Variable]) {
    for change in changes {
        match change {
            Variable::Set(name, value) => set(env, name, value),
            Variable::Remove(name) => env.retain(|(known, _)| known != name),
            Variable::Clear => env.clear(),
        }
    }
}

/// Sets a variable that is not there.
pub fn set_default(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !env.iter().any(|(known, _)| known == name) {
        set(env, name, value);
    }
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    env.retain(|(known, _)| known != name);
    env.push((name.to_owned(), value.to_owned()));
}

/// Changes the variables of a config, where a name that is set again keeps its place.
pub fn apply_to_config(env: &mut Vec<String>, changes: &[Variable]) {
    let is = |variable: &str, name: &str| {
        variable
            .split_once('=')
            .map_or(variable, |(known, _)| known)
            == name
    };
    for change in changes {
        match change {
            Variable::Set(name, value) => {
                let text = format!("{name}={value}");
                match env.iter_mut().find(|known| is(known, name)) {
                    Some(known) => *known = text,
                    None => env.push(text),
                }
            }
            Variable::Remove(name) => env.retain(|known| !is(known, name)),
            Variable::Clear => env.clear(),
        }
    }
}
