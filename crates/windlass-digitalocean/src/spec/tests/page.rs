//! The compatibility page names every field, and says of each what the tables say.

use std::collections::BTreeMap;

use super::super::schema::{self, Support};

const PAGE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/compatibility/digitalocean-app-spec.md"
));

/// Fields and their word, from the tables of the section about fields.
fn of_page() -> BTreeMap<String, &'static str> {
    let (_, section) = PAGE.split_once("\n## Fields\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut words = BTreeMap::new();
    for line in section.lines() {
        let Some((fields, rest)) = line
            .strip_prefix("| `")
            .and_then(|line| line.split_once("` | "))
        else {
            continue;
        };
        let word = rest.split(" |").next().unwrap();
        for field in expand(fields) {
            assert_eq!(
                words.insert(field.clone(), word),
                None,
                "{field} is there twice"
            );
        }
    }
    words
}

/// `a{b,c}` as `ab` and `ac`.
fn expand(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else {
        return vec![text.to_owned()];
    };
    let (words, after) = rest.split_once('}').unwrap();
    let ends = expand(after);
    let all = words.split(',');
    all.flat_map(|word| ends.iter().map(move |end| format!("{before}{word}{end}")))
        .collect()
}

#[test]
fn the_page_says_what_the_tables_say() {
    let mut page = of_page();
    let mut refused: Vec<String> = Vec::new();
    schema::for_each_field(schema::APP, &mut |path, field| {
        let is_inside = |outer: &String| {
            path.strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        if refused.iter().any(is_inside) {
            return;
        }
        let word = match field.support {
            Support::Works => "works",
            Support::Differs => "differs",
            Support::Hint => "hint",
            Support::Refused(_) => {
                refused.push(path.to_owned());
                "refused"
            }
        };
        assert_eq!(page.remove(path), Some(word), "{path}");
    });
    assert!(page.is_empty(), "no such fields: {page:?}");
}

#[test]
fn braces_stand_for_each_word() {
    assert_eq!(expand("a"), ["a"]);
    assert_eq!(expand("{,b.}a.{c,d}"), ["a.c", "a.d", "b.a.c", "b.a.d"]);
}
