package observe

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// MaxQueryTags limits the tags of one query, because the store compares each of
// them with every metric in the time range.
const MaxQueryTags = 32

// query is the query string of a list or a summary. An empty parameter counts as
// missing; a parameter that is given twice is refused.
type query struct {
	values url.Values
	paging telemetry.Paging
}

func readQuery(r *http.Request) (query, error) {
	values, err := web.Query(r)
	if err != nil {
		return query{}, err
	}
	limit, cursor, err := web.Paging(r, 0, telemetry.MaxLimit)
	return query{values: values, paging: telemetry.Paging{Limit: limit, Cursor: cursor}}, err
}

// times parses start_time and end_time. Both are inclusive.
func (q query) times() (within telemetry.Range, err error) {
	if err = q.time("start_time", &within.Start); err == nil {
		err = q.time("end_time", &within.End)
	}
	return within, err
}

// time parses the parameter into bound, which stays nil if it is missing.
func (q query) time(name string, bound **time.Time) error {
	text := q.values.Get(name)
	if text == "" {
		return nil
	}
	parsed, ok := web.ParseTime(text)
	if !ok {
		return web.BadQuery(name, web.TimeForms)
	}
	*bound = &parsed
	return nil
}

// source parses the parameter source: true selects the events of the control plane
// itself, false those that clients reported, and nil both.
func (q query) source() (own *bool, err error) {
	switch q.values.Get("source") {
	case "":
		return nil, nil //nolint:nilnil // nil selects both sources
	case vocab.SourceServer:
		return new(true), nil
	case storage.SourceReported:
		return new(false), nil
	}
	return nil, web.BadQuery("source", "must be server or reported")
}

// tags parses the parameter tags, a JSON object of strings.
func (q query) tags() (map[string]string, error) {
	tags := map[string]string{}
	text := q.values.Get("tags")
	if text == "" {
		return tags, nil
	}
	if err := strictjson.Unmarshal([]byte(text), &tags); err != nil {
		return nil, web.BadQuery("tags", `must be a JSON object of strings, such as {"env":"prod"}: `+err.Error())
	}
	if len(tags) > MaxQueryTags {
		return nil, web.BadQuery("tags", "must have at most "+strconv.Itoa(MaxQueryTags)+" tags")
	}
	return tags, nil
}

// span parses the time span of a summary: either range, which ends now, or
// start_time and end_time. start and end are the times for the response; they are
// empty where the span has no limit.
func (q query) span(now time.Time) (within telemetry.Range, start, end aureus.Timestamp, err error) {
	start, end = aureus.Timestamp(q.values.Get("start_time")), aureus.Timestamp(q.values.Get("end_time"))
	text := q.values.Get("range")
	if text == "" {
		within, err = q.times()
		return within, start, end, err
	}
	if start != "" || end != "" {
		return within, "", "", web.BadQuery("range", "must not be combined with start_time or end_time")
	}
	seconds, ok := parseRange(text)
	if !ok {
		return within, "", "", web.BadQuery("range", "must be a whole number with the unit d, h or m, such as 7d, 24h or 90m, or 0 for all time")
	}
	if seconds == 0 {
		return within, "", "", nil
	}
	within.End, end = &now, aureus.TimestampOf(now)
	if from := now.Unix() - seconds; from >= firstSecond { // an earlier time cannot be written; the span then has no start
		first := time.Unix(from, int64(now.Nanosecond())).UTC()
		within.Start, start = &first, aureus.TimestampOf(first)
	}
	return within, start, end, nil
}

// firstSecond is the Unix time of the start of the year 1. A Timestamp cannot
// express times before that year.
const firstSecond = -62135596800

// parseRange parses a text such as 7d, 24h or 90m into seconds. 0 stands for all
// time. A range that is too large for the calculation is cut to the largest one.
func parseRange(text string) (seconds int64, ok bool) {
	if text == "0" {
		return 0, true
	}
	if text == "" {
		return 0, false
	}
	digits, unit := text[:len(text)-1], int64(0)
	switch text[len(text)-1] {
	case 'd':
		unit = 24 * 60 * 60
	case 'h':
		unit = 60 * 60
	case 'm':
		unit = 60
	}
	if unit == 0 || digits == "" || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	const limit = math.MaxInt64 / 4 // seconds; subtracting it from the present time does not overflow
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > limit/unit {
		return limit, true
	}
	return n * unit, true
}
