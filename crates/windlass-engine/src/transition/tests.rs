//! Table tests of the engine, by subject. A [`world::World`] plays driver and router.

mod world;

mod blue_green;
mod builds;
mod cancel;
mod deadline;
mod gates;
mod instances;
mod jobs;
mod keys;
mod lifecycle;
mod on_demand;
mod policies;
mod published;
mod quota;
mod reboot;
mod rolling;
mod rules;
mod static_files;
mod supersede;
mod table;
mod tasks;
mod urgency;
mod weights;
mod workers;
