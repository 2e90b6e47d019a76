//! From the text of a template to its parts.

use serde_json::Value;

use super::{Branch, Node, Operand, Pipeline};

/// A piece of the text.
enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// A word of an action.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Field(Vec<String>),
    Top(Vec<String>),
    Word(String),
    Literal(Value),
    Pipe,
    Open,
    Close,
}

/// Reads a whole template.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut pieces = pieces(text)?.into_iter();
    match nodes(&mut pieces)? {
        (nodes, Ending::Text) => Ok(nodes),
        _ => Err("an `else` or `end` has nothing that it could end".to_owned()),
    }
}

/// What ended a list of nodes.
enum Ending {
    Text,
    End,
    Else(Vec<Token>),
}

fn nodes(pieces: &mut std::vec::IntoIter<Piece>) -> Result<(Vec<Node>, Ending), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let tokens = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(tokens) => tokens,
        };
        let Some((first, rest)) = tokens.split_first() else {
            return Err("an action is empty".to_owned());
        };
        let word = match first {
            Token::Word(word) => word.as_str(),
            _ => "",
        };
        match word {
            "end" if rest.is_empty() => return Ok((nodes, Ending::End)),
            "else" => return Ok((nodes, Ending::Else(rest.to_owned()))),
            "if" | "range" | "with" => nodes.push(branch(word, rest, pieces)?),
            "template" | "define" | "block" | "break" | "continue" => {
                return Err(format!("`{word}` is not supported"));
            }
            _ => nodes.push(Node::Print(pipeline(&tokens)?)),
        }
    }
    Ok((nodes, Ending::Text))
}

fn branch(
    word: &str,
    on: &[Token],
    pieces: &mut std::vec::IntoIter<Piece>,
) -> Result<Node, String> {
    let on = pipeline(on)?;
    let (then, end) = nodes(pieces)?;
    let otherwise = match end {
        Ending::Text => return Err(format!("`{word}` has no `end`")),
        Ending::End => Vec::new(),
        Ending::Else(rest) => match rest.split_first() {
            None => match nodes(pieces)? {
                (otherwise, Ending::End) => otherwise,
                _ => return Err("`else` has no `end`".to_owned()),
            },
            // `else if` shares the `end`.
            Some((Token::Word(word), on)) if matches!(word.as_str(), "if" | "with") => {
                vec![branch(word, on, pieces)?]
            }
            Some(_) => return Err("`else` is followed by `if`, or by nothing".to_owned()),
        },
    };
    let branch = Branch {
        on,
        then,
        otherwise,
    };
    Ok(match word {
        "if" => Node::If(branch),
        "range" => Node::Range(branch),
        _ => Node::With(branch),
    })
}

fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let mut tokens = tokens.iter();
    let (pipeline, closed) = commands(&mut tokens)?;
    match closed {
        true => Err("a `)` has no `(`".to_owned()),
        false => Ok(pipeline),
    }
}

/// A pipeline, and whether a parenthesis ended it.
fn commands(tokens: &mut std::slice::Iter<'_, Token>) -> Result<(Pipeline, bool), String> {
    let mut all = vec![Vec::new()];
    let mut closed = false;
    while let Some(token) = tokens.next() {
        let operand = match token {
            Token::Pipe => {
                all.push(Vec::new());
                continue;
            }
            Token::Close => {
                closed = true;
                break;
            }
            Token::Open => match commands(tokens)? {
                (group, true) => {
                    // `(…).A` has the names behind the parenthesis.
                    let rest = tokens.as_slice();
                    match rest.first() {
                        Some(Token::Field(names)) if !names.is_empty() => {
                            tokens.next();
                            Operand::Group(group, names.clone())
                        }
                        _ => Operand::Group(group, Vec::new()),
                    }
                }
                _ => return Err("a `(` has no `)`".to_owned()),
            },
            Token::Field(names) => Operand::Field(names.clone()),
            Token::Top(names) => Operand::Top(names.clone()),
            Token::Word(word) => Operand::Function(word.clone()),
            Token::Literal(value) => Operand::Literal(value.clone()),
        };
        if let Some(command) = all.last_mut() {
            command.push(operand);
        }
    }
    match all.iter().any(Vec::is_empty) {
        true => Err("a command is empty".to_owned()),
        false => Ok((Pipeline(all), closed)),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    loop {
        let (before, action) = match rest.split_once("{{") {
            Some((before, action)) => (before, Some(action)),
            None => (rest, None),
        };
        let mut before = if trim { before.trim_start() } else { before };
        let Some(mut action) = action else {
            push_text(&mut pieces, before);
            return Ok(pieces);
        };
        if let Some(trimmed) = action.strip_prefix('-')
            && trimmed.starts_with(char::is_whitespace)
        {
            before = before.trim_end();
            action = trimmed;
        }
        push_text(&mut pieces, before);
        let (tokens, after, trims) = tokens(action)?;
        pieces.extend(tokens.map(Piece::Action));
        (rest, trim) = (after, trims);
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// The words of an action (none for a comment), the text behind it, and whether that is trimmed.
fn tokens(action: &str) -> Result<(Option<Vec<Token>>, &str, bool), String> {
    if let Some(comment) = action.trim_start().strip_prefix("/*") {
        let after = comment
            .split_once("*/")
            .map(|(_, after)| after.trim_start());
        let after = after.ok_or("a comment has no `*/`")?;
        let trims = after.strip_prefix("-}}");
        let after = trims.or_else(|| after.strip_prefix("}}"));
        let after = after.ok_or("a comment has no `}}` behind it")?;
        return Ok((None, after, trims.is_some()));
    }
    let mut tokens = Vec::new();
    let mut rest = action;
    loop {
        let trimmed = rest.trim_start();
        if let Some(after) = trimmed.strip_prefix("}}") {
            return Ok((Some(tokens), after, false));
        }
        if trimmed.len() < rest.len()
            && let Some(after) = trimmed.strip_prefix("-}}")
        {
            return Ok((Some(tokens), after, true));
        }
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            return Err("an action has no `}}`".to_owned());
        };
        let (token, length) = match first {
            '|' => (Token::Pipe, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' | '`' => quoted(rest, first)?,
            '.' => field(rest),
            '$' if rest.starts_with("$.") => {
                let (names, length) = names(&rest[1..]);
                (Token::Top(names), length + 1)
            }
            '$' => return Err("variables are not supported".to_owned()),
            _ => word(rest)?,
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn quoted(text: &str, quote: char) -> Result<(Token, usize), String> {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, char)| {
        let ends = char == quote && !is_escaped;
        is_escaped = quote == '"' && char == '\\' && !is_escaped;
        ends
    });
    let (end, _) = end.ok_or("a quoted text has no end quote")?;
    let value = match quote {
        '`' => Value::from(&text[1..end]),
        _ => serde_json::from_str(&text[..=end])
            .map_err(|_| format!("{} is no text in quotes", &text[..=end]))?,
    };
    Ok((Token::Literal(value), end + 1))
}

fn field(text: &str) -> (Token, usize) {
    let (names, length) = names(text);
    (Token::Field(names), length)
}

/// `.A.B`, which may be a dot alone.
fn names(text: &str) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut length = 0;
    while let Some(rest) = text[length..].strip_prefix('.') {
        let end = rest
            .find(|char: char| !char.is_alphanumeric() && char != '_')
            .unwrap_or(rest.len());
        if end == 0 {
            length += usize::from(names.is_empty());
            break;
        }
        names.push(rest[..end].to_owned());
        length += end + 1;
    }
    (names, length)
}

fn word(text: &str) -> Result<(Token, usize), String> {
    let end = text
        .find(|char: char| !char.is_alphanumeric() && !matches!(char, '_' | '-' | '.'))
        .unwrap_or(text.len());
    let word = &text[..end];
    let token = match word {
        "" => {
            let first: String = text.chars().take(1).collect();
            return Err(format!("`{first}` is not understood"));
        }
        "true" => Token::Literal(Value::Bool(true)),
        "false" => Token::Literal(Value::Bool(false)),
        "nil" => Token::Literal(Value::Null),
        number if number.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            let number = number.parse::<i64>();
            Token::Literal(Value::from(
                number.map_err(|_| format!("`{word}` is no number"))?,
            ))
        }
        name => Token::Word(name.to_owned()),
    };
    Ok((token, end))
}
