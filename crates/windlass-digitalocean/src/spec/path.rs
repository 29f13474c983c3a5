//! Where in a spec something stands.

use std::fmt;

/// A place in a spec, as a chain of steps that lives on the stack of who walks down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The spec itself.
    pub(crate) const ROOT: Path<'static> = Path {
        before: None,
        step: Step::Root,
    };

    /// A member of the object here.
    pub(crate) fn member(&'a self, name: &'a str) -> Path<'a> {
        Path {
            before: Some(self),
            step: Step::Member(name),
        }
    }

    /// An entry of the list here.
    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            before: Some(self),
            step: Step::Index(index),
        }
    }

    /// The field as the platform names it: members joined by dots, without list positions.
    pub(crate) fn field(&self) -> String {
        self.join(false)
    }

    /// The field with list positions, such as `services[0].envs[1].key`.
    pub(crate) fn position(&self) -> String {
        self.join(true)
    }

    fn join(&self, with_positions: bool) -> String {
        let mut text = self
            .before
            .map(|before| before.join(with_positions))
            .unwrap_or_default();
        match self.step {
            Step::Member(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) if with_positions => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            Step::Root | Step::Index(_) => {}
        }
        text
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.position())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_has_no_positions_and_the_position_has() {
        let root = Path::ROOT;
        let services = root.member("services");
        let service = services.index(0);
        let envs = service.member("envs");
        let env = envs.index(1);
        let key = env.member("key");
        assert_eq!(key.field(), "services.envs.key");
        assert_eq!(key.position(), "services[0].envs[1].key");
        assert_eq!(root.field(), "");
    }
}
