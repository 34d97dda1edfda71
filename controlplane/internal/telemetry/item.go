package telemetry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	// MaxItem is the maximum size of the JSON text of one item, in bytes.
	MaxItem = 1 << 20
	// MaxKey is the maximum size of each text in an index (a name, an id, a type), in
	// bytes.
	MaxKey = 4 << 10
)

// Item is one span, metric or event, checked and ready to be stored. It is
// immutable.
type Item struct {
	kind   Kind
	body   string
	at     Instant
	values []any // of the kind's own columns
	cost   int64
}

// Kind returns the kind of the item.
func (i Item) Kind() Kind { return i.kind }

// Body returns the compact JSON text of the item, as queries return it.
func (i Item) Body() string { return i.body }

// At returns the time of the item.
func (i Item) At() Instant { return i.at }

// Columns returns the values of the columns of [Kind.Columns]: strings, integers,
// floats, or nil. The caller must not change them.
func (i Item) Columns() []any { return i.values }

// Cost returns the size of the item for the limits of [Options], in bytes: its texts,
// their copies in indexes, and RowCost.
func (i Item) Cost() int64 { return i.cost }

// WithColumns returns the item with other column values. It is for tests of items
// that cannot be stored.
func (i Item) WithColumns(values ...any) Item {
	i.values = values
	return i
}

// WithBody returns the item with another text, which is not checked. It is for tests
// of limits.
func (i Item) WithBody(body string) Item {
	i.body = body
	return i
}

// WithCost returns the item with another cost. It is for tests of limits.
func (i Item) WithCost(cost int64) Item {
	i.cost = cost
	return i
}

// Read checks the JSON text of one item of the kind against its model. If the text is
// not JSON, the error is a *strictjson.SyntaxError; if it does not match the model, a
// *strictjson.ShapeError with all problems. Neither contains reported values. Read
// does not keep the text: the caller may reuse it.
//
// Read removes the member source of an event, which only ReadOwn accepts.
func Read(kind Kind, text []byte) (Item, error) { return readItem(kind, text, false) }

// ReadOwn is like Read, for an event that the control plane itself has made. It keeps
// the member source, and the event is stored as the control plane's own.
func ReadOwn(text []byte) (Item, error) { return readItem(Events, text, true) }

func readItem(kind Kind, text []byte, own bool) (Item, error) {
	if !kind.Valid() {
		return Item{}, fmt.Errorf("telemetry: kind %d does not exist", kind)
	}
	if len(text) > MaxItem {
		return Item{}, shapeError("", fmt.Sprintf("is larger than %d bytes", MaxItem))
	}
	item := Item{kind: kind, body: string(text)}
	f, compact, ok := scan(kind, item.body)
	var err error
	if !ok {
		if f, err = parse(kind, text); err != nil {
			return Item{}, err
		}
	}
	if !compact {
		body := jsontext.Value(slices.Clone(text))
		if err := body.Compact(); err != nil {
			return Item{}, fmt.Errorf("telemetry: %w", err) // cannot fail, because it was read before
		}
		item.body = string(body)
		if ok { // scan again, so that the strings share the memory of the body
			f, _, _ = scan(kind, item.body)
		}
	}
	if f.own = own; f.stamped && !own {
		if item.body, err = withoutSource(item.body); err != nil {
			return Item{}, fmt.Errorf("telemetry: %w", err) // cannot fail, because it was read before
		}
	}
	if item.values, err = f.values(kind); err != nil {
		return Item{}, err
	}
	item.at = instantOfText(f.time)
	item.cost = int64(len(item.body)) + RowCost
	for _, value := range item.values {
		if s, ok := value.(string); ok {
			item.cost += 2 * int64(len(s)) // in the row and in an index
		}
	}
	return item, nil
}

// withoutSource returns the compact text of an object without its member source, and
// otherwise unchanged.
func withoutSource(text string) (string, error) {
	decoder := jsontext.NewDecoder(strings.NewReader(text))
	if _, err := decoder.ReadToken(); err != nil {
		return "", err
	}
	rest := []byte{'{'}
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadValue()
		if err != nil {
			return "", err
		}
		name = slices.Clone(name) // the next read overwrites it
		member, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return "", err
		}
		value, err := decoder.ReadValue()
		if err != nil {
			return "", err
		}
		if string(member) == "source" {
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, name...), ':'), value...)
	}
	return string(append(rest, '}')), nil
}

// RowCost is the cost of a row in addition to its texts, in bytes: its numbers, and
// its entries in up to three indexes.
const RowCost = 200

// facts holds the values of an item that are stored in columns.
type facts struct {
	time string

	traceID string // of a span

	name string // of a metric
	tags map[string]string

	eventType, workflowID, taskID, taskType string // of an event
	data                                    map[string]any
	stamped                                 bool // whether it has a member source
	own                                     bool // whether the control plane made it
}

// parse is like scan, but reads every valid text, and returns an error that describes
// an invalid one.
func parse(kind Kind, text []byte) (facts, error) {
	tree, err := strictjson.Parse(text)
	if err != nil {
		return facts{}, err
	}
	problems := strictjson.Check(tree, kinds[kind].model)
	object, ok := tree.(map[string]any)
	if !ok && len(problems) == 0 { // null, which Check treats as an absent value
		problems = []strictjson.Problem{{Message: "must be an object, not null"}}
	}
	if len(problems) > 0 {
		return facts{}, &strictjson.ShapeError{Problems: problems}
	}
	f := facts{
		traceID: textOf(object, "trace_id"), name: textOf(object, "name"),
		eventType: textOf(object, "type"), workflowID: textOf(object, "workflow_id"),
		taskID: textOf(object, "task_id"), taskType: textOf(object, "task_type"),
	}
	f.time = textOf(object, "timestamp")
	if kind == Spans {
		f.time = textOf(object, "start_time")
	}
	f.data, _ = object["data"].(map[string]any)
	source, _ := object["source"]
	f.stamped = kind == Events && source != nil
	tags, _ := object["tags"].(map[string]any)
	f.tags = make(map[string]string, len(tags))
	for name := range tags {
		f.tags[name] = textOf(tags, name)
	}
	return f, nil
}

// values returns the values of the columns of the kind.
func (f *facts) values(kind Kind) ([]any, error) {
	var k keys
	var values []any
	switch kind {
	case Spans:
		values = []any{k.check("trace_id", f.traceID)}
	case Metrics:
		tags, err := encodeTags(f.tags)
		if err != nil {
			return nil, err
		}
		values = []any{k.check("name", f.name), tags}
	default:
		success, duration, escalated := figures(f.eventType, f.data)
		values = []any{
			k.check("type", f.eventType), k.check("workflow_id", f.workflowID), k.check("task_id", f.taskID), k.check("task_type", f.taskType),
			success, duration, escalated, bit(f.own),
		}
	}
	if len(k.problems) > 0 {
		return nil, &strictjson.ShapeError{Problems: k.problems}
	}
	return values, nil
}

// figures returns the values of an event's data that summaries need. A value that
// they do not need is nil.
func figures(eventType string, data map[string]any) (success, duration, escalated any) {
	switch eventType {
	case string(aureus.EventStepEnd):
		success, duration = bit(truthy(data["success"])), millis(data["duration"])
	case string(aureus.EventPolicyCheck):
		escalated = bit(truthy(either(data, "requiresHumanApproval", "requires_human_approval")))
	}
	return success, duration, escalated
}

// keys collects the problems of texts that are too long for an index.
type keys struct{ problems []strictjson.Problem }

func (k *keys) check(name, text string) string {
	if len(text) > MaxKey {
		k.problems = append(k.problems, strictjson.Problem{Pointer: "/" + name, Message: fmt.Sprintf("is longer than %d bytes", MaxKey)})
	}
	return text
}

// textOf returns the string under the name, or an empty one if it is absent or null.
func textOf(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// either returns a value of event data under one of the two spellings of its name:
// camelCase, as the published client sends it, or else snake_case.
func either(data map[string]any, camel, snake string) any {
	if value, ok := data[camel]; ok {
		return value
	}
	return data[snake]
}

// truthy converts a value to a boolean as JavaScript does, because the original
// implementation did so: false, null, zero and the empty string are false, and
// everything else is true.
func truthy(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case json.Number:
		f, err := value.Float64()
		return err != nil || f != 0 // a number that is too large for a float64 is not zero
	default:
		return true
	}
}

// millis returns a duration in milliseconds, or 0 for a value that is not a number.
func millis(value any) float64 {
	n, ok := value.(json.Number)
	if !ok {
		return 0
	}
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return f
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// tagMark is written before and after each encoded tag. JSON text contains no raw
// control characters, so a mark is never part of a tag.
const tagMark = "\x1e"

// encodeTags encodes tags so that a search for the result of EncodeTag finds a tag.
func encodeTags(tags map[string]string) (string, error) {
	if len(tags) == 0 {
		return "", nil
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		pair, err := EncodeTag(name, tags[name])
		if err != nil {
			return "", err
		}
		b.WriteString(pair)
	}
	return b.String(), nil
}

// EncodeTag encodes one tag as in the column tags of a metric, so that a search for
// this text finds the metrics with the tag.
func EncodeTag(name, value string) (string, error) {
	quoted, err := jsontext.AppendQuote([]byte(tagMark), name)
	if err == nil {
		quoted, err = jsontext.AppendQuote(append(quoted, ':'), value)
	}
	if err != nil {
		return "", shapeError("/tags", "is not valid UTF-8")
	}
	return string(quoted) + tagMark, nil
}

func shapeError(pointer, message string) error {
	return &strictjson.ShapeError{Problems: []strictjson.Problem{{Pointer: pointer, Message: message}}}
}
