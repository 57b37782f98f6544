//! EfficientNet-Lite0 with random weights against a slow reference, and with the published ones where they are there.

mod checkpoint;
mod files;
mod network;
mod published;
mod reference;
