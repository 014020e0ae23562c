//! The client's end of a stream: what is sent to it, and the end of everything.

use crate::exchange::{Ending, Response};
use crate::host::Host;
use crate::reply::Reply;
use crate::stream::{Side, StreamId};

impl Host {
    /// Sends the response's headers, unless a filter has removed its status: that is answered 502.
    pub(crate) fn send_checked_headers(&mut self, id: StreamId, end: bool) {
        let headers = self.world.stream(id).response.headers.as_ref();
        if headers.is_some_and(|headers| headers.text(":status").is_some_and(|status| status.parse::<u16>().is_ok())) {
            return self.send_headers(id, end);
        }
        let details = "filter_removed_required_response_headers{missing_required_header:_:status}";
        self.reply(id, Reply::plain(502, "missing required header: :status", details));
    }

    /// Sends the response's headers as they are.
    pub(crate) fn send_headers(&mut self, id: StreamId, end: bool) {
        let stream = self.world.stream_mut(id);
        stream.responded = true;
        let headers = stream.response.headers.clone().unwrap_or_default();
        stream.client = Some(Response { headers, ..Response::default() });
        if end {
            self.send_end(id);
        }
    }

    /// Sends a piece of the body.
    pub(crate) fn send_data(&mut self, id: StreamId, data: Vec<u8>, end: bool) {
        let stream = self.world.stream_mut(id);
        if let Some(client) = stream.client.as_mut().filter(|_| !data.is_empty()) {
            client.chunks.push(data);
        }
        if end {
            self.send_end(id);
        }
    }

    /// Sends the trailers.
    pub(crate) fn send_trailers(&mut self, id: StreamId) {
        let stream = self.world.stream_mut(id);
        let trailers = stream.response.trailers.clone().filter(|trailers| !trailers.is_empty());
        if let Some(client) = stream.client.as_mut() {
            client.trailers = trailers;
        }
        self.send_end(id);
    }

    fn send_end(&mut self, id: StreamId) {
        self.world.stream_mut(id).sent_whole = true;
        self.end_stream(id, Ending::Complete);
    }

    /// Ends a stream: every filter logs it, then every filter is done with it and deleted, in the chain's order.
    pub(crate) fn end_stream(&mut self, id: StreamId, ending: Ending) {
        let stream = self.world.stream_mut(id);
        if stream.ended() {
            return;
        }
        stream.ending = ending;
        stream.local_complete = true;
        for side in [Side::Request, Side::Response] {
            let way = stream.way_mut(side);
            way.aborted |= way.calling;
        }
        let filters = stream.filters.len();
        if let Some(call) = stream.call {
            self.world.calls.remove(&call);
        }
        for filter in 0..filters {
            self.create_context(id, filter);
            self.world.stream_mut(id).filters[filter].logging = true;
            self.tell(id, filter, "proxy_on_log");
            self.world.stream_mut(id).filters[filter].logging = false;
        }
        for filter in 0..filters {
            self.tell(id, filter, "proxy_on_done");
            self.tell(id, filter, "proxy_on_delete");
            self.close_context(id, filter);
        }
        self.retire_roots();
    }
}
