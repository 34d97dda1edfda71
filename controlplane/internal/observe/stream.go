package observe

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// heartbeat is the longest time without sending anything. Then a comment with
	// the present position is sent.
	heartbeat = 10 * time.Second
	// keyCheckInterval is how often the key of an idle stream is checked. It is also
	// checked before every send.
	keyCheckInterval = time.Second
	// maxPart is how many bytes are collected before they are sent; the last event
	// of a part may exceed it.
	maxPart = 128 << 10
)

// followStream answers GET stream with server-sent events (WHATWG HTML, section
// 9.2): events after the one in the header Last-Event-ID, or without it those that
// happen from now on.
func (s *Service) followStream(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	f, err := s.newFollower(r, c)
	if err != nil {
		return err
	}
	if s.streams.ended() {
		return web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the control plane is shutting down", web.WithRetryAfter(time.Second))
	}
	release, err := web.Account(r).Follow()
	if err != nil {
		return web.CapacityError(err)
	}
	defer release()
	feed, unsubscribe := s.subscribe(c.Tenant)
	defer unsubscribe()
	resetReason, err := f.start(r.Context(), r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	var out bytes.Buffer
	fmt.Fprintf(&out, ": aureus\nid: %s\n\n", f.position)
	if resetReason != "" {
		reason, err := strictjson.MarshalText(map[string]string{"reason": resetReason})
		if err != nil {
			return err
		}
		f.write(&out, vocab.StreamReset, reason)
	}
	if send(w, &out) != nil {
		return nil // the client has disconnected
	}
	f.run(r, w, feed)
	return nil
}

// newFollower reads the query and checks that the caller's role permits the kinds
// of events that it names.
func (s *Service) newFollower(r *http.Request, c web.Caller) (*follower, error) {
	query, err := web.Query(r)
	if err != nil {
		return nil, err
	}
	f := &follower{service: s, caller: c}
	f.eventType, f.workflow, f.principal = query.Get("type"), query.Get("workflow_id"), query.Get("principal")
	mayReadAudit := c.Role.AtLeast(web.Operator)
	kinds := query.Get("kinds")
	if kinds == "" {
		f.telemetry, f.policy, f.decisions, f.approvals = true, true, mayReadAudit, mayReadAudit
		return f, nil
	}
	for kind := range strings.SplitSeq(kinds, ",") {
		switch kind {
		case vocab.StreamTelemetry:
			f.telemetry = true
		case vocab.StreamPolicy:
			f.policy = true
		case vocab.StreamDecision:
			f.decisions = true
		case vocab.StreamApproval:
			f.approvals = true
		default:
			return nil, web.BadQuery("kinds", "must be a comma-separated list of telemetry, decision, approval and policy")
		}
	}
	if (f.decisions || f.approvals) && !mayReadAudit {
		return nil, web.Problem(http.StatusForbidden, wire.CodeForbidden, "following decisions and approvals needs the role "+string(web.Operator))
	}
	return f, nil
}

// start sets the position of the follower from the Last-Event-ID, which may be
// empty. If these stores cannot have sent that id, as after a backup was restored,
// the follower starts at their beginning, and resetReason says why.
func (f *follower) start(ctx context.Context, lastEventID string) (resetReason string, err error) {
	end, err := f.service.storeEnds(ctx, f.caller.Tenant)
	if err != nil {
		return "", err
	}
	end.files = f.service.Files
	if lastEventID == "" {
		f.position = end
		return "", nil
	}
	last, ok := parsePosition(lastEventID)
	if !ok {
		return "", web.Problem(http.StatusBadRequest, wire.CodeValidation, "the Last-Event-ID must be the id of an event of this stream")
	}
	switch {
	case last.files != "" && last.files != end.files:
		resetReason = "the Last-Event-ID belongs to another database: the stream starts again at the beginning of this one"
	case last.telemetry > end.telemetry, last.audit > end.audit:
		resetReason = "the Last-Event-ID is after the last event of this database, which is an older copy: the stream starts again at its beginning"
	}
	if resetReason != "" {
		last = position{}
	}
	last.files = end.files
	f.position = last
	return resetReason, nil
}

// run sends new events until the client disconnects, its key is no longer valid, or the
// server ends its streams or closes.
func (f *follower) run(r *http.Request, w http.ResponseWriter, feed *feed) {
	ctx := r.Context()
	tick := time.NewTicker(keyCheckInterval)
	defer tick.Stop()
	lastSent := time.Now()
	checkKey, ends := true, f.service.streams.wait()
	var out bytes.Buffer
	for {
		more, changed, err := f.next(ctx, feed, &out)
		if err != nil {
			if ctx.Err() == nil {
				web.Logger(r).WarnContext(ctx, "a stream ended early", "err", err)
			}
			return
		}
		if out.Len() == 0 && time.Since(lastSent) >= heartbeat {
			fmt.Fprintf(&out, ":\nid: %s\n\n", f.position) // a client that reconnects then skips the events that the filter excludes
		}
		if (checkKey || out.Len() > 0) && !f.keyValid(r) {
			return
		}
		checkKey = false
		if out.Len() > 0 {
			lastSent = time.Now()
			if f.send(r, w, &out) != nil {
				return
			}
		}
		if more {
			if ctx.Err() != nil || f.service.streams.ended() {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ends:
			return
		case <-changed:
		case <-tick.C:
			checkKey = true
		}
	}
}

// keyValid reports whether the request still has the key with which the stream
// began. A stream ends when its key is revoked.
func (f *follower) keyValid(r *http.Request) bool {
	c, err := f.service.Identify(r)
	return err == nil && c.KeyID == f.caller.KeyID
}

// send sends out and empties it. Its memory is charged to the request until the
// client has read it.
func (f *follower) send(r *http.Request, w http.ResponseWriter, out *bytes.Buffer) error {
	size := int64(out.Cap())
	account := web.Account(r)
	if err := account.Charge(size); err != nil {
		return err
	}
	defer account.Refund(size)
	err := send(w, out)
	if out.Cap() > maxPart {
		*out = bytes.Buffer{}
	}
	return err
}

// send writes out to the client at once. The client must read it within writeTimeout.
func send(w http.ResponseWriter, out *bytes.Buffer) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // some writers have no deadlines
	if _, err := out.WriteTo(w); err != nil {
		return err
	}
	return control.Flush()
}
