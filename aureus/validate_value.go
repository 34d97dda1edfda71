package aureus

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// extent counts what a request holds: JSON values, and about as many bytes as its
// JSON has.
type extent struct{ values, bytes int }

func (x *extent) withinBounds() error {
	switch {
	case x.values > maxRequestValues:
		return invalidAt("", fmt.Sprintf("the request must not hold more than %d values", maxRequestValues))
	case x.bytes > maxRequestBytes:
		return invalidAt("", fmt.Sprintf("the request must not be longer than %d bytes of JSON", maxRequestBytes))
	}
	return nil
}

// object checks a free-form object that stands within so many levels as depth.
func (x *extent) object(pointer string, object map[string]any, depth int) error {
	if problem := x.members(object, depth); problem != nil {
		return problem.at(pointer)
	}
	return nil
}

// free checks a free-form value.
func (x *extent) free(pointer string, value any, depth int) error {
	if problem := x.value(value, depth); problem != nil {
		return problem.at(pointer)
	}
	return nil
}

// valueProblem is what is wrong with a value, and where within it.
type valueProblem struct{ pointer, reason string }

func (p *valueProblem) in(name string) *valueProblem {
	if len(p.pointer) < maxPointerShown {
		p.pointer = "/" + strictjson.Token(name) + p.pointer
	}
	return p
}

// maxPointerShown bounds about how long the pointer of a problem gets, in bytes.
const maxPointerShown = 256

func (p *valueProblem) at(pointer string) error {
	within := p.pointer
	if len(within) > maxPointerShown {
		within = within[:maxPointerShown] + "…"
	}
	return invalidAt(pointer+strings.ToValidUTF8(within, "\uFFFD"), p.reason)
}

var (
	problemNotFinite = valueProblem{reason: "has no JSON form: NaN and the infinities are no numbers"}
	problemUTF8      = valueProblem{reason: "must be valid UTF-8"}
	problemName      = valueProblem{reason: "has a member whose name is not valid UTF-8"}
	problemNumber    = valueProblem{reason: "has no JSON form: it is not a JSON number"}
	problemDepth     = valueProblem{reason: fmt.Sprintf("is nested more than %d levels deep in the request, or holds itself", maxRequestDepth)}
	problemSize      = valueProblem{reason: fmt.Sprintf("the request must not hold more than %d values or %d bytes", maxRequestValues, maxRequestBytes)}
)

func (p *valueProblem) found() *valueProblem { found := *p; return &found }

// value checks a free-form value that stands within so many levels as depth. It
// follows nothing further than the bounds allow.
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

// nested enters an array or an object.
func (x *extent) nested(depth int) *valueProblem {
	x.bytes += 2
	switch {
	case depth >= maxRequestDepth:
		return problemDepth.found()
	case x.values > maxRequestValues || x.bytes > maxRequestBytes: // it may hold the same value many times over
		return problemSize.found()
	}
	return nil
}

func (x *extent) text(text string) *valueProblem {
	x.bytes += len(text) + 3
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

// other checks a value of another Go type by its JSON.
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

// validate looks at the texts of the call. What is in its body is no concern of
// JSON: it is sent as base64 where it is no text.
func (c *HTTPCall) validate(all *extent) error {
	for _, part := range [...]struct{ name, text string }{
		{"method", c.Method},
		{"host", c.Host},
		{"path", c.Path},
		{"query", c.Query},
		{"content_type", c.ContentType},
		{"content_encoding", c.ContentEncoding},
	} {
		if problem := all.text(part.text); problem != nil {
			return invalidAt("/http/"+part.name, problem.reason)
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
