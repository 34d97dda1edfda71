package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// checkQuery refuses a query string that cannot be parsed, that repeats a parameter, or
// that has a parameter which the route does not declare: if a misspelt filter were
// ignored, the response would have more items than the client asked for.
func checkQuery(r *http.Request, parameters []Parameter) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, err := Query(r)
	if err != nil {
		return err
	}
	known := names(parameters)
	var problems []strictjson.Problem
	for name := range values {
		if !slices.Contains(known, name) {
			problems = append(problems, strictjson.Problem{Pointer: "/" + jsonvalue.Clip(strings.ToValidUTF8(name, "\uFFFD"), maxParameterName), Message: "is unknown"})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.SortFunc(problems, func(a, b strictjson.Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	problems = problems[:min(len(problems), MaxListedProblems)]
	accepted := "this path accepts none"
	if len(known) > 0 {
		accepted = "this path accepts " + strings.Join(known, ", ")
	}
	return Problem(http.StatusBadRequest, wire.CodeValidation,
		fmt.Sprintf("the query parameter %s is unknown: %s", strconv.Quote(problems[0].Pointer[1:]), accepted),
		WithDetails(problems), WithRemediation("Remove it or correct its name; upper and lower case differ."))
}

// maxParameterName limits how much of an unknown parameter's name the error contains,
// in bytes.
const maxParameterName = 100

// Query parses the query string, and refuses a repeated parameter.
func Query(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Problem(http.StatusBadRequest, wire.CodeMalformed, "the query string cannot be read: "+err.Error())
	}
	for name, list := range values {
		if len(list) > 1 {
			return nil, BadQuery(name, "occurs twice")
		}
	}
	return values, nil
}

// BadQuery returns the error response, with status 400, for a query parameter with an
// invalid value.
func BadQuery(name, message string) error {
	return Problem(http.StatusBadRequest, wire.CodeValidation, "the query parameter "+name+" "+message,
		WithDetails([]strictjson.Problem{{Pointer: "/" + name, Message: message}}))
}

// Paging reads the parameters limit and cursor. The limit is defaultLimit if the query
// has none, and never more than maxLimit.
func Paging(r *http.Request, defaultLimit, maxLimit int) (limit int, cursor string, err error) {
	values, err := Query(r)
	if err != nil {
		return 0, "", err
	}
	limit = defaultLimit
	if text := values.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 {
			return 0, "", BadQuery("limit", "must be a whole number of at least 1")
		}
	}
	return min(limit, maxLimit), values.Get("cursor"), nil
}

// SequenceCursor parses a cursor that is the sequence number of the last item of the
// previous page. For an empty cursor it returns 0.
func SequenceCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 0 {
		return 0, BadQuery("cursor", "must be the cursor of a Link header")
	}
	return n, nil
}

// QueryTime parses a parameter that is a time. It returns the zero time if the query
// does not have the parameter.
func QueryTime(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, ok := ParseTime(text)
	if !ok {
		return time.Time{}, BadQuery(name, TimeForms)
	}
	return t, nil
}

// TimeForms is the error text that names the forms of a time that ParseTime accepts.
const TimeForms = "must be a time such as 2026-01-02T03:04:05Z, 2026-01-02T03:04:05 (UTC) or 2026-01-02"

// ParseTime parses a time of a query: RFC 3339, the same without a zone, which means
// UTC, or a date. It also accepts a space in place of the zone's plus sign, because an
// unescaped plus sign in a query string becomes a space.
func ParseTime(text string) (t time.Time, ok bool) {
	t, ok = aureus.Timestamp(text).Time()
	if i := strings.LastIndexByte(text, ' '); !ok && i > 0 {
		t, ok = aureus.Timestamp(text[:i] + "+" + text[i+1:]).Time()
	}
	return t, ok
}
