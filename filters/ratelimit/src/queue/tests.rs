//! Who is sent before whom.

use super::*;
