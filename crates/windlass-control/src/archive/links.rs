//! Where symbolic links lead, computed on the table of all links and not on the disk.

use std::collections::HashMap;

use super::{ArchiveError, EntryPath, Refusal};

/// Where symbolic links may point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkPolicy {
    /// Only inside the tree. For packages.
    #[default]
    Inside,
    /// Inside the tree, or absolute into the machine's own programs and libraries: a virtual
    /// environment links to the interpreter in `/usr/bin`. For droplets.
    InsideOrSystem,
}

/// As many links as Linux itself follows in one look-up.
const HOPS: usize = 40;
/// Components looked at for all links of one archive together: bounds the time of the check.
const STEPS: usize = 4_000_000;
/// Directories of the machine that a droplet may link into.
const SYSTEM_PREFIXES: [&[u8]; 5] = [b"/usr/", b"/bin/", b"/lib/", b"/lib64/", b"/opt/"];

/// The symbolic links of one tree.
#[derive(Debug, Default)]
pub(crate) struct Links {
    targets: HashMap<Vec<u8>, Vec<u8>>,
}

impl Links {
    pub(crate) fn insert(&mut self, path: &EntryPath, target: Vec<u8>) {
        self.targets.insert(path.as_bytes().to_vec(), target);
    }

    /// All links, sorted, so that an error always names the same one.
    pub(crate) fn sorted(&self) -> Vec<(&[u8], &[u8])> {
        let mut all: Vec<_> = self
            .targets
            .iter()
            .map(|(path, target)| (path.as_slice(), target.as_slice()))
            .collect();
        all.sort_unstable();
        all
    }

    /// Refuses the first link that leads out of the tree, also by way of others.
    pub(crate) fn check(&self, policy: LinkPolicy) -> Result<(), ArchiveError> {
        let mut steps = STEPS;
        for (path, target) in self.sorted() {
            self.follow(path, target, policy, &mut steps)
                .map_err(|refusal| ArchiveError::entry(path, refusal))?;
        }
        Ok(())
    }

    /// Walks as the kernel would: a link in the middle is replaced by its target before the
    /// components after it count, so `a/..` is the parent of what `a` points to.
    fn follow(
        &self,
        path: &[u8],
        target: &[u8],
        policy: LinkPolicy,
        steps: &mut usize,
    ) -> Result<(), Refusal> {
        let mut at: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        at.pop();
        let mut pending: Vec<&[u8]> = Vec::new();
        let mut hops = 0;
        let mut next = Some(target);
        loop {
            if let Some(target) = next.take() {
                if target.first() == Some(&b'/') {
                    return absolute(target, &pending, policy);
                }
                pending.extend(target.split(|byte| *byte == b'/').rev());
            }
            let Some(component) = pending.pop() else {
                return Ok(());
            };
            *steps = steps.checked_sub(1).ok_or(Refusal::TangledLinks)?;
            match component {
                b"" | b"." => {}
                b".." => {
                    at.pop().ok_or(Refusal::EscapingLink)?;
                }
                name => {
                    at.push(name);
                    if let Some(target) = self.targets.get(&at.join(&b'/')) {
                        hops += 1;
                        if hops > HOPS {
                            return Err(Refusal::LinkLoop);
                        }
                        at.pop();
                        next = Some(target);
                    }
                }
            }
        }
    }
}

fn absolute(target: &[u8], rest: &[&[u8]], policy: LinkPolicy) -> Result<(), Refusal> {
    let climbs = target
        .split(|byte| *byte == b'/')
        .chain(rest.iter().copied());
    let system = SYSTEM_PREFIXES
        .iter()
        .any(|prefix| target.starts_with(prefix));
    match policy {
        LinkPolicy::Inside => Err(Refusal::AbsoluteLink),
        LinkPolicy::InsideOrSystem if !system => Err(Refusal::AbsoluteLink),
        LinkPolicy::InsideOrSystem if climbs.into_iter().any(|part| part == b"..") => {
            Err(Refusal::EscapingLink)
        }
        LinkPolicy::InsideOrSystem => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchiveLimits;

    fn check(links: &[(&str, &str)], policy: LinkPolicy) -> Result<(), Refusal> {
        let mut table = Links::default();
        for (path, target) in links {
            let path = EntryPath::parse(path.as_bytes(), &ArchiveLimits::PACKAGE).unwrap();
            table.insert(&path, target.as_bytes().to_vec());
        }
        table
            .check(policy)
            .map_err(|error| error.refusal().unwrap().clone())
    }

    #[test]
    fn links_inside_the_tree_are_fine() {
        for links in [
            &[("a", "b")][..],
            &[("d/a", "../b")],
            &[("node_modules/.bin/x", "../x/cli.js")],
            &[("current", "releases/1"), ("releases/latest", "../current")],
            &[("self", ".")],
            &[("deep/down/up", "../..")],
        ] {
            assert_eq!(check(links, LinkPolicy::Inside), Ok(()), "{links:?}");
        }
    }

    #[test]
    fn links_out_of_the_tree_are_refused() {
        let cases: [(&[(&str, &str)], Refusal); 7] = [
            (&[("a", "/etc/passwd")], Refusal::AbsoluteLink),
            (&[("a", "..")], Refusal::EscapingLink),
            (&[("d/a", "../../x")], Refusal::EscapingLink),
            // Lexically `up/../..` ends at the root; really `up` is the root already.
            (
                &[("d/e/up", "../.."), ("d/e/out", "up/..")],
                Refusal::EscapingLink,
            ),
            (&[("one", "two/.."), ("two", ".")], Refusal::EscapingLink),
            (&[("a", "b"), ("b", "a")], Refusal::LinkLoop),
            (&[("a", "a/x")], Refusal::LinkLoop),
        ];
        for (links, expected) in cases {
            assert_eq!(check(links, LinkPolicy::Inside), Err(expected), "{links:?}");
        }
    }

    #[test]
    fn droplets_may_link_to_the_system_but_nowhere_else() {
        let policy = LinkPolicy::InsideOrSystem;
        assert_eq!(check(&[("bin/python", "/usr/bin/python3")], policy), Ok(()));
        assert_eq!(
            check(&[("a", "/etc/passwd")], policy),
            Err(Refusal::AbsoluteLink)
        );
        assert_eq!(
            check(&[("a", "/usr/../etc")], policy),
            Err(Refusal::EscapingLink)
        );
        assert_eq!(
            check(&[("a", "/usr/lib"), ("b", "a/../../etc")], policy),
            Err(Refusal::EscapingLink)
        );
    }

    #[test]
    fn a_tangle_is_bounded() {
        let mut table = Links::default();
        let long = "./".repeat(500);
        for index in 0..20_000 {
            let path = EntryPath::parse(format!("l{index}").as_bytes(), &ArchiveLimits::PACKAGE);
            table.insert(&path.unwrap(), long.clone().into_bytes());
        }
        let error = table.check(LinkPolicy::Inside).unwrap_err();
        assert_eq!(error.refusal(), Some(&Refusal::TangledLinks));
    }
}
