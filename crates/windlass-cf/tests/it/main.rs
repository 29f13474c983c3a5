//! The wire of the Cloud Foundry dialect over a real control, store and engine.
#![expect(clippy::expect_used, reason = "a test that can't go on says where")]

mod apps;
mod audit;
mod authorisation;
mod bad_bodies;
mod bad_input;
mod deletion;
mod deployment_roles;
mod deployments;
mod documentation;
mod domains;
mod endpoints;
mod good_bodies;
mod login;
mod manifests;
mod neighbours;
mod organizations;
mod quota;
mod rest;
mod roles;
mod routes;
mod services;
mod shop;
mod source;
mod spaces;
mod subjects;
mod tasks;
mod users;
mod walk;
mod world;
