package aureus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/internal/vocab"
)

// StreamQuery selects the events of a stream; its zero value selects every event
// from now on.
type StreamQuery struct {
	Kinds      []string           // telemetry, decision or approval; empty is all of them
	EventType  TelemetryEventType // telemetry events of this type only
	WorkflowID string             // telemetry events of this workflow only
	Principal  string             // decisions and approvals about this principal only

	// LastEventID continues after the event with that id: the events that happened
	// since then come first, also after days. Where the server does not know that
	// event any more, an event of the kind reset comes first, and then every event
	// that the server has.
	LastEventID string
}

// StreamEvent is one event of a stream. Its kind is one of
//
//	telemetry  a telemetry event, reported or made by the control plane
//	decision   a policy decision, as it stands in the audit log
//	approval   a change of an approval, as it stands in the audit log
//	reset      the server does not know the event to continue after, because its
//	           database was replaced or restored. The stream starts at the first
//	           event that the server has, so that none is missed; events that came
//	           before come again. This kind comes whatever StreamQuery.Kinds says.
type StreamEvent struct {
	ID        string // continues after this event, as StreamQuery.LastEventID
	Kind      string
	Telemetry *TelemetryEvent // nil but for the kind telemetry
	Audit     *AuditRecord    // nil but for the kinds decision and approval
}

// Stream yields events as they happen, for as long as the context lives. It
// reconnects where it left off when the connection ends or falls silent, with
// growing delays, for as long as it takes: [WithAttemptObserver] shows that. It
// ends with an error: the context's, or one that another attempt would give
// again, such as a refused key. It needs an operator's key for decisions and
// approvals. GET /api/v1/stream.
func (c *Client) Stream(ctx context.Context, query StreamQuery) iter.Seq2[StreamEvent, error] {
	const op = "Stream"
	return func(yield func(StreamEvent, error) bool) {
		values := addQuery(url.Values{}, "kinds", strings.Join(query.Kinds, ","), "type", string(query.EventType),
			"workflow_id", query.WorkflowID, "principal", query.Principal)
		if err := c.ready(op); err != nil {
			yield(StreamEvent{}, err)
			return
		}
		last := query.LastEventID
		if !validHeaderValue(last) {
			yield(StreamEvent{}, &Error{Op: op, Message: "LastEventID has a control character, as no event's id has", Err: ErrInvalid})
			return
		}
		for failures := 0; ; failures++ {
			client := c.With(WithRetry(RetryPolicies{Reads: NoRetry}), streamHeaders(last))
			stopped := false
			err := client.do(ctx, call{op: op, class: classReads, method: http.MethodGet, path: "/stream", query: values, silence: true, quiet: streamQuiet},
				func(response *http.Response) error {
					return readStream(op, last, response, func(event StreamEvent) bool {
						failures, last = 0, event.ID
						if event.Kind == "" { // it has come further, past events that were not asked for
							return true
						}
						stopped = !yield(event, nil)
						return !stopped
					})
				})
			if stopped {
				return
			}
			if ctx.Err() == nil && !worthReconnecting(err) {
				yield(StreamEvent{}, err)
				return
			}
			if ctx.Err() != nil || !wait(ctx, c.closed.Done(), defaultRetries[classReads].delay(min(failures+1, 8), err), time.Time{}) {
				yield(StreamEvent{}, c.gaveUp(ctx, op, err))
				return
			}
		}
	}
}

func streamHeaders(last string) callOption {
	return func(s *settings) {
		WithHeader("Accept", "text/event-stream").applyCall(s)
		if last != "" {
			WithHeader("Last-Event-ID", last).applyCall(s)
		}
	}
}

// worthReconnecting also holds for a stream that the server ended, which is no
// error.
func worthReconnecting(err error) bool {
	return err == nil || repeatable(err) || errors.Is(err, ErrCircuitOpen) || (errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrClosed))
}

// streamQuiet is how long a stream may be silent at least, however short the
// client's timeout is: a control plane where nothing happens speaks every 10 s.
const streamQuiet = 30 * time.Second

const (
	// maxStreamEvent bounds one event, in bytes.
	maxStreamEvent = 4 << 20
	// maxEventID bounds the id of one, in bytes: it goes back in a header.
	maxEventID = 1024
)

// readStream reads server-sent events (WHATWG HTML, 9.2) until the stream ends
// or take wants no more. last is the id of events that come without one. An
// event with nothing but an id says how far the stream has come.
func readStream(op, last string, response *http.Response, take func(StreamEvent) bool) error {
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return malformed(op, errors.New("the content type is not text/event-stream"))
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxStreamEvent)
	id, kind := last, ""
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 { // the end of an event
			if len(data) > 0 {
				event, err := streamEvent(id, kind, data)
				if err != nil {
					return malformed(op, err)
				}
				if !take(event) {
					return nil
				}
			}
			if len(data) == 0 && id != last && !take(StreamEvent{ID: id}) {
				return nil
			}
			kind, data, last = "", data[:0], id
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "id":
			if len(value) <= maxEventID && validHeaderValue(string(value)) { // what cannot be sent back is none
				id = string(value)
			}
		case "event":
			kind = string(value)
		case "data":
			if len(data)+len(value) > maxStreamEvent {
				return malformed(op, fmt.Errorf("an event is larger than %d MiB", maxStreamEvent>>20))
			}
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return malformed(op, fmt.Errorf("an event is larger than %d MiB", maxStreamEvent>>20))
		}
		return err
	}
	return nil // the server ended the stream
}

func streamEvent(id, kind string, data []byte) (StreamEvent, error) {
	event := StreamEvent{ID: id, Kind: kind}
	var err error
	switch kind {
	case vocab.StreamTelemetry:
		event.Telemetry = new(TelemetryEvent)
		err = decode(data, event.Telemetry)
	case vocab.StreamDecision, vocab.StreamApproval:
		event.Audit = new(AuditRecord)
		err = decode(data, event.Audit)
	case vocab.StreamReset: // there is nothing in it for the program
	default:
		err = fmt.Errorf("an event is of the unknown kind %q", clip(kind, 50))
	}
	return event, err
}
