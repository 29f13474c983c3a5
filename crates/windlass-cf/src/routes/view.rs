//! A route and its destinations as the wire has them.

use serde_json::{Value, json};
use windlass_engine::records::{Destination, Protocol, Route};

use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// Port that is shown where nobody asked for another: what apps listen on in containers.
const DEFAULT_PORT: u16 = 8080;

/// The word of a protocol.
fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "http1",
        Protocol::Http2 => "http2",
    }
}

/// The whole route.
pub(crate) fn route(urls: &Urls, route: &Route) -> Value {
    let own = format!("/v3/routes/{}", route.id);
    json!({
        "guid": route.id,
        "created_at": rfc3339(route.stamps.created_at),
        "updated_at": rfc3339(route.stamps.updated_at),
        "protocol": "http",
        "host": route.host,
        "path": route.path,
        "port": null,
        "url": format!("{}{}", route.full_host, route.path),
        "destinations": list(route),
        "options": route.options,
        "metadata": metadata::to_wire(&route.metadata),
        "relationships": {
            "space": {"data": {"guid": route.space}},
            "domain": {"data": {"guid": route.domain}},
        },
        "links": {
            "self": urls.href(&own),
            "space": urls.href(&format!("/v3/spaces/{}", route.space)),
            "destinations": urls.href(&format!("{own}/destinations")),
            "domain": urls.href(&format!("/v3/domains/{}", route.domain)),
        },
    })
}

/// The answer of the destination endpoints.
pub(crate) fn destinations(urls: &Urls, route: &Route, shown: &[&Destination]) -> Value {
    let mut shown: Vec<&Destination> = shown.to_vec();
    shown.sort_by(|a, b| a.id.cmp(&b.id));
    let list: Vec<Value> = shown.iter().map(|it| destination(route, it)).collect();
    json!({"destinations": list, "links": links(urls, route, "self")})
}

/// One destination with its links, as its change answers.
pub(crate) fn single_destination(urls: &Urls, route: &Route, shown: &Destination) -> Value {
    let mut wire = destination(route, shown);
    wire["links"] = links(urls, route, "destinations");
    wire
}

fn list(route: &Route) -> Vec<Value> {
    let mut shown: Vec<&Destination> = route.destinations.iter().collect();
    shown.sort_by(|a, b| a.id.cmp(&b.id));
    shown.iter().map(|it| destination(route, it)).collect()
}

fn destination(route: &Route, destination: &Destination) -> Value {
    json!({
        "guid": destination.id,
        "app": {"guid": destination.app, "process": {"type": destination.component}},
        "weight": destination.weight,
        "port": destination.port.unwrap_or(DEFAULT_PORT),
        "protocol": protocol_word(destination.protocol),
        "created_at": rfc3339(route.stamps.created_at),
        "updated_at": rfc3339(route.stamps.updated_at),
    })
}

fn links(urls: &Urls, route: &Route, own_name: &str) -> Value {
    let path = format!("/v3/routes/{}", route.id);
    let mut links = json!({});
    links[own_name] = urls.href(&format!("{path}/destinations"));
    links["route"] = urls.href(&path);
    links
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::id::{AppId, ComponentName, DestinationId, DomainId, RouteId, SpaceId};
    use windlass_engine::records::{Metadata, Stamps};

    use super::*;

    fn example() -> Route {
        let to = |id: &str, app: &str, weight| Destination {
            id: DestinationId::from(id),
            app: AppId::from(app),
            component: ComponentName::from("web"),
            revision: None,
            weight,
            port: None,
            protocol: Protocol::Http1,
        };
        Route {
            id: RouteId::from("r"),
            space: SpaceId::from("s"),
            domain: DomainId::from("d"),
            host: "shop".to_owned(),
            path: "/cart".to_owned(),
            full_host: "shop.example.org".to_owned(),
            destinations: vec![to("2", "b", Some(40)), to("1", "a", Some(60))],
            options: BTreeMap::from([("loadbalancing".to_owned(), "round-robin".to_owned())]),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        }
    }

    #[test]
    fn a_whole_route() {
        let shown = route(&Urls::new("https://api"), &example());
        assert_eq!(shown["url"], "shop.example.org/cart");
        assert_eq!(shown["options"], json!({"loadbalancing": "round-robin"}));
        assert_eq!(shown["port"], Value::Null);
        assert_eq!(
            shown["destinations"][0],
            json!({
                "guid": "1",
                "app": {"guid": "a", "process": {"type": "web"}},
                "weight": 60,
                "port": 8080,
                "protocol": "http1",
                "created_at": "1970-01-01T00:00:00Z",
                "updated_at": "1970-01-01T00:00:00Z"
            })
        );
    }

    #[test]
    fn destinations_come_in_the_order_of_their_guids() {
        let route = example();
        let all: Vec<&Destination> = route.destinations.iter().collect();
        let shown = destinations(&Urls::new("https://api"), &route, &all);
        assert_eq!(shown["destinations"][0]["guid"], "1");
        assert_eq!(
            shown["links"]["self"]["href"],
            "https://api/v3/routes/r/destinations"
        );
        let one = single_destination(&Urls::new("https://api"), &route, &route.destinations[0]);
        assert_eq!(one["links"]["route"]["href"], "https://api/v3/routes/r");
    }
}
