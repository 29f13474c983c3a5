//! How each record lies in its table.

mod audit;
mod engine;
mod identity;
mod routing;
mod settings;
mod source;
mod tenancy;
pub mod words;

pub use engine::{EngineRevisionRow, ReleaseRow, TaskRow};

use crate::column::Column;
use crate::table::Via;

/// Where rows that belong to an app have their space and organization.
const VIA_APP: &[(Column, Via)] = &[
    (Column::Space, Via::App),
    (Column::Organization, Via::App),
    (Column::Deleted, Via::App),
    (Column::Dialect, Via::App),
];
/// Where rows that belong to a space have their organization.
const VIA_SPACE: &[(Column, Via)] = &[(Column::Organization, Via::Space)];
