package aureus

import "time"

// Timestamp is a point in time as it stands on the wire: text that is kept and
// echoed unchanged, even when it is no time at all. [Timestamp.Time] reads it.
type Timestamp string

// TimestampOf writes t in UTC as RFC 3339 with up to nine fraction digits. The
// zero time becomes the empty Timestamp.
func TimestampOf(t time.Time) Timestamp {
	if t.IsZero() {
		return ""
	}
	return Timestamp(t.UTC().Format(time.RFC3339Nano))
}

var timestampLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999", // no zone, as Python's utcnow().isoformat(): UTC
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	time.DateOnly,
}

// Time reads the timestamp: RFC 3339, the same without a zone (taken as UTC),
// or a date alone (midnight UTC). ok is false for any other text.
func (t Timestamp) Time() (at time.Time, ok bool) {
	for _, layout := range timestampLayouts {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
