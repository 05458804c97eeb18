//! mayfly-sequencer
