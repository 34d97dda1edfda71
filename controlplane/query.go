package controlplane

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// checkQuery refuses a query string that cannot be read whole, that names a
// parameter twice, and that names one which the route does not declare: a
// filter that nobody reads would answer with everything.
func checkQuery(r *http.Request, known []string) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	values, err := queryOf(r)
	if err != nil {
		return err
	}
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
	problems = problems[:min(len(problems), maxListedProblems)]
	takes := "this path takes none"
	if len(known) > 0 {
		takes = "this path takes " + strings.Join(known, ", ")
	}
	return problem(http.StatusBadRequest, wire.CodeValidation,
		fmt.Sprintf("the query parameter %s is not known here: %s", strconv.Quote(problems[0].Pointer[1:]), takes),
		withDetails(problems), withRemediation("Leave it out or correct its name; names are told apart by case."))
}

// maxParameterName bounds how much of an unknown parameter's name is repeated,
// in bytes.
const maxParameterName = 100

// setNext puts the address of the next page into the Link header (RFC 8288). It
// is relative to the request's own address, of which it replaces the query, so
// that it holds behind every path prefix.
func setNext(w http.ResponseWriter, r *http.Request, cursor string) {
	query := r.URL.Query()
	query.Set("cursor", cursor)
	link := url.URL{RawQuery: query.Encode()}
	w.Header().Set("Link", "<"+link.String()+`>; rel="next"`)
}
