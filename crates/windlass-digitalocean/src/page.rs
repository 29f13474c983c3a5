//! Lists in pages: `page`, `per_page`, `links.pages`, `meta.total`.
//!
//! Links are absolute, because clients follow them, and repeat every other parameter.

use serde_json::{Map, Value, json};

use crate::error::{ApiError, ApiResult};
use crate::query::Pairs;

/// Rows of a page when the client does not say.
const DEFAULT_PER_PAGE: u32 = 20;
/// Most rows of a page.
const MAX_PER_PAGE: u32 = 200;
/// Highest page.
const MAX_PAGE: u32 = 1_000_000;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Number, from 1.
    pub(crate) number: u32,
    /// Rows of one page.
    pub(crate) rows: u32,
    /// The other parameters, as links repeat them.
    others: Vec<(String, String)>,
}

impl Page {
    /// Reads the parameters of a list.
    ///
    /// # Errors
    /// 400 for a number out of its range.
    pub(crate) fn parse(query: &Pairs) -> ApiResult<Self> {
        let number = number(query, "page", 1, MAX_PAGE)?;
        let rows = self::number(query, "per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE)?;
        let others = query
            .all()
            .filter(|(name, _)| !matches!(*name, "page" | "per_page"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            number,
            rows,
            others,
        })
    }

    /// Rows before this page.
    pub(crate) fn offset(&self) -> u64 {
        u64::from(self.number - 1) * u64::from(self.rows)
    }

    /// The `links` and `meta` of an answer.
    pub(crate) fn around(&self, address: &str, total: u64) -> (Value, Value) {
        (self.links(address, total), json!({ "total": total }))
    }

    /// `{}` when there is only one page.
    fn links(&self, address: &str, total: u64) -> Value {
        let last = total.div_ceil(u64::from(self.rows)).max(1);
        let number = u64::from(self.number);
        let mut pages = Map::new();
        let mut put = |name: &str, page: u64| {
            pages.insert(name.to_owned(), self.link(address, page).into());
        };
        if number > 1 {
            put("first", 1);
            put("prev", (number - 1).min(last));
        }
        if number < last {
            put("next", number + 1);
            put("last", last);
        }
        if pages.is_empty() {
            return json!({});
        }
        json!({ "pages": pages })
    }

    fn link(&self, address: &str, page: u64) -> String {
        let mut parameters: Vec<(&str, String)> = vec![
            ("page", page.to_string()),
            ("per_page", self.rows.to_string()),
        ];
        parameters.extend(
            self.others
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone())),
        );
        let text: Vec<String> = parameters
            .iter()
            .map(|(name, value)| {
                format!(
                    "{}={}",
                    crate::query::encode(name),
                    crate::query::encode(value)
                )
            })
            .collect();
        format!("{address}?{}", text.join("&"))
    }
}

fn number(query: &Pairs, name: &str, default: u32, max: u32) -> ApiResult<u32> {
    let Some(text) = query.first(name) else {
        return Ok(default);
    };
    match text.parse::<u32>() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        // The real API takes an absurd size for its own largest.
        Ok(number) if number > max && name == "per_page" => Ok(max),
        _ => Err(ApiError::bad_request(format!(
            "{name} must be a whole number from 1 to {max}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(raw: &str) -> ApiResult<Page> {
        Page::parse(&Pairs::parse(Some(raw))?)
    }

    #[test]
    fn one_page_has_no_links() {
        let (links, meta) = page("").unwrap().around("https://h/v2/apps", 20);
        assert_eq!(links, json!({}));
        assert_eq!(meta, json!({"total": 20}));
    }

    #[test]
    fn links_are_absolute_and_repeat_the_filters() {
        let asked = page("page=2&per_page=3&deployment_types=MANUAL&deployment_types=a%20b");
        let (links, _) = asked.unwrap().around("https://h/v2/apps", 10);
        let rest = "per_page=3&deployment_types=MANUAL&deployment_types=a%20b";
        assert_eq!(
            links,
            json!({"pages": {
                "first": format!("https://h/v2/apps?page=1&{rest}"),
                "prev": format!("https://h/v2/apps?page=1&{rest}"),
                "next": format!("https://h/v2/apps?page=3&{rest}"),
                "last": format!("https://h/v2/apps?page=4&{rest}"),
            }})
        );
    }

    #[test]
    fn a_page_behind_the_end_leads_back() {
        let (links, _) = page("page=9&per_page=5").unwrap().around("https://h/x", 7);
        assert_eq!(
            links,
            json!({"pages": {
                "first": "https://h/x?page=1&per_page=5",
                "prev": "https://h/x?page=2&per_page=5",
            }})
        );
    }

    #[test]
    fn numbers_have_ranges() {
        for bad in [
            "page=0",
            "page=-1",
            "page=x",
            "per_page=0",
            "page=99999999999",
        ] {
            assert_eq!(page(bad).unwrap_err().status.as_u16(), 400, "{bad}");
        }
        assert_eq!(page("per_page=1000").unwrap().rows, 200);
        assert_eq!(page("page=3&per_page=7").unwrap().offset(), 14);
    }
}
