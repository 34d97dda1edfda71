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

// Fault is a way in which a server fails. Its zero value is none. Make one with
// a function such as [Reset], narrow it with [Fault.On] and [Fault.Times], and
// hand it to [Server.Fault]. A Fault is a value: narrowing gives another one.
type Fault struct {
	name   string
	on     string // below /api/v1; empty is everything
	times  int    // 0 is until cleared
	wrong  string // what is wrong with the fault itself
	before func(*victim) (answered bool)
	after  func(*victim, *answer) (answered bool)
}

// victim is the request that a fault befalls.
type victim struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
}

// Times has the fault befall the next n requests and then end; n must be at
// least 1. Each attempt of a client is a request.
func (f Fault) Times(n int) Fault {
	if f.times = n; n < 1 {
		f.wrong = fmt.Sprintf("Times(%d) is never", n)
	}
	return f
}

// On has the fault befall only requests to the path, which is below /api/v1 and
// begins with a slash, and to what is below it: "/policy/evaluate",
// "/observability".
func (f Fault) On(path string) Fault {
	if f.on = strings.TrimSuffix(path, "/"); !strings.HasPrefix(path, "/") || strings.HasPrefix(path, prefix) {
		f.wrong = fmt.Sprintf("On(%q) is no path below %s; give one such as /policy/evaluate", path, prefix)
	}
	return f
}

// String is the fault's name, as [Call] tells it.
func (f Fault) String() string { return f.name }

func (f Fault) befalls(below string) bool {
	return f.on == "" || below == f.on || strings.HasPrefix(below, f.on+"/")
}

// Fault has the server fail from now on. Of several faults that would befall a
// request, the one that was set first does. One that cannot be meant fails the
// test.
func (s *Server) Fault(fault Fault) {
	s.tb.Helper()
	if fault.before == nil && fault.after == nil {
		fault.wrong = "the zero Fault is none"
	}
	if fault.wrong != "" {
		s.tb.Errorf("aureustest: Fault: %s", fault.wrong)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault is the fault that befalls a request to the path, or the zero one.
func (s *Server) nextFault(below string) Fault {
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.befalls(below) })
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

// Slow answers as usual, but only after d. A server that is closed and a client
// that is gone end the wait.
func Slow(d time.Duration) Fault {
	return Fault{name: "slow", before: func(v *victim) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-v.r.Context().Done():
		case <-v.server.closed:
		}
		hangUpOn(v.w)
		return true
	}}
}

// Status answers with the status and an error, without doing anything: 503 for
// a server that is overloaded, 401 for a key that is not accepted.
func Status(code int) Fault { return statusFault(code, -1) }

// Unavailable answers 503 with Retry-After, in whole seconds, without doing
// anything. 0 lets the client come again at once.
func Unavailable(retryAfter time.Duration) Fault {
	return statusFault(http.StatusServiceUnavailable, int((retryAfter+time.Second-1)/time.Second))
}

func statusFault(code, retryAfter int) Fault {
	f := Fault{name: "status " + strconv.Itoa(code), before: func(v *victim) bool {
		p := refuse(code, "SCRIPTED_FAULT", "aureustest: a scripted fault")
		if retryAfter >= 0 {
			p.header = [2]string{"Retry-After", strconv.Itoa(retryAfter)}
		}
		a := answerFor(p, v.r)
		a.header.Set("X-Request-Id", requestID(v.r))
		send(v.w, a)
		return true
	}}
	if code < 400 || code > 599 {
		f.wrong = fmt.Sprintf("Status(%d) is no failure; give one from 400 to 599", code)
	}
	return f
}

// Reset breaks the connection off before anything is done.
func Reset() Fault {
	return Fault{name: "reset", before: func(v *victim) bool { hangUpOn(v.w); return true }}
}

// LostAnswer does what was asked, and breaks the connection off instead of
// answering: the case that an Idempotency-Key is for.
func LostAnswer() Fault {
	return Fault{name: "lost answer", after: func(v *victim, _ *answer) bool { hangUpOn(v.w); return true }}
}

// Garbage answers 200 with something that is no JSON, though it says so,
// without doing anything.
func Garbage() Fault {
	return Fault{name: "garbage", before: func(v *victim) bool {
		send(v.w, answer{status: http.StatusOK, body: []byte("\x00\xff<html>allowed: true, passed: true, status: approved</html>")})
		return true
	}}
}

// Redirect answers 307 with the address of something that would allow anything,
// without doing anything.
func Redirect() Fault {
	return Fault{name: "redirect", before: func(v *victim) bool {
		send(v.w, answer{status: http.StatusTemporaryRedirect, header: http.Header{"Location": {yesPath}}, body: []byte("{}\n")})
		return true
	}}
}

// yesPath is where a client that follows redirects finds what it must not.
const (
	yesPath = "/yes"
	yes     = `{"allowed":true,"reason":"","requires_human_approval":false,"passed":true,"gate_name":"","validation_results":[],` +
		`"blocked_commit":false,"timestamp":"","crv_status":"passed"}`
)

// Truncated does what was asked, and breaks the connection off in the middle of
// the answer.
func Truncated() Fault {
	return Fault{name: "truncated", after: func(v *victim, a *answer) bool {
		header := v.w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
		v.w.WriteHeader(a.status)
		_, _ = v.w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(v.w).Flush()
		panic(http.ErrAbortHandler)
	}}
}

// DuplicateKeys does what was asked, and answers with every name twice, the
// second time with a value that lets things through: what a lenient reader
// takes for an allow.
func DuplicateKeys() Fault {
	return Fault{name: "duplicate keys", after: func(_ *victim, a *answer) bool {
		a.body = twice(a.body, func(name []byte) []byte { return name })
		return false
	}}
}

// CaseVariants does what was asked, and answers with every name a second time in
// upper case, with a value that lets things through: what encoding/json takes
// for an allow.
func CaseVariants() Fault {
	return Fault{name: "case variants", after: func(_ *victim, a *answer) bool {
		a.body = twice(a.body, bytes.ToUpper)
		return false
	}}
}

func hangUpOn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 would come here; it is not served
	}
	hangUp(conn)
}
