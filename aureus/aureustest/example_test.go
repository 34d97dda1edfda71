package aureustest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard" //nolint:depguard // an example tests a guarded service
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware" //nolint:depguard // the same
)

// Set which actions are allowed, and pass the client to the service. Other actions are
// denied.
func ExampleServer() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.Allow("balance.read")
	srv.Deny("books.close", aureus.ReasonPermissionDenied)

	client := srv.Client() // for the service under test
	ctx := context.Background()
	for _, action := range []string{"balance.read", "books.close", "account.delete"} {
		decision, err := client.Decide(ctx, aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: action, Name: action, RiskTier: aureus.TierLow},
		})
		if err != nil {
			fmt.Println("not decided, so not done:", err)
			continue
		}
		fmt.Println(action, decision.Effect, decision.ReasonCode)
	}
	// Output:
	// balance.read allow SCRIPTED
	// books.close deny PERMISSION_DENIED
	// account.delete deny NOT_SCRIPTED
}

// Test a service behind middleware.Enforce: its responses, the decisions, and the outcomes
// that it reports.
func Example_middleware() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.RequireApproval("transfer.make")
	client := srv.Client()
	recorder := client.NewRecorder()

	// The service, as in production.
	describe := func(*http.Request) (aureus.Request, error) {
		return aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierHigh},
		}, nil
	}
	protect := middleware.Enforce(client, describe, middleware.Options{Outcomes: recorder.RecordOutcome})
	service := protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "transferred") }))
	post := func(body string) {
		w := httptest.NewRecorder()
		service.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/transfers", strings.NewReader(body)))
		fmt.Println(w.Code, w.Body.Len() > 0)
	}

	post(`{"amount": 20}`)
	aureustest.RequireHeld(t, srv, "transfer.make", "agent-7")

	srv.Approve(srv.Pending()[0].ID)
	post(`{"amount": 2000000}`) // another body is another request
	post(`{"amount": 20}`)
	aureustest.RequireAllowed(t, srv, "transfer.make", "agent-7")

	_ = recorder.Close(context.Background()) // sends the queued records
	aureustest.RequireOutcome(t, srv, "transfer.make", "agent-7", vocab.OutcomeSuccess)
	post(`{"amount": 20}`) // an approval allows one request
	// Output:
	// 403 true
	// 403 true
	// 200 true
	// 403 true
}

// Code that calls guard.Check is tested in the same way: it does nothing while the control
// plane fails.
func Example_check() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.Allow("mail.send")
	client := srv.Client(aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}))

	send := func() error { // the code under test
		request := aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: "mail.send", Name: "Send a mail", RiskTier: aureus.TierLow},
		}
		if err := guard.Check(context.Background(), client, request); err != nil {
			return err
		}
		fmt.Println("sent")
		return nil
	}

	fmt.Println(send())
	for _, fault := range []aureustest.Fault{aureustest.Reset(), aureustest.Unavailable(time.Minute), aureustest.DuplicateKeys()} {
		srv.Fault(fault.Times(1))
		fmt.Println(fault, errors.Is(send(), guard.ErrUndecided))
	}
	// Output:
	// sent
	// <nil>
	// reset true
	// status 503 true
	// duplicate keys true
}

// A function can decide depending on the request. It may call a policy of package guard,
// so that the test uses the rules of production.
func ExampleServer_Decide() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.Decide(func(r aureus.Request) aureus.Decision {
		arguments, _ := r.Arguments.(map[string]any)
		if fmt.Sprint(arguments["to"]) == "acme" {
			return aureus.Decision{Effect: aureus.Allow, ReasonCode: "KNOWN_PAYEE"}
		}
		return aureus.Decision{ReasonCode: "UNKNOWN_PAYEE"}
	})
	for _, payee := range []string{"acme", "mallory"} {
		decision, _ := srv.Client().Decide(context.Background(), aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierLow},
			Arguments: map[string]any{"to": payee},
		})
		fmt.Println(payee, decision.Effect, decision.ReasonCode)
	}

	srv.Decide((&guard.Local{}).Preview)
	decision, _ := srv.Client().Decide(context.Background(), aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action: aureus.Action{
			ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierLow,
			RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "ledger"}},
		},
	})
	fmt.Println(decision.Effect, decision.ReasonCode)
	// Output:
	// acme allow KNOWN_PAYEE
	// mallory deny UNKNOWN_PAYEE
	// deny PERMISSION_DENIED
}

// Approvals expire after an hour of the server's clock.
func ExampleClock() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.RequireApproval("transfer.make")
	request := aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action:    aureus.Action{ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierHigh},
	}
	client := srv.Client()
	decision, _ := client.Decide(context.Background(), request)
	srv.Approve(decision.Approval.ID)

	srv.Clock.Advance(time.Hour + time.Second)
	request.ApprovalToken = decision.Approval.ID
	decision, _ = client.Decide(context.Background(), request)
	fmt.Println(decision.Effect, decision.ReasonCode)
	// Output: require_approval APPROVAL_EXPIRED
}

// Set the result of a gate by its name.
func ExampleServer_Gate() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	srv.Gate("ledger", aureus.GateResult{FailureCode: aureus.OutOfScope})
	result, err := srv.Client().ValidateCommit(context.Background(),
		aureus.Commit{ID: "c-1", Data: map[string]any{"balance": -20}},
		aureus.GateConfig{Name: "ledger", Validators: []string{"balance_positive"}, BlockOnFailure: true})
	fmt.Println(result.Passed, result.CRVStatus, result.FailureCode, err)
	fmt.Println(srv.Requests().Commits[0].Commit.ID)
	// Output:
	// false blocked OUT_OF_SCOPE <nil>
	// c-1
}

// The text of a failure names the decision.
func ExampleRequireAllowed() {
	t := newT() // the *testing.T of your test
	defer t.end()

	srv := aureustest.New(t)
	_, _ = srv.Client().Decide(context.Background(), aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action:    aureus.Action{ID: "balance.read", Name: "Read a balance", RiskTier: aureus.TierLow},
	})
	fmt.Println(failing(func(t aureustest.TB) {
		aureustest.RequireAllowed(t, srv, "balance.read", "agent-7")
	})[0])
	// Output:
	// aureustest: the latest decision about balance.read for agent-7 is deny, not allow (NOT_SCRIPTED)
}
