//! Sizes of instances: the platform's names, mapped to limits here.

/// Whether CPUs are shared, as the platform says it. Nothing here reserves a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuType {
    /// Shared with others.
    Shared,
    /// Reserved.
    Dedicated,
}

/// The size of an instance.
#[derive(Debug, PartialEq, Eq)]
pub struct InstanceSize {
    /// Its name in specs.
    pub slug: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Whether CPUs are shared.
    pub cpu_type: CpuType,
    /// Number of CPUs.
    pub cpus: u32,
    /// Limit of memory, MiB.
    pub memory_mb: u64,
    /// Tier that it belongs to.
    pub tier_slug: &'static str,
    /// Whether the platform has given the name up.
    pub is_deprecated: bool,
}

/// Size of a component that names none.
pub const DEFAULT_SLUG: &str = "apps-s-1vcpu-0.5gb";

const fn shared(
    slug: &'static str,
    name: &'static str,
    cpus: u32,
    memory_mb: u64,
    tier_slug: &'static str,
) -> InstanceSize {
    InstanceSize {
        slug,
        name,
        cpu_type: CpuType::Shared,
        cpus,
        memory_mb,
        tier_slug,
        is_deprecated: false,
    }
}

const fn dedicated(
    slug: &'static str,
    name: &'static str,
    cpus: u32,
    memory_mb: u64,
) -> InstanceSize {
    InstanceSize {
        slug,
        name,
        cpu_type: CpuType::Dedicated,
        cpus,
        memory_mb,
        tier_slug: PROFESSIONAL,
        is_deprecated: false,
    }
}

const fn deprecated(mut size: InstanceSize) -> InstanceSize {
    size.is_deprecated = true;
    size
}

const BASIC: &str = "basic";
const PROFESSIONAL: &str = "professional";

/// All sizes, in the platform's order, those with deprecated names last.
pub static INSTANCE_SIZES: &[InstanceSize] = &[
    shared(DEFAULT_SLUG, "Shared 1VCPU 0.5GB", 1, 512, BASIC),
    shared(
        "apps-s-1vcpu-1gb-fixed",
        "Shared 1VCPU 1GB Fixed",
        1,
        1024,
        BASIC,
    ),
    shared(
        "apps-s-1vcpu-1gb",
        "Shared 1VCPU 1GB",
        1,
        1024,
        PROFESSIONAL,
    ),
    shared(
        "apps-s-1vcpu-2gb",
        "Shared 1VCPU 2GB",
        1,
        2048,
        PROFESSIONAL,
    ),
    shared(
        "apps-s-2vcpu-4gb",
        "Shared 2VCPU 4GB",
        2,
        4096,
        PROFESSIONAL,
    ),
    dedicated("apps-d-1vcpu-0.5gb", "Dedicated 1VCPU 0.5GB", 1, 512),
    dedicated("apps-d-1vcpu-1gb", "Dedicated 1VCPU 1GB", 1, 1024),
    dedicated("apps-d-1vcpu-2gb", "Dedicated 1VCPU 2GB", 1, 2048),
    dedicated("apps-d-1vcpu-4gb", "Dedicated 1VCPU 4GB", 1, 4096),
    dedicated("apps-d-2vcpu-4gb", "Dedicated 2VCPU 4GB", 2, 4096),
    dedicated("apps-d-2vcpu-8gb", "Dedicated 2VCPU 8GB", 2, 8192),
    dedicated("apps-d-4vcpu-8gb", "Dedicated 4VCPU 8GB", 4, 8192),
    dedicated("apps-d-4vcpu-16gb", "Dedicated 4VCPU 16GB", 4, 16_384),
    dedicated("apps-d-8vcpu-32gb", "Dedicated 8VCPU 32GB", 8, 32_768),
    deprecated(shared("basic-xxs", "Basic XXS", 1, 512, BASIC)),
    deprecated(shared("basic-xs", "Basic XS", 1, 1024, BASIC)),
    deprecated(shared("basic-s", "Basic S", 1, 2048, BASIC)),
    deprecated(shared("basic-m", "Basic M", 2, 4096, BASIC)),
    deprecated(shared(
        "professional-xs",
        "Professional XS",
        1,
        1024,
        PROFESSIONAL,
    )),
    deprecated(shared(
        "professional-s",
        "Professional S",
        1,
        2048,
        PROFESSIONAL,
    )),
    deprecated(shared(
        "professional-m",
        "Professional M",
        2,
        4096,
        PROFESSIONAL,
    )),
    deprecated(dedicated("professional-1l", "Professional 1L", 1, 4096)),
    deprecated(dedicated("professional-l", "Professional L", 2, 8192)),
    deprecated(dedicated("professional-xl", "Professional XL", 4, 16_384)),
];

/// The size of a name; the default one of an empty name.
pub fn find(slug: &str) -> Option<&'static InstanceSize> {
    let slug = if slug.is_empty() { DEFAULT_SLUG } else { slug };
    INSTANCE_SIZES.iter().find(|size| size.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_default_is_one_of_them() {
        for (index, size) in INSTANCE_SIZES.iter().enumerate() {
            let before = &INSTANCE_SIZES[..index];
            assert!(before.iter().all(|other| other.slug != size.slug));
        }
        assert_eq!(find("").map(|size| size.memory_mb), Some(512));
        assert_eq!(
            find("professional-xs").map(|size| size.memory_mb),
            Some(1024)
        );
        assert_eq!(find("huge"), None);
    }
}
