package aureus

import "time"

// Timestamp is a time as text, as the API has it. It is stored and returned unchanged,
// even if it is not a valid time. [Timestamp.Time] parses it.
type Timestamp string

// TimestampOf formats t in UTC as RFC 3339 with up to nine fraction digits. The zero
// time becomes the empty Timestamp.
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

// Time parses the timestamp: RFC 3339, the same without a zone (UTC), or a date alone
// (midnight UTC). ok is false for any other text. See docs/spec/json.md#times.
func (t Timestamp) Time() (at time.Time, ok bool) {
	for _, layout := range timestampLayouts {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
