//! A tune as a Standard MIDI File.

use super::fraction::Fraction;
use super::key::Mode;
use super::perform::{Player, Strike, perform};
use super::timeline::Timeline;
use super::tune::Tune;
use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

/// Ticks of a quarter note.
pub const TICKS: u16 = 480;

/// How a tune is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MidiOptions {
    /// General MIDI's instrument of the melody, 0 to 127; 40 is a violin.
    pub program: u8,
    /// Whether chord symbols are played.
    pub chords: bool,
}

impl Default for MidiOptions {
    fn default() -> Self {
        MidiOptions { program: 40, chords: true }
    }
}

/// General MIDI's instruments of the accompaniment: steel-string guitar and acoustic bass.
const CHORDS: u8 = 25;
const BASS: u8 = 32;

/// A track while it is filled: times in ticks since the beginning.
type Events<'a> = Vec<(u32, TrackEventKind<'a>)>;

/// The bytes of a MIDI file of format 1: a track with tempo, meter and key; one for each voice; one for chords, one for the bass.
pub fn midi(tune: &Tune, timeline: &Timeline, options: MidiOptions) -> Vec<u8> {
    let strikes = perform(timeline, options.chords);
    let end = ticks(timeline.length);
    let mut players: Vec<(Player, String, u8)> = tune
        .voices
        .iter()
        .enumerate()
        .map(|(at, voice)| {
            (Player::Voice(at), voice.name.clone().unwrap_or(voice.id.clone()), options.program)
        })
        .collect();
    players.push((Player::Chords, "Chords".into(), CHORDS));
    players.push((Player::Bass, "Bass".into(), BASS));
    let mut tracks = vec![track(conductor(tune, timeline), end)];
    for (player, name, program) in &players {
        let notes: Vec<&Strike> = strikes.iter().filter(|s| s.player == *player).collect();
        if notes.is_empty() {
            continue;
        }
        let channel = channel(*player);
        let program = MidiMessage::ProgramChange { program: u7::new(*program & 127) };
        let mut events: Events<'_> = vec![
            (0, TrackEventKind::Meta(MetaMessage::TrackName(name.as_bytes()))),
            (0, message(channel, program)),
        ];
        for strike in notes {
            let (key, vel) = (u7::new(strike.key & 127), u7::new(strike.velocity & 127));
            let start = ticks(strike.start);
            events.push((start, message(channel, MidiMessage::NoteOn { key, vel })));
            let end = ticks(strike.end).max(start + 1);
            events.push((end, message(channel, MidiMessage::NoteOff { key, vel: u7::new(64) })));
        }
        tracks.push(track(events, end));
    }
    let header = Header::new(Format::Parallel, Timing::Metrical(u15::new(TICKS)));
    let mut bytes = Vec::new();
    // Writing to memory fails only where a track has 4 GB, and a tune has a bounded number of bars.
    let _ = Smf { header, tracks }.write(&mut bytes);
    bytes
}

/// A time in ticks, rounded.
pub(super) fn ticks(time: Fraction) -> u32 {
    time.in_units(Fraction::new(1, 4 * i64::from(TICKS))).clamp(0, i64::from(u32::MAX / 16)) as u32
}

fn message<'a>(channel: u4, message: MidiMessage) -> TrackEventKind<'a> {
    TrackEventKind::Midi { channel, message }
}

/// Voices share channels from the eleventh on; the tenth is for drums.
fn channel(player: Player) -> u4 {
    u4::new(match player {
        Player::Voice(at) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 10][at % 10],
        Player::Chords => 14,
        Player::Bass => 15,
    })
}

/// Title, tempo, meter and key.
fn conductor<'a>(tune: &'a Tune, timeline: &Timeline) -> Events<'a> {
    let mut events: Events<'a> =
        vec![(0, TrackEventKind::Meta(MetaMessage::TrackName(tune.header.title().as_bytes())))];
    let mut meta =
        |at: Fraction, message: MetaMessage<'a>| events.push((ticks(at), TrackEventKind::Meta(message)));
    for (at, tempo) in &timeline.tempos {
        let microseconds = (tempo.whole_note() / 4.0 * 1e6).round().clamp(1.0, f64::from((1 << 24) - 1));
        meta(*at, MetaMessage::Tempo(u24::new(microseconds as u32)));
    }
    let (mut meter, mut key) = (None, None);
    for measure in &timeline.measures {
        if let Some(now) = measure.meter.filter(|m| meter != Some(*m)) {
            meter = Some(now);
            // 24 clocks are a quarter note; the metronome clicks on beats.
            let clocks = (now.beat() / Fraction::new(1, 96)).to_f64().clamp(1.0, 255.0) as u8;
            let signature = MetaMessage::TimeSignature(
                now.beats.min(255) as u8,
                now.unit.trailing_zeros() as u8,
                clocks,
                8,
            );
            meta(measure.start, signature);
        }
        if key != Some(measure.key) {
            key = Some(measure.key);
            meta(
                measure.start,
                MetaMessage::KeySignature(measure.key.sharps, measure.key.mode == Mode::Minor),
            );
        }
    }
    events
}

/// Events in order, with the ticks between them, and the end.
fn track(mut events: Events<'_>, end: u32) -> Vec<TrackEvent<'_>> {
    // At the same time, what stops comes before what starts.
    events.sort_by_key(|(at, kind)| {
        let starts = matches!(kind, TrackEventKind::Midi { message: MidiMessage::NoteOn { .. }, .. });
        (*at, starts)
    });
    let last = events.last().map_or(0, |(at, _)| *at);
    events.push((end.max(last), TrackEventKind::Meta(MetaMessage::EndOfTrack)));
    let mut now = 0;
    let event = |(at, kind): (u32, _)| {
        let delta = u28::new((at - now).min((1 << 28) - 1));
        now = at;
        TrackEvent { delta, kind }
    };
    events.into_iter().map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn file(text: &str) -> Vec<u8> {
        let tune = &read(text)[0];
        midi(tune, &Timeline::new(tune).unwrap(), MidiOptions::default())
    }

    #[test]
    fn tracks_tempo_meter_and_key() {
        let bytes =
            file("X:1\nT:Ti\nR:reel\nM:6/8\nL:1/8\nQ:3/8=120\nK:Em\n\"Em\"EFG EFG|[M:3/4][K:D]\"D\"d6|]\n");
        let smf = Smf::parse(&bytes).unwrap();
        assert_eq!(smf.tracks.len(), 4);
        let meta: Vec<MetaMessage<'_>> = smf.tracks[0]
            .iter()
            .filter_map(|e| match e.kind {
                TrackEventKind::Meta(meta) => Some(meta),
                _ => None,
            })
            .collect();
        use MetaMessage::*;
        assert_eq!(
            meta,
            [
                TrackName(b"Ti"),
                // A quarter note lasts a third of a second.
                Tempo(u24::new(333_333)),
                TimeSignature(6, 3, 36, 8),
                KeySignature(1, true),
                TimeSignature(3, 2, 24, 8),
                KeySignature(2, false),
                EndOfTrack
            ]
        );
        for track in &smf.tracks {
            assert_eq!(track.iter().map(|e| e.delta.as_int()).sum::<u32>(), 6 * 480);
        }
    }

    #[test]
    fn every_key_that_is_struck_is_let_go() {
        let bytes = file("X:1\nM:4/4\nL:1/4\nK:C\n[CC]C (3CCC/512 \"G\"C|V:2\n[c4e4]|]\n");
        for track in &Smf::parse(&bytes).unwrap().tracks {
            let mut sounding = [0i32; 128];
            for event in track {
                match event.kind {
                    TrackEventKind::Midi { message: MidiMessage::NoteOn { key, .. }, .. } => {
                        sounding[usize::from(key.as_int())] += 1;
                    }
                    TrackEventKind::Midi { message: MidiMessage::NoteOff { key, .. }, .. } => {
                        sounding[usize::from(key.as_int())] -= 1;
                    }
                    _ => {}
                }
                assert!(sounding.iter().all(|n| *n >= 0));
            }
            assert!(sounding.iter().all(|n| *n == 0));
        }
    }
}
