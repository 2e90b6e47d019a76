//! Errors as people read them, on standard error: the place in the Dockerfile, the last words of the step, what to do.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
    ThemeCharacters, ThemeStyles,
};

use crate::error::{DockerfileText, Error, FailedBuild};
use crate::excerpt::excerpt;
use crate::long_lines;

/// Tells what went wrong, and what the program is to exit with.
pub fn report(error: &Error) -> ExitCode {
    let stderr = io::stderr();
    let fancy = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Where standard error is gone too, the exit code says what there is to say.
    let _ = stderr.lock().write_all(render(error, fancy).as_bytes());
    ExitCode::from(error.exit_code())
}

/// Tells what went wrong, and is no reason to fail.
pub fn warn(error: &Error) {
    note(&chain(error));
}

/// Tells something that is no failure.
pub fn note(text: &str) {
    // Who does not read standard error misses nothing that matters.
    let _ = io::stderr().write_all(format!("WARNING: {text}\n").as_bytes());
}

/// The text of the report; with colours and drawn lines where it is `fancy`.
fn render(error: &Error, fancy: bool) -> String {
    match error {
        Error::BrokenPipe | Error::Violations | Error::Different => String::new(),
        Error::NotCompared(error) => render(error, fancy),
        Error::Several(errors) => errors.iter().map(|error| render(error, fancy)).collect(),
        Error::Dockerfile {
            message,
            help,
            text,
            span: Some(span),
        } => {
            let (start, end) = first_line(&text.text, span.start, span.end);
            located(message, help.as_deref(), text, (start, end), fancy)
        }
        Error::Build(failed) => format!("{}{}", last_words(failed), summary(error, fancy)),
        _ => summary(error, fancy),
    }
}

/// The error with its causes, and the hint.
fn summary(error: &Error, fancy: bool) -> String {
    let (red, reset) = if fancy {
        ("\x1b[31m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut text = format!("{red}ERROR: {}{reset}\n", chain(error));
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "  help: {hint}");
    }
    text
}

/// The error's message with those of its causes that it does not tell itself.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

/// What the failed steps wrote last, and the lines of the Dockerfile that they came from.
fn last_words(failed: &FailedBuild) -> String {
    let mut text = String::new();
    for step in &failed.steps {
        let _ = writeln!(text, "------\n > {}:", step.name);
        for line in &step.log {
            let _ = writeln!(text, "{line}");
        }
        text.push_str("------\n");
    }
    if let Some(lines) = failed.lines {
        text.push_str(&excerpt(&failed.text.name, &failed.text.text, lines));
    }
    text
}

/// A message with the line that it is about.
fn located(
    message: &str,
    help: Option<&str>,
    text: &DockerfileText,
    (start, end): (usize, usize),
    fancy: bool,
) -> String {
    let part = long_lines::part(&text.name, &text.text, (start, end));
    let (start, end) = part.as_ref().map_or((start, end), |part| part.marked);
    let mut diagnostic = MietteDiagnostic::new(message).with_label(LabeledSpan::new(
        None,
        start,
        end.saturating_sub(start),
    ));
    if let Some(help) = help {
        diagnostic = diagnostic.with_help(help);
    }
    let report = match part {
        Some(part) => Report::new(diagnostic).with_source_code(part),
        None => {
            let source = NamedSource::new(text.name.as_ref(), text.text.to_string());
            Report::new(diagnostic).with_source_code(source)
        }
    };
    let theme = match fancy {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme {
            characters: ThemeCharacters::ascii(),
            styles: ThemeStyles::none(),
        },
    };
    let mut out = String::new();
    let rendered = GraphicalReportHandler::new_themed(theme)
        .with_width(terminal_size::terminal_size_of(io::stderr()).map_or(100, |(w, _)| w.0.into()))
        .with_context_lines(1)
        .render_report(&mut out, report.as_ref());
    match rendered {
        Ok(()) => out,
        Err(_) => format!("ERROR: {}: {message}\n", text.name),
    }
}

/// The part of a span in its first line that has something in it: carets stand below one line.
fn first_line(text: &str, start: usize, end: usize) -> (usize, usize) {
    // Behind the last line break there is no line: nothing could be shown there.
    let trimmed = text.trim_end().len();
    let start = start.min(trimmed);
    let end = end.clamp(start, text.len());
    let Some(part) = text.get(start..end) else {
        return (start, start);
    };
    let line = part.lines().next().unwrap_or_default().trim_end();
    (start, start + line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> DockerfileText {
        DockerfileText {
            name: "Dockerfile".into(),
            text: text.into(),
        }
    }

    fn syntax(dockerfile: &str) -> String {
        let error = text(dockerfile).parse().unwrap_err();
        render(&error, false)
    }

    #[test]
    fn a_syntax_error_shows_its_line_with_a_caret() {
        insta::assert_snapshot!(syntax("FROM busybox\nRUM echo hi\n"), @r"
         x unknown instruction: RUM
          ,-[Dockerfile:2:1]
        1 | FROM busybox
        2 | RUM echo hi
          : ^^^
          `----
         help: did you mean `RUN`?
        ");
        insta::assert_snapshot!(syntax("FROM busybox\nCOPY --chwon=1:1 a \\\n  /\n"), @r"
         x COPY has no flag --chwon
          ,-[Dockerfile:2:6]
        1 | FROM busybox
        2 | COPY --chwon=1:1 a \
          :      ^^^^^^^^^^^
        3 |   /
          `----
         help: did you mean `--chown`?
        ");
        insta::assert_snapshot!(syntax("# nothing\n"), @r"
         x the Dockerfile has no instructions
          ,-[Dockerfile:1:10]
        1 | # nothing
          :          ^
          `----
         help: start with `FROM image`, or `FROM scratch`
        ");
        insta::assert_snapshot!(syntax(""), @r"
        x the Dockerfile has no instructions
         ,-[Dockerfile:1:1]
         `----
        help: start with `FROM image`, or `FROM scratch`
        ");
    }

    #[test]
    fn of_a_long_line_only_what_is_around_the_mark_is_shown() {
        let (before, after) = ("é, ".repeat(500), ", x".repeat(500));
        let line = format!("[{before}wrong{after}]");
        let start = line.find("wrong").unwrap();
        let whole = format!("one\ntwo {after}\n{line}\nthree\n");
        let at = whole.find(&line).unwrap() + start;
        let place = (at, at + "wrong".len());
        let rendered = located("no", None, &text(&whole), place, false);
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[1].trim(), format!(",-[Dockerfile:3:{}]", start + 1));
        assert!(lines[2].starts_with(" 2 | two , x") && lines[2].ends_with('…'));
        assert!(lines[3].starts_with(" 3 | …") && lines[3].ends_with('…'));
        let marked = lines[4].find('^').unwrap();
        let shown = lines[3].find("wrong").unwrap();
        let shown = lines[3][..shown].chars().count();
        assert_eq!(
            (marked, lines[4].matches('^').count()),
            (shown, 5),
            "{rendered}"
        );
        assert!(rendered.len() < 2_000, "{rendered}");
        let end = located("no", None, &text(&line), (line.len(), line.len()), false);
        assert!(end.contains(", x]"), "{end}");
    }

    #[test]
    fn a_span_of_several_lines_is_marked_in_the_first() {
        let text = "FROM a\nRUN one && \\\n  two\n";
        let start = text.find("RUN").unwrap();
        let (start, end) = first_line(text, start, text.len());
        assert_eq!(&text[start..end], "RUN one && \\");
        assert_eq!(first_line("a\n", 2, 2), (1, 1));
        assert_eq!(first_line("", 0, 0), (0, 0));
        assert_eq!(first_line("é", 1, 2), (1, 1));
    }

    #[test]
    fn causes_are_told_once() {
        let source = io::Error::from_raw_os_error(2);
        let error = Error::file("read", "/x")(source);
        assert_eq!(
            chain(&error),
            "cannot read /x: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn hints_stand_below() {
        let error = Error::Usage {
            what: "no".into(),
            hint: "do this".into(),
        };
        assert_eq!(render(&error, false), "ERROR: no\n  help: do this\n");
    }
}
