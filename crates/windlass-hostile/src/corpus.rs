//! The inputs that are kept, by target.

use std::fs;
use std::path::PathBuf;

/// A kept input.
#[derive(Debug)]
pub struct Kept {
    /// Name of its file.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// A folder of this crate.
pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All inputs of a target, sorted by name.
pub fn of(target: &str) -> Vec<Kept> {
    let folder = folder("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut all: Vec<Kept> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            Kept {
                name: path.file_name().unwrap().to_str().unwrap().to_owned(),
                bytes: fs::read(&path).unwrap(),
            }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The words that mean something to a target, as its dictionary for the fuzzer has them.
pub fn words(target: &str) -> Vec<Vec<u8>> {
    let path = folder("dictionaries").join(format!("{target}.dict"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(word).collect()
}

/// A line of a dictionary: a text in quotes with `\\`, `\"` and `\x00`.
fn word(line: &str) -> Vec<u8> {
    let inner = line
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("no word in quotes: {line}"));
    let (mut word, mut rest) = (Vec::new(), inner.bytes());
    while let Some(byte) = rest.next() {
        word.push(match byte {
            b'\\' => match rest.next() {
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    u8::from_str_radix(digits, 16).unwrap()
                }
                Some(escaped @ (b'\\' | b'"')) => escaped,
                other => panic!("{other:?} in {line}"),
            },
            other => other,
        });
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::TARGETS;

    #[test]
    fn every_target_has_inputs_and_words_and_nothing_else_is_kept() {
        let names = |folder: &str| -> BTreeSet<String> {
            let entries = fs::read_dir(super::folder(folder)).unwrap();
            let names = entries.map(|entry| entry.unwrap().path());
            names
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        let targets: BTreeSet<String> = TARGETS.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(names("corpus"), targets);
        assert_eq!(names("dictionaries"), targets);
        for target in &targets {
            assert!(!of(target).is_empty(), "{target}");
            assert!(!words(target).is_empty(), "{target}");
        }
    }
}
