//! `windlass env`: what a shell needs to talk to this Windlass.

use serde_json::{Value, json};

use super::client::AdminClient;
use super::error::CliError;
use crate::output::{self, Output};

/// Prints exports, or one flat object of the same names.
pub(super) async fn print(
    client: &AdminClient,
    output: Output,
    user: Option<&str>,
) -> Result<(), CliError> {
    let answer = client.post("/env", &json!({ "user": user })).await?;
    match output {
        Output::Json => output::json(&answer),
        Output::Text => exports(&answer)
            .iter()
            .map(String::as_str)
            .for_each(output::line),
    }
    Ok(())
}

fn exports(answer: &Value) -> Vec<String> {
    let Some(variables) = answer.as_object() else {
        return Vec::new();
    };
    let pair = |(name, value): (&String, &Value)| {
        let value = value.as_str()?;
        Some(format!("export {name}={}", output::shell_quote(value)))
    };
    variables.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_safe_to_eval() {
        let answer = json!({ "WINDLASS_USER": "a'b $(id)", "WINDLASS_SPACE": "dev" });
        let script = format!(
            "{}\nprintf %s \"$WINDLASS_USER\"",
            exports(&answer).join("\n")
        );
        let shell = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .output()
            .expect("sh");
        assert_eq!(String::from_utf8_lossy(&shell.stdout), "a'b $(id)");
    }
}
