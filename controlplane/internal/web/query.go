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

// checkQuery refuses a query string that cannot be parsed, that repeats a
// parameter, or that has a parameter which the route does not declare: a filter
// that is silently ignored would answer with everything.
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
			problems = append(problems, strictjson.Problem{Pointer: "/" + jsonvalue.Clip(strings.ToValidUTF8(name, "\uFFFD"), maxParameterName), Message: "is not known here"})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.SortFunc(problems, func(a, b strictjson.Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	problems = problems[:min(len(problems), MaxListedProblems)]
	takes := "this path takes none"
	if len(known) > 0 {
		takes = "this path takes " + strings.Join(known, ", ")
	}
	return Problem(http.StatusBadRequest, wire.CodeValidation,
		fmt.Sprintf("the query parameter %s is not known here: %s", strconv.Quote(problems[0].Pointer[1:]), takes),
		WithDetails(problems), WithRemediation("Leave it out or correct its name; names are told apart by case."))
}

// maxParameterName limits how much of an unknown parameter's name is repeated in
// the answer, in bytes.
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

// BadQuery is the answer for a query parameter with a wrong value.
func BadQuery(name, message string) error {
	return Problem(http.StatusBadRequest, wire.CodeValidation, "the query parameter "+name+" "+message,
		WithDetails([]strictjson.Problem{{Pointer: "/" + name, Message: message}}))
}

// Paging reads the parameters limit and cursor. Without a limit it is byDefault;
// it is never more than maximum.
func Paging(r *http.Request, byDefault, maximum int) (limit int, cursor string, err error) {
	values, err := Query(r)
	if err != nil {
		return 0, "", err
	}
	limit = byDefault
	if text := values.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 {
			return 0, "", BadQuery("limit", "must be a whole number of at least 1")
		}
	}
	return min(limit, maximum), values.Get("cursor"), nil
}

// SequenceCursor reads a cursor that is the sequence number of the last item of
// the previous page. An empty one is 0.
func SequenceCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 0 {
		return 0, BadQuery("cursor", "must be the one of a Link header")
	}
	return n, nil
}

// QueryTime reads a parameter that is a time in one of the [TimeForms]. Without
// the parameter it is the zero time.
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

// TimeForms says which forms of a time ParseTime reads.
const TimeForms = "must be a time such as 2026-01-02T03:04:05Z, 2026-01-02T03:04:05 (UTC) or 2026-01-02"

// ParseTime reads a time of the query: RFC 3339, without a zone as UTC, or a date.
// It also reads a zone whose plus sign was not escaped and arrives as a space.
func ParseTime(text string) (t time.Time, ok bool) {
	t, ok = aureus.Timestamp(text).Time()
	if i := strings.LastIndexByte(text, ' '); !ok && i > 0 {
		t, ok = aureus.Timestamp(text[:i] + "+" + text[i+1:]).Time()
	}
	return t, ok
}
