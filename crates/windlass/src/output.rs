//! What the command line prints: text for people or JSON for programs, never both.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::Value;

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value, or one a line where it goes on.
    Json,
}

/// Writes one line to standard output. A reader that has gone is no error worth a message.
pub fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// Writes one line to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes one JSON value, indented.
pub fn json(value: &Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()));
}

/// Writes a table: every column as wide as its widest cell.
pub fn table(heads: &[&str], rows: &[Vec<String>]) {
    for text in table_lines(heads, rows) {
        line(&text);
    }
}

fn table_lines(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells
            .chain(heads.get(column).map(|head| head.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let render = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let body = rows
        .iter()
        .map(|row| render(row.iter().map(String::as_str).collect()));
    std::iter::once(render(heads.to_vec()))
        .chain(body)
        .collect()
}

/// Quotes a value for POSIX shells.
pub fn shell_quote(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned()],
            vec!["longer".into(), "22".into()],
        ];
        assert_eq!(
            table_lines(&["name", "n"], &rows),
            ["name    n", "a       1", "longer  22"]
        );
    }

    #[test]
    fn quoting_survives_a_shell() {
        for value in [
            "",
            "plain",
            "two words",
            "it's",
            "$HOME",
            "a\nb",
            "`x`",
            "\\",
            "*",
        ] {
            let script = format!("printf %s {}", shell_quote(value));
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(script)
                .output();
            assert_eq!(String::from_utf8_lossy(&output.expect("sh").stdout), value);
        }
    }
}
