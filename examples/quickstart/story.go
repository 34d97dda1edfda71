package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// story sends requests to the ledger as agents would, over HTTP, and prints the
// result of each step.
type story struct {
	out     io.Writer
	plane   *plane
	service *service
	tracer  trace.Tracer
	step    int
	traces  []string // the trace of each part, in order
}

// answer is the response to an agent: fields of the ledger, or problem details
// (RFC 9457).
type answer struct {
	status      int
	Balance     *int64 `json:"balance"`
	Left        *int64 `json:"left"`
	Title       string `json:"title"`
	Code        string `json:"code"`
	Remediation string `json:"remediation"`
	Approval    struct {
		ID  string `json:"id"`
		URL string `json:"url"` // where to ask for its status
	} `json:"approval"`
	Status any    `json:"status"` // of an approval, in words, or of HTTP, as a number
	Next   string `json:"next"`   // what to do about an approval
}

func (s *story) run(ctx context.Context) error {
	for _, part := range []struct {
		name string
		tell func(context.Context) error
	}{
		{"an agent at work", s.everyday},
		{"a large transfer", s.largeTransfer},
		{"a policy that changes", s.policyChange},
		{"an outage", s.outage},
	} {
		ctx, span := s.tracer.Start(ctx, part.name, trace.WithNewRoot())
		s.traces = append(s.traces, span.SpanContext().TraceID().String())
		err := part.tell(ctx)
		span.End()
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (s *story) everyday(ctx context.Context) error {
	if _, err := s.expect(ctx, "clerk-7 reads an account", "clerk-7", "GET /accounts/acme", nil, "", 200, ""); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "reader-1 tries a transfer without the permission", "reader-1", "POST /transfers", transfer(20), "", 403, "PERMISSION_DENIED"); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "a caller without a name tries a transfer", "", "POST /transfers", transfer(20), "", 401, "AUTHENTICATION_FAILED"); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 transfers 20", "clerk-7", "POST /transfers", transfer(20), "", 200, ""); err != nil {
		return err
	}
	a, err := s.expect(ctx, "clerk-7 tries to transfer 999 from an empty account", "clerk-7", "POST /transfers",
		Transfer{From: "empty", To: "acme", Amount: 999}, "", 422, string(aureus.OutOfScope))
	if err == nil && a.Remediation == "" {
		err = errors.New("the gate gave no remediation")
	}
	return err
}

func (s *story) largeTransfer(ctx context.Context) error {
	large := transfer(2500)
	asked, err := s.expect(ctx, "clerk-7 tries to transfer 2500", "clerk-7", "POST /transfers", large, "", 403, string(aureus.ReasonHighRisk))
	if err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 asks again at once, and joins the same approval", "clerk-7", "POST /transfers", large, asked.Approval.ID, 403, string(aureus.ReasonApprovalPending)); err != nil {
		return err
	}

	if err := s.poll(ctx, asked.Approval.URL, aureus.ApprovalPending); err != nil {
		return err
	}
	operator := s.plane.server.Operator("olga")
	approval, err := operator.Approval(ctx, asked.Approval.ID)
	if err != nil {
		return err
	}
	s.sayf("olga, an operator, reads the approval request: %s by %s, risk %s\n       arguments %v", approval.Action.ID, approval.Principal.ID, approval.RiskTier, approval.Arguments)
	if _, err := operator.Approve(ctx, approval.ID, approval.ActionDigest, "agreed by phone"); err != nil {
		return err
	}
	s.sayf("olga approves this request, with its digest %.23s…", approval.ActionDigest)
	if err := s.poll(ctx, asked.Approval.URL, aureus.ApprovalApproved); err != nil {
		return err
	}

	if _, err := s.expect(ctx, "clerk-7 presents the approval with another amount", "clerk-7", "POST /transfers", transfer(2600), approval.ID, 403, string(aureus.ReasonApprovalMismatch)); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 repeats the approved request unchanged", "clerk-7", "POST /transfers", large, approval.ID, 200, ""); err != nil {
		return err
	}
	_, err = s.expect(ctx, "clerk-7 replays it once more", "clerk-7", "POST /transfers", large, approval.ID, 403, string(aureus.ReasonApprovalConsumed))
	return err
}

// poll asks the ledger, as an agent does, for the status of its approval.
func (s *story) poll(ctx context.Context, url string, want aureus.ApprovalStatus) error {
	a, err := s.expect(ctx, "clerk-7 asks where its approval is", "clerk-7", "GET "+url, nil, "", 200, "")
	if err == nil && a.Status != string(want) {
		err = fmt.Errorf("the status of the approval should be %s", want)
	}
	return err
}

func (s *story) policyChange(ctx context.Context) error {
	mistake := strings.Replace(secondPolicy(), "actions: [transfer.make], when", "actions: [transfer.mak], when", 1)
	err := s.plane.putPolicy(ctx, mistake)
	if !errors.Is(err, aureus.ErrInvalid) {
		return fmt.Errorf("a bundle with a mistake should be refused, but: %w", err)
	}
	s.sayf("a policy with a mistake in a rule is refused, and changes nothing:\n       %s", problemsOf(err))
	if err := s.plane.putPolicy(ctx, secondPolicy()); err != nil {
		return err
	}
	s.sayf("version 2 of the policy is in force, with one rule more:\n       %s", noZeta)
	if err := waitForVersion(ctx, s.service.follower, 2); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 tries to transfer 20 to zeta, which passed before", "clerk-7", "POST /transfers", transfer(20), "", 403, string(aureus.ReasonRuleDenied)); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 transfers 20 to beta", "clerk-7", "POST /transfers", Transfer{From: "acme", To: "beta", Amount: 20}, "", 200, ""); err != nil {
		return err
	}
	return s.stopped(ctx)
}

// stopped shows that an operator ends everything that an agent does.
func (s *story) stopped(ctx context.Context) error {
	olga := s.plane.server.Operator("olga")
	if _, err := olga.StopPolicy(ctx, "principal:clerk-7", "under investigation"); err != nil {
		return err
	}
	s.sayf("olga stops clerk-7, whatever it may do")
	if err := waitForStops(ctx, s.service.follower, 1); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-7 tries to read an account", "clerk-7", "GET /accounts/acme", nil, "", 403, string(aureus.ReasonStopped)); err != nil {
		return err
	}
	if _, err := s.expect(ctx, "clerk-8, another clerk, reads it", "clerk-8", "GET /accounts/acme", nil, "", 200, ""); err != nil {
		return err
	}
	if _, err := olga.ResumePolicy(ctx, "principal:clerk-7"); err != nil {
		return err
	}
	s.sayf("olga removes the stop")
	if err := waitForStops(ctx, s.service.follower, 0); err != nil {
		return err
	}
	_, err := s.expect(ctx, "clerk-7 reads the account again", "clerk-7", "GET /accounts/acme", nil, "", 200, "")
	return err
}

func (s *story) outage(ctx context.Context) error {
	if err := s.plane.stop(); err != nil {
		return err
	}
	s.sayf("the control plane is stopped")
	if _, err := s.expect(ctx, "clerk-7 reads an account meanwhile, since the ledger has the policy", "clerk-7", "GET /accounts/acme", nil, "", 200, ""); err != nil {
		return err
	}
	large := Transfer{From: "acme", To: "beta", Amount: 1500}
	if _, err := s.expect(ctx, "clerk-7 tries a large transfer, but no person can be asked", "clerk-7", "POST /transfers", large, "", 503, "UNDECIDED"); err != nil {
		return err
	}
	if err := s.plane.start(ctx); err != nil {
		return err
	}
	s.sayf("the control plane is started again with the same files")
	if _, err := s.expect(ctx, "clerk-7 tries the large transfer again", "clerk-7", "POST /transfers", large, "", 403, string(aureus.ReasonHighRisk)); err != nil {
		return err
	}
	a, err := s.expect(ctx, "clerk-7 reads the account once more", "clerk-7", "GET /accounts/acme", nil, "", 200, "")
	if err == nil && (a.Balance == nil || *a.Balance != 5000-20-2500-20) {
		err = fmt.Errorf("the balance should be %d", 5000-20-2500-20)
	}
	return err
}

func transfer(amount int64) Transfer { return Transfer{From: "acme", To: "zeta", Amount: amount} }

// expect sends a request and fails unless the response has the expected status
// and code.
func (s *story) expect(ctx context.Context, what, agent, target string, body any, ticket string, status int, code string) (answer, error) {
	a, err := s.send(ctx, agent, target, body, ticket)
	if err != nil {
		return a, fmt.Errorf("%s: %w", what, err)
	}
	s.sayf("%s\n       %s -> %d %s", what, target, a.status, a.summary())
	if a.status != status || a.Code != code {
		return a, fmt.Errorf("%s: expected status %d %s", what, status, code)
	}
	return a, nil
}

func (s *story) send(ctx context.Context, agent, target string, body any, ticket string) (answer, error) {
	method, path, _ := strings.Cut(target, " ")
	var payload io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.service.url()+path, payload)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if agent != "" {
		request.Header.Set("X-Agent", agent)
	}
	if ticket != "" {
		request.Header.Set(middleware.ApprovalHeader, ticket)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode}
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&a)
	return a, err
}

func (a answer) summary() string {
	switch {
	case a.Balance != nil:
		return fmt.Sprintf("balance %d", *a.Balance)
	case a.Left != nil:
		return fmt.Sprintf("done, %d left", *a.Left)
	case a.Code == "" && a.Next != "":
		return fmt.Sprintf("%v. %s", a.Status, a.Next)
	}
	text := a.Code + ": " + a.Title
	if a.Approval.ID != "" {
		text += ", approval " + a.Approval.ID
	}
	if a.Remediation != "" {
		text += "\n       remediation: " + a.Remediation
	}
	return text
}

func (s *story) sayf(format string, args ...any) {
	s.step++
	fmt.Fprintf(s.out, "%4d.  %s\n", s.step, fmt.Sprintf(format, args...))
}
