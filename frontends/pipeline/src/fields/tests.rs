//! Tests of reading values.

use crate::document::Document;

fn document(text: &str) -> Document {
    Document::parse_yaml("p.yaml", text).expect(text)
}

#[test]
fn paths_lead_to_values() {
    let document = document("tasks:\n  app:\n    run: [a, b, 3]\n");
    let mut top = document.top().fields("a pipeline").expect("a map");
    let tasks = top.required("tasks").expect("it is there");
    let app = tasks.entries().expect("a map").remove(0);
    assert_eq!(app.name, "app");
    assert_eq!(app.name_place.to_string(), "p.yaml:2:3");
    let mut app = app.item.fields("a task").expect("a map");
    let run = app.required("run").expect("it is there");
    let problem = run.strings().expect_err("3 is no string");
    assert_eq!(problem.place.path, "tasks.app.run[2]");
    assert_eq!(
        problem.to_string(),
        "p.yaml:3:17: `tasks.app.run[2]` must be a string, but it is a number"
    );
    assert_eq!(problem.help.as_deref(), Some("write \"3\""));
    assert_eq!(problem.place.origin().first_line, 3);
}

#[test]
fn fields_that_are_missing_or_not_known_are_told() {
    let document = document("nmae: x\nother: y\n");
    let mut fields = document.top().fields("a task").expect("a map");
    let problem = fields.required("name").expect_err("it is not there");
    assert_eq!(
        problem.to_string(),
        "p.yaml:1:1: a task has no `name`, which it needs"
    );
    assert_eq!(
        problem.help.as_deref(),
        Some("there is `nmae`: should it be `name`?")
    );
    assert!(fields.take("other").is_some());
    let problem = fields.finish().expect_err("nmae is not known");
    assert_eq!(
        problem.to_string(),
        "p.yaml:1:1: a task has no field `nmae`"
    );
    assert_eq!(problem.help.as_deref(), Some("did you mean `name`?"));
}

#[test]
fn fields_that_are_known_elsewhere_are_refused_with_a_reason() {
    let document = document("a: 1\nterminal: true\n");
    let mut fields = document.top().fields("a process").expect("a map");
    fields.take("a");
    assert_eq!(fields.refuse(&["capabilities"], "is not supported"), Ok(()));
    let problem = fields.refuse(&["terminal"], "is not supported");
    let problem = problem.expect_err("it is there");
    assert_eq!(
        problem.to_string(),
        "p.yaml:2:1: `terminal` is not supported"
    );
}

#[test]
fn one_field_by_two_names_is_told_with_both_places() {
    let document = document("a: 1\nb: 2\n");
    let mut fields = document.top().fields("a task").expect("a map");
    let problem = fields.take_any(&["a", "b"]).expect_err("both are there");
    assert_eq!(problem.also[0].1.to_string(), "p.yaml:1:4");
    let mut fields = document.top().fields("a task").expect("a map");
    let found = fields.required_any(&["c", "b"]).expect("b is there");
    assert_eq!(found.u64(), Ok(2));
}

#[test]
fn values_are_read_by_their_type() {
    let document = document("[0o755, 0x1f, -3, 1.5, 99999999999999999999, true, ~, word, '']");
    let list = document.top().list().expect("a list");
    assert_eq!(list[0].u64(), Ok(0o755));
    assert_eq!(list[1].u64(), Ok(31));
    assert!(list[2].u64().is_err());
    assert_eq!(list[2].i64(), Ok(-3));
    assert!(list[3].u64().is_err() && list[3].i64().is_err());
    assert!(list[4].u64().is_err());
    assert_eq!(list[3].text().as_deref(), Ok("1.5"));
    assert_eq!(list[5].boolean(), Ok(true));
    assert_eq!(list[5].text().as_deref(), Ok("true"));
    assert!(list[6].text().is_err() && list[6].list().is_err() && list[6].entries().is_err());
    assert_eq!(list[7].one_or_list().len(), 1);
    assert!(list[8].non_empty().is_err());
    let words = [("world", 1), ("other", 2)];
    let problem = list[7].word("thing", &words).expect_err("no such word");
    assert_eq!(problem.message, "`word` is no thing");
    assert_eq!(problem.help.as_deref(), Some("did you mean `world`?"));
}

#[test]
fn a_comma_that_cut_a_text_is_told() {
    let document = document("{mode: u=rwX,go=rX}");
    let mut fields = document.top().fields("a copy").expect("a map");
    fields.take("mode");
    let problem = fields.finish().expect_err("the rest is no field");
    assert_eq!(problem.message, "a copy has no field `go=rX`");
    assert_eq!(
        problem.help.as_deref(),
        Some("a text with a comma stands in quotes between braces")
    );
}
