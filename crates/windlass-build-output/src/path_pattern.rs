//! Path patterns of project files: `/blog/:slug`, `/docs/:path*`, `/(.*)`.

use crate::error::RouteProblem;

/// What a name without a pattern of its own matches.
const SEGMENT: &str = "[^/#?]+?";
/// Groups of one pattern.
const GROUP_LIMIT: usize = 64;

/// A path pattern as a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    pub(crate) src: String,
    /// Names of the groups, from group 1 on; `None` for `(…)` without a name.
    pub(crate) names: Vec<Option<String>>,
}

/// A group that is being read.
#[derive(Debug, Default)]
struct Group {
    prefix: String,
    suffix: String,
    name: Option<String>,
    pattern: Option<String>,
}

struct Reader<'a> {
    source: &'a str,
    rest: &'a str,
    src: String,
    names: Vec<Option<String>>,
}

impl PathPattern {
    pub(crate) fn parse(source: &str) -> Result<Self, RouteProblem> {
        let mut reader = Reader {
            source,
            rest: source,
            src: "^".to_owned(),
            names: Vec::new(),
        };
        reader.read()?;
        if reader.names.len() > GROUP_LIMIT {
            return Err(reader.wrong("has too many groups"));
        }
        reader.src.push('$');
        Ok(Self {
            src: reader.src,
            names: reader.names,
        })
    }
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), RouteProblem> {
        while let Some(char) = self.rest.chars().next() {
            match char {
                // The separator before a group belongs to it: `/:a?` may be gone as a whole.
                '/' | '.' if self.rest[1..].starts_with([':', '(']) => {
                    self.skip(1);
                    let group = Group {
                        prefix: escaped(char),
                        ..self.named()?
                    };
                    self.put(group);
                }
                ':' | '(' => {
                    let group = self.named()?;
                    self.put(group);
                }
                '{' => {
                    self.skip(1);
                    let prefix = self.text()?;
                    let inner = if self.rest.starts_with([':', '(']) {
                        self.named()?
                    } else {
                        Group::default()
                    };
                    let suffix = self.text()?;
                    if !self.rest.starts_with('}') {
                        return Err(self.wrong("has a `{` without its `}`"));
                    }
                    self.skip(1);
                    self.put(Group {
                        prefix,
                        suffix,
                        ..inner
                    });
                }
                '}' | '*' | '+' | '?' => {
                    return Err(self.wrong(&format!("has a `{char}` where none can be")));
                }
                _ => {
                    let text = self.char()?;
                    self.src.push_str(&text);
                }
            }
        }
        Ok(())
    }

    /// Literal text in braces.
    fn text(&mut self) -> Result<String, RouteProblem> {
        let mut text = String::new();
        while !self.rest.is_empty() && !self.rest.starts_with([':', '(', '{', '}', '*', '+', '?']) {
            text.push_str(&self.char()?);
        }
        Ok(text)
    }

    /// One literal character, escaped for the regular expression.
    fn char(&mut self) -> Result<String, RouteProblem> {
        if self.rest.starts_with('\\') {
            self.skip(1);
        }
        let Some(char) = self.rest.chars().next() else {
            return Err(self.wrong("ends with `\\`"));
        };
        self.skip(char.len_utf8());
        Ok(escaped(char))
    }

    /// `:name`, `(pattern)` or both.
    fn named(&mut self) -> Result<Group, RouteProblem> {
        let mut group = Group::default();
        if self.rest.starts_with(':') {
            let length = self.rest[1..]
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                .count();
            if length == 0 {
                return Err(self.wrong("has a `:` without a name"));
            }
            group.name = Some(self.rest[1..=length].to_owned());
            self.skip(length + 1);
        }
        if self.rest.starts_with('(') {
            group.pattern = Some(self.parentheses()?);
        } else if group.name.is_some() {
            group.pattern = Some(SEGMENT.to_owned());
        }
        Ok(group)
    }

    /// The pattern within parentheses; groups in it must not capture.
    fn parentheses(&mut self) -> Result<String, RouteProblem> {
        let mut depth = 0_u32;
        let mut is_escaped = false;
        for (at, char) in self.rest.char_indices() {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '(' => {
                    if depth > 0 && !self.rest[at + 1..].starts_with('?') {
                        return Err(self.wrong("has a capturing group in a group"));
                    }
                    depth += 1;
                }
                ')' => {
                    depth -= 1;
                    if depth == 0 {
                        let pattern = self.rest[1..at].to_owned();
                        self.skip(at + 1);
                        if pattern.is_empty() || pattern.starts_with('?') {
                            return Err(
                                self.wrong("has an empty group or one that begins with `?`")
                            );
                        }
                        return Ok(pattern);
                    }
                }
                _ => {}
            }
        }
        Err(self.wrong("has a `(` without its `)`"))
    }

    /// Writes a group, with the modifier behind it.
    fn put(&mut self, group: Group) {
        let modifier = match self.rest.chars().next() {
            Some(char @ ('*' | '+' | '?')) => {
                self.skip(1);
                Some(char)
            }
            _ => None,
        };
        let Group {
            prefix,
            suffix,
            name,
            pattern,
        } = group;
        let after = modifier.map(String::from).unwrap_or_default();
        let Some(pattern) = pattern else {
            self.src.push_str("(?:");
            self.src.push_str(&prefix);
            self.src.push_str(&suffix);
            self.src.push(')');
            self.src.push_str(&after);
            return;
        };
        self.names.push(name);
        let text = match modifier {
            Some(char @ ('*' | '+')) if !(prefix.is_empty() && suffix.is_empty()) => {
                let optional = if char == '*' { "?" } else { "" };
                format!(
                    "(?:{prefix}((?:{pattern})(?:{suffix}{prefix}(?:{pattern}))*){suffix}){optional}"
                )
            }
            Some('*' | '+') => format!("((?:{pattern}){after})"),
            Some(_) | None if prefix.is_empty() && suffix.is_empty() => {
                format!("({pattern}){after}")
            }
            Some(_) | None => format!("(?:{prefix}({pattern}){suffix}){after}"),
        };
        self.src.push_str(&text);
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn wrong(&self, what: &str) -> RouteProblem {
        RouteProblem::invalid(format!("the source `{}` {what}", self.source))
    }
}

fn escaped(char: char) -> String {
    if char.is_ascii_alphanumeric() || !char.is_ascii() || "/_-~,;=@&%!'\" ".contains(char) {
        char.to_string()
    } else {
        format!("\\{char}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn sources_match_what_they_say() {
        for (source, path, groups) in [
            ("/about", "/about", Some(vec![])),
            ("/about", "/about/", None),
            ("/about.json", "/aboutXjson", None),
            ("/blog/:slug", "/blog/a-b", Some(vec!["a-b"])),
            ("/blog/:slug", "/blog/a/b", None),
            ("/blog/:slug?", "/blog", Some(vec![""])),
            ("/docs/:path*", "/docs", Some(vec![""])),
            ("/docs/:path*", "/docs/a/b", Some(vec!["a/b"])),
            ("/docs/:path+", "/docs", None),
            ("/post/:id(\\d+)", "/post/42", Some(vec!["42"])),
            ("/post/:id(\\d+)", "/post/x", None),
            ("/old/(.*)", "/old/a/b", Some(vec!["a/b"])),
            ("/((?!api/).*)", "/api/x", None),
            ("/((?!api/).*)", "/web/x", Some(vec!["web/x"])),
            ("/a{-:b}?/c", "/a/c", Some(vec![""])),
            ("/a{-:b}?/c", "/a-x/c", Some(vec!["x"])),
            ("/:file.html", "/x.html", Some(vec!["x"])),
            ("/it\\:s", "/it:s", Some(vec![])),
        ] {
            let parsed = PathPattern::parse(source).unwrap();
            let pattern = Pattern::whole(&parsed.src, true).unwrap();
            let found = pattern.groups(path).unwrap().map(|found| {
                let groups = found.by_number[1..].iter();
                groups
                    .map(|group| group.unwrap_or_default())
                    .collect::<Vec<_>>()
            });
            assert_eq!(found, groups, "{source} {path} {}", parsed.src);
        }
    }

    #[test]
    fn malformed_sources_are_refused() {
        for source in [
            "/a*", "/:", "/(", "/((a))", "/{a", "/}", "/()", "/(?:a)", "/a\\",
        ] {
            assert!(PathPattern::parse(source).is_err(), "{source}");
        }
    }
}
