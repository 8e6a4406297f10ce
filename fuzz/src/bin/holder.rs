//! Any bytes as a row that tells who holds a lock, and what that session tells of itself.
#![no_main]

use bytes::BytesMut;
use heimdall::internals::backend::BackendMessage;
use heimdall::internals::frame::{self, Phase};
use heimdall::internals::holder;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(length) = u32::try_from(data.len() + 4) else { return };
    let message = [b"D", &length.to_be_bytes()[..], data].concat();
    let Ok(Some(frame)) = frame::take(&mut BytesMut::from(&message[..]), Phase::Session) else { return };
    let Ok(BackendMessage::DataRow(row)) = BackendMessage::decode(&frame) else { return };
    let Some((holder, told)) = holder::read(&row) else { return };
    let texts = [&holder.application, &holder.client, &holder.connected];
    assert!(!texts.into_iter().flatten().any(|text| text.contains(char::is_control)));
    let _ = format!("{told:?}");
});
