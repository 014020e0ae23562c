//! Metrics.

use std::collections::BTreeMap;

use host::{Histogram, Host, Metric, Plugin, Request};

use crate::guest::guest;
use crate::said;

#[test]
fn metrics_are_shared_by_name_and_refuse_what_envoy_refuses() {
    let module = guest(
        "(global $counter (mut i32) (i32.const 0))
         (global $gauge (mut i32) (i32.const 0))
         (global $histogram (mut i32) (i32.const 0))
         (func $define (param i32 i32 i32) (result i32)
           (drop (call $metric_define (local.get 0) (local.get 1) (local.get 2) (i32.const 8)))
           (i32.load (i32.const 8)))
         (func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (global.set $counter (call $define (i32.const 0) 'hits_provider_=spotify;'))
           (global.set $gauge (call $define (i32.const 1) 'open'))
           (global.set $histogram (call $define (i32.const 2) 'wait'))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $metric_increment (global.get $counter) (i64.const 2)))
           (call $say_number (call $metric_increment (global.get $counter) (i64.const 0)))
           (drop (call $metric_record (global.get $gauge) (i64.const 10)))
           (drop (call $metric_increment (global.get $gauge) (i64.const -3)))
           (drop (call $metric_record (global.get $histogram) (i64.const 42)))
           (call $say_number (call $metric_get (global.get $gauge) (i32.const 8)))
           (call $say_number (i32.load (i32.const 8)))
           (call $say_number (call $metric_get (global.get $histogram) (i32.const 8)))
           (call $say_number (call $metric_increment (i32.const 999) (i64.const 1)))
           (i32.const 0))",
    );
    let mut host = Host::builder().workers(2).plugin(Plugin::from_bytes("metric", module)).start().unwrap();
    host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["2", "0", "7", "2", "1"]);
    host.send(1, Request::get("/"));
    let expected = [
        ("hits_provider_=spotify;".to_owned(), Metric::Counter(4)),
        ("open".to_owned(), Metric::Gauge(7)),
        ("wait".to_owned(), Metric::Histogram(Histogram { values: vec![42, 42] })),
    ];
    assert_eq!(host.metrics(), BTreeMap::from(expected));
    assert_eq!((host.metric("open"), host.metric("wait"), host.metric("absent")), (Some(7), Some(2), None));
}
