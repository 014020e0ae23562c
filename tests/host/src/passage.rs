//! How a message passes the chain, after Envoy's filter manager: filter by filter, held, collected and continued.
//!
//! Both directions pass alike; [`Side`] tells them apart. A *place* counts the filters in the order of a direction;
//! the place after the last is the upstream's or the client's. What a filter puts off during a callback is done within
//! the iteration that called it, so these functions call one another; each looks at the stream anew after a callback.

use crate::host::Host;
use crate::reply::Reply;
use crate::stream::{Iteration, Side, StreamId};

/// The body that passes.
#[derive(Debug)]
pub(crate) enum Data {
    /// Bytes that have just come.
    Fresh(Vec<u8>),
    /// What the chain had collected.
    Buffered,
}

/// What a filter says to data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DataStatus {
    Continue,
    /// Hold it and collect, up to the buffer limit.
    Buffer,
    /// Hold it and hold the sender back.
    Watermark,
    /// Hold what comes next; this is gone.
    Discard,
}

impl Host {
    /// Passes headers on, from the filter after `after`.
    pub(crate) fn pass_headers(&mut self, id: StreamId, side: Side, after: Option<usize>, end: bool) {
        let stream = self.world.stream_mut(id);
        if side == Side::Response && after.is_none() {
            stream.local_complete = end;
        }
        for place in after.map_or(0, |place| place + 1)..stream.filters.len() {
            let way = self.world.stream_mut(id).way_mut(side);
            way.positions[place].end_stream = end;
            let outer = std::mem::replace(&mut way.calling, true);
            let mut status = self.ask_headers(id, side, place, end);
            let way = self.world.stream_mut(id).way_mut(side);
            way.calling = outer;
            if way.aborted {
                if side == Side::Request {
                    self.reply_as_prepared(id);
                }
                status = Iteration::StopSingle;
            }
            let stream = self.world.stream_mut(id);
            let position = &mut stream.way_mut(side).positions[place];
            position.iteration = status;
            // Where the callback itself has asked to continue, the headers are further on already.
            if status != Iteration::Continue || position.headers_continued {
                return;
            }
            position.headers_continued = true;
            if stream.ended() || (side == Side::Request && stream.local_complete) {
                return;
            }
        }
        match side {
            Side::Request => self.forward_headers(id, end),
            Side::Response => self.send_checked_headers(id, end),
        }
    }

    /// Passes data on: from the first filter, or from the filter at `from`.
    pub(crate) fn pass_data(&mut self, id: StreamId, side: Side, from: Option<usize>, mut data: Data, mut end: bool) {
        let stream = self.world.stream_mut(id);
        match side {
            Side::Request if stream.local_complete => return,
            Side::Response if from.is_none() => stream.local_complete = end,
            Side::Request | Side::Response => {}
        }
        let had_trailers = stream.way(side).trailers.is_some();
        let mut trailers_added_at = None;
        let mut place = self.first_place(id, side, from);
        let places = self.world.stream(id).filters.len();
        while place < places {
            let way = self.world.stream_mut(id).way_mut(side);
            if let Iteration::StopAll { streaming } = way.positions[place].iteration {
                way.streaming = streaming;
                return self.hold(id, side, data);
            }
            if way.positions[place].end_stream {
                return;
            }
            let filter_end = end && way.trailers.is_none();
            way.positions[place].end_stream = filter_end;
            let outer = std::mem::replace(&mut way.calling, true);
            let mut status = self.ask_data(id, side, place, &mut data, filter_end);
            let stream = self.world.stream_mut(id);
            let way = stream.way_mut(side);
            way.calling = outer;
            if way.aborted {
                if side == Side::Request {
                    return self.reply_as_prepared(id);
                }
                status = DataStatus::Discard;
            }
            if !had_trailers && way.trailers.is_some() && trailers_added_at.is_none() {
                trailers_added_at = Some(place);
                if side == Side::Request {
                    end = false;
                }
            }
            if stream.ended() {
                return;
            }
            let Some(passed) = self.settle_data(id, side, place, status, data) else {
                // Trailers that a request filter has added go on to it and to the filters after it.
                if side == Side::Request
                    && let Some(added) = trailers_added_at
                {
                    self.pass_trailers(id, side, Some(added));
                }
                return;
            };
            data = passed;
            place += 1;
        }
        let data = self.take(id, side, data);
        match side {
            Side::Request => self.forward_data(id, data, end && trailers_added_at.is_none()),
            Side::Response => self.send_data(id, data, end && trailers_added_at.is_none()),
        }
        if let Some(added) = trailers_added_at
            && !self.world.stream(id).ended()
        {
            self.pass_trailers(id, side, Some(added));
        }
    }

    /// Passes trailers on: from the first filter, or from the filter at `from`.
    pub(crate) fn pass_trailers(&mut self, id: StreamId, side: Side, from: Option<usize>) {
        let stream = self.world.stream_mut(id);
        match side {
            Side::Request if stream.local_complete => return,
            Side::Response if from.is_none() => stream.local_complete = true,
            Side::Request | Side::Response => {}
        }
        for place in self.first_place(id, side, from)..self.world.stream(id).filters.len() {
            let way = self.world.stream_mut(id).way_mut(side);
            let position = way.positions[place];
            if matches!(position.iteration, Iteration::StopAll { .. }) || position.end_stream {
                return;
            }
            let outer = std::mem::replace(&mut way.calling, true);
            let mut stopped = self.ask_trailers(id, side, place);
            let stream = self.world.stream_mut(id);
            let way = stream.way_mut(side);
            way.calling = outer;
            way.positions[place].end_stream = true;
            if way.aborted {
                if side == Side::Request {
                    self.reply_as_prepared(id);
                }
                stopped = true;
            }
            let stream = self.world.stream_mut(id);
            if stream.ended() {
                return;
            }
            let position = &mut stream.way_mut(side).positions[place];
            if stopped {
                if position.iteration == Iteration::Continue {
                    position.iteration = Iteration::StopSingle;
                }
                return;
            }
            if position.iteration == Iteration::StopSingle {
                return self.continue_from(id, side, place);
            }
        }
        match side {
            Side::Request => self.forward_trailers(id),
            Side::Response => self.send_trailers(id),
        }
    }

    /// Continues what a filter has held: its headers, then the data, then the trailers.
    pub(crate) fn continue_from(&mut self, id: StreamId, side: Side, place: usize) {
        let stream = self.world.stream_mut(id);
        let over = match side {
            Side::Request => stream.local_complete,
            Side::Response => stream.sent_whole,
        };
        let complete = stream.complete(side);
        let way = stream.way_mut(side);
        let position = &mut way.positions[place];
        let nothing_held = position.iteration == Iteration::Continue && position.headers_continued;
        if over || nothing_held || self.world.stream(id).ended() {
            return;
        }
        let way = self.world.stream_mut(id).way_mut(side);
        let position = &mut way.positions[place];
        position.from_current = matches!(position.iteration, Iteration::StopAll { .. });
        position.iteration = Iteration::Continue;
        if !position.headers_continued {
            position.headers_continued = true;
            let end = complete && way.buffered.is_none() && way.trailers.is_none();
            self.pass_headers(id, side, Some(place), end);
        }
        let had_trailers = self.world.stream(id).way(side).trailers.is_some();
        if self.world.stream(id).way(side).buffered.is_some() && !self.world.stream(id).ended() {
            self.pass_data(id, side, Some(place), Data::Buffered, complete && !had_trailers);
        }
        if had_trailers && !self.world.stream(id).ended() {
            self.pass_trailers(id, side, Some(place));
        }
        self.world.stream_mut(id).way_mut(side).positions[place].from_current = false;
    }

    /// The first place that data or trailers come to.
    fn first_place(&self, id: StreamId, side: Side, from: Option<usize>) -> usize {
        match from {
            None => 0,
            // It has been stopped for everything, so it has not seen this yet.
            Some(place) if self.world.stream(id).way(side).positions[place].from_current => place,
            Some(place) => place + 1,
        }
    }

    /// Does what a filter said to data; gives the data back where it passes on.
    fn settle_data(&mut self, id: StreamId, side: Side, place: usize, status: DataStatus, data: Data) -> Option<Data> {
        let stream = self.world.stream_mut(id);
        let complete = stream.complete(side);
        let way = stream.way_mut(side);
        let iteration = &mut way.positions[place].iteration;
        match status {
            DataStatus::Continue if *iteration == Iteration::StopSingle => {
                self.hold(id, side, data);
                self.continue_from(id, side, place);
                return None;
            }
            DataStatus::Continue => return Some(data),
            DataStatus::Buffer | DataStatus::Watermark => {
                *iteration = Iteration::StopSingle;
                way.streaming = status == DataStatus::Watermark;
                self.hold(id, side, data);
            }
            DataStatus::Discard => {
                *iteration = Iteration::StopSingle;
                if complete && way.trailers.is_none() {
                    // An end without data must still be passed on when the filter continues.
                    way.buffered.get_or_insert_default();
                }
            }
        }
        None
    }

    /// Adds to what the chain has collected. Over the limit, the stream is answered 413 or 500.
    pub(crate) fn hold(&mut self, id: StreamId, side: Side, data: Data) {
        let limit = self.world.buffer_limit;
        let way = self.world.stream_mut(id).way_mut(side);
        let Data::Fresh(bytes) = data else { return };
        let buffered = way.buffered.get_or_insert_default();
        let fitted = buffered.len() <= limit;
        buffered.extend(bytes);
        if fitted && buffered.len() > limit && !way.streaming {
            let reply = match side {
                Side::Request => Reply::plain(413, "Payload Too Large", "request_payload_too_large"),
                Side::Response => Reply::plain(500, "Internal Server Error", "response_payload_too_large"),
            };
            self.reply(id, reply);
        }
    }

    /// The bytes that leave the chain.
    fn take(&mut self, id: StreamId, side: Side, data: Data) -> Vec<u8> {
        match data {
            Data::Fresh(bytes) => bytes,
            Data::Buffered => {
                self.world.stream_mut(id).way_mut(side).buffered.as_mut().map(std::mem::take).unwrap_or_default()
            }
        }
    }
}
