package observe

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// streamBeat is how often a silent stream says that it lives, and how far it
	// has come.
	streamBeat = 10 * time.Second
	// streamCheck is how often it is looked whether the key of a stream is still
	// good, where there is nothing to tell.
	streamCheck = time.Second
)

// place is how far a stream has come in both stores, and in which: files is
// theirs alone. Its text is an event's id.
type place struct {
	telemetry, audit int64
	files            string // empty where the client does not say
}

func (p place) String() string {
	if p.files == "" {
		return fmt.Sprintf("%d-%d", p.telemetry, p.audit)
	}
	return fmt.Sprintf("%d-%d-%s", p.telemetry, p.audit, p.files)
}

func parsePlace(text string) (p place, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) != 2 && len(parts) != 3 {
		return p, false
	}
	var err1, err2 error
	p.telemetry, err1 = strconv.ParseInt(parts[0], 10, 64)
	p.audit, err2 = strconv.ParseInt(parts[1], 10, 64)
	if len(parts) == 3 {
		p.files = parts[2]
	}
	return p, err1 == nil && err2 == nil && p.telemetry >= 0 && p.audit >= 0
}

// follower is one client of the stream. What it has not read waits in the
// stores, not in memory.
type follower struct {
	service *Service
	caller  web.Caller
	at      place
	reset   string // why it does not begin where the client left off, or nothing

	telemetry, decisions, approvals bool
	eventType, workflow, principal  string
}

// followStream sends what happens as server-sent events (WHATWG HTML, 9.2), from
// the event in Last-Event-ID on, or from now on.
func (s *Service) followStream(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	f := &follower{service: s, caller: c}
	if err := f.read(r); err != nil {
		return err
	}
	release, err := web.Account(r).Follow()
	if err != nil {
		return web.CapacityError(err)
	}
	defer release()
	feed, leave := s.follow(c.Tenant)
	defer leave()
	if err := f.begin(r.Context(), r.Header.Get("Last-Event-ID")); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	var out bytes.Buffer
	fmt.Fprintf(&out, ": aureus\nid: %s\n\n", f.at)
	if f.reset != "" {
		reason, err := strictjson.MarshalText(map[string]string{"reason": f.reset})
		if err != nil {
			return err
		}
		f.write(&out, vocab.StreamReset, reason)
	}
	if send(w, &out) != nil {
		return nil // the client is gone
	}
	f.follow(r, w, feed)
	return nil
}

func (f *follower) read(r *http.Request) error {
	query, err := web.Query(r)
	if err != nil {
		return err
	}
	f.eventType, f.workflow, f.principal = query.Get("type"), query.Get("workflow_id"), query.Get("principal")
	mayAudit := f.caller.Role.AtLeast(web.Operator)
	kinds := query.Get("kinds")
	if kinds == "" {
		f.telemetry, f.decisions, f.approvals = true, mayAudit, mayAudit
		return nil
	}
	for kind := range strings.SplitSeq(kinds, ",") {
		switch kind {
		case vocab.StreamTelemetry:
			f.telemetry = true
		case vocab.StreamDecision:
			f.decisions = true
		case vocab.StreamApproval:
			f.approvals = true
		default:
			return web.BadQuery("kinds", "must be of telemetry, decision and approval, with commas between")
		}
	}
	if (f.decisions || f.approvals) && !mayAudit {
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "following decisions and approvals needs the role "+string(web.Operator))
	}
	return nil
}

// begin finds where the stream starts. A place that these stores do not have is
// one of other files, such as a copy that was restored: then the stream starts
// over at their beginning, and says so.
func (f *follower) begin(ctx context.Context, last string) error {
	end, err := f.service.endOf(ctx, f.caller.Tenant)
	if err != nil {
		return err
	}
	end.files = f.service.Files
	if last == "" {
		f.at = end
		return nil
	}
	var ok bool
	if f.at, ok = parsePlace(last); !ok {
		return web.Problem(http.StatusBadRequest, wire.CodeValidation, "the Last-Event-ID must be the id of an event of this stream")
	}
	switch {
	case f.at.files != "" && f.at.files != end.files:
		f.reset = "the place to go on from is one of another database: the stream starts over at the beginning of this one"
	case f.at.telemetry > end.telemetry, f.at.audit > end.audit:
		f.reset = "the place to go on from is beyond the end of this database, which is an older state: the stream starts over at its beginning"
	}
	if f.reset != "" {
		f.at = place{}
	}
	f.at.files = end.files
	return nil
}

// follow sends what is new until the client or the server goes away.
func (f *follower) follow(r *http.Request, w http.ResponseWriter, feed *feed) {
	ctx := r.Context()
	tick := time.NewTicker(streamCheck)
	defer tick.Stop()
	spoke := time.Now()
	check := true
	var out bytes.Buffer
	for {
		more, changed, err := f.next(ctx, feed, &out)
		if err != nil {
			if ctx.Err() == nil {
				web.Logger(r).WarnContext(ctx, "a stream broke off", "err", err)
			}
			return
		}
		if out.Len() == 0 && time.Since(spoke) >= streamBeat {
			fmt.Fprintf(&out, ":\nid: %s\n\n", f.at) // so that what was passed over is not looked at again
		}
		if (check || out.Len() > 0) && !f.stillMay(r) {
			return
		}
		check = false
		if out.Len() > 0 {
			spoke = time.Now()
			if f.send(r, w, &out) != nil {
				return
			}
		}
		if more {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
			check = true
		}
	}
}

// maxPortion is how many bytes are gathered before they are sent, and one event
// more.
const maxPortion = 128 << 10

// send is send with its memory charged while the client reads.
func (f *follower) send(r *http.Request, w http.ResponseWriter, out *bytes.Buffer) error {
	size := int64(out.Cap())
	account := web.Account(r)
	if err := account.Charge(size); err != nil {
		return err
	}
	defer account.Refund(size)
	err := send(w, out)
	if out.Cap() > maxPortion {
		*out = bytes.Buffer{}
	}
	return err
}

// send writes what there is at once.
func send(w http.ResponseWriter, out *bytes.Buffer) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
	if _, err := out.WriteTo(w); err != nil {
		return err
	}
	return control.Flush()
}

// stillMay reports whether the key that the stream began with is good: one that
// is revoked hears nothing more.
func (f *follower) stillMay(r *http.Request) bool {
	c, err := f.service.Identify(r)
	return err == nil && c.KeyID == f.caller.KeyID
}

// next writes a portion of what is new and is followed to out, and goes on to
// behind what it has looked at, whether or not any of that was followed. more
// says that there is more to look at; else changed is closed when there is.
func (f *follower) next(ctx context.Context, feed *feed, out *bytes.Buffer) (more bool, changed <-chan struct{}, err error) {
	events, audit, begun, changed := feed.snapshot()
	if !begun {
		return false, changed, nil
	}
	behind := false
	if f.telemetry && f.at.telemetry < events.from {
		behind = true
		err = f.catchUpTelemetry(ctx, out)
	} else if f.telemetry {
		for _, event := range events.items {
			if out.Len() > maxPortion {
				return true, changed, nil
			}
			if event.Seq > f.at.telemetry && (f.eventType == "" || f.eventType == event.Type) && (f.workflow == "" || f.workflow == event.Workflow) {
				f.at.telemetry = event.Seq
				f.write(out, vocab.StreamTelemetry, []byte(event.Body))
			}
		}
		f.at.telemetry = max(f.at.telemetry, events.to)
	}
	if err != nil || !f.decisions && !f.approvals {
		return behind, changed, err
	}
	if f.at.audit < audit.from {
		return true, changed, f.catchUpAudit(ctx, out)
	}
	for _, event := range audit.items {
		if out.Len() > maxPortion {
			return true, changed, nil
		}
		if event.sequence > f.at.audit && (f.principal == "" || f.principal == event.principal) && f.follows(event.kind) {
			f.at.audit = event.sequence
			f.write(out, event.kind, event.text)
		}
	}
	f.at.audit = max(f.at.audit, audit.to)
	return behind, changed, nil
}

func (f *follower) follows(kind string) bool {
	return kind == vocab.StreamDecision && f.decisions || kind == vocab.StreamApproval && f.approvals
}

// catchUpTelemetry reads a portion of what the feed does not hold any more.
func (f *follower) catchUpTelemetry(ctx context.Context, out *bytes.Buffer) error {
	events, reached, err := f.service.Telemetry.Tail(ctx, f.caller.Tenant, f.eventType, f.workflow, f.at.telemetry)
	if err != nil {
		return err
	}
	for _, event := range events {
		f.at.telemetry = event.Seq
		f.write(out, vocab.StreamTelemetry, []byte(event.Body))
	}
	f.at.telemetry = reached
	return nil
}

func (f *follower) catchUpAudit(ctx context.Context, out *bytes.Buffer) error {
	which := storage.AuditTail{Decisions: f.decisions, Approvals: f.approvals, Principal: f.principal}
	events, reached, _, err := f.service.auditTail(ctx, f.caller.Tenant, which, f.at.audit)
	if err != nil {
		return err
	}
	for _, event := range events {
		f.at.audit = event.sequence
		f.write(out, event.kind, event.text)
	}
	f.at.audit = reached
	return nil
}

// write adds one event. JSON of ours has no line breaks.
func (f *follower) write(out *bytes.Buffer, kind string, data []byte) {
	fmt.Fprintf(out, "id: %s\nevent: %s\ndata: %s\n\n", f.at, kind, data)
}
