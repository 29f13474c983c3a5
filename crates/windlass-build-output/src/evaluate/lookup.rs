//! From a path to a static file or a function.

use percent_encoding::percent_decode_str;

use super::{Files, LOOKUPS, Walk};
use crate::pattern::TooMuchWork;

/// What is behind a path.
#[derive(Debug)]
pub(super) enum Found {
    File {
        /// Path below `static/`.
        file: String,
        /// What it is called; differs where an override says so.
        name: String,
    },
    Function {
        name: String,
    },
}

impl Found {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::Function { name } => name,
        }
    }
}

impl<F: Files> Walk<'_, F> {
    /// Looks the path up as it is now: a file, the document of a directory, a
    /// function, the function of a directory.
    pub(super) fn lookup(&mut self) -> Result<Option<Found>, TooMuchWork> {
        self.lookups += 1;
        if self.lookups > LOOKUPS {
            return Err(TooMuchWork);
        }
        let Some((path, is_directory_asked)) = plain(&self.path) else {
            return Ok(None);
        };
        let index = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            }
        };
        for name in [path.clone(), index("index.html"), index("index")] {
            // A file has no slash behind its name, unless it is named like a page.
            let is_open = !is_directory_asked || name != path || self.site.is_renamed(&name);
            if name.is_empty() || !is_open {
                continue;
            }
            if let Some(file) = self.site.file_named(&name)
                && self.files.has_file(file)
            {
                let file = file.to_owned();
                return Ok(Some(Found::File { file, name }));
            }
        }
        for name in [path.clone(), index("index")] {
            if !name.is_empty() && self.files.has_function(&name) {
                return Ok(Some(Found::Function { name }));
            }
        }
        Ok(None)
    }
}

/// The path decoded, without the slashes at its ends, and whether it had one at
/// its end. `None` for one that can't name a file.
fn plain(path: &str) -> Option<(String, bool)> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let is_directory_asked = decoded.ends_with('/');
    let inner = decoded.trim_matches('/');
    let is_plain = inner.is_empty()
        || inner
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']));
    is_plain.then(|| (inner.to_owned(), is_directory_asked))
}
