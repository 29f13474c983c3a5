//! Lists in pages: `{"pagination": …, "resources": […]}`.

use serde_json::{Map, Value, json};

use crate::links::Urls;
use crate::percent::encode_query;
use crate::query::ListQuery;

/// The rows of the asked-for page, and how many rows there are in all.
pub struct Page<T> {
    /// Rows of this page.
    pub rows: Vec<T>,
    /// Rows of all pages.
    pub total: usize,
}

impl<T> Page<T> {
    /// Cuts the asked-for page out of all matching rows (already sorted).
    pub fn cut(rows: Vec<T>, query: &ListQuery) -> Self {
        let total = rows.len();
        let per_page = usize::try_from(query.per_page).unwrap_or(usize::MAX);
        let before = usize::try_from(query.page - 1)
            .unwrap_or(usize::MAX)
            .saturating_mul(per_page);
        let rows = rows.into_iter().skip(before).take(per_page).collect();
        Self { rows, total }
    }
}

/// A whole list answer. `path` starts with `/v3`; `included` is left out when `None`.
pub fn list(
    urls: &Urls,
    path: &str,
    query: &ListQuery,
    total: usize,
    resources: Vec<Value>,
    included: Option<Value>,
) -> Value {
    let mut answer = Map::new();
    answer.insert(
        "pagination".to_owned(),
        pagination(urls, path, query, total),
    );
    answer.insert("resources".to_owned(), Value::Array(resources));
    if let Some(included) = included {
        answer.insert("included".to_owned(), included);
    }
    Value::Object(answer)
}

/// A whole list answer from rows that the store has already cut to the page.
pub fn answer(
    urls: &Urls,
    path: &str,
    query: &ListQuery,
    total: u64,
    resources: Vec<Value>,
) -> Value {
    list(
        urls,
        path,
        query,
        usize::try_from(total).unwrap_or(usize::MAX),
        resources,
        None,
    )
}

/// A list that is always empty: of something that this platform does not have.
pub fn empty(urls: &Urls, path: &str, query: &ListQuery) -> Value {
    answer(urls, path, query, 0, Vec::new())
}

/// The `pagination` object. Links repeat every parameter in alphabetical order.
pub fn pagination(urls: &Urls, path: &str, query: &ListQuery, total: usize) -> Value {
    let per_page = u64::from(query.per_page);
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    let last = total.div_ceil(per_page).max(1);
    let page = u64::from(query.page);
    let link = |number: u64| json!({ "href": href(urls, path, query, number) });
    json!({
        "total_results": total,
        "total_pages": last,
        "first": link(1),
        "last": link(last),
        "next": if page < last { link(page + 1) } else { Value::Null },
        "previous": if page > 1 { link(page - 1) } else { Value::Null },
    })
}

fn href(urls: &Urls, path: &str, query: &ListQuery, page: u64) -> String {
    let mut parameters = query.repeated.clone();
    parameters.insert("page".to_owned(), page.to_string());
    parameters.insert("per_page".to_owned(), query.per_page.to_string());
    let text: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode_query(name), encode_query(value)))
        .collect();
    format!("{}?{}", urls.at(path), text.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::ListSpec;

    const SPEC: ListSpec = ListSpec::with_filters(&["names"]);

    fn page(raw: &str, total: usize) -> Value {
        let query = ListQuery::parse(Some(raw), &SPEC).unwrap();
        pagination(&Urls::new("https://api"), "/v3/apps", &query, total)
    }

    #[test]
    fn links_repeat_the_filters_in_alphabetical_order() {
        let shown = page("per_page=2&names=a%2Cb+c&page=2&order_by=-created_at", 5);
        assert_eq!(
            shown,
            json!({
                "total_results": 5,
                "total_pages": 3,
                "first": {"href": "https://api/v3/apps?names=a%2Cb+c&order_by=-created_at&page=1&per_page=2"},
                "last": {"href": "https://api/v3/apps?names=a%2Cb+c&order_by=-created_at&page=3&per_page=2"},
                "next": {"href": "https://api/v3/apps?names=a%2Cb+c&order_by=-created_at&page=3&per_page=2"},
                "previous": {"href": "https://api/v3/apps?names=a%2Cb+c&order_by=-created_at&page=1&per_page=2"},
            })
        );
    }

    #[test]
    fn an_empty_list_has_one_page_and_no_neighbours() {
        let shown = page("", 0);
        assert_eq!(shown["total_pages"], 1);
        assert_eq!(shown["next"], Value::Null);
        assert_eq!(shown["previous"], Value::Null);
        assert_eq!(
            shown["last"]["href"],
            "https://api/v3/apps?page=1&per_page=50"
        );
    }

    #[test]
    fn a_page_past_the_end_is_empty_and_still_counts() {
        let query = ListQuery::parse(Some("page=9&per_page=2"), &SPEC).unwrap();
        let cut = Page::cut(vec![1, 2, 3], &query);
        assert!(cut.rows.is_empty());
        assert_eq!(cut.total, 3);
        let query = ListQuery::parse(Some("page=2&per_page=2"), &SPEC).unwrap();
        assert_eq!(Page::cut(vec![1, 2, 3], &query).rows, [3]);
        let query = ListQuery::parse(Some("page=99999999999&per_page=5000"), &SPEC).unwrap();
        assert!(Page::cut(vec![1], &query).rows.is_empty());
    }
}
