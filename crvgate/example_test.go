package crvgate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
)

// Payment is the change in these examples.
type Payment struct {
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// Account is the state that a payment changes.
type Account struct {
	Balance int64 `json:"balance"`
	Version int64 `json:"version"`
}

func withinLimit(_ context.Context, change crvgate.Change[Payment]) aureus.ValidationResult {
	if change.Data.Amount > 500 {
		return crvgate.Fail(aureus.OutOfScope, "a payment is at most 500")
	}
	return crvgate.Pass()
}

func knownPayee(_ context.Context, change crvgate.Change[Payment]) aureus.ValidationResult {
	if change.Data.To == "" {
		return crvgate.Fail(aureus.MissingData, "there is no payee")
	}
	return crvgate.Pass()
}

func pay(_ context.Context, p Payment) error {
	fmt.Println("paid", p.Amount, "to", p.To)
	return nil
}

// The function runs only if every validator passes.
func ExampleWrap() {
	apply := crvgate.Wrap(crvgate.New("payments", withinLimit, knownPayee), pay)

	ctx := context.Background()
	fmt.Println(apply(ctx, Payment{To: "acme", Amount: 20}))
	fmt.Println(apply(ctx, Payment{To: "acme", Amount: 900}))
	// Output:
	// paid 20 to acme
	// <nil>
	// crvgate: gate "payments" blocked the change: OUT_OF_SCOPE: a payment is at most 500 (Check the allowed range or scope of the operation and bring the value inside it.)
}

// WrapValue is for a function that returns a value.
func ExampleWrapValue() {
	charge := crvgate.WrapValue(crvgate.New("payments", withinLimit), func(_ context.Context, p Payment) (string, error) {
		return "receipt for " + p.To, nil
	})
	receipt, err := charge(context.Background(), Payment{To: "acme", Amount: 20})
	fmt.Println(receipt, err)
	// Output: receipt for acme <nil>
}

// The error has the results of all validators. It matches ErrUndecided if every failure
// is a TOOL_ERROR.
func ExampleBlocked() {
	broken := func(context.Context, crvgate.Change[Payment]) aureus.ValidationResult {
		panic("the rates are not available")
	}
	err := crvgate.New("payments", withinLimit, broken, knownPayee).Check(context.Background(), crvgate.Change[Payment]{})

	if blocked, ok := errors.AsType[*crvgate.Blocked](err); ok {
		for _, result := range blocked.Result.ValidationResults {
			fmt.Println(strings.TrimSpace(fmt.Sprintf("valid %t %s", result.Valid, result.Remediation)))
		}
	}
	fmt.Println(errors.Is(err, crvgate.ErrUndecided), crvgate.FailureCode(err))

	onlyBroken := crvgate.New("payments", withinLimit, broken).Check(context.Background(), crvgate.Change[Payment]{})
	fmt.Println(errors.Is(onlyBroken, crvgate.ErrUndecided), crvgate.FailureCode(onlyBroken))
	// Output:
	// valid true
	// valid false Read the tool's logs, and check its configuration and error handling.
	// valid false Supply the absent fields; check the input schema and the step that extracts the data.
	// false TOOL_ERROR
	// true TOOL_ERROR
}

// Ready-made validators see the change as JSON. Previous loads the state before the
// change.
func ExampleGate_With() {
	stored := Account{Balance: 100, Version: 7}
	gate := crvgate.New("accounts", func(context.Context, crvgate.Change[Account]) aureus.ValidationResult { return crvgate.Pass() }).
		With(validators.BalancePositive(), validators.TemporalMonotonic(validators.TemporalOptions{})).
		Previous(func(context.Context, Account) (Account, bool, error) { return stored, true, nil }).
		RequireConfidence(0.9)
	save := crvgate.Wrap(gate, func(_ context.Context, a Account) error { stored = a; return nil })

	ctx := context.Background()
	fmt.Println(crvgate.FailureCode(save(ctx, Account{Balance: 80, Version: 7})))
	fmt.Println(save(ctx, Account{Balance: 80, Version: 8}), stored)
	// Output:
	// CONFLICT
	// <nil> {80 8}
}

// A gate that does not block admits the change and reports what failed.
func ExampleGate_NonBlocking() {
	gate := crvgate.New("payments", withinLimit).NonBlocking().Recover(aureus.Escalate{Reason: "a person checks large payments"}).
		Observe(func(_ context.Context, report crvgate.Report) {
			fmt.Println(report.Result.CRVStatus, report.Result.FailureCode, report.Result.RecoveryStrategy["type"])
		})
	fmt.Println(crvgate.Wrap(gate, pay)(context.Background(), Payment{To: "acme", Amount: 900}))
	// Output:
	// warning OUT_OF_SCOPE escalate
	// paid 900 to acme
	// <nil>
}

// The gates of a chain run in order until one blocks.
func ExampleChain() {
	chain := crvgate.Chain(crvgate.New("shape", knownPayee), crvgate.New("limits", withinLimit))
	fmt.Println(len(chain.Validate(context.Background(), crvgate.Change[Payment]{})))
	fmt.Println(crvgate.Wrap(chain, pay)(context.Background(), Payment{To: "acme", Amount: 5}))
	// Output:
	// 1
	// paid 5 to acme
	// <nil>
}

// memoryLog keeps gate records; a service uses an aureus.Recorder.
type memoryLog struct{ records []aureus.GateRecord }

func (l *memoryLog) RecordGate(_ context.Context, record aureus.GateRecord) {
	l.records = append(l.records, record)
}

// Record puts every judgement into an audit log, and Describe gives the change its id.
func ExampleRecord() {
	log := &memoryLog{}
	gate := crvgate.New("payments", withinLimit).
		Describe(func(_ context.Context, p Payment) (string, map[string]any) { return "payment to " + p.To, nil }).
		Observe(crvgate.Record(log))
	_ = crvgate.Wrap(gate, pay)(context.Background(), Payment{To: "acme", Amount: 900})
	fmt.Println(log.records[0].GateName, log.records[0].CommitID, log.records[0].Blocked, log.records[0].FailureCode)
	// Output: payments payment to acme true OUT_OF_SCOPE
}

// Previous loads the state before a change, so that a validator can compare the two.
func ExampleGate_Previous() {
	stored := Account{Balance: 100, Version: 7}
	nextVersion := func(_ context.Context, change crvgate.Change[Account]) aureus.ValidationResult {
		if change.HasPrevious && change.Data.Version != change.Previous.Version+1 {
			return crvgate.Fail(aureus.Conflict, "the account has changed in the meantime")
		}
		return crvgate.Pass()
	}
	gate := crvgate.New("accounts", nextVersion).
		Previous(func(context.Context, Account) (Account, bool, error) { return stored, true, nil })
	ctx := context.Background()
	fmt.Println(gate.Check(ctx, crvgate.Change[Account]{Data: Account{Balance: 80, Version: 8}}))
	fmt.Println(crvgate.FailureCode(gate.Check(ctx, crvgate.Change[Account]{Data: Account{Balance: 80, Version: 7}})))
	// Output:
	// <nil>
	// CONFLICT
}

// With a required confidence, a validator that is not sure blocks the change.
func ExampleGate_RequireConfidence() {
	guess := func(context.Context, crvgate.Change[Payment]) aureus.ValidationResult {
		result := crvgate.Pass()
		result.Confidence = new(0.6)
		return result
	}
	gate := crvgate.New("payments", guess).RequireConfidence(0.8)
	fmt.Println(crvgate.FailureCode(gate.Check(context.Background(), crvgate.Change[Payment]{})))
	// Output: LOW_CONFIDENCE
}

// In a test, DetectMutation finds a validator that modifies the change.
func ExampleGate_DetectMutation() {
	clears := func(_ context.Context, change crvgate.Change[*Payment]) aureus.ValidationResult {
		change.Data.To = ""
		return crvgate.Pass()
	}
	gate := crvgate.New("payments", clears).DetectMutation()
	fmt.Println(gate.Check(context.Background(), crvgate.Change[*Payment]{Data: &Payment{To: "acme"}}))
	// Output: crvgate: gate "payments" blocked the change: TOOL_ERROR: validator 1 modified the change it was given (Read the tool's logs, and check its configuration and error handling.)
}
