package aureustest_test

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
)

// faults has every fault, with the error of the client.
var faults = map[string]struct {
	fault aureustest.Fault
	want  error
}{
	"slow beyond the timeout": {aureustest.Slow(time.Hour), aureus.ErrUnavailable},
	"overloaded":              {aureustest.Unavailable(time.Hour), aureus.ErrUnavailable},
	"a failing server":        {aureustest.Status(http.StatusInternalServerError), aureus.ErrUnavailable},
	"a refused key":           {aureustest.Status(http.StatusUnauthorized), aureus.ErrUnauthenticated},
	"too many requests":       {aureustest.Status(http.StatusTooManyRequests), aureus.ErrRateLimited},
	"reset":                   {aureustest.Reset(), aureus.ErrUnavailable},
	"a lost response":         {aureustest.LostResponse(), aureus.ErrUnavailable},
	"garbage":                 {aureustest.Garbage(), aureus.ErrMalformed},
	"redirected":              {aureustest.Redirect(), aureus.ErrMalformed},
	"a truncated response":    {aureustest.Truncated(), aureus.ErrUnavailable},
	"duplicate names":         {aureustest.DuplicateKeys(), aureus.ErrMalformed},
	"names in another case":   {aureustest.CaseVariants(), aureus.ErrMalformed},
}

// asked lists the calls that can allow something. Each returns whether it was allowed.
var asked = map[string]func(context.Context, *aureus.Client) (bool, error){
	"Decide": func(ctx context.Context, c *aureus.Client) (bool, error) {
		d, err := c.Decide(ctx, read())
		return d.Effect != aureus.Deny, err
	},
	"EvaluatePolicy": func(ctx context.Context, c *aureus.Client) (bool, error) {
		d, err := c.EvaluatePolicy(ctx, read().Context())
		return d.Allowed, err
	},
	"CheckPermission": func(ctx context.Context, c *aureus.Client) (bool, error) {
		return c.CheckPermission(ctx, agent, balance)
	},
	"ValidateCommit": func(ctx context.Context, c *aureus.Client) (bool, error) {
		r, err := c.ValidateCommit(ctx, aureus.Commit{ID: "c"}, aureus.GateConfig{Name: "ledger", BlockOnFailure: true})
		return r.Passed, err
	},
	"AskApproval": func(ctx context.Context, c *aureus.Client) (bool, error) {
		ticket, err := c.AskApproval(ctx, aureus.ApprovalAsk{Request: pay(1)})
		return ticket.Approval.ID != "", err
	},
	"Approval": func(ctx context.Context, c *aureus.Client) (bool, error) {
		a, err := c.Approval(ctx, pendingID(ctx))
		return a.Status != "", err
	},
}

type idKey struct{}

func pendingID(ctx context.Context) string { id, _ := ctx.Value(idKey{}).(string); return id }

// With a fault no call is allowed: whatever the test set, in memory and over a socket, with
// retries and without.
func TestFault_AnyCall_IsNoAllow(t *testing.T) {
	for name, f := range faults {
		for op, ask := range asked {
			for _, scripted := range []string{"denied", "allowed"} {
				t.Run(name+"/"+op+"/"+scripted, func(t *testing.T) {
					srv := aureustest.New(t)
					srv.RequireApproval(transfer.ID)
					_, err := srv.Client().Decide(t.Context(), pay(7))
					require.NoError(t, err)
					if scripted == "allowed" {
						srv.Allow(balance.ID)
						srv.Gate("ledger", aureus.GateResult{Passed: true})
					}
					ctx := context.WithValue(t.Context(), idKey{}, srv.Pending()[0].ID)
					quickly := []aureus.Option{aureus.WithTimeout(20 * time.Millisecond), quick()}
					clients := []*aureus.Client{srv.Client(quickly...)}
					overSocket, err := aureus.NewClient(srv.URL(), quickly...)
					require.NoError(t, err)
					defer func() { require.NoError(t, overSocket.Close()) }()
					if f.fault.String() != "slow" {
						clients[0] = srv.Client(quickly[1:]...) // without the short timeout, for slow machines
						overSocket = overSocket.With(aureus.WithTimeout(time.Minute))
					}
					srv.Fault(f.fault)
					for _, client := range append(clients, overSocket) {
						allowAll, err := ask(ctx, client)
						require.ErrorIs(t, err, f.want)
						require.False(t, allowAll)
					}
					for _, call := range srv.Requests().Calls[1:] {
						require.Equal(t, f.fault.String(), call.Fault)
					}
					if scripted == "denied" && op == "ValidateCommit" {
						require.Empty(t, passed(srv), "no gate passed on the server either")
					}
				})
			}
		}
	}
}

func passed(srv *aureustest.Server) (passed []aureustest.Validated) {
	for _, commit := range srv.Requests().Commits {
		if commit.Result.Passed {
			passed = append(passed, commit)
		}
	}
	return passed
}

// A lenient reader takes the damaged responses for an allow. Otherwise the test above would
// prove nothing.
func TestFault_DamagedResponses_FoolALenientReader(t *testing.T) {
	srv := aureustest.New(t)
	get := func(path string, follow bool) string {
		client := http.Client{}
		if !follow {
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		}
		body := `{"principal":{"id":"a","type":"agent","permissions":[]},"action":{"id":"x","name":"X","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]}`
		response, err := client.Post(srv.URL()+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		var text strings.Builder
		_, err = copyTo(&text, response.Body)
		require.NoError(t, err)
		return text.String()
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()

	for _, fault := range []aureustest.Fault{aureustest.DuplicateKeys(), aureustest.CaseVariants(), aureustest.Redirect()} {
		srv.Fault(fault.Times(1))
		require.True(t, lenientlyAllowed(t, get("/api/v1/policy/evaluate", true)), fault)
	}
	require.False(t, lenientlyAllowed(t, get("/api/v1/policy/evaluate", false)), "without a fault it is denied")
}

func TestFault_TimesAndClear_EndIt(t *testing.T) {
	once := []aureus.Option{aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry, Reports: aureus.NoRetry})}
	t.Run("in memory", func(t *testing.T) {
		srv := aureustest.New(t)
		client := srv.Client(once...)
		faultsEnd(t, srv, client)
		srv.Fault(aureustest.Reset().Times(1))
		require.ErrorIs(t, client.ReportSpan(t.Context(), aureus.Span{}), syscall.ECONNRESET)
	})
	t.Run("over a socket", func(t *testing.T) {
		srv := aureustest.New(t)
		client, err := aureus.NewClient(srv.URL(), once...)
		require.NoError(t, err)
		defer func() { require.NoError(t, client.Close()) }()
		faultsEnd(t, srv, client)
	})
}

func faultsEnd(t *testing.T, srv *aureustest.Server, client *aureus.Client) {
	t.Helper()
	srv.Allow(balance.ID)
	ask := func() error { _, err := client.Decide(t.Context(), read()); return err }

	srv.Fault(aureustest.Reset().Times(2))
	require.ErrorIs(t, ask(), aureus.ErrUnavailable)
	require.ErrorIs(t, ask(), aureus.ErrUnavailable)
	require.NoError(t, ask(), "after the given number of requests")

	srv.Fault(aureustest.Status(500))
	require.Error(t, ask())
	srv.ClearFaults()
	require.NoError(t, ask(), "after they were cleared")

	srv.Fault(aureustest.Reset().On("/observability"))
	require.NoError(t, ask(), "elsewhere")
	require.ErrorIs(t, client.ReportSpan(t.Context(), aureus.Span{}), aureus.ErrUnavailable)
	srv.Fault(aureustest.Reset().On("/policy/eval"))
	require.NoError(t, ask(), "a prefix of a segment is another path")

	srv.ClearFaults()
	srv.Fault(aureustest.Status(500).Times(1))
	srv.Fault(aureustest.Reset().Times(1))
	var e *aureus.Error
	require.ErrorAs(t, ask(), &e)
	require.Equal(t, 500, e.StatusCode, "the fault that was set first applies")
	require.ErrorAs(t, ask(), &e)
	require.Zero(t, e.StatusCode)
	require.NoError(t, ask())
}

func TestFault_Once_ClientRetries(t *testing.T) {
	for name, fault := range map[string]aureustest.Fault{
		"reset": aureustest.Reset(), "lost response": aureustest.LostResponse(), "truncated": aureustest.Truncated(), "503": aureustest.Unavailable(0),
	} {
		t.Run(name, func(t *testing.T) {
			srv := aureustest.New(t)
			srv.Allow(balance.ID)
			srv.Fault(fault.Times(2))
			decision, err := srv.Client(quick()).Decide(t.Context(), read())
			require.NoError(t, err)
			require.Equal(t, aureus.Allow, decision.Effect)
			calls := srv.Requests().Calls
			require.Len(t, calls, 3)
			require.NotEmpty(t, calls[0].IdempotencyKey)
			require.Equal(t, calls[0].IdempotencyKey, calls[2].IdempotencyKey)
		})
	}
}

// The attempt whose response was lost used the approval. The next attempt gets the same
// response.
func TestLostResponse_Retry_GetsTheSameResponse(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client(quick())
	first, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	srv.Approve(first.Approval.ID)

	srv.Fault(aureustest.LostResponse().Times(1))
	second, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, second.Effect)
	require.Len(t, srv.Requests().Decisions, 2, "the request was decided once")

	third, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, third.Effect, "another call is another request")
}

// In a bubble, an hour of waiting takes no real time.
func TestSlow_InASynctestBubble_TakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := aureustest.New(t)
		srv.Allow(balance.ID)
		srv.Fault(aureustest.Slow(time.Hour).Times(1))
		began := time.Now()
		decision, err := srv.Client(aureus.WithTimeout(2*time.Hour)).Decide(t.Context(), read())
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, decision.Effect)
		require.Equal(t, time.Hour, time.Since(began))

		srv.Fault(aureustest.Slow(time.Hour))
		began = time.Now()
		_, err = srv.Client(aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry})).Decide(t.Context(), read())
		require.ErrorIs(t, err, aureus.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(began))

		srv.ClearFaults()
		srv.Fault(aureustest.Unavailable(2 * time.Second).Times(1))
		began = time.Now()
		_, err = srv.Client().Decide(t.Context(), read())
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(began), "Retry-After")
	})
}

func TestFault_Unusable_FailsTheTest(t *testing.T) {
	for reason, fault := range map[string]aureustest.Fault{
		"no fault":       {},
		"never":          aureustest.Reset().Times(0),
		"the whole path": aureustest.Reset().On("/api/v1/policy/evaluate"),
		"no path":        aureustest.Reset().On("policy"),
		"a success":      aureustest.Status(200),
	} {
		t.Run(reason, func(t *testing.T) {
			failures := failing(func(t aureustest.TB) {
				srv := aureustest.New(t)
				srv.Fault(fault)
			})
			require.Len(t, failures, 1)
		})
	}
}
