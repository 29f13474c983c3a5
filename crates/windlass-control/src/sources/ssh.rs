//! ssh with the configured key, to the machine that was checked, whose key must be known.

use std::path::Path;

use super::{Remote, SourceError, SourceSettings};

/// Port of ssh; the keys of hosts at others are noted with theirs.
const SSH_PORT: u16 = 22;

/// The arguments of ssh before its destination.
pub(super) fn arguments(
    settings: &SourceSettings,
    remote: &Remote,
) -> Result<Vec<String>, SourceError> {
    let (Some(key), Some(address)) = (&settings.ssh_key_file, remote.first()) else {
        return Err(SourceError::NoSshKey);
    };
    let known = settings.ssh_known_hosts_file.as_deref();
    let known = known.unwrap_or(Path::new("/etc/ssh/ssh_known_hosts"));
    let (host, port) = (remote.url().host(), remote.url().port());
    let alias = if port == SSH_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    };
    let options = [
        "BatchMode=yes".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile=\"{}\"", known.display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        format!("HostKeyAlias={alias}"),
        format!("HostName={address}"),
        "ConnectTimeout=15".to_owned(),
        "ServerAliveInterval=15".to_owned(),
        "ForwardAgent=no".to_owned(),
        "ClearAllForwardings=yes".to_owned(),
        "PermitLocalCommand=no".to_owned(),
        "IdentityAgent=none".to_owned(),
    ];
    let mut arguments = vec![
        "-F".to_owned(),
        "/dev/null".to_owned(),
        "-i".to_owned(),
        key.display().to_string(),
        "-T".to_owned(),
    ];
    for option in options {
        arguments.extend(["-o".to_owned(), option]);
    }
    Ok(arguments)
}

/// A command line for git: it is read by a shell.
pub(super) fn command(settings: &SourceSettings, remote: &Remote) -> Result<String, SourceError> {
    let mut line = "ssh".to_owned();
    for argument in arguments(settings, remote)? {
        line.push(' ');
        line.push_str(&quoted(&argument));
    }
    Ok(line)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::AddressRules;

    #[test]
    fn it_is_held_to_address_key_and_known_hosts() {
        let settings = SourceSettings {
            ssh_key_file: Some("/etc/it's a key".into()),
            ssh_known_hosts_file: Some("/etc/known hosts".into()),
            ..SourceSettings::default()
        };
        let url = "ssh://git@192.0.2.7:2222/a/b".parse().unwrap();
        let remote = Remote::look_up(url, AddressRules::default()).unwrap();
        let line = command(&settings, &remote).unwrap();
        for part in [
            r"'-i' '/etc/it'\''s a key'",
            "'UserKnownHostsFile=\"/etc/known hosts\"'",
            "'StrictHostKeyChecking=yes'",
            "'HostKeyAlias=[192.0.2.7]:2222'",
            "'HostName=192.0.2.7'",
        ] {
            assert!(line.contains(part), "{line}");
        }
        let none = SourceSettings::default();
        assert!(matches!(
            command(&none, &remote),
            Err(SourceError::NoSshKey)
        ));
    }
}
