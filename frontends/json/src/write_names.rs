//! Names for what is written: words that a reader knows again, each once.

use std::collections::HashSet;

use crate::read::RESERVED;

/// The names that are taken.
#[derive(Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// A name like a word.
    pub fn fresh(&mut self, word: &str) -> String {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
        let word: String = word
            .chars()
            .map(|c| if is_letter(c) { c } else { '-' })
            .collect();
        let word = match word.trim_matches('-') {
            "" => "tree",
            word => word,
        };
        // What snapshots are called, `layer-1`, must be no name of anything else.
        let is_of_snapshots = ["layer", "blob"].into_iter().any(|kind| {
            let rest = word.strip_prefix(kind);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        let word = match is_of_snapshots {
            true => format!("tree-{word}"),
            false => word.to_owned(),
        };
        let mut name = word.clone();
        let mut number = 1;
        while RESERVED.contains(&name.as_str()) || self.taken.contains(&name) {
            number += 1;
            name = format!("{word}-{number}");
        }
        self.taken.insert(name.clone());
        name
    }

    /// A name for steps of which the first has this label: `[build 2/5] RUN make` is of `build`.
    pub fn of_label(&mut self, label: &str) -> String {
        let inside = label
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'));
        let words = inside.map(|(inside, _)| inside).unwrap_or_default();
        let word = words.split(' ').find(|word| !word.contains('/'));
        self.fresh(word.unwrap_or("stage"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_the_format_and_each_is_there_once() {
        let mut names = Names::default();
        assert_eq!(names.of_label("[build 2/5] RUN make"), "build");
        assert_eq!(
            names.of_label("[linux/amd64 build 2/5] RUN make"),
            "build-2"
        );
        assert_eq!(names.of_label("[2/5] RUN make"), "stage");
        assert_eq!(names.fresh("scratch"), "scratch-2");
        assert_eq!(names.fresh("a.b c"), "a-b-c");
        assert_eq!(names.fresh("layer-1"), "tree-layer-1");
        assert_eq!(names.fresh("layer"), "tree-layer");
        assert_eq!(names.fresh("layer"), "tree-layer-2");
        assert_eq!(names.fresh("blob--.x"), "tree-blob---x");
        assert_eq!(names.fresh("layers"), "layers");
        assert_eq!(names.fresh(""), "tree");
    }
}
