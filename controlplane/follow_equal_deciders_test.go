package controlplane_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

// equalDeciders are the ways to decide by one bundle. Each has a control plane of its own, so
// that no one sees the approvals and budgets of another.
type equalDeciders struct {
	names  []string
	list   []guard.Decider
	planes []*plane
}

func newEqualDeciders(t *testing.T, text []byte, stops ...string) *equalDeciders {
	t.Helper()
	now := newClock() // 12:00 UTC
	d := &equalDeciders{}
	add := func(name string, decider func(*plane) guard.Decider) {
		p := newPlane(t, at(now))
		p.put(t, text)
		for _, scope := range stops {
			_, err := p.operator.StopPolicy(t.Context(), scope, "drill")
			require.NoError(t, err)
		}
		d.names, d.list, d.planes = append(d.names, name), append(d.list, decider(p)), append(d.planes, p)
	}
	engine := func(p *plane) guard.Decider {
		bundle, err := policy.Parse(text)
		require.NoError(t, err)
		engine, err := policy.New(bundle, policy.Config{Approvals: p.service, Now: now.Now})
		require.NoError(t, err)
		list, _, err := p.service.PolicyStops(t.Context(), aureus.Digest{})
		require.NoError(t, err)
		var all []policy.Stop
		for _, s := range list {
			all = append(all, policy.Stop{Scope: s.Scope, Reason: s.Reason, By: s.By})
		}
		engine.SetStops(all)
		return engine
	}
	followed := func(p *plane) guard.Decider { return p.follow(t, "", policy.FollowConfig{Now: now.Now}) }
	remote := func(p *plane) guard.Decider { return p.service }
	bundle, err := policy.Parse(text)
	require.NoError(t, err)
	kinds := map[string]func(*plane) guard.Decider{"in process": engine, "followed": followed, "remote": remote}
	for _, kind := range []string{"in process", "followed", "remote"} {
		decider := kinds[kind]
		add(kind, decider)
		add(kind+", by middleware", func(p *plane) guard.Decider { return &byMiddleware{t: t, inner: decider(p)} })
		add(kind+", by routes", func(p *plane) guard.Decider { return newByRoutes(t, decider(p), bundle.Routes()) })
	}
	add("followed, by guard.Check", followed)
	return d
}

// byMiddleware decides as a service with middleware.Enforce does, and checks that the
// handler runs only after an allow and that the response says why it did not.
type byMiddleware struct {
	t     *testing.T
	inner guard.Decider
	last  aureus.Decision
}

// Decide implements [guard.Decider].
func (m *byMiddleware) Decide(_ context.Context, request aureus.Request) (aureus.Decision, error) {
	m.last = aureus.Decision{}
	ran := false
	keep := deciderFunc(func(ctx context.Context, r aureus.Request) (d aureus.Decision, err error) {
		d, err = m.inner.Decide(ctx, r)
		m.last = d
		return d, err
	})
	protect := middleware.Enforce(keep, func(*http.Request) (aureus.Request, error) { return request, nil })
	method, _, routed := strings.Cut(request.Route, " ")
	if !routed {
		method = http.MethodPost
	}
	w := httptest.NewRecorder()
	protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })).ServeHTTP(w, httptest.NewRequestWithContext(m.t.Context(), method, "/asked", nil))
	if w.Code == http.StatusUnauthorized { // no principal: the decider is not asked
		m.last = aureus.Decision{Effect: aureus.Deny, ReasonCode: aureus.ReasonInvalidRequest}
	}
	require.Equal(m.t, m.last.Effect == aureus.Allow, ran)
	require.Equal(m.t, ran, w.Code == http.StatusOK, "%d: %s", w.Code, w.Body)
	if !ran && w.Code != http.StatusUnauthorized {
		require.Contains(m.t, w.Body.String(), string(m.last.ReasonCode))
	}
	return m.last, nil
}

type deciderFunc func(context.Context, aureus.Request) (aureus.Decision, error)

// Decide implements [guard.Decider].
func (f deciderFunc) Decide(ctx context.Context, r aureus.Request) (aureus.Decision, error) {
	return f(ctx, r)
}

// decide returns what the nth decider says about the request.
func (d *equalDeciders) decide(t *testing.T, n int, request aureus.Request) aureus.Decision {
	t.Helper()
	if d.names[n] == "followed, by guard.Check" {
		err := guard.Check(t.Context(), d.list[n], request)
		if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
			return refusal.Decision
		}
		require.NoError(t, err)
		return aureus.Decision{Effect: aureus.Allow}
	}
	decision, err := d.list[n].Decide(t.Context(), request)
	require.NoError(t, err)
	return decision
}

// approve approves the pending approval of each control plane for the action.
func (d *equalDeciders) approve(t *testing.T, action string) {
	t.Helper()
	for n, p := range d.planes {
		count := 0
		for approval, err := range p.operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}) {
			require.NoError(t, err)
			if approval.Action.ID == action && len(approvalArguments(approval)) == 0 {
				_, err := p.operator.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
				require.NoError(t, err)
				count++
			}
		}
		require.Equal(t, 1, count, d.names[n])
	}
}

func approvalArguments(a aureus.Approval) map[string]any {
	object, _ := a.Arguments.(map[string]any)
	return object
}
