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
	Kinds      []string           // telemetry, decision, approval or policy; empty means all kinds
	EventType  TelemetryEventType // telemetry events of this type only
	WorkflowID string             // telemetry events of this workflow only
	Principal  string             // decisions and approvals about this principal only

	// LastEventID continues after the event with that id: the events that happened
	// since then come first, even if that was days ago. If the server does not know that
	// event any more, an event of the kind reset comes first, and then every event
	// that the server has.
	LastEventID string
}

// StreamEvent is one event of a stream. Its kind is one of
//
//	telemetry  a telemetry event, reported or made by the control plane
//	decision   a policy decision, as in the audit log
//	approval   a change of an approval, as in the audit log
//	policy     the policy bundle and the stops in force, after each change of them, and at
//	           the start of the stream if the tenant has had either
//	reset      the server does not know the event to continue after, because its
//	           database was replaced or restored. The stream starts at the first
//	           event that the server has, so that no event is missed, and some
//	           come a second time. StreamQuery.Kinds does not exclude this kind.
type StreamEvent struct {
	ID        string // continues after this event, as StreamQuery.LastEventID
	Kind      string
	Telemetry *TelemetryEvent // nil except for the kind telemetry
	Audit     *AuditRecord    // nil except for the kinds decision and approval
	Policy    *PolicyChange   // nil except for the kind policy
}

// PolicyChange says which policy of the tenant is in force.
type PolicyChange struct {
	Bundle    string `json:"bundle,omitzero"` // the name and version, such as ledger/7; empty without a bundle
	ETag      Digest `json:"etag,omitzero"`   // as PolicyBundle.Digest
	StopsETag Digest `json:"stops_etag"`      // as the digest of Client.PolicyStops
}

// Stream yields events as they happen, until the context ends. When the connection
// ends, or nothing arrives for the client's timeout (at least 30 s), it connects
// again and continues after the last event, with growing delays between attempts
// and without a limit of attempts; [WithAttemptObserver] sees each. The last thing
// it yields is an error: that of the context, or one that another attempt would get
// again, such as a refused key. Decisions and approvals need an operator's key.
// GET /api/v1/stream.
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
			yield(StreamEvent{}, &Error{Op: op, Message: "LastEventID has a control character; no event has such an id", Err: ErrInvalid})
			return
		}
		for failures := 0; ; failures++ {
			client := c.With(WithRetry(RetryPolicies{Reads: NoRetry}), streamHeaders(last))
			stopped := false
			err := client.do(ctx, call{op: op, class: classReads, method: http.MethodGet, path: "/stream", query: values, idleTimeout: true, minIdle: streamMinIdle},
				func(response *http.Response) error {
					return readStream(op, last, response, func(event StreamEvent) bool {
						failures, last = 0, event.ID
						if event.Kind == "" { // only the id advances, past events that the query does not select
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

// worthReconnecting reports whether another connection may help. A nil error is the
// end of a stream that the server closed.
func worthReconnecting(err error) bool {
	return err == nil || repeatable(err) || errors.Is(err, ErrCircuitOpen) || (errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrClosed))
}

// streamMinIdle is the least time that a stream waits for data, even if the client's
// timeout is shorter. An idle control plane sends a comment every 10 s.
const streamMinIdle = 30 * time.Second

const (
	// maxStreamEvent limits one event, in bytes.
	maxStreamEvent = 4 << 20
	// maxEventID limits the id of an event, in bytes: it is sent back in a header.
	maxEventID = 1024
)

// readStream reads server-sent events (WHATWG HTML, 9.2) until the stream ends or
// take returns false. last is the id of an event that comes without one. An event
// that has only an id is passed to take with the id alone: the stream
// continues after it.
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
			if len(value) <= maxEventID && validHeaderValue(string(value)) { // an id that cannot be sent back in a header is ignored
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
	case vocab.StreamPolicy:
		event.Policy = new(PolicyChange)
		err = decode(data, event.Policy)
	case vocab.StreamReset: // its data is for people
	default:
		err = fmt.Errorf("an event has the unknown kind %q", clip(kind, 50))
	}
	return event, err
}
