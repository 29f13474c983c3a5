//! Destinations of project files: `:name` becomes the group that it names.

use serde_json::Value;

use crate::path_pattern::PathPattern;
use crate::pattern::Pattern;

/// What may be named in a destination, with what it becomes.
#[derive(Debug)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// The names of a source and of what its conditions capture; the latter win.
    pub(super) fn new(source: &PathPattern, has: Option<&[Value]>) -> Self {
        let mut names: Vec<(String, String)> = source
            .names
            .iter()
            .enumerate()
            .filter_map(|(number, name)| Some((name.clone()?, format!("${}", number + 1))))
            .collect();
        for name in has.unwrap_or_default().iter().flat_map(captured) {
            names.retain(|(known, _)| *known != name);
            let place = format!("${name}");
            names.push((name, place));
        }
        Self(names)
    }

    /// The text with places in place of names.
    pub(super) fn fill(&self, text: &str) -> String {
        self.filled(text).0
    }

    /// A rewrite: names that its path leaves out go into its query.
    pub(super) fn rewritten(&self, destination: &str) -> String {
        let (address, query) = match destination.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (destination, None),
        };
        let (mut text, uses_names) = self.filled(address);
        let mut pairs: Vec<String> = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .map(|pair| self.fill(pair))
            .collect();
        if !uses_names {
            for (name, place) in &self.0 {
                let is_there = pairs
                    .iter()
                    .any(|pair| pair.split('=').next() == Some(name.as_str()));
                if !is_there {
                    pairs.push(format!("{name}={place}"));
                }
            }
        }
        if !pairs.is_empty() {
            text.push('?');
            text.push_str(&pairs.join("&"));
        }
        text
    }

    /// The filled text, and whether a name occurred.
    fn filled(&self, text: &str) -> (String, bool) {
        let mut filled = String::new();
        let mut uses_names = false;
        let mut rest = text;
        while let Some(at) = rest.find(':') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let length = from[1..]
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                .count();
            let name = &from[1..=length];
            let known = self.0.iter().find(|(known, _)| known == name);
            rest = &from[1 + length..];
            match known {
                Some((_, place)) => {
                    uses_names = true;
                    filled.push_str(place);
                    rest = rest.strip_prefix(['*', '+']).unwrap_or(rest);
                }
                None => filled.push_str(&from[..=length]),
            }
        }
        filled.push_str(rest);
        (filled, uses_names)
    }
}

/// Names that a condition captures.
fn captured(condition: &Value) -> Vec<String> {
    let text = |name: &str| condition.get(name).and_then(Value::as_str);
    let Some(value) = text("value") else {
        return text("key").map(str::to_owned).into_iter().collect();
    };
    let mut names: Vec<String> = Pattern::whole(value, true)
        .map(|pattern| pattern.names().map(|(_, name)| name.to_owned()).collect())
        .unwrap_or_default();
    if text("type") == Some("host") {
        names.push("host".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_become_places() {
        let source = PathPattern::parse("/a/:id/:path*").unwrap();
        let names = Names::new(&source, None);
        assert_eq!(
            names.fill("https://x:8080/:id/:idx"),
            "https://x:8080/$1/:idx"
        );
        assert_eq!(names.rewritten("/b/:path*?x=1"), "/b/$2?x=1");
        assert_eq!(names.rewritten("/b?path=0"), "/b?path=0&id=$1");
        let has = [
            json!({"type": "header", "key": "x-a"}),
            json!({"type": "query", "key": "q", "value": "(?<id>.*)"}),
        ];
        let names = Names::new(&source, Some(&has));
        assert_eq!(names.fill("/:id"), "/$id");
    }
}
