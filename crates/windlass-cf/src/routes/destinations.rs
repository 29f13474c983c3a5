//! Destinations of a route: bodies, checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use windlass_engine::records::Protocol;

use crate::body::Validator;
use crate::checks::MAX_GUID_CHARS;
use crate::error::ApiError;
use crate::guid::WEB;

/// Most destinations of a route.
pub(crate) const MAX_DESTINATIONS: usize = 100;

/// Most ports of one app in a body.
const MAX_PORTS: usize = 10;

/// Whether destinations are added to those that there are, or take their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Added.
    Insert,
    /// Put in their place. Only then weights make sense.
    Replace,
}

/// A checked destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewDestination {
    /// The app.
    pub(crate) app_guid: String,
    /// Its process type.
    pub(crate) process_type: String,
    /// Whole percent.
    pub(crate) weight: Option<u8>,
    /// Port of the app.
    pub(crate) port: Option<u16>,
    /// Protocol; `None` = HTTP/1.1.
    pub(crate) protocol: Option<Protocol>,
}

/// Checks the body of an insertion or a replacement.
pub(crate) fn destinations(
    body: &Map<String, Value>,
    change: Change,
) -> Result<Vec<NewDestination>, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["destinations"]);
    let min = match change {
        Change::Insert => 1,
        Change::Replace => 0,
    };
    let entries = body.get("destinations").and_then(Value::as_array);
    let Some(entries) = entries.filter(|it| (min..=MAX_DESTINATIONS).contains(&it.len())) else {
        checks.add(format!(
            "Destinations must be an array containing between {min} and {MAX_DESTINATIONS} \
             destination objects."
        ));
        checks.finish()?;
        return Ok(Vec::new());
    };
    let found: Vec<NewDestination> = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| destination(&mut checks, index, entry, change))
        .collect();
    check_ports(&mut checks, &found);
    if checks.is_clean() {
        check_weights(&mut checks, &found);
    }
    checks.finish()?;
    Ok(found)
}

/// Checks `PATCH /v3/routes/{guid}/destinations/{guid}`. `None` = no change.
pub(crate) fn update(body: &Map<String, Value>) -> Result<Option<Protocol>, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["protocol"]);
    let protocol = match body.get("protocol").map(Value::as_str) {
        None => None,
        Some(Some("http1")) => Some(Protocol::Http1),
        Some(Some("http2")) => Some(Protocol::Http2),
        Some(Some("tcp")) => {
            checks.add(NO_TCP);
            None
        }
        Some(Some(_) | None) => {
            checks.add("Destination protocol must be 'http1', 'http2' or 'tcp'.");
            None
        }
    };
    checks.finish()?;
    Ok(protocol)
}

const NO_TCP: &str =
    "Cannot use 'tcp' protocol for http routes; valid options are: [http1, http2].";

fn destination(
    checks: &mut Validator,
    index: usize,
    entry: &Value,
    change: Change,
) -> Option<NewDestination> {
    let mut refuse = |text: &str| checks.add(format!("Destinations[{index}]: {text}"));
    let Some(entry) = entry.as_object() else {
        refuse("must be an object.");
        return None;
    };
    let Some(app) = entry.get("app") else {
        refuse("must have an \"app\".");
        return None;
    };
    let known = ["app", "weight", "port", "protocol"];
    if entry.keys().any(|key| !known.contains(&key.as_str())) {
        refuse("must have only \"app\" and optionally \"weight\", \"port\" or \"protocol\".");
        return None;
    }
    let target = target(&mut refuse, app);
    let weight = weight(&mut refuse, entry.get("weight"), change);
    let port = port(&mut refuse, entry.get("port"));
    let protocol = protocol(&mut refuse, entry.get("protocol"));
    let (app_guid, process_type) = target?;
    Some(NewDestination {
        app_guid,
        process_type,
        weight,
        port,
        protocol,
    })
}

/// App and process type.
fn target(refuse: &mut impl FnMut(&str), app: &Value) -> Option<(String, String)> {
    let guid = app.get("guid").and_then(Value::as_str);
    let Some(guid) = guid.filter(|it| (1..=MAX_GUID_CHARS).contains(&it.chars().count())) else {
        refuse("app must have the structure {\"guid\": \"app_guid\"}");
        return None;
    };
    let process_type = match app.get("process") {
        None | Some(Value::Null) => Some(WEB),
        Some(Value::Object(process)) if process.len() == 1 => process
            .get("type")
            .and_then(Value::as_str)
            .filter(|kind| (1..=MAX_GUID_CHARS).contains(&kind.chars().count())),
        Some(_) => None,
    };
    let Some(process_type) = process_type else {
        refuse("process must have the structure {\"type\": \"process_type\"}");
        return None;
    };
    Some((guid.to_owned(), process_type.to_owned()))
}

fn weight(refuse: &mut impl FnMut(&str), value: Option<&Value>, change: Change) -> Option<u8> {
    let value = value.filter(|value| !value.is_null())?;
    if change == Change::Insert {
        refuse("weighted destinations can only be used when replacing all destinations.");
        return None;
    }
    let percent = value.as_u64().and_then(|number| u8::try_from(number).ok());
    let percent = percent.filter(|percent| (1..=100).contains(percent));
    if percent.is_none() {
        refuse("weight must be a positive integer between 1 and 100.");
    }
    percent
}

fn port(refuse: &mut impl FnMut(&str), value: Option<&Value>) -> Option<u16> {
    let value = value.filter(|value| !value.is_null())?;
    let port = value.as_u64().and_then(|number| u16::try_from(number).ok());
    let port = port.filter(|port| *port >= 1_024);
    if port.is_none() {
        refuse("port must be a positive integer between 1024 and 65535 inclusive.");
    }
    port
}

fn protocol(refuse: &mut impl FnMut(&str), value: Option<&Value>) -> Option<Protocol> {
    let value = value.filter(|value| !value.is_null())?;
    match value.as_str() {
        Some("http1") => Some(Protocol::Http1),
        Some("http2") => Some(Protocol::Http2),
        Some("tcp") => {
            refuse(NO_TCP);
            None
        }
        Some(_) | None => {
            refuse("protocol must be 'http1', 'http2' or 'tcp'.");
            None
        }
    }
}

fn check_ports(checks: &mut Validator, found: &[NewDestination]) {
    let mut ports: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for destination in found {
        *ports
            .entry((&destination.app_guid, &destination.process_type))
            .or_default() += 1;
    }
    if ports.values().any(|count| *count > MAX_PORTS) {
        checks.add("Process must have at most 10 exposed ports.");
    }
}

fn check_weights(checks: &mut Validator, found: &[NewDestination]) {
    let weights: Vec<u16> = found
        .iter()
        .filter_map(|it| it.weight.map(u16::from))
        .collect();
    if weights.is_empty() {
        return;
    }
    if weights.len() != found.len() {
        checks.add("Destinations cannot contain both weighted and unweighted destinations.");
    } else if weights.iter().sum::<u16>() != 100 {
        checks.add("Destinations must have weights that sum to 100.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(list: Value, change: Change) -> Result<Vec<NewDestination>, String> {
        let body = Map::from_iter([("destinations".to_owned(), list)]);
        destinations(&body, change).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn bodies_of_clients() {
        let plain = check(json!([{"app": {"guid": "a"}}]), Change::Insert).unwrap();
        assert_eq!(
            plain,
            [NewDestination {
                app_guid: "a".to_owned(),
                process_type: "web".to_owned(),
                weight: None,
                port: None,
                protocol: None,
            }]
        );
        let weighted = json!([
            {"app": {"guid": "a", "process": {"type": "api"}}, "weight": 61, "port": 8080},
            {"app": {"guid": "b"}, "weight": 39, "protocol": "http2"}
        ]);
        let weighted = check(weighted, Change::Replace).unwrap();
        assert_eq!(weighted[0].process_type, "api");
        assert_eq!(
            (weighted[0].port, weighted[1].protocol),
            (Some(8080), Some(Protocol::Http2))
        );
        assert_eq!(check(json!([]), Change::Replace), Ok(Vec::new()));
    }

    #[test]
    fn what_is_refused_and_how() {
        let one = |key: &str, value: Value| {
            let mut destination = json!({"app": {"guid": "a"}});
            destination[key] = value;
            json!([destination])
        };
        let mut eleven = Vec::new();
        for port in 0..11 {
            eleven.push(json!({"app": {"guid": "a"}, "port": 8000 + port}));
        }
        let count = |min: usize| {
            format!(
                "Destinations must be an array containing between {min} and 100 destination objects."
            )
        };
        let at = |text: &str| format!("Destinations[0]: {text}");
        let app = at("app must have the structure {\"guid\": \"app_guid\"}");
        let process = at("process must have the structure {\"type\": \"process_type\"}");
        let weight = at("weight must be a positive integer between 1 and 100.");
        let port = at("port must be a positive integer between 1024 and 65535 inclusive.");
        for (list, change, wanted) in [
            (json!([]), Change::Insert, count(1)),
            (json!("x"), Change::Replace, count(0)),
            (json!(vec![json!({}); 101]), Change::Replace, count(0)),
            (json!([1]), Change::Insert, at("must be an object.")),
            (json!([{}]), Change::Insert, at("must have an \"app\".")),
            (
                one("x", json!(1)),
                Change::Insert,
                at("must have only \"app\" and optionally \"weight\", \"port\" or \"protocol\"."),
            ),
            (one("app", json!("a")), Change::Insert, app.clone()),
            (one("app", json!({"guid": 1})), Change::Insert, app),
            (
                one("app", json!({"guid": "a", "process": "web"})),
                Change::Insert,
                process.clone(),
            ),
            (
                one("app", json!({"guid": "a", "process": {"type": ""}})),
                Change::Insert,
                process,
            ),
            (
                one("weight", json!(1)),
                Change::Insert,
                at("weighted destinations can only be used when replacing all destinations."),
            ),
            (one("weight", json!(0)), Change::Replace, weight.clone()),
            (one("weight", json!(101)), Change::Replace, weight.clone()),
            (one("weight", json!("1")), Change::Replace, weight),
            (one("port", json!(80)), Change::Insert, port.clone()),
            (one("port", json!(65_536)), Change::Insert, port),
            (
                one("protocol", json!("ftp")),
                Change::Insert,
                at("protocol must be 'http1', 'http2' or 'tcp'."),
            ),
            (one("protocol", json!("tcp")), Change::Insert, at(NO_TCP)),
            (
                json!([{"app": {"guid": "a"}, "weight": 100}, {"app": {"guid": "b"}}]),
                Change::Replace,
                "Destinations cannot contain both weighted and unweighted destinations.".to_owned(),
            ),
            (
                json!([{"app": {"guid": "a"}, "weight": 99}]),
                Change::Replace,
                "Destinations must have weights that sum to 100.".to_owned(),
            ),
            (
                json!(eleven),
                Change::Insert,
                "Process must have at most 10 exposed ports.".to_owned(),
            ),
        ] {
            assert_eq!(check(list.clone(), change), Err(wanted), "{list}");
        }
    }

    #[test]
    fn only_the_protocol_of_a_destination_changes() {
        let of = |body: Value| match body {
            Value::Object(body) => update(&body).map_err(|error| error.detail().to_owned()),
            _ => panic!("a body is an object"),
        };
        assert_eq!(of(json!({})), Ok(None));
        assert_eq!(of(json!({"protocol": "http2"})), Ok(Some(Protocol::Http2)));
        assert_eq!(of(json!({"protocol": "tcp"})), Err(NO_TCP.to_owned()));
        assert_eq!(
            of(json!({"protocol": null})),
            Err("Destination protocol must be 'http1', 'http2' or 'tcp'.".to_owned())
        );
        assert_eq!(
            of(json!({"weight": 5})),
            Err("Unknown field(s): 'weight'".to_owned())
        );
    }
}
