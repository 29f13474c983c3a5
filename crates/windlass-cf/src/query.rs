//! Query parameters of lists: strict names, comma lists, times, order, label selector.

use std::collections::BTreeMap;

use windlass_engine::records::{Metadata, Stamps};
use windlass_engine::time::Timestamp;

use crate::error::ApiError;
use crate::percent;

mod listing;
mod selector;
mod times;

pub(crate) use listing::of_own_apps;
pub use selector::LabelSelector;
pub use times::TimeFilter;

/// Rows per page when the client does not say.
pub const DEFAULT_PER_PAGE: u32 = 50;
/// Most rows per page. The `cf` client asks for exactly this many.
pub const MAX_PER_PAGE: u32 = 5000;
/// Longest query string, bytes. Clients send lists of guids in batches far below it.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;

/// What a list takes.
#[derive(Debug, Clone, Copy)]
pub struct ListSpec {
    /// Comma-list filters beyond `guids`, in the order of the "Valid parameters" text.
    pub filters: &'static [&'static str],
    /// Values of `order_by` beyond `created_at` and `updated_at`.
    pub order: &'static [&'static str],
    /// Values of `include`; empty = there is no `include`.
    pub includes: &'static [&'static str],
    /// Whether `label_selector` is there.
    pub labels: bool,
}

impl ListSpec {
    /// A list with these comma-list filters and `label_selector`.
    pub const fn with_filters(filters: &'static [&'static str]) -> Self {
        Self {
            filters,
            order: &[],
            includes: &[],
            labels: true,
        }
    }

    fn valid_names(&self) -> Vec<&'static str> {
        let mut names = vec![
            "page",
            "per_page",
            "order_by",
            "created_ats",
            "updated_ats",
            "guids",
        ];
        names.extend(self.filters);
        if !self.includes.is_empty() {
            names.push("include");
        }
        if self.labels {
            names.push("label_selector");
        }
        names
    }
}

/// Order that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBy {
    /// Field.
    pub field: String,
    /// Newest, or last, first.
    pub descending: bool,
}

/// The checked parameters of a list request.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Page asked for, from 1.
    pub page: u32,
    /// Rows per page.
    pub per_page: u32,
    /// Order; `None` = creation order.
    pub order_by: Option<OrderBy>,
    /// Asked-for inclusions.
    pub include: Vec<String>,
    /// Filter by creation time.
    pub created_ats: Option<TimeFilter>,
    /// Filter by change time.
    pub updated_ats: Option<TimeFilter>,
    /// Filter by labels.
    pub label_selector: Option<LabelSelector>,
    filters: BTreeMap<String, Vec<String>>,
    /// All parameters but `page` and `per_page` as they came (decoded once), for the links.
    pub(crate) repeated: BTreeMap<String, String>,
}

impl ListQuery {
    /// Checks a raw query string against what the list takes.
    ///
    /// # Errors
    /// 400 10005 with every problem in one text.
    pub fn parse(raw: Option<&str>, spec: &ListSpec) -> Result<Self, ApiError> {
        let pairs = decode_pairs(raw.unwrap_or(""))?;
        let valid = spec.valid_names();
        let mut problems = Vec::new();
        let unknown: Vec<&str> = pairs
            .keys()
            .map(String::as_str)
            .filter(|name| !valid.contains(&base_name(name)))
            .collect();
        if !unknown.is_empty() {
            problems.push(unknown_parameters(&unknown, &valid));
        }
        let page = positive(&pairs, "page", "Page", 1, u32::MAX, &mut problems);
        let per_page = positive(
            &pairs,
            "per_page",
            "Per page",
            DEFAULT_PER_PAGE,
            MAX_PER_PAGE,
            &mut problems,
        );
        let order_by = order(&pairs, spec, &mut problems);
        let include = includes(&pairs, spec, &mut problems);
        let created_ats = TimeFilter::parse(&pairs, "created_ats", "Created ats", &mut problems);
        let updated_ats = TimeFilter::parse(&pairs, "updated_ats", "Updated ats", &mut problems);
        let label_selector = match pairs.get("label_selector") {
            Some(text) if spec.labels => match LabelSelector::parse(text) {
                Ok(selector) => Some(selector),
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            },
            _ => None,
        };
        if !problems.is_empty() {
            return Err(ApiError::bad_query(problems.join(", ")));
        }
        let filters = pairs
            .iter()
            .filter(|(name, _)| *name == "guids" || spec.filters.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), split_list(value)))
            .collect();
        let repeated = pairs
            .into_iter()
            .filter(|(name, _)| name != "page" && name != "per_page")
            .collect();
        Ok(Self {
            page,
            per_page,
            order_by,
            include,
            created_ats,
            updated_ats,
            label_selector,
            filters,
            repeated,
        })
    }

    /// Values of a comma-list filter; `None` = the client did not ask. An empty element is "".
    pub fn values(&self, name: &str) -> Option<&[String]> {
        self.filters.get(name).map(Vec::as_slice)
    }

    /// The only value of a filter that was given with exactly one.
    pub fn single(&self, name: &str) -> Option<&str> {
        match self.values(name) {
            Some([only]) => Some(only),
            _ => None,
        }
    }

    /// Whether `value` passes the filter (also when it is not there).
    pub fn accepts(&self, name: &str, value: &str) -> bool {
        self.values(name)
            .is_none_or(|values| values.iter().any(|wanted| wanted == value))
    }

    /// Like [`Self::accepts`], letters compared without case (names in Cloud Controller's MySQL
    /// and PostgreSQL schemas compare so).
    pub fn accepts_ignoring_case(&self, name: &str, value: &str) -> bool {
        self.values(name).is_none_or(|values| {
            values
                .iter()
                .any(|wanted| wanted.to_lowercase() == value.to_lowercase())
        })
    }

    /// Whether an optional value passes; an empty element matches an absent value.
    pub fn accepts_optional(&self, name: &str, value: Option<&str>) -> bool {
        self.accepts(name, value.unwrap_or(""))
    }

    /// Whether a row passes `guids`, the times and the label selector.
    pub fn accepts_row(&self, guid: &str, stamps: Stamps, metadata: Option<&Metadata>) -> bool {
        self.accepts("guids", guid)
            && self
                .created_ats
                .as_ref()
                .is_none_or(|filter| filter.accepts(stamps.created_at))
            && self
                .updated_ats
                .as_ref()
                .is_none_or(|filter| filter.accepts(stamps.updated_at))
            && match (&self.label_selector, metadata) {
                (None, _) => true,
                (Some(selector), Some(metadata)) => selector.accepts(&metadata.labels),
                (Some(selector), None) => selector.accepts(&BTreeMap::new()),
            }
    }

    /// Whether the client asked to include `what`.
    pub fn includes(&self, what: &str) -> bool {
        self.include.iter().any(|asked| asked == what)
    }

    /// Sorts rows as asked: by creation (commit order) unless `order_by` says otherwise. Equal
    /// times are ordered by commit. `text` gives the value of fields that are not times.
    pub fn sort<T>(
        &self,
        rows: &mut [T],
        stamps: impl Fn(&T) -> Stamps,
        text: impl Fn(&T, &str) -> String,
    ) {
        let created = |row: &T| {
            let stamps = stamps(row);
            (stamps.created_at, stamps.created_commit)
        };
        let Some(order) = &self.order_by else {
            rows.sort_by_key(|row| stamps(row).created_commit);
            return;
        };
        match order.field.as_str() {
            "created_at" => rows.sort_by_key(created),
            "updated_at" => rows.sort_by_key(|row| {
                let stamps = stamps(row);
                (stamps.updated_at, stamps.created_commit)
            }),
            field => rows.sort_by_cached_key(|row| (text(row, field), stamps(row).created_commit)),
        }
        if order.descending {
            rows.reverse();
        }
    }
}

/// Checks that only `allowed` parameters came (for endpoints that are no lists) and returns them.
///
/// # Errors
/// 400 10005.
pub fn only_parameters(
    raw: Option<&str>,
    allowed: &[&str],
) -> Result<BTreeMap<String, String>, ApiError> {
    let pairs = decode_pairs(raw.unwrap_or(""))?;
    let unknown: Vec<&str> = pairs
        .keys()
        .map(String::as_str)
        .filter(|name| !allowed.contains(name))
        .collect();
    if unknown.is_empty() {
        Ok(pairs)
    } else {
        Err(ApiError::bad_query(unknown_parameters(&unknown, allowed)))
    }
}

/// Splits a comma list; each element is URL-decoded once more, so that a name may contain a
/// comma (clients send it encoded twice).
pub fn split_list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|element| percent::decode_lenient(element.trim_start()))
        .collect()
}

fn unknown_parameters(unknown: &[&str], valid: &[&str]) -> String {
    let quote = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("'{name}'"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = format!("Unknown query parameter(s): {}", quote(unknown));
    if !valid.is_empty() {
        text.push_str(". Valid parameters are: ");
        text.push_str(&quote(valid));
    }
    text
}

/// `created_ats[lt]` → `created_ats`.
fn base_name(name: &str) -> &str {
    match name.split_once('[') {
        Some((base @ ("created_ats" | "updated_ats"), _)) => base,
        _ => name,
    }
}

fn decode_pairs(raw: &str) -> Result<BTreeMap<String, String>, ApiError> {
    if raw.len() > MAX_QUERY_BYTES {
        return Err(ApiError::bad_query(format!(
            "The query string is longer than {MAX_QUERY_BYTES} bytes"
        )));
    }
    let mut pairs = BTreeMap::new();
    for part in raw.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decode = |text: &str| {
            percent::decode_form(text)
                .ok_or_else(|| ApiError::bad_query("The query string is not valid UTF-8"))
        };
        pairs.insert(decode(name)?, decode(value)?);
    }
    Ok(pairs)
}

fn positive(
    pairs: &BTreeMap<String, String>,
    name: &str,
    label: &str,
    default: u32,
    max: u32,
    problems: &mut Vec<String>,
) -> u32 {
    let Some(text) = pairs.get(name) else {
        return default;
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(number) if digits && number > 0 && number <= max => number,
        _ if digits && text.bytes().any(|byte| byte != b'0') && name == "per_page" => {
            problems.push(format!("{label} must be between 1 and {max}"));
            default
        }
        // A page beyond 2^32 is past any end.
        _ if digits && text.bytes().any(|byte| byte != b'0') => max,
        _ => {
            problems.push(format!("{label} must be a positive integer"));
            default
        }
    }
}

fn order(
    pairs: &BTreeMap<String, String>,
    spec: &ListSpec,
    problems: &mut Vec<String>,
) -> Option<OrderBy> {
    let text = pairs.get("order_by").filter(|text| !text.is_empty())?;
    let (descending, field) = match text.strip_prefix('-') {
        Some(field) => (true, field),
        // A `+` that was not encoded arrives as a space.
        None => (false, text.strip_prefix(['+', ' ']).unwrap_or(text)),
    };
    let valid: Vec<&str> = ["created_at", "updated_at"]
        .into_iter()
        .chain(spec.order.iter().copied())
        .collect();
    if valid.contains(&field) {
        return Some(OrderBy {
            field: field.to_owned(),
            descending,
        });
    }
    let quoted: Vec<String> = valid.iter().map(|name| format!("'{name}'")).collect();
    problems.push(format!("Order by can only be: {}", quoted.join(", ")));
    None
}

fn includes(
    pairs: &BTreeMap<String, String>,
    spec: &ListSpec,
    problems: &mut Vec<String>,
) -> Vec<String> {
    if spec.includes.is_empty() {
        return Vec::new();
    }
    let Some(text) = pairs.get("include") else {
        return Vec::new();
    };
    let asked = split_list(text);
    for one in &asked {
        if !spec.includes.contains(&one.as_str()) {
            let valid: Vec<String> = spec
                .includes
                .iter()
                .map(|name| format!("'{name}'"))
                .collect();
            problems.push(format!(
                "Invalid included resource: '{one}'. Valid included resources are: {}",
                valid.join(", ")
            ));
        }
    }
    asked
}

/// Whether `time` lies in the same second as `wanted` (the wire has whole seconds).
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::CommitNumber;

    use super::*;

    const SPEC: ListSpec = ListSpec {
        filters: &["app_guids", "names"],
        order: &["name"],
        includes: &["user"],
        labels: true,
    };

    fn parse(raw: &str) -> Result<ListQuery, String> {
        ListQuery::parse(Some(raw), &SPEC).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn defaults_without_a_query() {
        let query = ListQuery::parse(None, &SPEC).unwrap();
        assert_eq!((query.page, query.per_page), (1, DEFAULT_PER_PAGE));
        assert!(query.order_by.is_none());
        assert!(query.accepts("names", "anything"));
    }

    #[test]
    fn a_comma_inside_a_name_is_encoded_twice() {
        let query = parse("names=m1%2Cm2%2Ca%252Cb").unwrap();
        assert_eq!(query.values("names").unwrap(), ["m1", "m2", "a,b"]);
    }

    #[test]
    fn an_empty_element_matches_what_is_absent() {
        let query = parse("names=").unwrap();
        assert!(query.accepts_optional("names", None));
        assert!(!query.accepts_optional("names", Some("x")));
    }

    #[test]
    fn unknown_parameters_are_named_with_the_valid_ones() {
        assert_eq!(
            parse("wrong=1&names=a").unwrap_err(),
            "The query parameter is invalid: Unknown query parameter(s): 'wrong'. Valid parameters \
             are: 'page', 'per_page', 'order_by', 'created_ats', 'updated_ats', 'guids', \
             'app_guids', 'names', 'include', 'label_selector'"
        );
    }

    #[test]
    fn each_bad_value_has_its_own_text() {
        for (raw, text) in [
            ("page=0", "Page must be a positive integer"),
            ("page=x", "Page must be a positive integer"),
            ("page=-1", "Page must be a positive integer"),
            ("per_page=", "Per page must be a positive integer"),
            ("per_page=5001", "Per page must be between 1 and 5000"),
            (
                "per_page=99999999999999999999",
                "Per page must be between 1 and 5000",
            ),
            (
                "order_by=size",
                "Order by can only be: 'created_at', 'updated_at', 'name'",
            ),
            ("label_selector=", "Missing label_selector value"),
            (
                "include=apps",
                "Invalid included resource: 'apps'. Valid included resources are: 'user'",
            ),
            ("names=%ff", "The query string is not valid UTF-8"),
        ] {
            assert_eq!(
                parse(raw).unwrap_err(),
                format!("The query parameter is invalid: {text}"),
                "{raw}"
            );
        }
        assert_eq!(parse("per_page=5000").unwrap().per_page, 5000);
        assert_eq!(parse("page=99999999999").unwrap().page, u32::MAX);
    }

    #[test]
    fn sorts_equal_times_by_commit() {
        let row = |name: &'static str, at: i64, commit: u64| {
            (
                name,
                Stamps {
                    created_at: Timestamp(at),
                    updated_at: Timestamp(at),
                    created_commit: CommitNumber(commit),
                },
            )
        };
        let mut rows = vec![row("c", 5, 2), row("a", 5, 1), row("b", 1, 3)];
        let names = |raw: &str, rows: &mut Vec<(&'static str, Stamps)>| {
            parse(raw)
                .unwrap()
                .sort(rows, |row| row.1, |row, _| row.0.to_owned());
            rows.iter().map(|row| row.0).collect::<String>()
        };
        assert_eq!(names("", &mut rows), "acb");
        assert_eq!(names("order_by=created_at", &mut rows), "bac");
        assert_eq!(names("order_by=-created_at", &mut rows), "cab");
        assert_eq!(names("order_by=name", &mut rows), "abc");
        assert_eq!(names("order_by=+name", &mut rows), "abc");
    }

    #[test]
    fn parameters_of_non_lists_are_strict_too() {
        assert!(only_parameters(Some("include=space"), &["include"]).is_ok());
        let error = only_parameters(Some("x=1"), &["include"]).unwrap_err();
        assert_eq!(
            error.detail(),
            "The query parameter is invalid: Unknown query parameter(s): 'x'. Valid parameters \
             are: 'include'"
        );
    }
}
