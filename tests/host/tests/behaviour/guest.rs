//! Small filters in WebAssembly text: what every one of them begins with, and words in quotes.

use std::fmt::Write as _;

/// Where the words begin in a filter's memory; below is room for what host calls return.
const WORDS: usize = 1024;

/// The imports, the memory, an allocator, and some words to say much with little.
const BEGINNING: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $header_get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $header_add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $header_set (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $header_remove (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_pairs" (func $pairs_get (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_header_map_pairs" (func $pairs_set (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_size" (func $pairs_size (param i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $buffer_get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $buffer_set (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $act_for (param i32) (result i32)))
(import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_shared_data" (func $shared_get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_shared_data" (func $shared_set (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_register_shared_queue" (func $queue_register (param i32 i32 i32) (result i32)))
(import "env" "proxy_resolve_shared_queue" (func $queue_resolve (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_enqueue_shared_queue" (func $queue_push (param i32 i32 i32) (result i32)))
(import "env" "proxy_dequeue_shared_queue" (func $queue_pop (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $property_get (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_property" (func $property_set (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $metric_define (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $metric_increment (param i32 i64) (result i32)))
(import "env" "proxy_record_metric" (func $metric_record (param i32 i64) (result i32)))
(import "env" "proxy_get_metric" (func $metric_get (param i32 i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $tick_every (param i32) (result i32)))
(import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_status" (func $status_get (param i32 i32 i32) (result i32)))
(import "env" "proxy_done" (func $done (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
(memory (export "memory") 4)
(global $free (mut i32) (i32.const 65536))
(func (export "proxy_abi_version_0_2_1"))
;; Memory is given out and never taken back.
(func $allocate (export "proxy_on_memory_allocate") (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (global.get $free))
  (global.set $free (i32.add (global.get $free) (local.get $size)))
  (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))))
  (local.get $at))
;; Logs a text.
(func $say (param i32 i32) (drop (call $log (i32.const 2) (local.get 0) (local.get 1))))
;; Logs the text that a host call has left: its pointer at 0, its length at 4.
(func $say_result (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4))))
;; Logs a number.
(func $say_number (param $n i32)
  (local $at i32)
  (local.set $at (i32.const 64))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
    (br_if $digit (local.get $n)))
  (call $say (local.get $at) (i32.sub (i32.const 64) (local.get $at))))
;; Answers the stream.
(func $reply (param $status i32) (param $body i32) (param $length i32)
  (drop (call $send (local.get $status) (i32.const 0) (i32.const 0) (local.get $body) (local.get $length)
    (i32.const 0) (i32.const 0) (i32.const -1))))
"#;

/// A module of this text. A word in single quotes becomes its pointer and its length; `\0` in it is a zero.
pub(crate) fn guest(text: &str) -> Vec<u8> {
    let mut module = String::from("(module\n");
    module.push_str(BEGINNING);
    let mut words = Vec::new();
    for (place, part) in text.split('\'').enumerate() {
        if place % 2 == 0 {
            module.push_str(part);
            continue;
        }
        let word = part.replace("\\0", "\0").into_bytes();
        write!(module, "(i32.const {}) (i32.const {})", WORDS + words.len(), word.len()).expect("a string takes it");
        words.extend(word);
    }
    write!(module, "(data (i32.const {WORDS}) \"").expect("a string takes it");
    for byte in words {
        write!(module, "\\{byte:02x}").expect("a string takes it");
    }
    module.push_str("\"))");
    wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}"))
}

/// A map of headers, as a filter passes it to the host, written as a word.
pub(crate) fn map(pairs: &[(&str, &str)]) -> String {
    let mut bytes = Vec::new();
    let number = |number: usize| u32::try_from(number).expect("a small map").to_le_bytes();
    bytes.extend(number(pairs.len()));
    for (name, value) in pairs {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    format!("'{}'", String::from_utf8(bytes).expect("lengths below 128"))
}
