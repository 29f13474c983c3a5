//! Languages: the platform's names, mapped to built-in buildpacks.

use super::error::quoted;

/// Names that are known, with the buildpack that builds them.
const LANGUAGES: &[(&str, &str)] = &[
    ("go", "go"),
    ("python", "python"),
    ("node-js", "node"),
    ("gatsby", "node"),
    ("hexo", "node"),
    ("html", "staticfile"),
];

/// The buildpack of a name; `None` = it is found out from the source.
pub(super) fn buildpack(slug: &str) -> Result<Option<&'static str>, String> {
    if slug.is_empty() {
        return Ok(None);
    }
    let found = LANGUAGES.iter().find(|(name, _)| *name == slug);
    found.map(|(_, buildpack)| Some(*buildpack)).ok_or_else(|| {
        let known: Vec<&str> = LANGUAGES.iter().map(|(name, _)| *name).collect();
        format!(
            "there is no buildpack for {}: give one of {}, or remove it to have it found out",
            quoted(slug),
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_buildpacks() {
        assert_eq!(buildpack(""), Ok(None));
        assert_eq!(buildpack("node-js"), Ok(Some("node")));
        assert_eq!(buildpack("html"), Ok(Some("staticfile")));
        for slug in ["php", "ruby", "ruby-on-rails", "hugo", "jekyll", "Go"] {
            let why = buildpack(slug).unwrap_err();
            assert!(why.starts_with(&format!("there is no buildpack for \"{slug}\"")));
        }
    }
}
