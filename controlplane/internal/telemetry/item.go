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
	// MaxItem bounds the JSON text of one item, in bytes.
	MaxItem = 1 << 20
	// MaxKey bounds each text that is searched for (a name, an id, a type), in
	// bytes: they stand in indexes.
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

// Kind says what the item is.
func (i Item) Kind() Kind { return i.kind }

// Body is the item's compact JSON text, as it is given back.
func (i Item) Body() string { return i.body }

// At is the item's time.
func (i Item) At() Instant { return i.at }

// Columns are the values of the kind's own columns, see [Kind.Columns]: texts,
// integers, floats, and nil. The caller does not change them.
func (i Item) Columns() []any { return i.values }

// Cost is what the item takes, as [Options] counts: its texts, what is indexed of
// them, and a fixed amount for a row.
func (i Item) Cost() int64 { return i.cost }

// WithColumns is the item with other values in its own columns, for tests of what
// cannot be stored.
func (i Item) WithColumns(values ...any) Item {
	i.values = values
	return i
}

// WithBody is the item with another text, for tests of bounds. It is not checked.
func (i Item) WithBody(body string) Item {
	i.body = body
	return i
}

// WithCost is the item with another cost, for tests of bounds.
func (i Item) WithCost(cost int64) Item {
	i.cost = cost
	return i
}

// Read checks the JSON text of one item of the kind against its model. The
// error is a *strictjson.SyntaxError for what is no JSON, and a
// *strictjson.ShapeError with every problem for what is another shape; neither
// repeats a reported value. The text is not kept: the caller may use it again.
//
// What an event says of its source is taken out: that is for ReadOwn.
func Read(kind Kind, text []byte) (Item, error) { return readItem(kind, text, false) }

// ReadOwn is Read for an event that the control plane itself has made: its text
// says so by the member source, and it is stored as such.
func ReadOwn(text []byte) (Item, error) { return readItem(Events, text, true) }

func readItem(kind Kind, text []byte, own bool) (Item, error) {
	if !kind.Valid() {
		return Item{}, fmt.Errorf("telemetry: kind %d is none", kind)
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
			return Item{}, fmt.Errorf("telemetry: %w", err) // not after it was read
		}
		item.body = string(body)
		if ok { // again, so that its texts are parts of the body that is kept
			f, _, _ = scan(kind, item.body)
		}
	}
	if f.own = own; f.stamped && !own {
		if item.body, err = withoutSource(item.body); err != nil {
			return Item{}, fmt.Errorf("telemetry: %w", err) // not after it was read
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

// withoutSource is the compact text of an object without its member source,
// and otherwise as it is.
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
		name = slices.Clone(name) // until the next read
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

// RowCost is what a row costs beside its texts, in bytes: its numbers, and its
// entries in up to three indexes.
const RowCost = 200

// facts are what is stored of an item beside its body.
type facts struct {
	time string

	traceID string // of a span

	name string // of a metric
	tags map[string]string

	eventType, workflowID, taskID, taskType string // of an event
	data                                    map[string]any
	stamped                                 bool // it says something of its source
	own                                     bool // the control plane made it
}

// parse is scan for every text, and says what is wrong with it.
func parse(kind Kind, text []byte) (facts, error) {
	tree, err := strictjson.Parse(text)
	if err != nil {
		return facts{}, err
	}
	problems := strictjson.Check(tree, kinds[kind].model)
	object, ok := tree.(map[string]any)
	if !ok && len(problems) == 0 { // a null, which Check takes for an absent value
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

// values are the columns of the kind.
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

// figures reads what summaries need of an event's data, and nil if they need
// nothing.
func figures(eventType string, data map[string]any) (success, duration, escalated any) {
	switch eventType {
	case string(aureus.EventStepEnd):
		success, duration = bit(truthy(data["success"])), millis(data["duration"])
	case string(aureus.EventPolicyCheck):
		escalated = bit(truthy(either(data, "requiresHumanApproval", "requires_human_approval")))
	}
	return success, duration, escalated
}

// keys finds texts that are too long for an index.
type keys struct{ problems []strictjson.Problem }

func (k *keys) check(name, text string) string {
	if len(text) > MaxKey {
		k.problems = append(k.problems, strictjson.Problem{Pointer: "/" + name, Message: fmt.Sprintf("is longer than %d bytes", MaxKey)})
	}
	return text
}

// textOf is the string under the name, and empty for an absent or null one.
func textOf(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// either reads a value of event data by either spelling of its name: camelCase, as
// the published client sends it, or snake_case.
func either(data map[string]any, camel, snake string) any {
	if value, ok := data[camel]; ok {
		return value
	}
	return data[snake]
}

// truthy is truth as the original reads it, which is JavaScript's: false, null,
// zero and the empty text are false, and everything else is true.
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
		return err != nil || f != 0 // too large for a float64 is not zero
	default:
		return true
	}
}

// millis is a duration in milliseconds. A value that is not a number counts as 0.
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

// tagMark stands around each encoded tag. JSON text contains no raw control
// character, so a mark is never part of a tag.
const tagMark = "\x1e"

// encodeTags writes tags so that a pair is found by a search for EncodeTag.
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

// EncodeTag writes one tag as it is part of the column tags of a metric, so that a
// search for this text finds the metrics with the tag.
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
