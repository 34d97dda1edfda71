package controlplane

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	// streamPoll is how often the stores are asked for what is new, and
	// streamBeat how often a silent stream says that it lives.
	streamPoll = 200 * time.Millisecond
	streamBeat = 10 * time.Second
	// streamAudit is how many entries of the audit log are read at a time.
	streamAudit = 256
)

func (s *Server) registerStream(mux *http.ServeMux) {
	s.handle(mux, "GET /api/v1/stream", RoleService, s.followStream, "kinds", "type", "workflow_id", "principal")
}

// place is how far a stream has come in both stores. Its text is an event's id.
type place struct{ telemetry, audit int64 }

func (p place) String() string { return fmt.Sprintf("%d-%d", p.telemetry, p.audit) }

func parsePlace(text string) (p place, ok bool) {
	left, right, ok := strings.Cut(text, "-")
	if !ok {
		return p, false
	}
	var err1, err2 error
	p.telemetry, err1 = strconv.ParseInt(left, 10, 64)
	p.audit, err2 = strconv.ParseInt(right, 10, 64)
	return p, err1 == nil && err2 == nil && p.telemetry >= 0 && p.audit >= 0
}

// follower is one client of the stream. What it has not read waits in the
// stores, not in memory.
type follower struct {
	server *Server
	caller caller
	at     place

	telemetry, decisions, approvals bool
	eventType, workflow, principal  string
}

// followStream sends what happens as server-sent events (WHATWG HTML, 9.2), from the
// event in Last-Event-ID on, or from now on.
func (s *Server) followStream(w http.ResponseWriter, r *http.Request, c caller) error {
	f := &follower{server: s, caller: c}
	if err := f.read(r); err != nil {
		return err
	}
	release, err := infoOf(r).account.Follow()
	if err != nil {
		return crowded(err)
	}
	defer release()
	if err := f.begin(r.Context(), r.Header.Get("Last-Event-ID")); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	if _, err := w.Write([]byte(": aureus\n\n")); err != nil {
		return nil // the client is gone
	}
	if err := out.Flush(); err != nil {
		return nil // the client is gone
	}
	f.follow(r, w, out)
	return nil
}

func (f *follower) read(r *http.Request) error {
	query, err := queryOf(r)
	if err != nil {
		return err
	}
	f.eventType, f.workflow, f.principal = query.Get("type"), query.Get("workflow_id"), query.Get("principal")
	mayAudit := f.caller.role.atLeast(RoleOperator)
	kinds := query.Get("kinds")
	if kinds == "" {
		f.telemetry, f.decisions, f.approvals = true, mayAudit, mayAudit
		return nil
	}
	for kind := range strings.SplitSeq(kinds, ",") {
		switch kind {
		case aureus.StreamTelemetry:
			f.telemetry = true
		case aureus.StreamDecision:
			f.decisions = true
		case aureus.StreamApproval:
			f.approvals = true
		default:
			return badQuery("kinds", "must be of telemetry, decision and approval, with commas between")
		}
	}
	if (f.decisions || f.approvals) && !mayAudit {
		return problem(http.StatusForbidden, codeForbidden, "following decisions and approvals needs the role "+string(RoleOperator))
	}
	return nil
}

// begin finds where the stream starts.
func (f *follower) begin(ctx context.Context, last string) (err error) {
	if last != "" {
		var ok bool
		if f.at, ok = parsePlace(last); !ok {
			return problem(http.StatusBadRequest, codeValidation, "the Last-Event-ID must be the id of an event of this stream")
		}
		return nil
	}
	if f.at.telemetry, err = f.server.telemetry.Last(ctx); err != nil {
		return telemetryProblem(err)
	}
	return f.server.db.Read(ctx, func(t *store.Tx) error {
		f.at.audit, err = t.LastAudit(f.caller.tenant)
		return err
	})
}

// follow sends what is new until the client or the server goes away.
func (f *follower) follow(r *http.Request, w http.ResponseWriter, out *http.ResponseController) {
	ctx := r.Context()
	tick := time.NewTicker(streamPoll)
	defer tick.Stop()
	spoke := time.Now()
	for {
		if !f.stillMay(r) {
			return
		}
		sent, err := f.send(ctx, w)
		if err != nil {
			if ctx.Err() == nil {
				f.server.logger(r).WarnContext(ctx, "a stream broke off", "err", err)
			}
			return
		}
		if !sent && time.Since(spoke) >= streamBeat {
			sent = true
			if _, err := w.Write([]byte(":\n\n")); err != nil {
				return
			}
		}
		if sent {
			spoke = time.Now()
			if out.Flush() != nil {
				return
			}
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stillMay reports whether the key that the stream began with is good: one that
// is revoked hears nothing more.
func (f *follower) stillMay(r *http.Request) bool {
	c, err := f.server.identify(r)
	return err == nil && c.keyID == f.caller.keyID
}

// send writes a portion of what is new, and reports whether there was any.
func (f *follower) send(ctx context.Context, w http.ResponseWriter) (sent bool, err error) {
	if f.telemetry {
		var events []telemetry.Arrived
		if events, err = f.server.telemetry.Tail(ctx, f.caller.tenant, f.eventType, f.workflow, f.at.telemetry); err != nil {
			return sent, err
		}
		for _, event := range events {
			f.at.telemetry = event.Seq
			if err := f.write(w, aureus.StreamTelemetry, []byte(event.Body)); err != nil {
				return sent, err
			}
			sent = true
		}
	}
	if !f.decisions && !f.approvals {
		return sent, nil
	}
	var entries []aureus.AuditRecord
	err = f.server.db.Read(ctx, func(t *store.Tx) error {
		entries, err = t.Audit(f.caller.tenant, store.AuditFilter{After: f.at.audit, Principal: f.principal, Limit: streamAudit})
		return err
	})
	if err != nil {
		return sent, err
	}
	for i := range entries {
		f.at.audit = entries[i].Sequence
		kind := kindOf(entries[i].Kind)
		if (kind != aureus.StreamDecision || !f.decisions) && (kind != aureus.StreamApproval || !f.approvals) {
			continue
		}
		text, err := strictjson.MarshalText(entries[i])
		if err != nil {
			return sent, err
		}
		if err := f.write(w, kind, text); err != nil {
			return sent, err
		}
		sent = true
	}
	return sent, nil
}

// kindOf is the stream's word for a kind of audit entry, or empty.
func kindOf(entry string) string {
	switch {
	case entry == aureus.AuditDecision:
		return aureus.StreamDecision
	case strings.HasPrefix(entry, "approval_"):
		return aureus.StreamApproval
	}
	return ""
}

// write sends one event. JSON of ours has no line breaks.
func (f *follower) write(w http.ResponseWriter, kind string, data []byte) error {
	_, err := fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", f.at, kind, data)
	return err
}
