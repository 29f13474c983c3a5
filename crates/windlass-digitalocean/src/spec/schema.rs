//! Every field that a spec may have: its type, its limits, and whether it can be run.
//!
//! The tables are the union of what the public API description and the Go client know. One walk
//! over them (`check`) refuses unknown members, wrong types, values out of bounds, and what can't
//! be run; rules between fields are in `rules`. `docs/compatibility/digitalocean-app-spec.md` lists
//! the same fields, and a test compares the two.

mod app;
mod component;
mod ingress;
mod refused;
pub(super) mod text;

pub use app::APP;
pub(super) use refused::NO_SCHEDULE;
use text::Form;

/// One member of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type and limits.
    pub kind: Kind,
    /// Whether it can be run.
    pub support: Support,
    /// Whether it must be there.
    pub required: bool,
}

/// Type and limits of a value.
#[derive(Debug)]
pub enum Kind {
    /// A text of some form, with its longest length in bytes.
    Text(Form, usize),
    /// One of some words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number between two (inclusive); 0 is always read as "not given".
    Whole(i64, i64),
    /// Any number.
    Number,
    /// A list of such values, with the most entries.
    List(&'static Kind, usize),
    /// An object: its members, in groups that several objects share.
    Object(&'static [&'static [Field]]),
}

/// Whether a field can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As on the platform.
    Works,
    /// Accepted, with a difference that the compatibility page explains.
    Differs,
    /// A hint without effect here, kept and shown again.
    Hint,
    /// Refused when it says anything: why, and what to do instead.
    Refused(&'static str),
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            support: Support::Works,
            required: false,
        }
    }

    const fn text(name: &'static str, form: Form, bytes_max: usize) -> Self {
        Self::new(name, Kind::Text(form, bytes_max))
    }

    const fn word(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Word(words))
    }

    const fn flag(name: &'static str) -> Self {
        Self::new(name, Kind::Flag)
    }

    const fn whole(name: &'static str, least: i64, most: i64) -> Self {
        Self::new(name, Kind::Whole(least, most))
    }

    const fn list(name: &'static str, entry: &'static Kind, entries_max: usize) -> Self {
        Self::new(name, Kind::List(entry, entries_max))
    }

    const fn object(name: &'static str, groups: &'static [&'static [Field]]) -> Self {
        Self::new(name, Kind::Object(groups))
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn differs(mut self) -> Self {
        self.support = Support::Differs;
        self
    }

    const fn hint(mut self) -> Self {
        self.support = Support::Hint;
        self
    }

    const fn refused(mut self, why: &'static str) -> Self {
        self.support = Support::Refused(why);
        self
    }
}

/// Calls `visit` for every field below `groups`, with its path joined by dots.
pub fn for_each_field(
    groups: &'static [&'static [Field]],
    visit: &mut impl FnMut(&str, &'static Field),
) {
    descend(groups, "", visit);
}

fn descend(
    groups: &'static [&'static [Field]],
    before: &str,
    visit: &mut impl FnMut(&str, &'static Field),
) {
    for field in groups.iter().copied().flatten() {
        let path = if before.is_empty() {
            field.name.to_owned()
        } else {
            format!("{before}.{}", field.name)
        };
        visit(&path, field);
        let mut kind = &field.kind;
        while let Kind::List(entry, _) = kind {
            kind = entry;
        }
        if let Kind::Object(inner) = kind {
            descend(inner, &path, visit);
        }
    }
}
