//! Switches of the whole installation. Which there are, and their defaults, is the dialect's.

use windlass_engine::records::FeatureFlag;

use super::Tenancy;
use crate::error::Error;

impl Tenancy {
    /// The switches that were ever changed.
    pub fn feature_flags(&self) -> Result<Vec<FeatureFlag>, Error> {
        Ok(self
            .store
            .read(|reader| reader.all::<FeatureFlag>(Vec::new()))?)
    }

    /// One switch, if it was ever changed.
    pub fn feature_flag(&self, name: &str) -> Result<Option<FeatureFlag>, Error> {
        let name = name.to_owned();
        Ok(self
            .store
            .read(move |reader| reader.get_by_key::<FeatureFlag>(&name))?)
    }

    /// Changes a switch. `custom_error_message`: `None` = stays, `Some(None)` = taken away.
    pub async fn set_feature_flag(
        &self,
        name: &str,
        enabled: bool,
        custom_error_message: Option<Option<String>>,
    ) -> Result<FeatureFlag, Error> {
        let (name, at) = (name.to_owned(), (self.wall)());
        self.store
            .write(move |tx| {
                let old = tx.get_by_key::<FeatureFlag>(&name)?;
                let kept = old.and_then(|flag| flag.custom_error_message);
                let flag = FeatureFlag {
                    name,
                    enabled,
                    custom_error_message: custom_error_message.unwrap_or(kept),
                    updated_at: Some(at),
                };
                tx.put(&flag)?;
                Ok(flag)
            })
            .await
            .map_err(crate::identity::flatten)
    }
}
