//! What the launcher of functions and the functions themselves have printed, read back from a log.

use std::str::FromStr as _;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionLine<'a> {
    /// A request begins.
    Begun {
        /// Its name.
        request: &'a str,
        /// Upper case.
        method: &'a str,
        /// As the client said it, perhaps with a port.
        host: &'a str,
        /// Without the query.
        path: &'a str,
    },
    /// A request is over.
    Ended {
        /// Its name.
        request: &'a str,
        /// `None` = the client left before there was an answer.
        status: Option<u16>,
        /// How long it took, milliseconds.
        duration_ms: u64,
    },
    /// Something was printed.
    Printed {
        /// For which request, as far as that is known.
        request: Option<&'a str>,
        /// Whether it was meant as a warning.
        is_warning: bool,
        /// Whether it was printed in one with the line before it.
        is_more: bool,
        /// What.
        text: &'a str,
    },
}

impl<'a> FunctionLine<'a> {
    /// Reads a line.
    pub fn parse(line: &'a str) -> Self {
        let noted = || note(line.strip_prefix('(')?);
        let tagged = || tagged(line.strip_prefix('[')?);
        noted().or_else(tagged).unwrap_or(Self::Printed {
            request: None,
            is_warning: false,
            is_more: false,
            text: line,
        })
    }
}

/// Of the launcher: `NAME) METHOD HOST PATH`, or `NAME) STATUS MILLISECONDSms`.
fn note(rest: &str) -> Option<FunctionLine<'_>> {
    let (request, rest) = rest.split_once(") ")?;
    if !is_name(request) {
        return None;
    }
    let words: Vec<&str> = rest.split(' ').collect();
    match words.as_slice() {
        [method, host, path] => Some(FunctionLine::Begun {
            request,
            method,
            host,
            path,
        }),
        [status, duration] => Some(FunctionLine::Ended {
            request,
            status: match *status {
                "-" => None,
                status => Some(u16::from_str(status).ok()?),
            },
            duration_ms: duration.strip_suffix("ms")?.parse().ok()?,
        }),
        _ => None,
    }
}

/// Of a function: `NAME] TEXT`, with words behind the name.
fn tagged(rest: &str) -> Option<FunctionLine<'_>> {
    let (tag, text) = rest.split_once("] ")?;
    let mut words = tag.split(' ');
    let name = words.next()?;
    let (mut is_warning, mut is_more) = (false, false);
    for word in words {
        match word {
            "warning" => is_warning = true,
            "more" => is_more = true,
            _ => return None,
        }
    }
    let request = match name {
        "-" => None,
        name => Some(name).filter(|name| is_name(name)),
    };
    (request.is_some() || name == "-").then_some(FunctionLine::Printed {
        request,
        is_warning,
        is_more,
        text,
    })
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_meant() {
        let printed = |request, is_warning, text| FunctionLine::Printed {
            request,
            is_warning,
            is_more: false,
            text,
        };
        let more = |is_warning| FunctionLine::Printed {
            request: Some("a-1"),
            is_warning,
            is_more: true,
            text: "more",
        };
        for (line, read) in [
            (
                "(a-1) GET shop.test:80 /api/x",
                FunctionLine::Begun {
                    request: "a-1",
                    method: "GET",
                    host: "shop.test:80",
                    path: "/api/x",
                },
            ),
            (
                "(a-1) 200 12ms",
                FunctionLine::Ended {
                    request: "a-1",
                    status: Some(200),
                    duration_ms: 12,
                },
            ),
            (
                "(a-1) - 0ms",
                FunctionLine::Ended {
                    request: "a-1",
                    status: None,
                    duration_ms: 0,
                },
            ),
            ("[a-1] hello", printed(Some("a-1"), false, "hello")),
            (
                "[a-1 warning] [b] mind",
                printed(Some("a-1"), true, "[b] mind"),
            ),
            ("[-] (a-1) 200 12ms", printed(None, false, "(a-1) 200 12ms")),
            ("[a-1 more] more", more(false)),
            ("[a-1 warning more] more", more(true)),
            ("[a-1] ", printed(Some("a-1"), false, "")),
            ("[1, 2] list", printed(None, false, "[1, 2] list")),
            ("(a-1) 200 soon", printed(None, false, "(a-1) 200 soon")),
            ("plain", printed(None, false, "plain")),
        ] {
            assert_eq!(FunctionLine::parse(line), read, "{line}");
        }
    }
}
