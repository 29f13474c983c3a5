//! How sites meet their visitors: names of headers, parameters and cookies that only a dialect
//! knows. It says them once, when Windlass starts; routers get them as part of the table.

use windlass_engine::app::AppState;
use windlass_engine::records::Dialect;
pub use windlass_router::{AnswerHeader, AnswerKind, Pins, RequestHeader};

use crate::control::Control;
use crate::error::Error;

/// Names of one dialect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteManners {
    /// Headers of answers.
    pub answers: Vec<AnswerHeader>,
    /// Headers that functions see.
    pub requests: Vec<RequestHeader>,
    /// How a request names the version that it is for.
    pub pins: Option<Pins>,
    /// Headers of the answer for a host whose version is not there: not yet, never or not any more.
    pub absent: Vec<AnswerHeader>,
}

impl Control {
    /// The manners of a dialect, if its apps are sites.
    pub(crate) fn manners_of(&self, dialect: Dialect) -> Option<&SiteManners> {
        self.settings().sites.get(&dialect)
    }

    /// Those of an app; none while nobody said any.
    ///
    /// # Errors
    /// [`Error::Internal`] when the store can't be read.
    pub(crate) fn manners(&self, state: &AppState) -> Result<Option<&SiteManners>, Error> {
        if self.settings().sites.is_empty() {
            return Ok(None);
        }
        match self.app_record(&state.app) {
            Ok(record) => Ok(self.manners_of(record.dialect)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
