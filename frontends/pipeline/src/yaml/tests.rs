//! Tests of reading YAML.

use super::*;

fn read(text: &str) -> Result<Value, Problem> {
    parse(&"p.yaml".into(), text)
}

fn message(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

fn entries(text: &str) -> Vec<Entry> {
    match read(text).expect(text).kind {
        Kind::Map(entries) => entries,
        other => panic!("{text}: {other:?}"),
    }
}

/// The value as JSON, for comparison.
fn show(value: &Value) -> String {
    match &value.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(text) => text.clone(),
        Kind::String(text) => format!("{text:?}"),
        Kind::List(values) => {
            let values: Vec<String> = values.iter().map(show).collect();
            format!("[{}]", values.join(","))
        }
        Kind::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{:?}:{}", entry.key, show(&entry.value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

#[test]
fn values_have_their_places() {
    let found = entries("name: \u{e4}pp\nrun:\n  - make\n  - |\n    a\n    b\n# end\nlast: 1\n");
    assert_eq!(found[0].key_span.start.line, 1);
    assert_eq!(found[0].value.span.start.column, 7);
    assert_eq!(found[0].value.span.end.offset, 10, "in bytes");
    let run = &found[1].value;
    assert_eq!((run.span.start.line, run.span.start.column), (3, 3));
    assert!(run.span.end.line < 8, "{:?}", run.span);
    let Kind::List(list) = &run.kind else {
        panic!("a sequence is a list");
    };
    assert_eq!(list[1].kind, Kind::String("a\nb\n".into()));
    assert_eq!(list[1].span.start.line, 5, "where its text begins");
    assert_eq!(list[1].span.end.line, 6, "where its text ends");
    assert_eq!(found[2].key_span.start.line, 8);
}

#[test]
fn scalars_are_those_of_the_core_schema() {
    let text = "[yes, true, ~, 0755, 1.10, '1', \"null\", !!str 1, on, , ]";
    assert!(
        message(text).contains("YAML"),
        "an empty element is no YAML"
    );
    let text = "[yes, true, ~, 0755, 1.10, '1', \"null\", !!str 1, on]";
    assert_eq!(
        show(&read(text).expect(text)),
        r#"["yes",true,null,0755,1.10,"1","null","1","on"]"#
    );
    assert_eq!(show(&read("").expect("no text is no value")), "null");
    assert_eq!(
        show(&read("80: a\ntrue: b\n").expect("keys")),
        r#"{"80":"a","true":"b"}"#
    );
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let text = "base: &b {a: 1, b: 2}\nother: &o {b: 3, c: 4}\nboth:\n  <<: [*b, *o]\n  a: 0\none: *b\nquoted: {'<<': 1}\n";
    assert_eq!(
        show(&read(text).expect(text)),
        r#"{"base":{"a":1,"b":2},"other":{"b":3,"c":4},"both":{"a":0,"b":2,"c":4},"one":{"a":1,"b":2},"quoted":{"<<":1}}"#
    );
    assert_eq!(
        show(&read("a: &x key\n*x : 1\n").expect("an alias as a name")),
        r#"{"a":"key","key":1}"#
    );
}

#[test]
fn what_is_not_taken_is_an_error_at_its_place() {
    for (text, expected) in [
        ("a: 1\na: 2\n", "p.yaml:2:1: `a` is there twice"),
        (
            "a: 1\n---\nb: 2\n",
            "p.yaml:2:1: a second document begins here",
        ),
        (
            "a: &x [*x]\n",
            "p.yaml:1:8: this alias stands for something that it is a part of",
        ),
        ("a: !thing 1\n", "p.yaml:1:4: the tag `!thing` is not known"),
        ("a: !!int x\n", "p.yaml:1:4: `x` is no `!!int`"),
        (
            "? [a]\n: 1\n",
            "p.yaml:1:3: a list or a mapping cannot be the name of a value",
        ),
        (
            "a: 1\n<<: 2\n",
            "p.yaml:2:5: `<<` merges a mapping, or a list of mappings",
        ),
    ] {
        assert_eq!(message(text), expected, "{text:?}");
    }
    for text in ["a: [1", "a: b: c", "a: *nowhere", "\"", "a: 'b"] {
        let text = message(text);
        assert!(text.contains("this is no YAML: "), "{text}");
    }
    let twice = read("a: 1\nb: 2\na: 3\n").expect_err("it is there twice");
    assert_eq!(twice.also[0].1.span.start.line, 1);
}

#[test]
fn long_texts_are_not_repeated_without_end() {
    let long = "x".repeat(1 << 20);
    let text = format!("a: &a {long}\nb: [{}]\n", ["*a"; 100].join(", "));
    let text = message(&text);
    assert!(text.contains("bytes"), "{text}");
    // Each anchor keeps what is in it.
    let nested: String = (0..90).map(|number| format!("&a{number} [")).collect();
    let text = message(&format!("{nested}{}", "x, ".repeat(20_000)));
    assert!(text.contains("YAML"), "{text}");
    let text = message(&format!(
        "{nested}{}x{}",
        "x, ".repeat(20_000),
        "]".repeat(90)
    ));
    assert!(text.contains("values in this file"), "{text}");
}

#[test]
fn what_multiplies_or_lies_deep_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = format!("*a{}", level - 1);
        let list = vec![inner; 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{list}]\n");
    }
    let text = message(&bomb);
    assert!(text.contains("values in this file"), "{text}");
    let text = message(&"[".repeat(5_000));
    assert!(text.contains("recursion limit"), "the parser's own: {text}");
    let indented: String = (0..150).map(|n| " ".repeat(n) + "- \n").collect();
    let text = message(&indented);
    assert!(text.contains("values in each other"), "{text}");
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let text = message(&deep);
    assert!(text.contains("values in each other"), "{text}");
}
