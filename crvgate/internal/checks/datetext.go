package checks

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// dateLayouts are the accepted forms of date text: those of ECMAScript (a date, or a date
// and a time with or without seconds, fraction and zone), those of RFC 3339 with a space,
// and those of HTTP and mail. Text without a zone is UTC.
var dateLayouts = []string{
	time.RFC3339, // a fraction may follow the seconds in all of these
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	time.DateOnly,
	"2006-01-02 15:04:05Z07:00",
	time.DateTime,
	"2006-01",
	"2006",
	"Mon, 02 Jan 2006 15:04:05 GMT",
	time.RFC1123Z,
}

// instantOf returns a point in time as Unix milliseconds. A number within the range of
// doubles is returned unchanged. A string is read as a date text and truncated to the
// millisecond, as in JavaScript.
func instantOf(value any) (ms json.Number, ok bool) {
	switch value := value.(type) {
	case json.Number:
		return value, !math.IsInf(jsonvalue.Float(value), 0)
	case string:
		for _, layout := range dateLayouts {
			if instant, err := time.Parse(layout, value); err == nil {
				return json.Number(strconv.FormatInt(instant.UnixMilli(), 10)), true
			}
		}
	}
	return "", false
}
