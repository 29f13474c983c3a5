//! Regions: the platform's names. Every app runs on this installation, whatever its region says.

/// A region.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name in specs.
    pub slug: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Name of its flag.
    pub flag: &'static str,
    /// Its continent.
    pub continent: &'static str,
    /// Data centers in it.
    pub data_centers: &'static [&'static str],
}

/// Region of an app that names none.
pub const DEFAULT_SLUG: &str = "nyc";

const fn region(
    slug: &'static str,
    label: &'static str,
    flag: &'static str,
    continent: &'static str,
    data_centers: &'static [&'static str],
) -> Region {
    Region {
        slug,
        label,
        flag,
        continent,
        data_centers,
    }
}

/// All regions that have a name.
pub static REGIONS: &[Region] = &[
    region("ams", "Amsterdam", "netherlands", "Europe", &["ams3"]),
    region("nyc", "New York", "usa", "North America", &["nyc1", "nyc3"]),
    region("fra", "Frankfurt", "germany", "Europe", &["fra1"]),
    region("sfo", "San Francisco", "usa", "North America", &["sfo3"]),
    region("sgp", "Singapore", "singapore", "Asia", &["sgp1"]),
    region("blr", "Bangalore", "india", "Asia", &["blr1"]),
    region("tor", "Toronto", "canada", "North America", &["tor1"]),
    region("lon", "London", "uk", "Europe", &["lon1"]),
    region("syd", "Sydney", "australia", "Australia", &["syd1"]),
    region("atl", "Atlanta", "usa", "North America", &["atl1"]),
];

/// The region of a name; the default one of an empty name. Specs may name others.
pub fn find(slug: &str) -> Option<&'static Region> {
    let slug = if slug.is_empty() { DEFAULT_SLUG } else { slug };
    REGIONS.iter().find(|region| region.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_default_is_one_of_them() {
        for (index, region) in REGIONS.iter().enumerate() {
            let before = &REGIONS[..index];
            assert!(before.iter().all(|other| other.slug != region.slug));
        }
        assert_eq!(find("").map(|region| region.slug), Some(DEFAULT_SLUG));
        assert_eq!(find("moon"), None);
    }
}
