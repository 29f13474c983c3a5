//! Procfiles: what is accepted has usable types and commands, and written out again reads the same.

use windlass_control::staging::{
    COMMAND_BYTES, PROCESS_TYPES, YAML_BYTES, is_command, is_process_type, parse_procfile,
};

/// Feeds one file.
pub fn check(input: &[u8]) {
    let types = match parse_procfile(input) {
        Ok(types) => types,
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 200 && !text.contains('\n'), "{text}");
            return;
        }
    };
    assert!(input.len() as u64 <= YAML_BYTES && types.len() <= PROCESS_TYPES);
    let mut written = String::new();
    for (name, command) in &types {
        assert!(is_process_type(name), "{name:?}");
        assert!(
            is_command(command) && command.len() <= COMMAND_BYTES,
            "{command:?}"
        );
        written.push_str(name);
        written.push_str(": ");
        written.push_str(&quoted(command));
        written.push('\n');
    }
    // Quotes can make a file larger than it may be.
    if written.len() as u64 <= YAML_BYTES {
        assert_eq!(parse_procfile(written.as_bytes()), Ok(types), "{written}");
    }
}

/// A command in double quotes, in letters of which no reader thinks anything.
fn quoted(command: &str) -> String {
    let mut quoted = String::from("\"");
    for char in command.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => quoted.extend(format!("\\U{:08x}", u32::from(char)).chars()),
        }
    }
    quoted.push('"');
    quoted
}
