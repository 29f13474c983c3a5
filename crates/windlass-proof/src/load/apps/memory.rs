//! What the roles hold, and whether it stays the same.

use windlass::demo::Failure;
use windlass::demo::server::{Role, Server};

use crate::bench::memory;

/// How much more memory a role may hold after the last round than in the middle, MiB. A leak of
/// 8 KiB for each deployment of a thousand apps passes it within three rounds. Before the middle,
/// the caches of the database fill, which are bounded; what the allocator keeps or gives back by
/// chance is less.
const GROWTH_MIB: f64 = 24.0;
/// The same for open files.
const GROWTH_FILES: usize = 64;

const ROLES: [(Role, &str); 3] = [
    (Role::Supervisor, "supervisor"),
    (Role::Control, "control"),
    (Role::Router, "router"),
];

/// One role at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Holds {
    /// Its name.
    pub(super) role: &'static str,
    /// Resident memory, MiB.
    pub(super) resident_mib: f64,
    /// The part of it that belongs to no file, MiB.
    pub(super) own_mib: f64,
    /// Open files.
    pub(super) files: usize,
}

/// All roles at one moment.
pub(super) type Moment = [Holds; 3];

/// Looks.
pub(super) fn look(server: &Server) -> Result<Moment, Failure> {
    let mut moment = ROLES.map(|(_, role)| Holds {
        role,
        resident_mib: 0.0,
        own_mib: 0.0,
        files: 0,
    });
    for (holds, (role, name)) in moment.iter_mut().zip(ROLES) {
        let pid = server
            .pid(role)
            .ok_or_else(|| Failure::Unexpected(format!("the {name} does not run")))?;
        holds.resident_mib = memory::resident(pid);
        holds.own_mib = memory::anonymous(pid);
        holds.files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    }
    Ok(moment)
}

/// What has grown between two moments, one line each.
pub(super) fn grown(middle: &Moment, last: &Moment) -> Vec<String> {
    let mut wrong = Vec::new();
    for (middle, last) in middle.iter().zip(last) {
        let grown = last.own_mib - middle.own_mib;
        if grown > GROWTH_MIB {
            wrong.push(format!(
                "memory of {} grew by {grown:.1} MiB, from {:.1}",
                last.role, middle.own_mib
            ));
        }
        if last.files > middle.files + GROWTH_FILES {
            wrong.push(format!(
                "{} has {} open files, {} before",
                last.role, last.files, middle.files
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(own_mib: f64, files: usize) -> Moment {
        ROLES.map(|(_, role)| Holds {
            role,
            resident_mib: 2.0 * own_mib,
            own_mib,
            files,
        })
    }

    #[test]
    fn a_leak_is_more_than_noise() {
        let first = moment(100.0, 50);
        assert_eq!(grown(&first, &moment(110.0, 60)), Vec::<String>::new());
        assert_eq!(grown(&first, &moment(50.0, 10)), Vec::<String>::new());
        assert_eq!(grown(&first, &moment(125.0, 50)).len(), 3);
        assert_eq!(grown(&first, &moment(100.0, 1_050)).len(), 3);
    }
}
