//! The Procfile: one process type and its command a line.
//!
//! Platforms read it as YAML or line by line. This is what both agree on: `type: command`, the
//! command plain or quoted as a whole as in YAML; anything else is an error with its line.

use std::collections::BTreeMap;

use super::{COMMAND_BYTES, PROCESS_TYPES, YAML_BYTES, is_command, is_process_type, yaml};

/// Why a Procfile is not read. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcfileError {
    /// The file is too large.
    #[error("the Procfile is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// There are too many process types.
    #[error("the Procfile has more than {limit} process types")]
    TooManyTypes {
        /// The limit.
        limit: usize,
    },
    /// The file is not UTF-8.
    #[error("the Procfile is not UTF-8 text")]
    NotText,
    /// A line is wrong.
    #[error("Procfile line {line}: {problem}")]
    Line {
        /// The line.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads a Procfile: process type to command.
pub fn parse_procfile(content: &[u8]) -> Result<BTreeMap<String, String>, ProcfileError> {
    if content.len() as u64 > YAML_BYTES {
        return Err(ProcfileError::TooLarge {
            limit_bytes: YAML_BYTES,
        });
    }
    let text = std::str::from_utf8(content).map_err(|_| ProcfileError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut types = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = |problem| ProcfileError::Line {
            line: index + 1,
            problem,
        };
        let Some((name, command)) = parse_line(line).map_err(wrong)? else {
            continue;
        };
        if types.insert(name, command).is_some() {
            return Err(wrong("this process type occurs twice"));
        }
        if types.len() > PROCESS_TYPES {
            return Err(ProcfileError::TooManyTypes {
                limit: PROCESS_TYPES,
            });
        }
    }
    Ok(types)
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let trimmed = line.trim_end();
    if trimmed.trim_start().is_empty() || trimmed.trim_start().starts_with('#') || trimmed == "---"
    {
        return Ok(None);
    }
    if trimmed.starts_with([' ', '\t']) {
        return Err("a line must not be indented; a command stands on one line");
    }
    let (name, command) = trimmed
        .split_once(':')
        .ok_or("expected \"type: command\"")?;
    if !is_process_type(name) {
        return Err("a process type has 1 to 255 letters, digits, \"-\" or \"_\"");
    }
    let command = command.trim_start();
    let command = match command.as_bytes().first() {
        None => return Err("the command is missing"),
        Some(b'|' | b'>') if command.len() <= 2 => {
            return Err("a command stands on one line; blocks are not supported");
        }
        Some(quote @ (b'"' | b'\'')) if is_quoted(command, *quote) => {
            yaml::scalar(command).map_err(|_| "the quotes are not closed as in YAML")?
        }
        Some(_) => command.to_owned(),
    };
    if is_command(&command) {
        Ok(Some((name.to_owned(), command)))
    } else if command.len() > COMMAND_BYTES {
        Err("the command is longer than 4096 bytes")
    } else {
        Err("the command is empty or has a NUL byte")
    }
}

/// Whether the quote at the begin is closed by the last character and not before: `"a" "b"` is a
/// command with two quoted words.
fn is_quoted(command: &str, quote: u8) -> bool {
    let inner = &command.as_bytes()[1..];
    let mut index = 0;
    while index < inner.len() {
        match inner[index] {
            b'\\' if quote == b'"' => index += 1,
            b'\'' if quote == b'\'' && inner.get(index + 1) == Some(&b'\'') => index += 1,
            byte if byte == quote => return index + 1 == inner.len(),
            _ => {}
        }
        index += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String)> {
        parse_procfile(text.as_bytes())
            .unwrap()
            .into_iter()
            .collect()
    }

    fn one(text: &str) -> String {
        parse(text)[0].1.clone()
    }

    fn line_of(text: &str) -> (usize, &'static str) {
        match parse_procfile(text.as_bytes()).unwrap_err() {
            ProcfileError::Line { line, problem } => (line, problem),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn types_and_commands() {
        let text =
            "\u{feff}---\n# comment\n\nweb: ./hello --port $PORT\r\nworker:./hello worker  \n";
        assert_eq!(
            parse(text),
            [
                ("web".to_owned(), "./hello --port $PORT".to_owned()),
                ("worker".to_owned(), "./hello worker".to_owned()),
            ]
        );
        assert!(parse("").is_empty());
    }

    #[test]
    fn commands_stay_as_they_are_unless_quoted_whole() {
        assert_eq!(one("web: a: b # c {d} [e]"), "a: b # c {d} [e]");
        assert_eq!(one(r#"web: "node server.js""#), "node server.js");
        assert_eq!(one("web: 'it''s me'"), "it's me");
        assert_eq!(one(r#"web: "say \"hi\"""#), r#"say "hi""#);
        assert_eq!(
            one(r#"web: "my program" "an argument""#),
            r#""my program" "an argument""#
        );
        assert_eq!(one("web: 'a' && 'b'"), "'a' && 'b'");
        assert_eq!(one("web: > log ./run"), "> log ./run");
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(line_of("web: x\nnonsense\n").0, 2);
        assert_eq!(line_of("\n\nweb worker: x").0, 3);
        assert_eq!(
            line_of("web: x\nweb: y"),
            (2, "this process type occurs twice")
        );
        assert_eq!(line_of("web:"), (1, "the command is missing"));
        assert_eq!(line_of("web: \"  \"").0, 1);
        assert_eq!(line_of(": x").0, 1);
        assert_eq!(line_of("../x: y").0, 1);
        assert_eq!(line_of("web: a\n  && b").0, 2);
        assert_eq!(line_of("web: >").0, 1);
        assert_eq!(line_of(&format!("web: {}", "x".repeat(5000))).0, 1);
        assert_eq!(line_of(&format!("{}: x", "x".repeat(256))).0, 1);
        assert_eq!(line_of("web: a\0b").0, 1);
    }

    #[test]
    fn limits() {
        let many: Vec<_> = (0..101).map(|n| format!("t{n}: x")).collect();
        let many = many.join("\n");
        let error = parse_procfile(many.as_bytes()).unwrap_err();
        assert_eq!(error, ProcfileError::TooManyTypes { limit: 100 });
        let large = "#".repeat(65 * 1024);
        let error = parse_procfile(large.as_bytes()).unwrap_err();
        assert_eq!(
            error,
            ProcfileError::TooLarge {
                limit_bytes: 65_536
            }
        );
        assert_eq!(
            parse_procfile(b"web: \xff").unwrap_err(),
            ProcfileError::NotText
        );
    }
}
