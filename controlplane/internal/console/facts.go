package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The limits of the values of a request on its page. A request beyond them cannot be
// decided on the page.
const (
	maxFacts     = 2000
	maxFactBytes = 512 << 10 // of all names and values of one list
)

// fact is one value of a request: where it is, and what it is.
type fact struct {
	Name, Value string
	Note        string // what a reader must know about the value, such as that it is hidden
}

// factList holds the values of a document.
type factList struct {
	Facts []fact
	Cut   bool // not all of them are here

	base string // the pointer of the document
	size int
}

// notes says for JSON pointers what a reader must know about their values.
type notes map[string]string

func (n notes) add(pointers []string, text string) {
	for _, pointer := range pointers {
		if n[pointer] != "" {
			n[pointer] += ", "
		}
		n[pointer] += text
	}
}

// addFacts sets the values of the approval's request.
func (s *Service) addFacts(r *http.Request, data *approvalData) error {
	if err := web.CapacityError(web.Account(r).Charge(4 * maxFactBytes)); err != nil {
		return err
	}
	known := notes{}
	known.add(data.Redacted, "hidden: it may be a secret")
	known.add(data.Escaped, "invisible characters are written as codes")
	for _, m := range data.Approval.MayChange {
		pointer := m.Pointer
		if strings.HasPrefix(pointer, "/metadata") {
			pointer = "/action" + pointer
		}
		known.add([]string{pointer}, "may differ when it is used")
		data.MayChange = append(data.MayChange, fact{Name: m.Pointer, Value: valueText(m.Value)})
	}
	data.Arguments.base, data.Metadata.base, data.Body.base = "/arguments", "/action/metadata", "/http/body"
	if data.Approval.Arguments != nil {
		data.Arguments.addAll(data.Arguments.base, data.Approval.Arguments, known)
	}
	if len(data.Action.Metadata) > 0 {
		data.Metadata.addAll(data.Metadata.base, data.Action.Metadata, known)
	}
	data.Hidden, data.MoreHidden = firstOf(slices.DeleteFunc(slices.Clone(data.Redacted), func(p string) bool { return p == "" }))
	data.HiddenCut = slices.Contains(data.Redacted, "")
	call := data.HTTP
	if call == nil {
		return nil
	}
	for _, f := range []fact{
		{Name: "Method", Value: call.Method},
		{Name: "Host", Value: call.Host},
		{Name: "Path", Value: call.Path},
		{Name: "Query", Value: call.Query},
		{Name: "Content type", Value: call.ContentType},
		{Name: "Content encoding", Value: call.ContentEncoding},
	} {
		if f.Value != "" {
			data.Call = append(data.Call, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(call.Headers)) {
		data.Call = append(data.Call, fact{Name: "Header " + name, Value: strings.Join(call.Headers[name], ", "), Note: known["/http/headers/"+name]})
	}
	if len(call.Body) > 0 {
		data.Body.addBody(call.Body, known)
	}
	return nil
}

// addBody adds the values of a body in JSON, or else its text. A body whose objects have a
// name twice is shown as text, because readers of it differ about which value counts.
func (l *factList) addBody(body aureus.Body, known notes) {
	if value, err := strictjson.Parse(body); err == nil {
		l.addAll(l.base, value, known)
		return
	}
	text, note := []byte(body), notes{l.base: known[l.base]}
	if !utf8.Valid(body) { // on a page, all bytes that are not UTF-8 look the same
		if exact, err := body.MarshalText(); err == nil {
			text = exact
			note.add([]string{l.base}, "not UTF-8: written in base64")
		}
	}
	l.add(fact{Name: l.base, Value: string(text), Note: note[l.base]})
}

// addAll adds the values of a JSON document, which begins at the pointer, in the order of
// their names.
func (l *factList) addAll(pointer string, value any, known notes) {
	switch v := value.(type) {
	case nil:
		l.add(fact{Name: pointer, Value: "null", Note: known[pointer]})
	case map[string]any:
		if len(v) == 0 {
			l.add(fact{Name: pointer, Value: "{}", Note: known[pointer]})
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if l.Cut {
				return
			}
			l.addAll(pointer+"/"+pointerEscaper.Replace(name), v[name], known)
		}
	case []any:
		if len(v) == 0 {
			l.add(fact{Name: pointer, Value: "[]", Note: known[pointer]})
		}
		for i, item := range v {
			if l.Cut {
				return
			}
			l.addAll(pointer+"/"+strconv.Itoa(i), item, known)
		}
	case string:
		l.add(fact{Name: pointer, Value: unlikeOthers(v), Note: known[pointer]})
	default:
		l.add(fact{Name: pointer, Value: valueText(v), Note: known[pointer]})
	}
}

// unlikeOthers returns a text without quotes, unless it would look like another value: empty,
// or like a number, true, false, null, an empty list or object, or a text with quotes.
func unlikeOthers(text string) string {
	switch text {
	case "", "true", "false", "null", "[]", "{}":
		return strconv.Quote(text)
	}
	if text[0] == '"' {
		return strconv.Quote(text)
	}
	if first := text[0]; first == '-' || '0' <= first && first <= '9' {
		if _, err := strictjson.Parse([]byte(text)); err == nil {
			return strconv.Quote(text)
		}
	}
	return text
}

var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

func (l *factList) add(f fact) {
	if f.Name = strings.TrimPrefix(strings.TrimPrefix(f.Name, l.base), "/"); f.Name == "" {
		f.Name = "(the whole)"
	}
	l.size += len(f.Name) + len(f.Value)
	if len(l.Facts) == maxFacts || l.size > maxFactBytes {
		l.Cut = true
		return
	}
	l.Facts = append(l.Facts, f)
}

// valueText returns a JSON value as it is read: a text without its quotes.
func valueText(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
