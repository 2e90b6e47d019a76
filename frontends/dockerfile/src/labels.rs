//! The labels of a stage's steps, numbered as buildx prints them: `[build 2/5] RUN make`.

/// The labels of one stage.
#[derive(Clone, Debug)]
pub struct Labels {
    stage: Option<String>,
    platform: Option<String>,
    total: usize,
    done: usize,
}

impl Labels {
    /// For a stage of this many steps; without name where it is the only one of its Dockerfile.
    pub fn new(stage: Option<String>, total: usize) -> Self {
        Self {
            stage,
            platform: None,
            total,
            done: 0,
        }
    }

    /// Shows the platform of the steps, where those of several are built.
    pub fn show_platform(&mut self, platform: String) {
        self.platform = Some(platform);
    }

    /// Adds steps that were found later (triggers of the base).
    pub fn add(&mut self, steps: usize) {
        self.total += steps;
    }

    /// The label of the next step.
    pub fn next(&mut self, text: &str, is_trigger: bool) -> String {
        if self.total == 0 {
            return text.to_owned();
        }
        self.done += 1;
        let width = self.total.ilog10() as usize + 1;
        let stage = self
            .platform
            .iter()
            .chain(&self.stage)
            .fold(String::new(), |text, word| format!("{text}{word} "));
        let trigger = if is_trigger { "ONBUILD " } else { "" };
        format!(
            "[{stage}{:width$}/{}] {trigger}{text}",
            self.done, self.total
        )
    }
}

/// The instruction's keyword in upper case, the rest as it is.
pub fn uppercase_keyword(text: &str) -> String {
    match text.split_once(' ') {
        Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
        None => text.to_uppercase(),
    }
}

/// The first line of a here-document, for the label of its step.
pub fn summary(document: &str) -> String {
    let mut lines = document.trim().lines();
    let first = lines.next().unwrap_or_default();
    let more = if lines.next().is_some() { "..." } else { "" };
    format!("{first}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_as_buildx_prints_them() {
        let mut labels = Labels::new(Some("build".into()), 9);
        labels.add(1);
        assert_eq!(labels.next("RUN a", false), "[build  1/10] RUN a");
        assert_eq!(labels.next("RUN b", true), "[build  2/10] ONBUILD RUN b");
        assert_eq!(
            Labels::new(None, 3).next("COPY . .", false),
            "[1/3] COPY . ."
        );
        assert_eq!(Labels::new(None, 0).next("FROM x", false), "FROM x");
        let mut labels = Labels::new(Some("build".into()), 2);
        labels.show_platform("linux/amd64->arm64".into());
        assert_eq!(
            labels.next("RUN a", false),
            "[linux/amd64->arm64 build 1/2] RUN a"
        );
        assert_eq!(uppercase_keyword("run  x"), "RUN  x");
        assert_eq!(summary("\n  set -e\r\nmake\n"), "set -e...");
        assert_eq!(summary("make\n"), "make");
    }
}
