;; A filter of nothing but host calls and callbacks, those of the cache, made by no SDK and with nothing done between them. Whatever
;; is read goes to the same place and is looked at by nobody, but a call that does not do what it is here for stops the machine, and so the run.
;;
;; With a configuration it answers, as a hit would: the request's headers, the time, a directory, a metric, the answer. Without one
;; it lets pass, as a miss that is not stored: the request's headers, the time, a directory that is not there, a metric; then
;; the response's headers, the time, and a header of its own.
(module
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $headers (param i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 4)
  ;; 0: what calls return (data, size, version, the metric's number), 16: the moment; 64 KiB: what is read; 128 KiB: a body of zeros.
  (data (i32.const 64) "floor_total")
  (data (i32.const 96) "floor")
  (data (i32.const 128) "cache-status")
  (data (i32.const 160) "weir; fwd=uri-miss; detail=not-stored")
  ;; The answer's headers: how many, the lengths of each name and value, and then these, each with a zero behind it.
  (data (i32.const 1024)
    "\07\00\00\00"
    "\0c\00\00\00\10\00\00\00" "\0d\00\00\00\0d\00\00\00" "\04\00\00\00\1d\00\00\00" "\06\00\00\00\05\00\00\00"
    "\03\00\00\00\02\00\00\00" "\0c\00\00\00\14\00\00\00" "\0e\00\00\00\04\00\00\00"
    "content-type\00application/json\00" "cache-control\00max-age=86400\00"
    "date\00Sun, 22 Nov 2026 12:00:00 GMT\00" "server\00envoy\00"
    "age\0012\00" "cache-status\00weir; hit; ttl=86388\00" "content-length\001024\00")
  (global $answers (mut i32) (i32.const 0))

  (func $done (param $status i32) (if (local.get $status) (then (unreachable))))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $bytes i32) (result i32) (i32.const 65536))
  (func (export "proxy_on_vm_start") (param $root i32) (param $bytes i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param $context i32) (param $root i32))
  (func (export "proxy_on_delete") (param $context i32))

  (func (export "proxy_on_configure") (param $root i32) (param $bytes i32) (result i32)
    (global.set $answers (local.get $bytes))
    (call $done (call $define_metric (i32.const 0) (i32.const 64) (i32.const 11) (i32.const 12)))
    (if (global.get $answers)
      ;; A directory of one line.
      (then (call $done (call $set_shared (i32.const 96) (i32.const 5) (i32.const 131072) (i32.const 190) (i32.const 0)))))
    (i32.const 1))

  (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $ends i32) (result i32)
    (call $done (call $headers (i32.const 0) (i32.const 0) (i32.const 4)))
    (call $done (call $time (i32.const 16)))
    (call $done (i32.ne (call $get_shared (i32.const 96) (i32.const 5) (i32.const 0) (i32.const 4) (i32.const 8))
                        ;; 1: there is none.
                        (i32.eqz (global.get $answers))))
    (call $done (call $increment_metric (i32.load (i32.const 12)) (i64.const 1)))
    (if (global.get $answers)
      (then (call $done (call $answer (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 131072) (i32.const 1024)
                                (i32.const 1024) (i32.const 227) (i32.const -1)))))
    ;; 1 stops the request, which has been answered.
    (i32.ne (global.get $answers) (i32.const 0)))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $ends i32) (result i32)
    (if (i32.eqz (global.get $answers))
      (then
        (call $done (call $headers (i32.const 2) (i32.const 0) (i32.const 4)))
        (call $done (call $time (i32.const 16)))
        (call $done (call $add_header (i32.const 2) (i32.const 128) (i32.const 12) (i32.const 160) (i32.const 37)))))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param $context i32) (param $bytes i32) (param $ends i32) (result i32)
    (i32.const 0)))
