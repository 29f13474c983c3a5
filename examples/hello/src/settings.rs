//! What this instance is told: by `hello.conf` in its package, else by its environment.
//!
//! The file belongs to one version, the environment to the whole application: a broken version can
//! be deployed and canceled without touching what the others see.

use std::time::Duration;

/// Whether and when the instance is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// From the start.
    Always,
    /// It listens, but `/health` answers 503 for ever.
    Never,
    /// It listens, but `/health` answers 503 for so long.
    After(Duration),
    /// It never listens.
    Deaf,
    /// It listens only after so long.
    DeafFor(Duration),
}

/// The value of a setting, `None` when it is not set.
pub fn value(name: &str) -> Option<String> {
    let file = std::fs::read_to_string("hello.conf").unwrap_or_default();
    let in_file = file.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    in_file.or_else(|| std::env::var(name).ok())
}

/// `VERSION`, or "1".
pub fn version() -> String {
    value("VERSION").unwrap_or_else(|| "1".to_owned())
}

/// `HEALTH`: `always`, `never`, `deaf`, `after_<ms>` or `deaf_<ms>`.
pub fn health() -> Result<Health, String> {
    let text = value("HEALTH").unwrap_or_else(|| "always".to_owned());
    let ms = |prefix: &str| {
        let digits = text.strip_prefix(prefix)?;
        digits.parse().ok().map(Duration::from_millis)
    };
    match text.as_str() {
        "always" => Ok(Health::Always),
        "never" => Ok(Health::Never),
        "deaf" => Ok(Health::Deaf),
        _ => (ms("after_").map(Health::After))
            .or_else(|| ms("deaf_").map(Health::DeafFor))
            .ok_or_else(|| {
                format!("HEALTH={text:?}; one of: always never deaf after_<ms> deaf_<ms>")
            }),
    }
}

/// `LINGER_MS`: how long the end takes once no request is in flight; nothing by default.
pub fn linger() -> Result<Duration, String> {
    let text = value("LINGER_MS").unwrap_or_else(|| "0".to_owned());
    let ms = text
        .parse()
        .map_err(|_| format!("LINGER_MS={text:?}; milliseconds"))?;
    Ok(Duration::from_millis(ms))
}
