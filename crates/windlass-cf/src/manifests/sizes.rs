//! Sizes with units, as manifests write them: `512M`, `1G`, `16K`.

use serde_json::{Value, json};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const TIB: u64 = 1024 * GIB;

/// Bytes of a size with its unit.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit.trim() {
        "B" => 1,
        "K" | "KB" | "KIB" => KIB,
        "M" | "MB" | "MIB" => MIB,
        "G" | "GB" | "GIB" => GIB,
        "T" | "TB" | "TIB" => TIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_bytes)
}

/// Whole MiB of a size of a manifest.
pub(super) fn mebibytes(value: &Value, label: &str) -> Result<Value, String> {
    let wrong = || format!("{label} must use a supported unit: B, K, KB, M, MB, G, GB, T, or TB");
    let bytes = value.as_str().and_then(bytes).ok_or_else(wrong)?;
    Ok(json!(bytes / MIB))
}

/// Bytes per second of a rate of a manifest; -1 = unlimited.
pub(super) fn rate(value: &Value, label: &str) -> Result<Value, String> {
    let number = match value {
        Value::Number(number) => number.as_i64().filter(|number| matches!(number, -1 | 0)),
        Value::String(text) if text == "-1" => Some(-1),
        Value::String(text) if text == "0" => Some(0),
        Value::String(text) => bytes(text).and_then(|bytes| i64::try_from(bytes).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.map(|number| json!(number)).ok_or_else(|| {
        format!("{label} must be an integer greater than or equal to -1 with a supported unit")
    })
}

/// MiB as manifests show them.
pub(super) fn shown_mebibytes(mb: u64) -> Value {
    json!(format!("{mb}M"))
}

/// A rate as manifests show it.
pub(super) fn shown_rate(bytes_per_second: Option<u64>) -> Value {
    match bytes_per_second {
        None => json!(-1),
        Some(0) => json!(0),
        Some(bytes) if bytes % MIB == 0 => json!(format!("{}M", bytes / MIB)),
        Some(bytes) if bytes % KIB == 0 => json!(format!("{}K", bytes / KIB)),
        Some(bytes) => json!(format!("{bytes}B")),
    }
}

/// Whether two values name the same size or rate.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let read = |value: &Value| {
        let text = value.as_str()?;
        bytes(text)
    };
    one == other || (read(one).is_some() && read(one) == read(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, mb) in [
            ("64M", 64),
            ("64mb", 64),
            ("1G", 1024),
            ("1T", 1 << 20),
            ("2048K", 2),
        ] {
            assert_eq!(mebibytes(&json!(text), "Memory"), Ok(json!(mb)), "{text}");
        }
        for wrong in [
            json!("64"),
            json!(64),
            json!("M"),
            json!("1X"),
            json!("-1M"),
            json!(null),
            json!("99999999999999999999G"),
            json!("9999999999999G"),
        ] {
            assert!(mebibytes(&wrong, "Memory").is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        for (value, wanted) in [
            (json!(-1), -1),
            (json!("-1"), -1),
            (json!("16K"), 16 * 1024),
            (json!(0), 0),
        ] {
            assert_eq!(rate(&value, "Log rate"), Ok(json!(wanted)), "{value}");
        }
        for wrong in [json!(5), json!("x"), json!(-2), json!(1.5)] {
            assert!(rate(&wrong, "Log rate").is_err(), "{wrong}");
        }
        for shown in [None, Some(0), Some(MIB), Some(KIB), Some(3)] {
            let wanted = shown.map_or(-1, |bytes| i64::try_from(bytes).unwrap());
            assert_eq!(
                rate(&shown_rate(shown), "x"),
                Ok(json!(wanted)),
                "{shown:?}"
            );
        }
        assert!(is_same(&json!("1G"), &json!("1024M")));
        assert!(!is_same(&json!("1G"), &json!("1000M")));
    }
}
