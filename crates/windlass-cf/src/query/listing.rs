//! From the parameters of a list request to the question that control takes.

use windlass_control::listing::{
    Cell, Column, Filter, ListQuery as Question, Order, Page, Requirement,
};
use windlass_engine::records::Dialect;
use windlass_engine::time::Timestamp;

use super::{LabelSelector, ListQuery, TimeFilter};

/// The same question about apps of this dialect, or what belongs to them: apps of others may lie in
/// the same space.
pub(crate) fn of_own_apps(mut question: Question) -> Question {
    let own = Filter::is(Column::Dialect, Dialect::CloudFoundry.as_str());
    question.filters.push(own);
    question
}

impl ListQuery {
    /// The question. `columns` says which column each comma-list filter is about; a filter that
    /// is not among them is left to the handler. `order_by` takes the same names without their
    /// plural `s` (`names` → `name`).
    pub fn question(&self, columns: &[(&str, Column)]) -> Question {
        let mut filters = Vec::new();
        let known = std::iter::once(&("guids", Column::Id)).chain(columns);
        for (name, column) in known {
            if let Some(values) = self.values(name) {
                filters.push(one_of(*column, values));
            }
        }
        for (times, column) in [
            (&self.created_ats, Column::CreatedAt),
            (&self.updated_ats, Column::UpdatedAt),
        ] {
            if let Some(times) = times {
                time_filters(times, column, &mut filters);
            }
        }
        let labels = self
            .label_selector
            .as_ref()
            .map_or_else(Vec::new, LabelSelector::to_question);
        Question {
            filters,
            labels,
            order: self.order(columns),
            page: self.part(),
        }
    }

    /// The asked-for part of a list.
    pub fn part(&self) -> Page {
        let offset = u64::from(self.page - 1).saturating_mul(u64::from(self.per_page));
        Page {
            limit: self.per_page,
            offset,
        }
    }

    fn order(&self, columns: &[(&str, Column)]) -> Option<Order> {
        let asked = self.order_by.as_ref()?;
        let column = match asked.field.as_str() {
            "created_at" => Column::CreatedAt,
            "updated_at" => Column::UpdatedAt,
            field => {
                columns
                    .iter()
                    .find(|(name, _)| name.strip_suffix('s') == Some(field))?
                    .1
            }
        };
        Some(Order {
            column,
            descending: asked.descending,
        })
    }
}

/// A comma list; its empty element also matches rows without a value.
fn one_of(column: Column, values: &[String]) -> Filter {
    let mut cells: Vec<Cell> = values
        .iter()
        .map(|value| Cell::from(value.as_str()))
        .collect();
    if values.iter().any(String::is_empty) {
        cells.push(Cell::Null);
    }
    Filter::In(column, cells)
}

/// The wire has whole seconds, rows have milliseconds: a second is a span.
fn time_filters(times: &TimeFilter, column: Column, filters: &mut Vec<Filter>) {
    if let Some(seconds) = times.equal() {
        let spans = seconds.iter().map(|second| {
            Filter::All(vec![
                Filter::Gte(column, start_of(*second).into()),
                Filter::Lt(column, start_of(second.saturating_add(1)).into()),
            ])
        });
        filters.push(Filter::Any(spans.collect()));
    }
    filters.extend(times.bounds().iter().map(|(comparison, second)| {
        use super::times::Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
        let next = second.saturating_add(1);
        match comparison {
            Less => Filter::Lt(column, start_of(*second).into()),
            LessOrEqual => Filter::Lt(column, start_of(next).into()),
            Greater => Filter::Gte(column, start_of(next).into()),
            GreaterOrEqual => Filter::Gte(column, start_of(*second).into()),
        }
    }));
}

fn start_of(second: i64) -> Timestamp {
    Timestamp(second.saturating_mul(1000))
}

impl LabelSelector {
    fn to_question(&self) -> Vec<Requirement> {
        use super::selector::Requirement as Own;
        self.requirements()
            .iter()
            .map(|requirement| match requirement.clone() {
                Own::Exists(key) => Requirement::Exists { key },
                Own::Absent(key) => Requirement::NotExists { key },
                Own::In(key, values) => Requirement::In { key, values },
                Own::NotIn(key, values) => Requirement::NotIn { key, values },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::ListSpec;

    const SPEC: ListSpec = ListSpec {
        filters: &["names", "space_guids"],
        order: &["name"],
        includes: &[],
        labels: true,
    };

    #[test]
    fn every_parameter_becomes_part_of_the_question() {
        let raw = "names=a,&guids=g&created_ats=1970-01-01T00:00:05Z&updated_ats[lte]=\
                   1970-01-01T00:00:05Z&label_selector=a%3Db,!c&order_by=-name&page=3&per_page=2";
        let query = ListQuery::parse(Some(raw), &SPEC).unwrap();
        let question = query.question(&[("names", Column::Name), ("space_guids", Column::Space)]);
        let moment = |ms: i64| Cell::from(Timestamp(ms));
        assert_eq!(
            question,
            Question {
                filters: vec![
                    Filter::In(Column::Id, vec!["g".into()]),
                    Filter::In(Column::Name, vec!["a".into(), "".into(), Cell::Null]),
                    Filter::Any(vec![Filter::All(vec![
                        Filter::Gte(Column::CreatedAt, moment(5000)),
                        Filter::Lt(Column::CreatedAt, moment(6000)),
                    ])]),
                    Filter::Lt(Column::UpdatedAt, moment(6000)),
                ],
                labels: vec![
                    Requirement::In {
                        key: "a".to_owned(),
                        values: vec!["b".to_owned()]
                    },
                    Requirement::NotExists {
                        key: "c".to_owned()
                    },
                ],
                order: Some(Order::descending(Column::Name)),
                page: Page {
                    limit: 2,
                    offset: 4
                },
            }
        );
    }
}
