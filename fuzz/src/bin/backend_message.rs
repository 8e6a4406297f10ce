//! Any bytes as one backend message, cut and decoded.
#![no_main]

use bytes::BytesMut;
use heimdall::internals::backend::BackendMessage;
use heimdall::internals::frame::{self, Phase};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for phase in [Phase::Login, Phase::Session] {
        if let Ok(Some(frame)) = frame::take(&mut BytesMut::from(data), phase) {
            let _ = BackendMessage::decode(&frame).map(|message| message.to_string());
        }
    }
});
