//! The files of a site as a whole.

use crate::config;
use crate::error::OutputError;

/// Looks through the files of a site, by their paths below its root, and returns
/// the names of its functions: paths below `functions/` without `.func`, also of
/// those that are links to others.
///
/// # Errors
/// When `config.json` is missing, or a file asks for what is not served here.
pub fn check_layout<'a>(
    files: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>, OutputError> {
    let mut has_config = false;
    let mut functions = Vec::new();
    for file in files {
        has_config |= file == config::FILE;
        let Some(path) = file.strip_prefix("functions/") else {
            continue;
        };
        // What lies in a function is its own.
        if let Some((name, inner)) = path.split_once(".func/") {
            if inner == ".vc-config.json" {
                functions.push(name.to_owned());
            }
            continue;
        }
        // A link to another function.
        if let Some(name) = path.strip_suffix(".func") {
            functions.push(name.to_owned());
            continue;
        }
        if path.ends_with(".prerender-config.json") {
            return Err(OutputError::not_supported(
                file,
                "prerendered functions are not served here",
            ));
        }
    }
    if !has_config {
        return Err(OutputError::invalid(config::FILE, "the file is missing"));
    }
    functions.sort_unstable();
    Ok(functions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    #[test]
    fn functions_are_found_and_prerendered_ones_refused() {
        let files = [
            "config.json",
            "static/index.html",
            "functions/api/users.func/.vc-config.json",
            "functions/api/users.func/lib/x.prerender-config.json",
            "functions/index.func",
            "functions/api/users.func/node_modules/y.func/.vc-config.json",
        ];
        assert_eq!(check_layout(files).unwrap(), ["api/users", "index"]);
        let error = check_layout(["config.json", "functions/blog.prerender-config.json"]);
        let error = error.unwrap_err();
        assert_eq!(error.problem, Problem::NotSupported);
        assert_eq!(error.file, "functions/blog.prerender-config.json");
        assert_eq!(check_layout(["static/a"]).unwrap_err().file, "config.json");
    }
}
