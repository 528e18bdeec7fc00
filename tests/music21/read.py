"""Reads MusicXML files with music21 and says what is in them, a line of JSON for each.

usage: read.py FILE...

For the first part: notes (length, MIDI keys, whether a tie begins and ends), rests, measures and their lengths, keys, meters, repeats,
endings, the pitch classes of chord symbols, and the order of measures with repeats played out. Lengths are of a quarter note, as fractions.
"""

import json
import sys
from fractions import Fraction

from music21 import bar, converter, harmony, key, meter, note, spanner


def fraction(x):
    return str(Fraction(x).limit_denominator(100_000))


def tie(element, kinds):
    tied = [n.tie for n in getattr(element, "notes", [element])]
    return any(t is not None and t.type in kinds for t in tied)


def describe(path):
    score = converter.parse(path, format="musicxml", forceSource=True)
    parts = list(score.parts)
    first = parts[0]
    notes, rests, keys, meters, repeats, chords = [], [], [], [], [], []
    measures = list(first.getElementsByClass("Measure"))
    # Offsets by what the measures hold: a pick-up is as long as it is.
    for m in measures:
        for n in m.recurse().getElementsByClass(note.GeneralNote):
            if isinstance(n, harmony.ChordSymbol):
                chords.append(sorted({p.pitchClass for p in n.pitches}))
            elif n.duration.isGrace:
                continue
            elif n.isRest:
                rests.append(fraction(n.quarterLength))
            else:
                pitches = sorted(p.midi for p in n.pitches)
                notes.append([fraction(n.quarterLength), pitches, tie(n, ("start", "continue")), tie(n, ("stop", "continue"))])
        keys += [k.sharps for k in m.getElementsByClass(key.KeySignature)]
        meters += [t.ratioString for t in m.getElementsByClass(meter.TimeSignature)]
        for side, line in (("left", m.leftBarline), ("right", m.rightBarline)):
            if isinstance(line, bar.Repeat):
                repeats.append([m.measureNumber, side, line.direction, line.times])
    endings = [
        [s.number if isinstance(s.number, str) else str(s.number), len(s.getSpannedElements())]
        for s in first.recurse().getElementsByClass(spanner.RepeatBracket)
    ]
    lengths = [fraction(m.highestTime) for m in measures]
    # Expanding copies everything, so everything but the repeats makes way for one rest.
    for at, m in enumerate(measures):
        length = m.highestTime
        m.removeByClass([note.GeneralNote, "Dynamic", "Slur", "Beam"])
        m.insert(0, note.Rest(quarterLength=length))
        m.editorial.at = at
    try:
        played = [m.editorial.at for m in first.expandRepeats().getElementsByClass("Measure")]
    except Exception as error:  # music21 has several kinds of them
        played = str(error)
    return {
        "played": played,
        "parts": len(parts),
        "title": score.metadata.title if score.metadata else None,
        "measures": len(measures),
        "lengths": lengths,
        "notes": notes,
        "rests": rests,
        "keys": keys,
        "meters": meters,
        "repeats": repeats,
        "endings": endings,
        "chords": chords,
    }


for path in sys.argv[1:]:
    print(json.dumps(describe(path)), flush=True)
