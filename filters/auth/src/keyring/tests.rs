//! Tests of the module around this one.
