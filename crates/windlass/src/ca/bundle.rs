//! One file with the system's roots and ours.

use std::path::Path;

/// Where distributions keep their roots, in the order of trial.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Largest system bundle that is taken over, bytes.
const SYSTEM_BUNDLE_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

/// Text of the bundle: ours first, then the system's roots where there are any.
pub fn text(authority_pem: &str) -> String {
    let mut text = authority_pem.trim_end().to_owned();
    text.push('\n');
    if let Some(system) = SYSTEM_BUNDLES.iter().find_map(|path| read(Path::new(path))) {
        text.push_str(system.trim_end());
        text.push('\n');
    }
    text
}

fn read(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if metadata.len() > SYSTEM_BUNDLE_LIMIT_BYTES {
        return None;
    }
    std::fs::read_to_string(path)
        .ok()
        .filter(|text| text.contains("BEGIN CERTIFICATE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_comes_first_and_lines_are_not_glued() {
        let text = text("-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----");
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----\nours\n"));
        assert!(!text.contains("----------"));
    }
}
