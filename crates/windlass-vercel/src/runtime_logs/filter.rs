//! The language of filters: `field:value`, `field >= number`, words, `AND`, `OR`, `NOT`, brackets.
//!
//! A value may be quoted, a list in brackets (`level:(error OR warning)`), or have `*` in it for
//! anything. A word without a field is looked for in the message.

use serde_json::{Map, Value};

/// Longest filter, bytes.
const MAX_BYTES: usize = 4_096;
/// Brackets within brackets.
const MAX_DEPTH: usize = 16;

/// Fields that may be asked for.
const FIELDS: [&str; 19] = [
    "projectId",
    "deploymentId",
    "requestId",
    "branch",
    "domain",
    "environment",
    "requestPath",
    "requestMethod",
    "httpStatus",
    "source",
    "service",
    "isSystemLog",
    "region",
    "runtime",
    "level",
    "message",
    "stream",
    "traceId",
    "truncated",
];

/// What an event must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Is { field: String, pattern: String },
    Compare { field: String, by: By, number: f64 },
    Says(String),
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Colon,
    By(By),
    Word(String),
    Quoted(String),
}

impl Filter {
    /// Reads a filter; an empty one holds for everything.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        let mut parser = Parser {
            tokens: tokens(text)?.into_iter().peekable(),
        };
        if parser.tokens.peek().is_none() {
            return Ok(Self::All(Vec::new()));
        }
        let filter = parser.any(0)?;
        match parser.tokens.next() {
            None => Ok(filter),
            Some(_) => Err("a bracket is closed that was not opened".to_owned()),
        }
    }

    /// Whether it holds for an event.
    pub(super) fn holds(&self, event: &Map<String, Value>) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(event)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(event)),
            Self::Not(filter) => !filter.holds(event),
            Self::Is { field, pattern } => is_like(&text_of(event.get(field)), pattern),
            Self::Compare { field, by, number } => {
                let value = event.get(field).and_then(Value::as_f64);
                value.is_some_and(|value| by.holds(value, *number))
            }
            Self::Says(text) => {
                let message = text_of(event.get("message")).to_lowercase();
                message.contains(&text.to_lowercase())
            }
        }
    }
}

impl By {
    #[allow(clippy::float_cmp, reason = "both come from whole numbers")]
    fn holds(self, value: f64, number: f64) -> bool {
        match self {
            Self::Less => value < number,
            Self::LessOrEqual => value <= number,
            Self::Greater => value > number,
            Self::GreaterOrEqual => value >= number,
            Self::Equal => value == number,
            Self::NotEqual => value != number,
        }
    }
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Whether a text is a pattern, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let Some((middle, last)) = rest.rsplit_once('*') else {
        return text.ends_with(rest);
    };
    for part in middle.split('*') {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let mut then = |wanted: char| chars.next_if(|(_, next)| *next == wanted).is_some();
        tokens.push(match char {
            char if char.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ':' => Token::Colon,
            '>' if then('=') => Token::By(By::GreaterOrEqual),
            '>' => Token::By(By::Greater),
            '<' if then('=') => Token::By(By::LessOrEqual),
            '<' => Token::By(By::Less),
            '=' => Token::By(By::Equal),
            '!' if then('=') => Token::By(By::NotEqual),
            '"' => {
                let mut is_escaped = false;
                let end = chars
                    .find(|(_, char)| {
                        let ends = *char == '"' && !is_escaped;
                        is_escaped = *char == '\\' && !is_escaped;
                        ends
                    })
                    .map(|(end, _)| end);
                let end = end.ok_or("a quote is not closed")?;
                let quoted = serde_json::from_str(&text[at..=end]);
                Token::Quoted(quoted.map_err(|_| "a quoted text can't be read".to_owned())?)
            }
            _ => {
                let mut end = at + char.len_utf8();
                while let Some((next, char)) =
                    chars.next_if(|(_, char)| !char.is_whitespace() && !"():<>=\"".contains(*char))
                {
                    end = next + char.len_utf8();
                }
                Token::Word(text[at..end].to_owned())
            }
        });
    }
    Ok(tokens)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn word(&mut self, word: &str) -> bool {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found == word);
        self.tokens.next_if(is_it).is_some()
    }

    fn any(&mut self, depth: usize) -> Result<Filter, String> {
        let mut filters = vec![self.all(depth)?];
        while self.word("OR") {
            filters.push(self.all(depth)?);
        }
        Ok(single(filters, Filter::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, String> {
        let mut filters = vec![self.one(depth)?];
        loop {
            let ends = match self.tokens.peek() {
                None | Some(Token::Close) => true,
                Some(Token::Word(word)) => word == "OR",
                Some(_) => false,
            };
            if ends {
                return Ok(single(filters, Filter::All));
            }
            self.word("AND");
            filters.push(self.one(depth)?);
        }
    }

    fn one(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is deeper than {MAX_DEPTH} brackets"));
        }
        if self.word("NOT") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        match self.tokens.next() {
            Some(Token::Open) => {
                let inner = self.any(depth + 1)?;
                self.close()?;
                Ok(inner)
            }
            Some(Token::Quoted(text)) => Ok(Filter::Says(text)),
            Some(Token::Word(word)) => self.behind(word),
            Some(Token::Close | Token::Colon | Token::By(_)) | None => {
                Err("a condition is missing".to_owned())
            }
        }
    }

    /// A word: the name of a field, or what the message says.
    fn behind(&mut self, word: String) -> Result<Filter, String> {
        let known = |field: String| {
            if FIELDS.contains(&field.as_str()) {
                return Ok(field);
            }
            let shown: String = field.chars().take(40).collect();
            Err(format!("there is no field `{shown}`"))
        };
        let is_operator = |token: &Token| matches!(token, Token::Colon | Token::By(_));
        match self.tokens.next_if(is_operator) {
            Some(Token::Colon) => {
                let field = known(word)?;
                let is = |pattern: String| Filter::Is {
                    field: field.clone(),
                    pattern,
                };
                if self.tokens.next_if_eq(&Token::Open).is_none() {
                    return Ok(is(self.value()?));
                }
                let mut filters = vec![is(self.value()?)];
                while self.word("OR") {
                    filters.push(is(self.value()?));
                }
                self.close()?;
                Ok(single(filters, Filter::Any))
            }
            Some(Token::By(by)) => {
                let field = known(word)?;
                let number = self.value()?.parse();
                Ok(Filter::Compare {
                    field,
                    by,
                    number: number.map_err(|_| "a number is missing".to_owned())?,
                })
            }
            _ => Ok(Filter::Says(word)),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            _ => Err("a value is missing".to_owned()),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        match self.tokens.next() {
            Some(Token::Close) => Ok(()),
            _ => Err("a bracket is not closed".to_owned()),
        }
    }
}

fn single(mut filters: Vec<Filter>, several: impl Fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            several(filters)
        }
        None => several(filters),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_hold_as_they_read() {
        let event = json!({
            "deploymentId": "dpl_1", "level": "error", "message": "It broke (twice)",
            "requestPath": "/api/checkout/2", "httpStatus": 502, "service": null,
        });
        let event = event.as_object().unwrap();
        for (text, holds) in [
            ("", true),
            (r#"(deploymentId:"dpl_1")"#, true),
            (r#"(deploymentId:"dpl_2") AND (level:error)"#, false),
            (r#"(deploymentId:"dpl_1") AND (level:error)"#, true),
            ("level:(warning OR error)", true),
            ("level:(warning OR info)", false),
            ("NOT level:info", true),
            ("requestPath:*checkout*", true),
            ("requestPath:/api/*/2", true),
            ("requestPath:/api/*/3", false),
            ("requestPath:/api", false),
            ("httpStatus >= 500 AND httpStatus < 600", true),
            ("httpStatus:502", true),
            ("httpStatus != 502", false),
            ("broke", true),
            ("BROKE nothing", false),
            ("nothing OR broke level:error", true),
            (r#""(twice)""#, true),
            (r#"service:"""#, true),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.holds(event), holds, "{text}: {filter:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in [
            "(",
            ")",
            "level:",
            "level:(a OR",
            "nosuch:1",
            "httpStatus > many",
            "\"open",
            ": x",
            "level:error AND",
            &"(".repeat(100),
            &"x".repeat(5_000),
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
