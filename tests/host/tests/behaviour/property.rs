//! Properties and filter state.

use host::{Host, Plugin, Request};

use crate::guest::guest;
use crate::said;

#[test]
fn a_filter_reads_what_the_test_has_set_and_what_envoy_would_say() {
    let ask =
        |path: &str| format!("(drop (call $property_get '{path}' (i32.const 0) (i32.const 4))) (call $say_result)");
    let paths = ["request\\0url_path", "request\\0query", "request\\0headers\\0x-a", "source\\0address", "plugin_name"];
    let asks: String =
        paths.iter().chain(&["plugin_root_id", "xds\\0cluster_name", "cluster_name"]).map(|path| ask(path)).collect();
    let module = guest(&format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           {asks}
           (call $say_number (call $property_get 'response\\0code' (i32.const 0) (i32.const 4)))
           (i32.const 0))
         (func (export \"proxy_on_log\") (param i32)
           (drop (call $property_get 'response\\0code' (i32.const 0) (i32.const 4)))
           (call $say_number (i32.load (i32.load (i32.const 0))))
           (drop (call $property_get 'response\\0code_details' (i32.const 0) (i32.const 4)))
           (call $say_result))"
    ));
    let mut host = Host::builder().plugin(Plugin::from_bytes("ask", module).root_id("root")).start().unwrap();
    let request = Request::get("/a?b=c").header("x-a", "1").header("x-a", "2").property("source.address", "10.0.0.1:7");
    host.send(0, request.cluster("spotify").property("cluster_name", "set by the test"));
    assert_eq!(
        said(&host),
        ["/a", "b=c", "1,2", "10.0.0.1:7", "ask", "root", "spotify", "set by the test", "1", "200", "via_upstream"]
    );
}

#[test]
fn what_one_filter_sets_the_next_filter_and_the_test_read() {
    let set = guest(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
           (call $say_number (call $property_set 'user' 'nobody'))
           (i32.const 1))
         (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (call $property_set 'user' 'alice'))",
    );
    let read = guest(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
           (drop (call $property_get 'user' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (drop (call $property_get 'filter_state\\0wasm.user' (i32.const 0) (i32.const 4)))
           (call $say_result)
           (i32.const 0))",
    );
    let mut host = Host::builder()
        .plugin(Plugin::from_bytes("set", set))
        .plugin(Plugin::from_bytes("read", read))
        .start()
        .unwrap();
    let exchange = host.send(0, Request::get("/"));
    assert_eq!(said(&host), ["1", "alice", "alice"], "without a stream there is nothing to set");
    assert_eq!(host.filter_state(exchange.stream, "wasm.user"), Some(&b"alice"[..]));
}
