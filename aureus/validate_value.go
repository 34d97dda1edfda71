package aureus

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// extent counts the JSON values of a request, and estimates the bytes of its JSON.
type extent struct{ values, bytes int }

func (x *extent) withinBounds() error {
	switch {
	case x.values > maxRequestValues:
		return invalidAt("", fmt.Sprintf("the request must have at most %d values", maxRequestValues))
	case x.bytes > maxRequestBytes:
		return invalidAt("", fmt.Sprintf("the request must have at most %d bytes of JSON", maxRequestBytes))
	}
	return nil
}

// object checks a free-form object at the pointer, which is nested inside depth levels.
func (x *extent) object(pointer string, object map[string]any, depth int) error {
	if problem := x.members(object, depth); problem != nil {
		return problem.at(pointer)
	}
	return nil
}

// free checks a free-form value at the pointer, which is nested inside depth levels.
func (x *extent) free(pointer string, value any, depth int) error {
	if problem := x.value(value, depth); problem != nil {
		return problem.at(pointer)
	}
	return nil
}

// valueProblem says what is wrong with a value, and at which pointer inside of it.
type valueProblem struct{ pointer, reason string }

// in prepends the name of the member, or the index of the item, that has the problem.
func (p *valueProblem) in(name string) *valueProblem {
	if len(p.pointer) < maxPointerShown {
		p.pointer = "/" + strictjson.Token(name) + p.pointer
	}
	return p
}

// maxPointerShown limits the pointer of a problem, in bytes.
const maxPointerShown = 256

// at is the error for a value at the pointer.
func (p *valueProblem) at(pointer string) error {
	within := p.pointer
	if len(within) > maxPointerShown {
		within = within[:maxPointerShown] + "…"
	}
	return invalidAt(pointer+strings.ToValidUTF8(within, "\uFFFD"), p.reason)
}

var (
	problemNotFinite = valueProblem{reason: "has no JSON form: it is NaN or infinite"}
	problemUTF8      = valueProblem{reason: "must be valid UTF-8"}
	problemName      = valueProblem{reason: "has a member whose name is not valid UTF-8"}
	problemNumber    = valueProblem{reason: "has no JSON form: it is not a JSON number"}
	problemDepth     = valueProblem{reason: fmt.Sprintf("is nested more than %d levels deep in the request, or contains itself", maxRequestDepth)}
	problemSize      = valueProblem{reason: fmt.Sprintf("the request must have at most %d values and %d bytes", maxRequestValues, maxRequestBytes)}
)

func (p *valueProblem) found() *valueProblem { found := *p; return &found }

// value checks a free-form value that is nested inside depth levels. It stops at the
// limits of a request, so that a value that contains itself does no harm.
func (x *extent) value(value any, depth int) *valueProblem {
	x.values++
	switch value := value.(type) {
	case nil, bool, int, int64, int32, uint, uint64, uint32:
		x.bytes += 8
	case string:
		return x.text(value)
	case float64:
		if x.bytes += 8; math.IsNaN(value) || math.IsInf(value, 0) {
			return problemNotFinite.found()
		}
	case json.Number:
		if x.bytes += len(value); value != "" && !jsonvalue.IsNumber(string(value)) {
			return problemNumber.found()
		}
	case map[string]any:
		return x.members(value, depth)
	case []any:
		if problem := x.nested(depth); problem != nil {
			return problem
		}
		for i, item := range value {
			if problem := x.value(item, depth+1); problem != nil {
				return problem.in(strconv.Itoa(i))
			}
		}
	case []string:
		if problem := x.nested(depth); problem != nil {
			return problem
		}
		x.values += len(value)
		for i, item := range value {
			if problem := x.text(item); problem != nil {
				return problem.in(strconv.Itoa(i))
			}
		}
	default:
		return x.other(value, depth)
	}
	return nil
}

func (x *extent) members(object map[string]any, depth int) *valueProblem {
	if problem := x.nested(depth); problem != nil {
		return problem
	}
	for name, item := range object {
		if x.text(name) != nil {
			return problemName.found()
		}
		if problem := x.value(item, depth+1); problem != nil {
			return problem.in(name)
		}
	}
	return nil
}

// nested counts an array or an object and checks the limits.
func (x *extent) nested(depth int) *valueProblem {
	x.bytes += 2
	switch {
	case depth >= maxRequestDepth:
		return problemDepth.found()
	case x.values > maxRequestValues || x.bytes > maxRequestBytes: // a small value may be contained many times
		return problemSize.found()
	}
	return nil
}

func (x *extent) text(text string) *valueProblem {
	x.bytes += len(text) + 3
	if nametext.Plain(text, "") && strings.IndexByte(text, '"') < 0 && strings.IndexByte(text, '\\') < 0 {
		return nil // usually nothing is escaped
	}
	if !utf8.ValidString(text) {
		return problemUTF8.found()
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ':
			x.bytes += 5
		case c == '"' || c == '\\':
			x.bytes++
		}
	}
	return nil
}

// other checks a value of any other Go type through its JSON.
func (x *extent) other(value any, depth int) *valueProblem {
	text, err := strictjson.Marshal(value)
	var plain any
	if err == nil {
		plain, err = strictjson.Parse(text)
	}
	if err != nil {
		return &valueProblem{reason: "has no JSON form: " + clip(err.Error(), maxWordShown*4)}
	}
	x.values--
	return x.value(plain, depth)
}

// validate checks the texts of the call. The body can have any bytes: [Body] encodes
// them.
func (c *HTTPCall) validate(all *extent) error {
	for i, text := range [...]string{c.Method, c.Host, c.Path, c.Query, c.ContentType, c.ContentEncoding} {
		if problem := all.text(text); problem != nil {
			return invalidAt("/http/"+[...]string{"method", "host", "path", "query", "content_type", "content_encoding"}[i], problem.reason)
		}
	}
	for name, values := range c.Headers {
		all.values += 1 + len(values)
		if all.text(name) != nil {
			return invalidAt("/http/headers", problemName.reason)
		}
		for i, value := range values {
			if problem := all.text(value); problem != nil {
				return invalidAt("/http/headers/"+strictjson.Token(name)+"/"+strconv.Itoa(i), problem.reason)
			}
		}
	}
	return nil
}
