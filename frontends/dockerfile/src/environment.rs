//! The environment of a stage: variables in order, where the last setting of a name wins and stands last.

/// Variables as BuildKit's state keeps them: a name that is set again moves to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Sets a variable, at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a variable away.
    pub fn remove(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// The variables in order.
    pub fn to_vec(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }
}

/// Splits `NAME=value` as an image config has it; a text without `=` is a name with an empty value.
pub fn split(variable: &str) -> (&str, &str) {
    variable.split_once('=').unwrap_or((variable, ""))
}

/// Sets a variable in the list of an image config, where a known name keeps its place.
pub fn set_in_config(list: &mut Vec<String>, name: &str, value: &str) {
    let text = format!("{name}={value}");
    match list.iter_mut().find(|known| split(known).0 == name) {
        Some(known) => *known = text,
        None => list.push(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_set_again_moves_to_the_end_but_keeps_its_place_in_a_config() {
        let mut environment = Environment::default();
        let mut config = Vec::new();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            environment.set(name, value);
            set_in_config(&mut config, name, value);
        }
        let variables = environment.to_vec();
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["B", "A"]);
        assert_eq!(environment.get("A"), Some("3"));
        assert_eq!(config, ["A=3", "B=2"]);
    }
}
