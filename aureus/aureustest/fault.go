package aureustest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is a failure of the server. The zero value is not a valid Fault. Make one with a
// function such as [Reset], limit it with [Fault.On] and [Fault.Times], and pass it to
// [Server.Fault]. On and Times return a changed copy.
type Fault struct {
	name   string
	on     string // path below /api/v1; empty means every path
	times  int    // remaining requests; 0 means no limit
	wrong  string // why the fault cannot be used; empty if it can
	before func(*faultTarget) (answered bool)
	after  func(*faultTarget, *response) (answered bool)
}

// faultTarget is the request that a fault is applied to.
type faultTarget struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
}

// Times limits the fault to the next n requests; n must be at least 1. Each attempt of a
// client is a request.
func (f Fault) Times(n int) Fault {
	if f.times = n; n < 1 {
		f.wrong = fmt.Sprintf("Times(%d) must be at least 1", n)
	}
	return f
}

// On limits the fault to requests to the path and to paths below it. The path is below
// /api/v1 and begins with a slash: "/policy/evaluate", "/observability".
func (f Fault) On(path string) Fault {
	if f.on = strings.TrimSuffix(path, "/"); !strings.HasPrefix(path, "/") || strings.HasPrefix(path, prefix) {
		f.wrong = fmt.Sprintf("On(%q) must be a path below %s, such as /policy/evaluate", path, prefix)
	}
	return f
}

// String is the name of the fault, as in [Call].
func (f Fault) String() string { return f.name }

func (f Fault) applies(below string) bool {
	return f.on == "" || below == f.on || strings.HasPrefix(below, f.on+"/")
}

// Fault makes the server fail from now on. If several faults fit a request, the one that
// was set first applies. A fault that cannot be used, such as the zero value, fails the
// test.
func (s *Server) Fault(fault Fault) {
	s.tb.Helper()
	if fault.before == nil && fault.after == nil {
		fault.wrong = "the zero Fault is not a fault; make one with a function such as Reset"
	}
	if fault.wrong != "" {
		s.tb.Errorf("aureustest: Fault: %s", fault.wrong)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault is the fault for a request to the path below /api/v1, or the zero Fault.
func (s *Server) nextFault(below string) Fault {
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.applies(below) })
	if i < 0 {
		return Fault{}
	}
	fault := *s.faults[i]
	if fault.times == 1 {
		s.faults = slices.Delete(s.faults, i, i+1)
	} else if fault.times > 1 {
		s.faults[i].times--
	}
	return fault
}

// Slow responds as usual after d. The wait ends early if the server closes or the client
// gives up.
func Slow(d time.Duration) Fault {
	return Fault{name: "slow", before: func(v *faultTarget) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-v.r.Context().Done():
		case <-v.server.closed:
		}
		resetConnection(v.w)
		return true
	}}
}

// Status responds with the status and an error and does nothing else: 503 for a server
// that is overloaded, 401 for a key that is not accepted. The code must be 400 to 599.
func Status(code int) Fault { return statusFault(code, -1) }

// Unavailable responds with 503 and Retry-After, in whole seconds, and does nothing else.
// With 0 the client may retry at once.
func Unavailable(retryAfter time.Duration) Fault {
	return statusFault(http.StatusServiceUnavailable, int((retryAfter+time.Second-1)/time.Second))
}

func statusFault(code, retryAfter int) Fault {
	f := Fault{name: "status " + strconv.Itoa(code), before: func(v *faultTarget) bool {
		p := refuse(code, "SCRIPTED_FAULT", "aureustest: a fault that the test set")
		if retryAfter >= 0 {
			p.header = [2]string{"Retry-After", strconv.Itoa(retryAfter)}
		}
		a := responseFor(p, v.r)
		a.header.Set("X-Request-Id", requestID(v.r))
		send(v.w, a)
		return true
	}}
	if code < 400 || code > 599 {
		f.wrong = fmt.Sprintf("Status(%d) is not a failure; it must be 400 to 599", code)
	}
	return f
}

// Reset closes the connection before the server does anything.
func Reset() Fault {
	return Fault{name: "reset", before: func(v *faultTarget) bool { resetConnection(v.w); return true }}
}

// LostResponse handles the request and closes the connection instead of responding: the
// case for which a client sends an Idempotency-Key.
func LostResponse() Fault {
	return Fault{name: "lost response", after: func(v *faultTarget, _ *response) bool { resetConnection(v.w); return true }}
}

// Garbage responds with 200, the content type of JSON and a body that is not JSON, and
// does nothing else.
func Garbage() Fault {
	return Fault{name: "garbage", before: func(v *faultTarget) bool {
		send(v.w, response{status: http.StatusOK, body: []byte("\x00\xff<html>allowed: true, passed: true, status: approved</html>")})
		return true
	}}
}

// Redirect responds with 307 and the address of a page that allows everything, and does
// nothing else.
func Redirect() Fault {
	return Fault{name: "redirect", before: func(v *faultTarget) bool {
		send(v.w, response{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {allowAllPath}}, body: []byte("{}\n")})
		return true
	}}
}

// allowAllPath is the target of Redirect: its response allows everything.
const (
	allowAllPath = "/yes"
	allowAll     = `{"allowed":true,"reason":"","requires_human_approval":false,"passed":true,"gate_name":"","validation_results":[],` +
		`"blocked_commit":false,"timestamp":"","crv_status":"passed"}`
)

// Truncated handles the request and closes the connection in the middle of the response.
func Truncated() Fault {
	return Fault{name: "truncated", after: func(v *faultTarget, a *response) bool {
		header := v.w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
		v.w.WriteHeader(a.status)
		_, _ = v.w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(v.w).Flush()
		panic(http.ErrAbortHandler)
	}}
}

// DuplicateKeys handles the request and responds with every name twice. The second value
// allows the request, so that a lenient reader would take the response for an allow.
func DuplicateKeys() Fault {
	return Fault{name: "duplicate keys", after: func(_ *faultTarget, a *response) bool {
		a.body = withDuplicates(a.body, func(name []byte) []byte { return name })
		return false
	}}
}

// CaseVariants handles the request and responds with every name a second time in upper
// case. The second value allows the request, so that encoding/json would take the response
// for an allow.
func CaseVariants() Fault {
	return Fault{name: "case variants", after: func(_ *faultTarget, a *response) bool {
		a.body = withDuplicates(a.body, bytes.ToUpper)
		return false
	}}
}

func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // cannot happen: only HTTP/2 connections cannot be hijacked, and the server has none
	}
	resetConn(conn)
}
