package aureustest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/wire"
)

// page returns the items that the parameters limit and cursor select, and adds a Link
// header with the cursor of the next page. limit is fallback if it is not given, and at most
// maxLimit.
func page[T any](q *request, items []T, fallback, maxLimit int) ([]T, error) {
	limit, start := fallback, 0
	query := q.URL.Query()
	var err error
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return nil, badQuery("limit", "must be a whole number of at least 1")
		}
	}
	limit = min(limit, maxLimit)
	if text := query.Get("cursor"); text != "" {
		if start, err = strconv.Atoi(text); err != nil || start < 0 {
			return nil, badQuery("cursor", "must be that of a Link header")
		}
	}
	start = min(start, len(items))
	end := min(start+limit, len(items))
	if end < len(items) {
		query.Set("cursor", strconv.Itoa(end))
		q.header.Set("Link", "<?"+query.Encode()+`>; rel="next"`)
	}
	return append([]T{}, items[start:end]...), nil
}

// queryTime parses a time in the query; the zero time if it is not given.
func (q *request) queryTime(name string) (time.Time, error) {
	text := q.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, ok := aureus.Timestamp(text).Time()
	if !ok {
		return time.Time{}, badQuery(name, "must be a time such as 2026-01-02T03:04:05Z")
	}
	return at, nil
}

// checkQuery refuses a malformed query, and parameters that are unknown or given twice.
func checkQuery(r *http.Request, known []string) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse(http.StatusBadRequest, wire.CodeMalformed, "the query string is malformed: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case name == "", !slices.Contains(known, name):
			return refuse(http.StatusBadRequest, wire.CodeValidation, "the query parameter %.100q is unknown", name)
		case len(values[name]) > 1:
			return badQuery(name, "is given twice")
		}
	}
	return nil
}

func badQuery(name, message string) error {
	return refuse(http.StatusBadRequest, wire.CodeValidation, "the query parameter %s %s", name, message)
}
