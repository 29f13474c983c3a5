//! The domain of Windlass: ids, records, and the pure engine.
//!
//! No async, no I/O, no clock and no randomness here: [`transition::transition`] is the only code
//! that changes anything, and [`plan::plan`] says what should run. Everything else in Windlass
//! makes the plan true. Start with [`app::AppState`], [`release::Release`] and [`input::Input`].

pub mod app;
pub mod build;
pub mod configuration;
pub mod counts;
pub mod event;
pub mod id;
pub mod input;
pub mod instance;
pub mod limits;
pub mod plan;
pub mod records;
pub mod rejection;
pub mod release;
pub mod revision;
pub mod shares;
pub mod strategy;
pub mod task;
pub mod time;
pub mod transition;
