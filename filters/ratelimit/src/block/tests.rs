//! Tests of the same name.
