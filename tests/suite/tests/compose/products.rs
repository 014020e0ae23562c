//! The product gateway as its policy has it, in Envoy, in front of the sandbox.
